"""Backups of ours in Velero's layout, once they are there or a run has ended before: read, proven, never in halves."""

from __future__ import annotations

import hashlib

import pytest

from runner.engine.catalog import Scope, list_backups, resolve
from runner.engine.extract import Backup
from runner.engine.open_stored import open_backup
from runner.engine.velero.velero import VeleroBackup
from runner.engine.verify import verify
from runner.errors import BackupDamaged, BackupNotFound, ExitCode, KeyExists
from runner.model.catalog import Address
from tests.fakes.cluster import config_map
from tests.fakes.faulty import Script
from tests.fakes.stored_backup import reading
from tests.fakes.velero_backup import VeleroBackupFiles
from tests.unit.engine.stage import Killed, Stage
from tests.unit.engine.test_execute_ends import LOST, Countdown
from tests.unit.engine.velero_stage import ROOT, SPEC, keys_of, named, staged, values

# what Velero would do with it


def test_it_is_a_backup_of_velero_without_our_keys() -> None:
    """Read as a backup that somebody else wrote, by what Velero knows alone: the same objects, and it verifies."""
    stage = staged()
    stage.run()
    expected = values(stage)
    for key in ("manifest.json", "index.jsonl.gz", "plan.json", "volumes.json"):
        del stage.store.objects[ROOT + key]
    backup = named(stage)
    assert backup.by_velero
    assert backup.address == Address("velero", "daily", "b1")
    assert isinstance(open_backup(reading(stage.store), backup), VeleroBackup)
    assert values(stage) == expected
    assert verify(reading(stage.store), backup, deep=True).items == 7


# ours to read


def test_it_is_read_by_our_own_manifest() -> None:
    """Policy, cluster and digests are known; objects come by range reads; all of it is proven."""
    stage = staged()
    stage.run()
    (backup,) = list_backups(reading(stage.store), Scope("demo", ("daily",))).committed
    assert backup.address == Address("demo", "daily", "b1")
    assert (backup.layout, backup.by_velero) == ("velero", False)
    assert isinstance(open_backup(reading(stage.store), backup), Backup)
    found = values(stage)
    assert found["shop/secrets/s"]["data"] == {"password": "aHVudGVyMi0x"}
    assert len(found) == 7
    verified = verify(reading(stage.store), backup, deep=True)
    assert (verified.proven, verified.form, verified.keys) == (True, "json", 10)
    assert resolve(reading(stage.store), "latest", Scope()).backup == backup


def test_any_flipped_bit_is_found() -> None:
    """In Velero's keys as in ours."""
    stage = staged()
    stage.run()
    whole = dict(stage.store.objects)
    backup = named(stage)
    for key, raw in whole.items():
        stage.store.objects = {**whole, key: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]}
        with pytest.raises(BackupDamaged):
            verify(reading(stage.store), named(stage) if key.endswith("manifest.json") else backup)


def test_scopes() -> None:
    """Others' policies and clusters do not see it."""
    stage = staged()
    stage.run()
    for scope in (Scope("prod"), Scope(None, ("weekly",)), Scope("demo", ("weekly",))):
        assert list_backups(reading(stage.store), scope).committed == ()
        with pytest.raises(BackupNotFound):
            named(stage, "b1", scope)


# ends


def test_killed_at_any_moment() -> None:
    """A Velero sees a whole backup or none; the next run goes well and tells what lies around."""
    script = Countdown(1 << 20, Killed())
    staged().run(script=script)
    outcomes = []
    for moment in range(1, script.passed + 1):
        stage = staged()
        with pytest.raises(Killed):
            stage.run(script=Countdown(moment, Killed()))
        visible = "velero-backup.json" in keys_of(stage)
        outcomes.append(visible)
        assert [one.address.name for one in list_backups(reading(stage.store), Scope()).committed] == ["b1"] * visible
        if visible:
            verify(reading(stage.store), named(stage))
        left = 0 if visible else len(stage.store.objects)
        uploads = len(stage.store.unfinished(""))
        result = stage.run("b2")
        assert result.exit_code == ExitCode.DONE
        told = [(one.backup, one.keys, one.uploads) for one in result.leftovers]
        assert told == ([("b1", left, uploads)] if left or uploads else [])
    assert outcomes == sorted(outcomes)
    assert outcomes.count(True) == 1


def test_the_record_is_the_last_key() -> None:
    """After our manifest, which vouches for it."""
    stage = staged()
    script = Script()
    stage.run(script=script)
    written = [key.removeprefix(ROOT) for verb, key in script.calls if verb in {"create", "complete"}]
    assert written[-2:] == ["manifest.json", "velero-backup.json"]
    record = named(stage).manifest.keys["velero-backup.json"]
    assert record.sha256 == hashlib.sha256(keys_of(stage)["velero-backup.json"]).hexdigest()


def test_a_lost_reply_to_the_last_key_is_recognised() -> None:
    """Its very bytes are there: the run has ended well."""
    stage = Stage(config_map("shop", "a"), **SPEC)
    script = Script()
    stage.run("counted", script=script)
    creates = [verb for verb, _ in script.calls].count("create")
    result = stage.run(script=Script(after={"create": [*[None] * (creates - 1), LOST]}))
    assert result.exit_code == ExitCode.DONE


def test_a_name_that_velero_has_taken() -> None:
    """Another backup is never written into, whoever wrote it."""
    stage = staged()
    VeleroBackupFiles(name="b1").put(stage.store)
    before = dict(stage.store.objects)
    with pytest.raises(KeyExists):
        stage.run()
    assert stage.store.objects == before
