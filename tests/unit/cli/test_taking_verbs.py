"""get and download, as a shell calls them: what comes out, and what is left behind when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from runner.adapters.filesystem import FilesystemStore
from runner.archive.layout import ARCHIVE
from tests.fakes.stored_backup import StoredBackup, config_map, item, small_shop
from tests.unit.cli.conftest import Said, Trysail

NAME = StoredBackup.name


def _key(folder: Path, name: str) -> Path:
    return folder / StoredBackup().key(name)


def _flip(path: Path, place: int = -40) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


# get


def test_get_prints_an_object_as_it_was_stored(trysail: Trysail) -> None:
    """To the byte, so that it can be applied."""
    said = trysail("get", "latest", "deploy/web", "-n", "shop")
    assert said == Said(0, small_shop()[-1][2].decode(), "")


def test_get_prints_several_as_documents(trysail: Trysail) -> None:
    """With --- between them."""
    said = trysail("get", "latest", "cm", "-A")
    names = [(doc["metadata"]["namespace"], doc["metadata"]["name"]) for doc in yaml.safe_load_all(said.out)]
    assert names == [("shop", "settings"), ("shop", "Zettings:a"), ("stage", "settings")]
    assert said.out.count("---\n") == 2


def test_get_by_labels(trysail: Trysail) -> None:
    """-l as kubectl has it, set-based too; with a type and without."""
    words = ("get", "latest", "-o", "name", "-n", "shop")
    assert trysail(*words, "-l", "app=web").out == "shop/configmaps/settings\nshop/deployments.apps/web\n"
    assert trysail(*words, "deploy", "-l", "tier in (back, front),app!=web").out == "shop/deployments.apps/api\n"
    assert trysail(*words, "deploy", "-l", "!tier").code == 1
    assert trysail(*words, "-l", "a=(").code == 1


def test_get_of_nothing_in_particular_prints_ids(trysail: Trysail) -> None:
    """Not every object; and each id leads to its object when it is given back."""
    ids = trysail("get", "latest").out.splitlines()
    assert ids[0] == "namespaces/shop"
    assert len(ids) == 7
    assert "shop/deployments.apps/web" in ids
    for given in ids:
        assert trysail("get", "latest", given, "-o", "name").out == f"{given}\n"
    assert trysail("get", "latest", "-o", "yaml").code == 1


def test_get_as_json(trysail: Trysail) -> None:
    """One object as itself, several as a List; the same each time."""
    one = json.loads(trysail("get", "latest", "deploy/web", "-o", "json").out)
    assert one["metadata"]["labels"] == {"app": "web", "tier": "front"}
    several = trysail("get", "latest", "deploy", "-o", "json")
    document = json.loads(several.out)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List")
    assert [entry["metadata"]["name"] for entry in document["items"]] == ["api", "web"]
    assert trysail("get", "latest", "deploy", "-o", "json") == several


def test_get_as_json_keeps_odd_values(folder: Path, trysail: Trysail) -> None:
    """What other readers of lines and numbers twist."""
    data = {"line": "a\u2028b\u0085c\nd", "float": 1.0, "big": 2**64 - 1, "word": "no", "octal": "0o14"}
    made = item("Thing", "things.example.com", "example.com/v1", "odd", "shop", data=data)
    StoredBackup(name="odd", items=[made, made], cluster="odd").put(FilesystemStore(folder))
    document = json.loads(trysail("get", "odd", "things", "-o", "json").out)
    assert [entry["data"] for entry in document["items"]] == [data, data]


def test_get_asks_where_it_is_not_clear(trysail: Trysail) -> None:
    """Candidates, and how to choose."""
    said = trysail("get", "latest", "cm/settings")
    assert said.code == 1
    assert said.out == ""
    assert "shop, stage" in said.err
    assert "-n NAMESPACE" in said.err
    assert trysail("get", "latest", "cm/settings", "-n", "shop", "-A").code == 1


def test_get_of_what_is_not_there(trysail: Trysail) -> None:
    """Exit 1, nothing printed, close names."""
    said = trysail("get", "latest", "deploy", "web", "wbe")
    assert (said.code, said.out) == (1, "")
    assert "was web meant?" in said.err


def test_get_prints_nothing_that_is_damaged(folder: Path, trysail: Trysail) -> None:
    """Exit 4, and how to see all of it."""
    _flip(_key(folder, ARCHIVE), 60)
    said = trysail("get", "latest", "deploy/web")
    assert (said.code, said.out) == (4, "")
    assert f"trysail verify {NAME}" in said.err


# download


def test_download_fetches_the_archive(tmp_path: Path, trysail: Trysail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the working directory under the backup's name, for its owner alone, as any tar reads it."""
    monkeypatch.chdir(tmp_path)
    said = trysail("download", "latest")
    file = tmp_path / f"{NAME}.tar.gz"
    assert said.code == 0
    assert "tar xzf" in said.out
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        assert "resources/deployments.apps/namespaces/shop/web.yaml" in tar.getnames()


