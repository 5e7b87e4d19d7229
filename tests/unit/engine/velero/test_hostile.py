"""Of backups that Velero wrote, what is not as Velero writes it is refused and named; what lies beside is told."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from typing import Any

import pytest

from runner.engine.open_stored import open_backup, open_stored
from runner.engine.velero.sidecars import velero_details
from runner.engine.verify import verify
from runner.errors import BackupDamaged
from runner.model.velero import VeleroVolume
from tests.fakes.stored_backup import reading
from tests.fakes.velero_backup import Entry, Stored, VeleroBackupFiles, packed, small_shop
from tests.unit.engine.velero_bucket import ARCHIVE, NAME, bucket, damages, named, opened_backup, values

# hostile


def _with(*entries: Entry) -> VeleroBackupFiles:
    backup = VeleroBackupFiles()
    backup.entries += entries
    return backup


_SETTINGS = next(one for one in small_shop() if one.where == "namespaces/shop/settings.json")


def _lie(resource: str, where: str, one: Stored = _SETTINGS) -> VeleroBackupFiles:
    return _with(Entry(f"resources/{resource}/{where}", one.content))


@pytest.mark.parametrize(
    ("backup", "what"),
    [
        (_with(Entry("../../etc/cron.d/x", b"x")), "leads out"),
        (_with(Entry("resources/configmaps/namespaces/../x.json", b"{}")), "leads out"),
        (_with(Entry("/etc/passwd", b"x")), "absolute"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"", tarfile.SYMTYPE, "/etc/passwd")), "symbolic link"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"", tarfile.LNKTYPE, "x")), "hard link"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"", tarfile.FIFOTYPE)), "pipe"),
        (_with(Entry("elsewhere/x.json", b"{}")), "no archive of Velero's"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"{}")), "no Kubernetes object"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"[" * 100_000)), "no Kubernetes object"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"\xff")), "no Kubernetes object"),
        (_with(Entry("resources/configmaps/cluster/x.json", b"")), "no Kubernetes object"),
        (_lie("configmaps", "namespaces/shop/other.json"), "another name or namespace"),
        (_lie("configmaps", "namespaces/kube-system/settings.json"), "another name or namespace"),
        (_lie("configmaps", "cluster/settings.json"), "another name or namespace"),
        (_lie("secrets.example.com", "namespaces/shop/settings.json"), "another type"),
        (_lie("services", "namespaces/shop/settings.json"), "another kind"),
        (_lie("configmaps", "namespaces/shop/settings.json"), "more than once"),
    ],
)
def test_a_hostile_archive_is_refused(backup: VeleroBackupFiles, what: str) -> None:
    """Before any object is given away; and verify says of which entry it is said."""
    with pytest.raises(BackupDamaged, match=what) as caught:
        values(backup)
    assert f"trysail verify {NAME}" in caught.value.hint
    assert any(what in damage for damage in damages(bucket(backup)))


@pytest.mark.slow
def test_a_bomb_is_not_unpacked() -> None:
    """It is given up where it grows as no archive of Velero's does."""
    header = tarfile.TarInfo("metadata/bomb")
    header.size = 200 << 20
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packing.compress(header.tobuf()), *(packing.compress(bytes(1 << 20)) for _ in range(200))]
    store = bucket(VeleroBackupFiles())
    store.objects[ARCHIVE] = b"".join((*parts, packing.compress(bytes(1024)), packing.flush()))
    assert len(store.objects[ARCHIVE]) < 300_000
    with pytest.raises(BackupDamaged, match="250 times its size"):
        open_stored(reading(store), named(store)).groups()
    assert "250 times its size" in damages(store)[0]


