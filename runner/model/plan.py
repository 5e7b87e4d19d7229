"""Plan: the frozen, ordered intent of a backup. Decisions, not contents; canonical and without time or secrets."""

from __future__ import annotations

from typing import Any

import msgspec

from runner.model.hooks import PlannedHook
from runner.model.volumes import PlannedVolume

PLAN_FORMAT = "2.0"  # 2: the ledger of volumes, and hooks


class PlannedCluster(msgspec.Struct, frozen=True, rename="camel"):
    """The cluster that the plan is for; `name` is what stands in keys."""

    name: str
    uid: str


class Step(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The items of one resource in one namespace ("" for the cluster) that will be stored.

    Where `names` is given, exactly those; else every item that the policy's item filters accept, `count` of them when
    the plan was made.
    """

    resource: str  # deployments.apps
    api_version: str  # apps/v1
    kind: str
    namespace: str
    count: int
    why: str
    names: tuple[str, ...] | None = None


class LeftOut(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something that is there and will not be stored, by rule."""

    what: str  # a type, a namespace or `type in namespace`
    why: str
    count: int | None = None  # items; None where they were not counted, since nothing asks for them


class Gap(msgspec.Struct, frozen=True, rename="camel"):
    """Something that the policy selects, or might, and that could not be read."""

    what: str
    reason: str


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """What a run will do. `digest` is that of the canonical JSON of all the rest, and names the plan."""

    format_version: str
    kind: str  # BackupPlan
    digest: str
    cluster: PlannedCluster
    policy_name: str
    policy: dict[str, Any]  # the merged document, as written
    location: dict[str, Any]  # the location's spec: references to secrets, never secrets
    keys: str  # where the backup will lie, with {backup} for its name
    basis: str  # digest of the facts the plan rests on
    volumes: tuple[PlannedVolume, ...]  # the ledger, sorted by name
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...]
    gaps: tuple[Gap, ...]
    empty_includes: tuple[str, ...]  # includes that match nothing
    warnings: tuple[str, ...]
    hooks: tuple[PlannedHook, ...] = ()  # in Pods, sorted by Pod and order
    snapshot_location: dict[str, Any] | None = None  # the spec: references to secrets, never secrets

    @property
    def items(self) -> int:
        """How many items the plan counts."""
        return sum(step.count for step in self.steps)

    @property
    def uncovered(self) -> tuple[PlannedVolume, ...]:
        """The volumes whose data nothing protects."""
        return tuple(volume for volume in self.volumes if volume.method == "uncovered")

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Every claim and PersistentVolume of the ledger: what is gone makes a saved plan stale. Sorted."""
        claims = {f"persistentvolumeclaims/{volume.claim}" for volume in self.volumes if volume.claim}
        volumes = {f"persistentvolumes/{volume.volume}" for volume in self.volumes if volume.volume}
        return tuple(sorted(claims | volumes))
