"""Reads `volumes.json` of a backup: what became of its volumes. Both our present form, and that of format 1.

Format 1 named the volumes whose data was not stored, and nothing else; it has no `kind`.
"""

from __future__ import annotations

import hashlib

import msgspec

from runner.archive.layout import MANIFEST, VOLUMES
from runner.engine.extract import Backup
from runner.errors import BackupDamaged, KeyNotFound
from runner.model.manifest import StoredKey
from runner.model.volumes import VOLUMES_FORMAT, PlannedVolume, StoredVolume, VolumesRecord

_FIRST = "1"
_KIND = "Volumes"


class _Form(msgspec.Struct, rename="camel"):
    format_version: str
    kind: str = ""


class _Uncovered(msgspec.Struct, rename="camel"):
    """A line of format 1."""

    claim: str = ""
    volume: str = ""
    capacity: str = ""
    storage_class: str = ""
    source: str = ""
    why: str = ""


class _FirstForm(msgspec.Struct):
    volumes: tuple[_Uncovered, ...]


_FORM = msgspec.json.Decoder(_Form)
_RECORD = msgspec.json.Decoder(VolumesRecord)
_FIRST_FORM = msgspec.json.Decoder(_FirstForm)


def read_volumes(backup: Backup) -> VolumesRecord:
    """The ledger of the backup's run. BackupDamaged where it is not what the manifest vouches for."""
    name = backup.committed.address.name
    key = backup.layout.prefix(*backup.committed.address) + VOLUMES
    recorded = backup.committed.manifest.keys.get(VOLUMES)
    if recorded is None:
        raise _damaged(name, key, MANIFEST, f"it does not have {VOLUMES}")
    try:
        raw = backup.reading.document(key)
    except (BackupDamaged, KeyNotFound) as error:
        raise _damaged(name, key, VOLUMES, error.message) from error
    if StoredKey(size=len(raw), sha256=hashlib.sha256(raw).hexdigest()) != recorded:
        raise _damaged(name, key, VOLUMES, "its SHA-256 is not the one that was recorded")
    try:
        return volumes_of(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, key, VOLUMES, str(error)) from error


def volumes_of(raw: bytes) -> VolumesRecord:
    """The record that `raw` is. ValueError where it is none, or one of a newer major format."""
    form = _FORM.decode(raw)
    major = form.format_version.partition(".")[0]
    if major == _FIRST:
        return VolumesRecord(volumes=tuple(map(_uncovered, _FIRST_FORM.decode(raw).volumes)), format_version="1.0")
    if major != VOLUMES_FORMAT.partition(".")[0]:
        raise ValueError(
            f"format {form.format_version} was written by another version of Trysail; this one knows {VOLUMES_FORMAT}"
        )
    if form.kind != _KIND:
        raise ValueError(f"this is a {form.kind or 'document without a kind'}, and no record of volumes")
    return _RECORD.decode(raw)


def _uncovered(line: _Uncovered) -> StoredVolume:
    planned = PlannedVolume(
        method="uncovered",
        why=line.why,
        claim=line.claim,
        volume=line.volume,
        capacity=line.capacity,
        storage_class=line.storage_class,
        source=line.source,
    )
    return StoredVolume(planned=planned, outcome="uncovered")


def _damaged(name: str, key: str, what: str, wrong: str) -> BackupDamaged:
    return BackupDamaged(
        f"{what} is not what was recorded: {wrong}",
        hint=f"see all that is wrong with: trysail verify {name}",
        key=key,
    )