def test_an_archive_cut_anywhere() -> None:
    """Never a part of it for the whole."""
    whole = VeleroBackupFiles().archive
    for length in (0, 1, 20, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        store = bucket(VeleroBackupFiles())
        store.objects[ARCHIVE] = whole[:length]
        with pytest.raises(BackupDamaged):
            open_stored(reading(store), named(store)).groups()
        assert damages(store)[0].startswith(f"{NAME}.tar.gz: ")


def test_a_tar_without_its_end() -> None:
    """Cut off before it was packed."""
    backup = VeleroBackupFiles()
    store = bucket(backup)
    store.objects[ARCHIVE] = gzip.compress(gzip.decompress(backup.archive)[:-1024])
    with pytest.raises(BackupDamaged, match="no end"):
        open_stored(reading(store), named(store)).groups()


def test_an_archive_that_is_gone() -> None:
    """The record alone is no backup."""
    store = bucket(VeleroBackupFiles())
    del store.objects[ARCHIVE]
    with pytest.raises(BackupDamaged):
        open_stored(reading(store), named(store)).groups()
    assert len(damages(store)) == 1


# verify and describe


@pytest.mark.parametrize("paths", ["both", "plain", "preferred"])
@pytest.mark.parametrize("sidecars", [True, False])
def test_a_whole_backup_verifies(paths: Any, sidecars: bool) -> None:
    """With and without what may be absent; and it is said that nothing proves the content."""
    store = bucket(VeleroBackupFiles(paths=paths, sidecars=sidecars))
    verified = verify(reading(store), named(store), deep=True)
    assert not verified.proven
    assert (verified.items, verified.keys) == (9, len(store.objects))
    assert verified.size == sum(len(one.content) for one in small_shop())


def test_verify_holds_the_archive_against_the_list() -> None:
    """Both ways."""
    backup = VeleroBackupFiles()
    listed = {"v1/ConfigMap": ["shop/settings", "shop/gone"]}
    backup.keys[f"{NAME}-resource-list.json.gz"] = packed(listed)
    found = damages(bucket(backup))
    assert "v1/ConfigMap shop/gone: it is missing from the archive" in found
    assert "shop/deployments.apps/web: Velero's list of items does not have it" in found
    assert len(found) == 9


def test_verify_names_each_damage() -> None:
    """All of it, and not the first alone."""
    backup = _with(Entry("/a", b""), Entry("/b", b""))
    backup.keys[f"{NAME}-results.gz"] = b"no gzip"
    backup.keys[f"{NAME}-resource-list.json.gz"] = packed([1])
    found = damages(bucket(backup))
    assert [damage.partition(":")[0] for damage in found] == [
        f"{NAME}-results.gz",
        f"{NAME}-resource-list.json.gz",
        "/a in the archive",
        "/b in the archive",
    ]


def test_a_deep_verification_reads_all_of_an_object() -> None:
    """What stands where no decision looks."""
    broken = _SETTINGS.content.replace(b'"y"', b'"\xff"')
    backup = VeleroBackupFiles(objects=[_SETTINGS])
    backup.entries = [Entry(f"resources/configmaps/{_SETTINGS.where}", broken)]
    store = bucket(backup)
    assert damages(store) == ()
    assert "its JSON cannot be read" in damages(store, deep=True)[0]
    objects = open_stored(reading(store), named(store))
    with pytest.raises(BackupDamaged, match="its JSON cannot be read"):
        list(objects.objects(objects.lines(objects.groups()[0])))


def test_download_gives_the_archive_as_it_is() -> None:
    """And finds out whether it is whole on the way."""
    backup = VeleroBackupFiles()
    pieces: list[bytes] = []
    assert opened_backup(backup).download(pieces.append).size == len(backup.archive)
    assert b"".join(pieces) == backup.archive
    store = bucket(backup)
    store.objects[ARCHIVE] = backup.archive[:-1]
    with pytest.raises(BackupDamaged):
        open_backup(reading(store), named(store)).download(pieces.append)


def test_details_are_what_lies_beside() -> None:
    """Counts by type and namespace, messages in one line each, volumes, and when Velero deletes it."""
    details = velero_details(opened_backup(VeleroBackupFiles()))
    assert details.types["v1/ConfigMap"] == 3
    assert details.namespaces == {"": 3, "shop": 5, "stage": 1}
    assert details.errors == ()
    assert details.warnings == ("message: /a group was not there", "shop: slow")
    assert details.volumes == (VeleroVolume("shop/data", "pv-1", "", "not asked for"),)
    assert (details.location, details.expires) == ("default", "2026-02-01T12:00:00Z")
    assert details.notes == ()


def test_volumes_of_an_older_velero() -> None:
    """Which had its snapshots in a key of their own, and no other record of volumes."""
    backup = VeleroBackupFiles()
    del backup.keys[f"{NAME}-volumeinfo.json.gz"]
    snapshot = {"spec": {"persistentVolumeName": "pv-1"}, "status": {"providerSnapshotID": "s", "phase": "Completed"}}
    backup.keys[f"{NAME}-volumesnapshots.json.gz"] = packed([snapshot])
    assert velero_details(opened_backup(backup)).volumes == (VeleroVolume("", "pv-1", "NativeSnapshot", "Completed"),)


def test_details_that_are_absent_or_damaged() -> None:
    """It is said, and no error."""
    assert "absent" in velero_details(opened_backup(VeleroBackupFiles(sidecars=False))).notes[0]
    backup = VeleroBackupFiles()
    for what in ("resource-list.json.gz", "results.gz", "volumeinfo.json.gz"):
        backup.keys[f"{NAME}-{what}"] = packed("odd")
    notes = velero_details(opened_backup(backup)).notes
    assert [note.partition(" ")[0].removeprefix(f"{NAME}-") for note in notes] == [
        "resource-list.json.gz",
        "results.gz",
        "volumeinfo.json.gz",
    ]


def test_the_fixture_is_what_a_tar_reads() -> None:
    """So that these tests are about archives, and not about the fixture."""
    with tarfile.open(fileobj=io.BytesIO(VeleroBackupFiles().archive)) as tar:
        members = tar.getmembers()
        assert members[0].name == "metadata/version"
        assert all(member.mode == 0o755 for member in members)
        assert len(members) == 19
        for member in members[1:]:
            content = tar.extractfile(member)
            assert content is not None
            assert json.load(content)["metadata"]["uid"]
