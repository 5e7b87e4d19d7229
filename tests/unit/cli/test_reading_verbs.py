"""list, describe, get, download and verify, as a shell calls them, from a folder with no policy at hand."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from runner.adapters.filesystem import FilesystemStore
from runner.archive.layout import ARCHIVE, MANIFEST, PLAN
from runner.cli.main import exit_code
from runner.model.canonical import canonical, digest, readable
from runner.model.manifest import PARTIALLY_FAILED
from runner.report.words import sized
from tests.fakes.stored_backup import StoredBackup, config_map, item, small_shop
from tests.golden.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "backups"
NAME = "shop-20260102030405-ab12"


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Trysail = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A location with one backup."""
    StoredBackup().put(FilesystemStore(tmp_path / "backups"))
    return tmp_path / "backups"


@pytest.fixture
def trysail(folder: Path, capsys: pytest.CaptureFixture[str]) -> Trysail:
    """Calls the command line with --location of that folder."""

    def call(*words: str) -> Said:
        code = exit_code([*words, "--location", str(folder)])
        return Said(code, *capsys.readouterr())

    return call


def _key(folder: Path, name: str) -> Path:
    return folder / StoredBackup().key(name)


def _flip(path: Path, place: int = -40) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


# list


def test_list_shows_what_is_there(trysail: Trysail) -> None:
    """A table; its age column depends on the day, the rest does not."""
    said = trysail("list")
    assert said.code == 0
    head, row = said.out.splitlines()
    assert head.split() == ["NAME", "POLICY", "CLUSTER", "PHASE", "ITEMS", "SIZE", "COMPLETED", "AGE"]
    assert row.split()[:5] == [NAME, "shop", "prod", "Completed", "7"]


def test_list_in_other_forms(trysail: Trysail) -> None:
    """Names for a shell's loop, JSON for programs, more columns for people."""
    assert trysail("list", "-o", "name").out == f"{NAME}\n"
    assert json.loads(trysail("list", "-o", "json").out)["backups"][0]["name"] == NAME
    assert "SERVER" in trysail("list", "-o", "wide").out


def test_list_of_nothing_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where there is nothing."""
    assert exit_code(["list", "--location", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == f"No backups in {tmp_path}/none.\n"
    assert exit_code(["list", "-o", "name", "--location", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == ""


def test_list_goes_on_over_a_damaged_manifest(folder: Path, trysail: Trysail) -> None:
    """It is listed as damaged, and why is said beside the table."""
    _flip(_key(folder, MANIFEST))
    said = trysail("list")
    assert said.code == 0
    assert "Damaged" in said.out
    assert said.err.startswith(f"Note: {NAME}: the manifest is damaged")


def test_list_of_one_policy_or_cluster(folder: Path, trysail: Trysail) -> None:
    """--policy and --cluster narrow what is looked at, without a policy's file."""
    StoredBackup(name="other", cluster="test", policy="infra").put(FilesystemStore(folder))
    assert trysail("list", "-o", "name", "--policy", "infra").out == "other\n"
    assert trysail("list", "-o", "name", "--cluster", "prod").out == f"{NAME}\n"
    assert trysail("list", "-o", "name", "--cluster", "prod", "--policy", "infra").out == ""


def test_a_policy_says_where_its_backups_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-f in place of --location: its location, its own backups, its cluster's name."""
    store = FilesystemStore(tmp_path / "kept")
    StoredBackup().put(store)
    StoredBackup(name="other", policy="infra").put(store)
    StoredBackup(name="foreign", cluster="test").put(store)
    policy = tmp_path / "shop.yaml"
    policy.write_text(
        "apiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata: {name: shop}\n"
        f"spec:\n  clusterName: prod\n  storageLocation: {{provider: filesystem, path: {tmp_path}/kept}}\n"
    )
    assert exit_code(["list", "-o", "name", "-f", str(policy)]) == 0
    assert capsys.readouterr().out == f"{NAME}\n"
    assert exit_code(["verify", "latest", "-f", str(policy)]) == 0


# describe


def test_describe_tells_all(trysail: Trysail) -> None:
    """By name and as latest."""
    said = trysail("describe", NAME)
    assert said.code == 0
    assert f"Name:        {NAME}\n" in said.out
    assert "type events (12)" in said.out
    assert trysail("describe", "latest") == said


def test_describe_as_json_is_the_manifest(folder: Path, trysail: Trysail) -> None:
    """To the byte."""
    assert trysail("describe", NAME, "-o", "json").out == _key(folder, MANIFEST).read_text()


