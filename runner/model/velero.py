"""What Velero itself has recorded of a backup, beside the objects: its results, its volumes, what it was asked for."""

from __future__ import annotations

import msgspec

VELERO = "velero"  # stands where Velero has no word: for the cluster, and for the policy without a schedule


class VeleroVolume(msgspec.Struct, frozen=True):
    """A volume, and what became of its data."""

    claim: str  # namespace/name; "" where nothing claims it
    volume: str  # the PersistentVolume's name
    method: str  # CSISnapshot, NativeSnapshot, PodVolumeBackup; "" where it was skipped
    note: str  # why it was skipped, or how it went; "" where there is nothing to say


class VeleroDetails(msgspec.Struct, frozen=True):
    """What lies beside the archive. All of it may be absent: Velero wrote less of it in earlier versions."""

    location: str
    included_namespaces: tuple[str, ...]
    expires: str  # RFC 3339; "" for never
    types: dict[str, int]  # `apps/v1/Deployment` → items
    namespaces: dict[str, int]  # "" for the cluster
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    volumes: tuple[VeleroVolume, ...]
    notes: tuple[str, ...]  # what is absent, or cannot be read
