"""Backups that Velero wrote are found and opened, whatever paths they have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.engine.catalog import Scope, list_backups, resolve
from runner.engine.extract import Backup
from runner.engine.open_stored import open_backup, open_stored
from runner.engine.stored import Group
from runner.engine.stored_trysail import TrysailObjects
from runner.errors import BackupDamaged, BackupNotFound, UsageError
from runner.model.catalog import Address, Unfinished
from runner.plan.lookup import Lookup, Wanted, parse_targets
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import StoredBackup, reading
from tests.fakes.velero_backup import NOON, Entry, VeleroBackupFiles, small_shop, stored
from tests.unit.engine.velero_bucket import ALL, NAME, bucket, named, opened_backup, values

# found


def test_a_backup_of_velero_is_listed() -> None:
    """Its schedule is its policy; what Velero does not say of it is empty, and nothing is made up."""
    store = bucket(VeleroBackupFiles())
    (backup,) = list_backups(reading(store), ALL).committed
    manifest = backup.manifest
    assert backup.address == Address("velero", "nightly", NAME)
    assert (backup.layout, backup.by_velero) == ("velero", True)
    assert backup.stored == sum(map(len, store.objects.values()))
    assert (manifest.phase, manifest.items, manifest.server_version) == ("Completed", 9, "v1.36.2")
    assert (manifest.started, manifest.completed) == ("2026-01-02T12:00:00+00:00", "2026-01-02T12:00:09+00:00")
    assert (manifest.keys, manifest.lists, manifest.trysail_version, manifest.server) == ({}, (), "", "")


@pytest.mark.parametrize("phase", ["Completed", "PartiallyFailed", "Failed"])
def test_terminal_phases_are_backups(phase: str) -> None:
    """They can be named."""
    store = bucket(VeleroBackupFiles(phase=phase))
    assert named(store).manifest.phase == phase


@pytest.mark.parametrize("phase", ["New", "InProgress", "Finalizing", "WaitingForPluginOperations", "Deleting", ""])
def test_other_phases_are_unfinished(phase: str) -> None:
    """They are listed, and cannot be used."""
    store = bucket(VeleroBackupFiles(phase=phase))
    catalog = list_backups(reading(store), ALL)
    size = sum(map(len, store.objects.values()))
    assert catalog.unfinished == (Unfinished(Address("velero", "nightly", NAME), size, 0),)
    assert (catalog.committed, catalog.unreadable) == ((), ())
    with pytest.raises(BackupNotFound, match="never finished"):
        named(store)


def test_a_folder_without_its_record_is_unfinished() -> None:
    """Velero writes velero-backup.json with the rest; whatever is there without it is no backup."""
    store = bucket(VeleroBackupFiles())
    del store.objects[f"backups/{NAME}/velero-backup.json"]
    assert [one.address.name for one in list_backups(reading(store), ALL).unfinished] == [NAME]


def test_latest_is_the_newest_of_a_schedule() -> None:
    """By its time, where it is Completed; without a schedule or among several, it is to be said which."""
    later = NOON + timedelta(days=1)
    store = bucket(
        VeleroBackupFiles(),
        VeleroBackupFiles(name="nightly-2", started=later),
        VeleroBackupFiles(name="nightly-3", started=later + timedelta(days=1), phase="Failed"),
        VeleroBackupFiles(name="weekly-1", schedule="weekly", started=later),
        VeleroBackupFiles(name="by-hand", schedule="", started=later),
    )
    resolved = resolve(reading(store), "latest", Scope(policies=("nightly",)))
    assert resolved.backup.address.name == "nightly-2"
    assert "nightly-3 is newer and Failed" in resolved.notes[0]
    assert named(store, "latest", Scope(policies=("velero",))).address.name == "by-hand"
    with pytest.raises(UsageError, match="several"):
        named(store, "latest")


def test_a_policy_sees_what_was_made_by_hand() -> None:
    """A backup without a schedule is nobody's: it can be named whichever policies are given, and is listed."""
    store = bucket(VeleroBackupFiles(name="by-hand", schedule=""), VeleroBackupFiles())
    scope = Scope(policies=("weekly",))
    assert [backup.address.name for backup in list_backups(reading(store), scope).committed] == ["by-hand"]
    assert named(store, "by-hand", scope).address.policy == "velero"
    with pytest.raises(BackupNotFound):
        named(store, NAME, scope)
    with pytest.raises(BackupNotFound):
        named(store, "by-hand", Scope(cluster="prod"))


def test_ours_beside_velero() -> None:
    """Both are found, and each is opened as what it is."""
    store = bucket(VeleroBackupFiles())
    ours = StoredBackup().put(store)
    catalog = list_backups(reading(store), ALL)
    assert [(backup.address.name, backup.by_velero) for backup in catalog.committed] == [
        (NAME, True),
        (ours.name, False),
    ]
    opened = open_backup(reading(store), named(store, ours.name))
    assert isinstance(opened, Backup)
    assert isinstance(open_stored(reading(store), opened.committed), TrysailObjects)