def test_describe_without_its_plan_tells_the_rest(folder: Path, trysail: Trysail) -> None:
    """Then it says what is damaged, and ends as damage does."""
    _flip(_key(folder, PLAN))
    said = trysail("describe", NAME)
    assert said.code == 4
    assert "Types:" in said.out
    assert PLAN in said.err


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


# verify


def test_verify_says_that_it_is_whole(folder: Path, trysail: Trysail) -> None:
    """One line, exit 0; --deep reads the YAML too."""
    said = trysail("verify", "latest")
    assert said.code == 0
    stored = sum(path.stat().st_size for path in _key(folder, MANIFEST).parent.iterdir())
    assert_golden(GOLDEN / "verify.txt", said.out.replace(f"({sized(stored)})", "(STORED)"))
    deep = trysail("verify", "latest", "--deep")
    assert (deep.code, "each read as YAML" in deep.out) == (0, True)


def test_verify_names_what_is_wrong(folder: Path, trysail: Trysail) -> None:
    """Exit 4; the words are a golden file."""
    _key(folder, "volumes.json").unlink()
    _key(folder, "stray.txt").write_text("x")
    archive = _key(folder, ARCHIVE)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-60])
    said = trysail("verify", NAME)
    assert (said.code, said.out) == (4, "")
    told = said.err.replace(str(folder), "/backups").replace(f"{len(whole) - 60:,}", "LESS")
    assert_golden(GOLDEN / "verify-damaged.txt", told.replace(f"{len(whole):,}", "WHOLE"))


def test_verify_of_a_damaged_manifest(folder: Path, trysail: Trysail) -> None:
    """The manifest vouches for all the rest, so that its damage is the finding."""
    _flip(_key(folder, MANIFEST))
    said = trysail("verify", NAME)
    assert said.code == 4
    assert_golden(GOLDEN / "verify-manifest.txt", said.err.replace(str(folder), "/backups"))


def test_a_newer_format_asks_for_an_upgrade(folder: Path, trysail: Trysail) -> None:
    """Every verb that reads it: exit 1 and what to do."""
    path = _key(folder, MANIFEST)
    document = msgspec.json.decode(path.read_bytes()) | {"formatVersion": "2.0", "digest": ""}
    path.write_bytes(readable({**document, "digest": digest(canonical(document))}))
    for verb in ("describe", "get", "download", "verify"):
        said = trysail(verb, NAME)
        assert said.code == 1
        assert "upgrade" in said.err
    assert "Newer format" in trysail("list").out


# which backup


def test_latest_of_several_clusters_is_asked(folder: Path, trysail: Trysail) -> None:
    """The candidates, and the flag that chooses."""
    StoredBackup(name="x", cluster="test").put(FilesystemStore(folder))
    said = trysail("describe", "latest")
    assert said.code == 1
    assert "policy shop of cluster prod, policy shop of cluster test" in said.err
    assert "--cluster NAME" in said.err
    assert "Name:        x\n" in trysail("describe", "latest", "--cluster", "test").out


def test_a_newer_partial_one_is_said(folder: Path, trysail: Trysail) -> None:
    """On standard error, so that what is piped stays clean."""
    later = StoredBackup().completed.replace(year=2027)
    StoredBackup(name="half", phase=PARTIALLY_FAILED, completed=later).put(FilesystemStore(folder))
    said = trysail("get", "latest", "deploy/web")
    assert said.code == 0
    assert said.err == "Note: half is newer and PartiallyFailed: to use it, name it\n"
    assert "Phase:       PartiallyFailed" in trysail("describe", "half").out


def test_a_name_that_is_not_there(trysail: Trysail) -> None:
    """Exit 1 and the close name."""
    said = trysail("describe", NAME[:-1] + "3")
    assert said.code == 1
    assert f"was {NAME} meant?" in said.err


def test_where_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither -f nor --location, and both, are usage errors."""
    for words in (["list"], ["list", "-f", "x.yaml", "--location", "y"]):
        assert exit_code(words) == 1
        assert "--location" in capsys.readouterr().err


def test_a_large_object_is_printed_whole(folder: Path, trysail: Trysail) -> None:
    """1.5 MB, as the API server takes."""
    made = config_map("shop", "large", size=1_500_000)
    StoredBackup(name="big", cluster="big", items=[made]).put(FilesystemStore(folder))
    assert trysail("get", "big", "cm/large").out == made[2].decode()
