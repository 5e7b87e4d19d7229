"""RestorePlan: what a restore will do to each item, and why. Decisions, not contents; canonical, without secrets."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from runner.model.plan import Gap, LeftOut
from runner.model.volumes import Method

RESTORE_FORMAT = "1.0"

Action = Literal["create", "update", "recreate", "unchanged", "skip", "conflict", "invalid"]

# What changes the cluster; everything else leaves it as it is.
CHANGING: frozenset[Action] = frozenset({"create", "update", "recreate"})


class BackupRef(msgspec.Struct, frozen=True, rename="camel"):
    """The backup that is restored. `digest` is that of its manifest: the same name with other contents is another."""

    name: str
    cluster: str
    policy: str
    digest: str
    completed: str  # ISO 8601, UTC
    cluster_uid: str = ""  # where it is known


class TargetCluster(msgspec.Struct, frozen=True, rename="camel"):
    """Where it is restored to. `uid` is that of the namespace kube-system."""

    uid: str
    context: str
    server: str


class RestoreStep(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Items of one type in one namespace that share a fate. `names` are those in the backup, in its order."""

    tier: int  # tiers are done one after the other; within one, many at once
    resource: str  # deployments.apps
    api_version: str  # in which they are sent
    kind: str
    namespace: str  # where they go; "" for the cluster
    action: Action
    why: str
    names: tuple[str, ...]
    source: str = ""  # the namespace in the backup, where it is another one
    unverifiable: str = ""  # why the API server's own dry run could not tell


class RestoreVolume(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What becomes of the data of a claim that is restored; sorted by namespace and claim.

    `restore` brings it back; `empty` leaves the claim to be provisioned anew; `leave` touches neither a claim nor a
    volume that is there; `refuse` names data that the backup has and that cannot be brought back.
    """

    namespace: str  # where the claim goes
    claim: str
    action: Literal["restore", "empty", "leave", "refuse"]
    method: Method  # by which the backup keeps it
    why: str
    source: str = ""  # the claim's namespace in the backup, where it is another one
    snapshot: str = ""  # the provider's own word for it
    driver: str = ""  # the CSI driver, or what else provided the volume
    capacity: str = ""
    repository: str = ""  # of its files: the key prefix in the backup's location


class FieldChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A field whose live value is not the stored one. Values are JSON, cut where they are long; a Secret's are digests.

    `None` stands for a field that is not there; `owner` is the field manager in the way, where one is.
    """

    path: str  # spec.template.spec.containers[name=web].image
    live: Any = None
    stored: Any = None
    owner: str = ""


class ItemChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What differs between a live item and the stored one; for update, recreate, conflict and differing skip."""

    resource: str
    namespace: str  # where it goes
    name: str
    fields: tuple[FieldChange, ...]


class RestorePlan(msgspec.Struct, frozen=True, rename="camel"):
    """What a restore will do. `digest` is that of the canonical JSON of all the rest, and names the plan."""

    format_version: str
    kind: str  # RestorePlan
    digest: str
    backup: BackupRef
    target: TargetCluster
    policy_name: str
    policy: dict[str, Any]  # the RestorePolicy's document, as written
    location: dict[str, Any]  # where the backup lies: references to secrets, never secrets
    steps: tuple[RestoreStep, ...]
    changes: tuple[ItemChange, ...]
    left_out: tuple[LeftOut, ...]  # in the backup, and not restored by a rule
    gaps: tuple[Gap, ...]  # what could not be looked at, and rights that are missing
    empty_includes: tuple[str, ...]
    warnings: tuple[str, ...]
    server_dry_run: bool = False
    volumes: tuple[RestoreVolume, ...] = ()
    snapshot_location: dict[str, Any] | None = None  # where native snapshots lie: references, never secrets
    fs_backup: dict[str, Any] | None = None  # how files are brought back: the same

    def count(self, *actions: Action) -> int:
        """How many items have one of these fates."""
        return sum(len(step.names) for step in self.steps if step.action in actions)

    @property
    def items(self) -> int:
        """How many items the plan changes."""
        return self.count("create", "update", "recreate")

    @property
    def changes_anything(self) -> bool:
        """Whether doing the plan changes the target: items, or the data of volumes."""
        return bool(self.items) or any(volume.action == "restore" for volume in self.volumes)