def test_the_data_of_volumes_is_not_listed() -> None:
    """A repository of Velero's may have millions of keys."""
    listed = []

    class Watched(MemoryStore):
        def keys(self, prefix: str) -> Any:
            listed.append(prefix)
            return super().keys(prefix)

        def folders(self, prefix: str) -> tuple[str, ...]:
            return tuple(sorted({key.split("/")[0] for key in self.objects}))

    store = Watched()
    VeleroBackupFiles().put(store)
    store.objects |= {"kopia/shop/p0": b"x", "restic/shop/config": b"x", "restores/r/r-results.gz": b"x"}
    assert [one.address.name for one in list_backups(reading(store), ALL).committed] == [NAME]
    assert listed == ["restores/", "backups/"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-20],
        lambda raw: b"[" + raw + b"]",
        lambda raw: raw.replace(b'"Backup"', b'"Restore"'),
        lambda raw: raw.replace(NAME.encode(), b"another"),
        lambda raw: raw.replace(b"2026-01-02T12:00:09Z", b"yesterday"),
        lambda raw: raw.replace(b"2026-01-02T12:00:09Z", b"2026-01-02T12:00:09"),
        lambda raw: b"\xff" + raw,
    ],
)
def test_a_record_that_is_damaged(spoil: Callable[[bytes], bytes]) -> None:
    """It is listed as such, and refused where it is named."""
    backup = VeleroBackupFiles()
    backup.keys["velero-backup.json"] = spoil(backup.keys["velero-backup.json"])
    store = bucket(backup)
    (unreadable,) = list_backups(reading(store), ALL).unreadable
    assert unreadable.reason.startswith("Velero's record of the backup is damaged")
    with pytest.raises(BackupDamaged):
        named(store)


# objects


@pytest.mark.parametrize("paths", ["both", "plain", "preferred"])
def test_every_object_once(paths: Any) -> None:
    """Whichever paths a version of Velero wrote; whole, but for managedFields, which only a Service's ports ask for."""
    found = values(VeleroBackupFiles(paths=paths))
    assert list(found) == [
        "namespaces/shop",
        "namespaces/stage",
        "persistentvolumes/pv-1",
        "shop/persistentvolumeclaims/data",
        "shop/configmaps/Zettings:a",
        "shop/configmaps/settings",
        "stage/configmaps/settings",
        "shop/services/web",
        "shop/deployments.apps/web",
    ]
    assert found["shop/configmaps/settings"]["data"] == {"on": "y"}
    assert [name for name, value in found.items() if "managedFields" in value["metadata"]] == ["shop/services/web"]


def test_groups_say_what_is_in_them() -> None:
    """Type, namespace, version, kind and count, in the order of a backup of ours."""
    store = bucket(VeleroBackupFiles())
    objects = open_stored(reading(store), named(store))
    groups = objects.groups()
    assert groups[0] == Group("namespaces", "", "v1", "Namespace", 2)
    assert groups[-1] == Group("deployments.apps", "shop", "apps/v1", "Deployment", 1)
    assert sum(group.count for group in groups) == 9
    assert (objects.ref.name, objects.ref.policy, objects.ref.cluster) == (NAME, "nightly", "velero")
    assert objects.ref.digest == list_backups(reading(store), ALL).committed[0].manifest.digest


def test_objects_are_read_in_any_order() -> None:
    """Backwards, twice, and from several groups at once."""
    store = bucket(VeleroBackupFiles())
    objects = open_stored(reading(store), named(store))
    lines = [line for group in reversed(objects.groups()) for line in objects.lines(group)]
    for _ in range(2):
        assert [value["metadata"]["name"] for _, value in objects.objects(lines)] == [line.name for line in lines]


def test_other_versions_are_passed_over() -> None:
    """With all versions of an API in the archive, the one without a version in its path is read; else the best."""
    backup = VeleroBackupFiles(objects=[stored("widgets.shop.io", "shop.io/v1", "Widget", "a", "shop")])
    beta = stored("widgets.shop.io", "shop.io/v1beta1", "Widget", "a", "shop")
    backup.entries.insert(1, Entry(f"resources/widgets.shop.io/v1beta1/{beta.where}", beta.content))
    assert values(backup)["shop/widgets.shop.io/a"]["apiVersion"] == "shop.io/v1"
    backup.entries = backup.entries[:2]
    assert values(backup)["shop/widgets.shop.io/a"]["apiVersion"] == "shop.io/v1beta1"
    alpha = stored("widgets.shop.io", "shop.io/v1alpha1", "Widget", "a", "shop")
    backup.entries.append(Entry(f"resources/widgets.shop.io/v1alpha1/{alpha.where}", alpha.content))
    assert values(backup)["shop/widgets.shop.io/a"]["apiVersion"] == "shop.io/v1beta1"


def test_names_longer_than_a_header_holds() -> None:
    """Velero's tar has PAX headers then."""
    long = stored("configmaps", "v1", "ConfigMap", "a" * 240, "shop")
    assert list(values(VeleroBackupFiles(objects=[long]))) == [f"shop/configmaps/{'a' * 240}"]


def test_single_objects_are_found_by_name() -> None:
    """As in a backup of ours; the JSON is what Velero stored, to the byte."""
    opened = opened_backup(VeleroBackupFiles())
    chosen = opened.choose(Lookup(Wanted(parse_targets(("deployment/web",)), None, False, None)))
    ((line, content),) = opened.contents(chosen)
    assert content == small_shop()[-1].content
    assert line.labels == {"app": "web"}


def test_nothing_is_left_of_what_was_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file has no name, so that nobody finds Secrets in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened = opened_backup(VeleroBackupFiles())
    assert len(list(opened.index())) == 9
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says what to do."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="temporary") as caught:
        list(opened_backup(VeleroBackupFiles()).index())
    assert "TMPDIR" in caught.value.hint
