"""Manifest: the record of a backup. It is written last, and a backup without it does not exist."""

from __future__ import annotations

from typing import Any

import msgspec

from runner.model.plan import Gap, LeftOut, PlannedCluster

MANIFEST_FORMAT = "1.1"  # 1.1: how many volumes had which outcome

COMPLETED = "Completed"
PARTIALLY_FAILED = "PartiallyFailed"
FAILED = "Failed"  # of Velero's alone: a run of ours that fails leaves no backup


class StoredKey(msgspec.Struct, frozen=True):
    """An object of the backup, as it was proven to lie in the store."""

    size: int
    sha256: str  # hexadecimal


class Listed(msgspec.Struct, frozen=True, rename="camel"):
    """How one step of the plan went. Each list is consistent in itself where it says so; none with another."""

    resource: str
    namespace: str
    planned: int
    stored: int
    resource_version: str
    consistent: bool


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup holds and how it came to be. `digest` is that of the canonical JSON of all the rest."""

    format_version: str
    kind: str  # Backup
    digest: str
    name: str
    phase: str  # Completed | PartiallyFailed | Failed
    cluster: PlannedCluster
    server: str
    server_version: str
    policy_name: str
    policy: dict[str, Any]
    plan_digest: str
    started: str  # RFC 3339, UTC
    completed: str
    trysail_version: str
    items: int
    size: int  # bytes of YAML
    keys: dict[str, StoredKey]
    lists: tuple[Listed, ...]
    left_out: tuple[LeftOut, ...]  # by the run itself; those of the plan are in plan.json
    missing: tuple[Gap, ...]
    warnings: tuple[str, ...]
    volumes: dict[str, int] = {}  # outcome (stored, failed, skipped, uncovered) -> volumes
