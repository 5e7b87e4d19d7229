"""Tests of `volumes.json` as it is read back: our present form, the first one, and what is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.archive.layout import VOLUMES
from runner.engine.extract import Backup
from runner.engine.open_stored import open_backup
from runner.engine.volumes.record import read_volumes, volumes_of
from runner.errors import BackupDamaged
from runner.model.canonical import readable
from runner.model.catalog import Address, Committed
from runner.model.volumes import PlannedVolume, Snapshot, StoredVolume, VolumesRecord
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import StoredBackup, reading

LEDGER = (
    StoredVolume(
        planned=PlannedVolume("native-snapshot", "snapshotLocation ebs", claim="shop/data", capacity="50Gi"),
        outcome="stored",
        snapshot=Snapshot("aws", "snap-1", "ready", size=1 << 30),
        frozen=0.3,
    ),
    StoredVolume(planned=PlannedVolume("skip", "scratch", pod="shop/web-0", pod_volume="tmp"), outcome="skipped"),
)


def opened(backup: StoredBackup, store: MemoryStore) -> Backup:
    """The backup, as it lies in the store."""
    address = Address(backup.cluster, backup.policy, backup.name)
    found = open_backup(reading(store), Committed(address, backup.manifest(), stored=0))
    assert isinstance(found, Backup)
    return found


def test_a_ledger_is_read_back() -> None:
    """To the last field."""
    store = MemoryStore()
    backup = StoredBackup(volumes=LEDGER).put(store)
    assert read_volumes(opened(backup, store)).volumes == LEDGER


def test_the_first_form_names_what_was_not_stored() -> None:
    """Format 1 had those volumes alone, and no kind: they are uncovered, with their reason."""
    line = {"claim": "shop/data", "volume": "pv-1", "capacity": "10Gi", "storageClass": "gp3", "source": "csi",
            "why": "no rule protects it"}  # fmt: skip
    record = volumes_of(json.dumps({"formatVersion": "1.0", "volumes": [line, {"volume": "pv-2"}]}).encode())
    assert record.format_version == "1.0"
    assert [(volume.outcome, volume.planned.name, volume.planned.why) for volume in record.volumes] == [
        ("uncovered", "shop/data", "no rule protects it"),
        ("uncovered", "pv-2", ""),
    ]


def test_a_later_minor_form_is_read() -> None:
    """What it has more is not looked at."""
    document: dict[str, Any] = json.loads(readable(VolumesRecord(volumes=LEDGER)))
    document |= {"formatVersion": "2.7", "colour": "blue"}
    assert volumes_of(json.dumps(document).encode()).volumes == LEDGER


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{}", "formatVersion"),
        (b'{"formatVersion": "3.0", "kind": "Volumes", "volumes": []}', "another version of Trysail"),
        (b'{"formatVersion": "2.0", "kind": "Backup", "volumes": []}', "this is a Backup, and no record of volumes"),
        (b'{"formatVersion": "2.0", "volumes": []}', "this is a document without a kind"),
        (b'{"formatVersion": "2.0", "kind": "Volumes"}', "volumes"),
        (b'{"formatVersion": "1.0", "volumes": 7}', "volumes"),
        (b'{"formatVersion": "2.0", "odd": ' + b"[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_ledger_is_damage(content: bytes, words: str) -> None:
    """However it came to be: it says what is wrong with which key, and where to see all of it."""
    store = MemoryStore()
    backup = StoredBackup()
    backup.contents[VOLUMES] = content
    with pytest.raises(BackupDamaged) as raised:
        read_volumes(opened(backup.put(store), store))
    assert words in raised.value.message
    assert "trysail verify" in raised.value.hint
    assert raised.value.context == {"key": backup.key(VOLUMES)}


def test_what_a_manifest_does_not_vouch_for_is_damage() -> None:
    """Another content, none, or no word of it in the manifest."""
    store = MemoryStore()
    backup = StoredBackup(volumes=LEDGER).put(store)
    whole = opened(backup, store)
    store.objects[backup.key(VOLUMES)] = readable(VolumesRecord(volumes=()))
    with pytest.raises(BackupDamaged, match="SHA-256"):
        read_volumes(whole)
    del store.objects[backup.key(VOLUMES)]
    with pytest.raises(BackupDamaged):
        read_volumes(whole)
    del backup.contents[VOLUMES]
    with pytest.raises(BackupDamaged, match=r"does not have volumes\.json"):
        read_volumes(opened(backup, store))