def test_download_into_a_folder_or_a_file(tmp_path: Path, folder: Path, trysail: Trysail) -> None:
    """-o names either; a folder gets the backup's name."""
    (tmp_path / "to").mkdir()
    assert trysail("download", NAME, "-o", str(tmp_path / "to")).code == 0
    assert trysail("download", NAME, "-o", str(tmp_path / "x.tgz")).code == 0
    content = _key(folder, ARCHIVE).read_bytes()
    assert (tmp_path / "to" / f"{NAME}.tar.gz").read_bytes() == content
    assert (tmp_path / "x.tgz").read_bytes() == content


def test_download_writes_over_nothing_unless_told(tmp_path: Path, trysail: Trysail) -> None:
    """--force tells it."""
    target = tmp_path / "x.tgz"
    target.write_text("precious")
    assert trysail("download", NAME, "-o", str(target)).code == 1
    assert target.read_text() == "precious"
    assert trysail("download", NAME, "-o", str(target), "--force").code == 0
    assert target.read_bytes()[:2] == b"\x1f\x8b"


def test_download_of_a_damaged_archive_leaves_no_file(tmp_path: Path, folder: Path, trysail: Trysail) -> None:
    """Nothing half-visible, not even under another name; what was there stays."""
    _flip(_key(folder, ARCHIVE))
    target = tmp_path / "to" / "x.tgz"
    target.parent.mkdir()
    assert trysail("download", NAME, "-o", str(target)).code == 4
    assert list(target.parent.iterdir()) == []
    target.write_text("precious")
    assert trysail("download", NAME, "-o", str(target), "--force").code == 4
    assert [path.read_text() for path in target.parent.iterdir()] == ["precious"]


@pytest.mark.parametrize("target", ["none/x.tgz", "/proc/none/x.tgz"])
def test_download_to_where_nothing_can_be_written(target: str, tmp_path: Path, trysail: Trysail) -> None:
    """An error with a hint, not a traceback."""
    said = trysail("download", NAME, "-o", str(tmp_path / target))
    assert said.code == 1
    assert "cannot be written" in said.err


def test_download_and_get_to_a_full_disk(folder: Path) -> None:
    """/dev/full answers every write with ENOSPC; a reader that goes away is no error."""
    base = [sys.executable, "-m", "runner"]
    where = ["--location", str(folder)]
    for words in (["download", NAME, "-o", "-"], ["get", NAME, "-A"]):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run([*base, *words, *where], stdout=full, stderr=subprocess.PIPE, check=False)
        assert ended.returncode == 1
        assert b"standard output cannot be written: No space left" in ended.stderr


def test_download_to_standard_output(folder: Path) -> None:
    """Only the archive's bytes, so that it can be piped to tar."""
    words = [sys.executable, "-m", "runner", "download", NAME, "-o", "-", "--location", str(folder)]
    ended = subprocess.run(words, capture_output=True, check=True)
    assert ended.stdout == _key(folder, ARCHIVE).read_bytes()


def test_a_large_object_is_printed_whole(folder: Path, trysail: Trysail) -> None:
    """1.5 MB, as the API server takes."""
    made = config_map("shop", "large", size=1_500_000)
    StoredBackup(name="big", cluster="big", items=[made]).put(FilesystemStore(folder))
    assert trysail("get", "big", "cm/large").out == made[2].decode()
