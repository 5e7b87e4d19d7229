"""What lies beside the archive of a backup that Velero wrote. Any of it may be absent, and none of it is trusted."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

import msgspec

from runner.archive.layout import VELERO, VELERO_BACKUP, velero_key
from runner.archive.velero import read_velero_backup
from runner.engine.fetch import DOCUMENT_BYTES
from runner.engine.velero.velero import VeleroBackup, unpacked
from runner.errors import BackupDamaged, KeyNotFound
from runner.model.velero import VeleroDetails, VeleroVolume

T = TypeVar("T")

RESOURCE_LIST = "resource-list"

_RESULT_LINES = 1000  # of errors, and of warnings: enough to read


class _Result(msgspec.Struct):
    velero: list[str] | None = None
    cluster: list[str] | None = None
    namespaces: dict[str, list[str]] | None = None

    def messages(self) -> tuple[str, ...]:
        """Each in one line, with its namespace."""
        everywhere = [*(self.velero or ()), *(self.cluster or ())]
        below = [f"{name}: {text}" for name, texts in (self.namespaces or {}).items() for text in texts]
        return tuple(" ".join(text.split()) for text in (*everywhere, *below)[:_RESULT_LINES])


class _Results(msgspec.Struct):
    errors: _Result = msgspec.field(default_factory=_Result)
    warnings: _Result = msgspec.field(default_factory=_Result)


class _VolumeInfo(msgspec.Struct, rename="camel"):
    pvc_name: str = ""
    pvc_namespace: str = ""
    pv_name: str = ""
    backup_method: str = ""
    snapshot_data_moved: bool = False
    skipped: bool = False
    skipped_reason: str = ""
    result: str = ""


class _SnapshotSpec(msgspec.Struct, rename="camel"):
    persistent_volume_name: str = ""


class _SnapshotStatus(msgspec.Struct, rename="camel"):
    provider_snapshot_id: str = msgspec.field(default="", name="providerSnapshotID")
    phase: str = ""


class _Snapshot(msgspec.Struct):
    spec: _SnapshotSpec = msgspec.field(default_factory=_SnapshotSpec)
    status: _SnapshotStatus = msgspec.field(default_factory=_SnapshotStatus)


_LIST = msgspec.json.Decoder(dict[str, list[str]] | None)
_RESULTS = msgspec.json.Decoder(_Results | None)
_VOLUMES = msgspec.json.Decoder(list[_VolumeInfo] | None)
_SNAPSHOTS = msgspec.json.Decoder(list[_Snapshot] | None)


class Sidecars:
    """The keys of a backup but its archive."""

    def __init__(self, backup: VeleroBackup) -> None:
        self.backup = backup
        self.name = backup.committed.address.name

    def sizes(self) -> dict[str, int]:
        """Every key of the backup, with its size in the store."""
        prefix = VELERO.prefix(*self.backup.committed.address)
        return {stored.key.removeprefix(prefix): stored.size for stored in self.backup.reading.keys(prefix)}

    def fault(self, key: str, size: int) -> str:
        """What is wrong with a key of that size, as far as gzip tells; "" where nothing is."""
        if not key.endswith(".gz"):
            return ""
        try:
            whole = unpacked(self.backup.reading.pieces(self.backup.key(key), 0, size), size)
            while whole.take(1 << 20):
                pass
        except (BackupDamaged, KeyNotFound) as error:
            return error.message
        return ""

    def read(self, what: str, decoder: msgspec.json.Decoder[T | None]) -> T | None:
        """One of Velero's documents; None where it is absent, or holds nothing. BackupDamaged."""
        try:
            raw = self.backup.reading.document(self.backup.key(velero_key(what, self.name)))
        except KeyNotFound:
            return None
        content = unpacked([raw], len(raw)).read(DOCUMENT_BYTES)
        try:
            return decoder.decode(content)
        except (ValueError, RecursionError) as error:
            raise BackupDamaged(f"it is none of Velero's: {error}") from error

    def resource_list(self) -> dict[str, list[str]] | None:
        """`apps/v1/Deployment` → names of the items; None where it is absent. BackupDamaged."""
        return self.read(RESOURCE_LIST, _LIST)


def velero_details(backup: VeleroBackup) -> VeleroDetails:
    """All that is known of a backup without fetching its archive. What cannot be read is noted."""
    sidecars, notes = Sidecars(backup), list[str]()

    def read(what: str, decoder: msgspec.json.Decoder[T | None]) -> T | None:
        try:
            found = sidecars.read(what, decoder)
        except BackupDamaged as error:
            notes.append(f"{velero_key(what, sidecars.name)} cannot be read: {error.message}")
            return None
        return found

    listed = read(RESOURCE_LIST, _LIST)
    results = read("results", _RESULTS) or _Results()
    volumes = [_volume(info) for info in read("volumeinfo", _VOLUMES) or ()]
    if not volumes:
        volumes = [_snapshot(taken) for taken in read("volumesnapshots", _SNAPSHOTS) or ()]
    if listed is None and not notes:
        notes.append("Velero's list of items is absent: `trysail get` reads them from the archive")
    resource = read_velero_backup(backup.manifest(), VELERO_BACKUP, sidecars.name)
    return VeleroDetails(
        location=resource.spec.storage_location,
        included_namespaces=tuple(resource.spec.included_namespaces or ()),
        expires=resource.status.expiration or "",
        types={kind: len(names) for kind, names in (listed or {}).items()},
        namespaces=Counter(_namespace(name) for names in (listed or {}).values() for name in names),
        errors=results.errors.messages(),
        warnings=results.warnings.messages(),
        volumes=tuple(volumes),
        notes=tuple(notes),
    )


def _namespace(name: str) -> str:
    namespace, slash, _ = name.partition("/")
    return namespace if slash else ""


def _volume(info: _VolumeInfo) -> VeleroVolume:
    claim = f"{info.pvc_namespace}/{info.pvc_name}" if info.pvc_name else ""
    if info.skipped:
        return VeleroVolume(claim, info.pv_name, "", info.skipped_reason.strip("; ") or "skipped")
    method = info.backup_method + (", data moved" if info.snapshot_data_moved else "")
    return VeleroVolume(claim, info.pv_name, method, info.result)


def _snapshot(taken: _Snapshot) -> VeleroVolume:
    return VeleroVolume("", taken.spec.persistent_volume_name, "NativeSnapshot", taken.status.phase)
