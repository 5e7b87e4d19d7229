"""What was loaded from files: merged policies and the locations they name."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.model.location import LocationSpec
from runner.model.policy import BackupPolicy
from runner.model.restore_policy import RestorePolicy
from runner.model.snapshot_location import SnapshotLocationSpec


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A policy after `extends` is merged, with the location it names in place."""

    policy: BackupPolicy  # merged; `extends` is None, `spec.storage_location` still as written
    location: LocationSpec
    location_name: str  # the BackupStorageLocation's name; "" where the policy writes it out
    file: str  # where the policy was read from
    snapshot_location: SnapshotLocationSpec | None = None  # where the policy names or writes one


@dataclass(frozen=True, slots=True)
class ResolvedRestore:
    """A RestorePolicy, with the location it names in place."""

    policy: RestorePolicy  # as written
    location: LocationSpec | None  # None where the policy has none, and the command line has to say it
    location_name: str  # the BackupStorageLocation's name; "" where the policy writes it out, or has none
    file: str  # where the policy was read from
    snapshot_location: SnapshotLocationSpec | None = None  # where the policy names or writes one


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Every document of the given paths, checked as a whole. Sorted by name."""

    policies: tuple[ResolvedPolicy, ...]
    locations: dict[str, LocationSpec]
    restores: tuple[ResolvedRestore, ...] = ()
    snapshot_locations: dict[str, SnapshotLocationSpec] = field(default_factory=dict)
