"""The verbs that read backups, on those that Velero wrote and on ours in its layout, as a shell calls them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from runner.adapters.filesystem import FilesystemStore
from runner.cli.main import exit_code
from tests.fakes.velero_backup import Entry, VeleroBackupFiles, packed, small_shop
from tests.golden.golden import assert_golden
from tests.unit.cli.conftest import Said
from tests.unit.cli.shelf import Shelf

GOLDEN = Path(__file__).parents[2] / "golden" / "velero"
NAME = VeleroBackupFiles.name

Call = Callable[..., Said]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A location as a Velero leaves it: two backups of a schedule, one by hand, and what lies beside them."""
    store = FilesystemStore(tmp_path / "bucket")
    VeleroBackupFiles().put(store)
    failed = VeleroBackupFiles(name="nightly-20260102130000", phase="Failed", sidecars=False)
    failed.put(store)
    VeleroBackupFiles(name="by-hand", schedule="", phase="InProgress").put(store)
    store.create("kopia/shop/kopia.repository", b"{}")
    store.create("restores/r1/restore-r1-results.gz", packed({}))
    return tmp_path / "bucket"


@pytest.fixture
def trysail(bucket: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line with --location of that folder."""

    def call(*words: str) -> Said:
        code = exit_code([*words, "--location", str(bucket)])
        return Said(code, *capsys.readouterr())

    return call


def test_list(trysail: Call) -> None:
    """What Velero does not know is a dash; what is not finished is no backup."""
    said = trysail("list")
    rows = [line.split() for line in said.out.splitlines()]
    assert [row[:6] for row in rows[1:]] == [
        ["nightly-20260102130000", "nightly", "velero", "Failed", "9", "-"],
        [NAME, "nightly", "velero", "Completed", "9", "-"],
        ["by-hand", "velero", "velero", "Unfinished", "-", "-"],
    ]
    assert {row["name"]: row["layout"] for row in json.loads(trysail("list", "-o", "json").out)["backups"]} == {
        NAME: "velero",
        "nightly-20260102130000": "velero",
    }


def test_describe(trysail: Call, bucket: Path) -> None:
    """All that lies beside the archive; as JSON what Velero itself has written."""
    said = trysail("describe", "latest")
    assert said.code == 0
    stored = next(line for line in said.out.splitlines() if line.startswith("Stored:"))
    assert_golden(GOLDEN / "describe.txt", said.out.replace(stored, "Stored:      (it depends on gzip)"))
    record = (bucket / "backups" / NAME / "velero-backup.json").read_text()
    assert trysail("describe", NAME, "-o", "json").out == record
    alone = trysail("describe", "nightly-20260102130000")
    assert "Velero's list of items is absent" in alone.out
    assert "Failed" in alone.out


def test_verify(trysail: Call, bucket: Path) -> None:
    """Whole, and not proven; damage is exit 4."""
    said = trysail("verify", NAME, "--deep")
    assert said.code == 0
    whole, unproven = said.out.splitlines()
    assert whole.startswith(f"{NAME} is whole: 9 items (")
    assert ", each read as JSON, 9 keys (" in whole
    assert unproven == "Velero records no checksums: that the content is what was backed up cannot be proven."
    hostile = VeleroBackupFiles(name="hostile", schedule="other")
    hostile.entries.append(Entry("../../escaped", b"x"))
    hostile.keys[f"{hostile.name}-resource-list.json.gz"] = packed({})
    hostile.put(FilesystemStore(bucket))
    said = trysail("verify", "hostile")
    assert (said.code, said.out) == (4, "")
    assert_golden(GOLDEN / "verify-hostile.txt", said.err.replace(str(bucket), "BUCKET"))
    assert not list(bucket.parent.rglob("escaped"))


def test_get(trysail: Call) -> None:
    """YAML of what lies there as JSON; JSON, and names."""
    said = trysail("get", NAME, "cm/settings", "-n", "shop")
    assert said.code == 0
    assert yaml.safe_load(said.out) == small_shop()[2].value
    assert json.loads(trysail("get", NAME, "cm/settings", "-n", "shop", "-o", "json").out) == small_shop()[2].value
    assert trysail("get", NAME, "-l", "app=web", "-o", "name").out.split() == [
        "shop/configmaps/settings",
        "shop/deployments.apps/web",
    ]
    assert len(trysail("get", NAME).out.split()) == 9


def test_download(trysail: Call, tmp_path: Path) -> None:
    """The archive as it is; a damaged one leaves nothing."""
    target = tmp_path / "x.tar.gz"
    said = trysail("download", NAME, "-o", str(target))
    assert said.code == 0
    assert "which is a whole archive" in said.out
    assert target.read_bytes() == VeleroBackupFiles().archive
    with tarfile.open(target) as tar:
        assert len(tar.getnames()) == 19


def test_a_run_writes_what_velero_reads(tmp_path: Path) -> None:
    """From a policy to a backup in Velero's layout, and every verb on it."""
    shelf = Shelf(tmp_path)
    policy = shelf.policy(archive={"layout": "velero"})
    assert "/backups/{backup}/" in shelf.plan("-f", policy).out
    said = shelf.run("-f", policy, "--name", "b1").out
    assert f"into  {shelf.backups}/backups/b1/" in said
    assert {path.relative_to(shelf.backups).parts[0] for path in shelf.backups.rglob("*")} == {"backups"}
    record = json.loads((shelf.backups / "backups" / "b1" / "velero-backup.json").read_text())
    assert record["metadata"]["labels"]["velero.io/schedule-name"] == "shop"
    where = ("-f", policy)
    assert shelf.trysail("list", *where, "-o", "name").out.split() == ["b1"]
    described = shelf.trysail("describe", "latest", *where).out
    assert "3 items" in said
    assert " of JSON" in described
    assert shelf.trysail("verify", "b1", "--deep", *where).out.startswith("b1 is whole: 3 items")
    assert yaml.safe_load(shelf.trysail("get", "b1", "cm/settings", *where).out)["data"] == {"mode": "on"}
    shelf.trysail("download", "b1", "-o", tmp_path / "b1.tar.gz", *where)
    with tarfile.open(tmp_path / "b1.tar.gz") as tar:
        assert all(member.mode == 0o755 for member in tar)
    # Beside the last one, the plan says what has changed since.
    shelf.put("ConfigMap", "settings", data={"mode": "off"})
    assert "settings" in shelf.plan("-f", policy).out
