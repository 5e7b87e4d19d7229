"""The ledger: every volume with what becomes of it and why; and what a snapshot of one is."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

VOLUMES_FORMAT = "2.0"

Method = Literal["native-snapshot", "csi-snapshot", "fs-backup", "skip", "uncovered"]

# What keeps a volume's data.
KEEPING: frozenset[Method] = frozenset({"native-snapshot", "csi-snapshot", "fs-backup"})


class PlannedVolume(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A line of the plan's ledger: a claim with its volume, a volume that nothing claims, or a volume within a Pod."""

    method: Method
    why: str  # the rule that decided it
    claim: str = ""  # namespace/name; "" for what no claim names
    volume: str = ""  # the PersistentVolume's name; "" while the claim is unbound, and within a Pod
    pod: str = ""  # namespace/name, for a volume that lives within a Pod
    pod_volume: str = ""  # its name there
    capacity: str = ""  # a Kubernetes quantity
    storage_class: str = ""
    source: str = ""  # the CSI driver, or the field that says where its bytes are: nfs, emptyDir
    handle: str = ""  # the provider's own word for it
    uid: str = ""  # of the PersistentVolume
    snapshot_class: str = ""  # the VolumeSnapshotClass, for a CSI snapshot

    @property
    def name(self) -> str:
        """Names the line among all of a cluster: the claim, `namespace/pod:volume`, or the PersistentVolume."""
        return self.claim or (f"{self.pod}:{self.pod_volume}" if self.pod else self.volume)

    @property
    def namespace(self) -> str:
        """Where it is used; "" for a volume that nothing claims."""
        return (self.claim or self.pod).partition("/")[0]

    @property
    def keeps(self) -> bool:
        """Whether its data is to be kept."""
        return self.method in KEEPING


class Disk(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A native disk as its provider had it when its snapshot was taken: what a new one is made like."""

    zone: str
    type: str  # gp3, io2 …
    size: int  # GiB
    iops: int = 0
    throughput: int = 0  # MiB/s
    encrypted: bool = False
    kms_key: str = ""
    multi_attach: bool = False
    tags: dict[str, str] = {}


class Snapshot(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A volume's data at a point in time, as its provider keeps it."""

    provider: Literal["aws", "csi", "restic"]
    id: str  # snap-…, the CSI driver's handle, restic's id; "" until the provider has given it
    state: Literal["asked", "cut", "ready", "failed"]  # cut: the point in time is taken; ready: it can be restored from
    started: str = ""  # RFC 3339, UTC: when it was asked for, or the provider's own word for the point in time
    size: int = 0  # bytes that a restore needs, where they are known
    reason: str = ""  # why it failed, or the provider's word on where it stands
    object: str = ""  # what stands for it in the cluster: namespace/name of a VolumeSnapshot, or of a Job
    driver: str = ""  # CSI
    repository: str = ""  # restic: key prefix of the repository in the policy's location
    files: int = 0  # restic
    stored: int = 0  # restic: bytes that were added to the repository
    disk: Disk | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from all others, from the moment when it is asked for: what stands for it, or its id."""
        return (self.provider, self.object, "" if self.object else self.id)


class StoredVolume(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A line of the run's ledger: what was planned, and what happened. In `volumes.json`."""

    planned: PlannedVolume
    outcome: Literal["stored", "failed", "skipped", "uncovered"]
    snapshot: Snapshot | None = None
    error: str = ""
    adopted: bool = False  # made by a run of the same plan that was killed
    frozen: float = 0  # seconds that its group was frozen, hooks included; 0 without hooks


class VolumesRecord(msgspec.Struct, frozen=True, rename="camel"):
    """`volumes.json`: the run's ledger, and what is needed to reach its snapshots without the policy."""

    volumes: tuple[StoredVolume, ...]
    snapshot_location: dict[str, Any] | None = None  # the VolumeSnapshotLocation's spec: references, never secrets
    fs_backup: dict[str, Any] | None = None  # the policy's fsBackup: the same
    format_version: str = VOLUMES_FORMAT
    kind: str = "Volumes"


class RunTags(msgspec.Struct, frozen=True, rename="camel"):
    """Which run a snapshot belongs to; each is a tag, or a label, on it."""

    cluster: str
    policy: str
    backup: str
    plan: str  # the plan's digest
    user: dict[str, str] = {}  # the VolumeSnapshotLocation's own
    location: str = ""  # where its backup is to lie, in one word


class FoundSnapshot(msgspec.Struct, frozen=True):
    """A snapshot that carries our tags, as the provider has it."""

    snapshot: Snapshot
    backup: str  # of its tags
    plan: str
    volume_uid: str
    claim: str = ""
    location: str = ""  # where its backup is to lie; "" where that is not known


class RestoringVolume(msgspec.Struct, frozen=True, rename="camel"):
    """A claim whose data a restore brings back, as its provider is asked."""

    stored: StoredVolume
    namespace: str  # of the claim, where it goes
    claim: str  # its name there
    backup: str
    cluster: str  # UID of the target, so that two clusters of one backup do not share a volume
    storage_class: str = ""  # as the claim will have it
    user_tags: dict[str, str] = {}


class Brought(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How far a volume is, on its way back."""

    state: Literal["pending", "ready", "failed"]
    handle: str = ""  # the new volume's, for a native one
    zone: str = ""  # where it is
    object: str = ""  # namespace/name of the VolumeSnapshot that the claim takes its data from, or of the Job
    reason: str = ""
    adopted: bool = False  # made by an earlier try of this restore
