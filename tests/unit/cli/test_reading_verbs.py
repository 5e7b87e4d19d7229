"""list, describe and verify, as a shell calls them, from a folder with no policy at hand."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from runner.adapters.filesystem import FilesystemStore
from runner.archive.layout import ARCHIVE, MANIFEST, PLAN
from runner.cli.main import exit_code
from runner.model.canonical import canonical, digest, readable
from runner.model.manifest import PARTIALLY_FAILED
from runner.report.words import sized
from tests.fakes.stored_backup import StoredBackup
from tests.golden.golden import assert_golden
from tests.unit.cli.conftest import Trysail

GOLDEN = Path(__file__).parents[2] / "golden" / "backups"
NAME = StoredBackup.name


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
    said = capsys.readouterr()
    assert said.out == f"No backups in {tmp_path}/none.\n"
    assert said.err == "Note: there is no such folder\n"
    assert exit_code(["list", "--location", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"No backups in {tmp_path}.\n", "")
    assert exit_code(["list", "-o", "name", "--location", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("slip", "meant"), [("s3:/bucket/a", "s3://bucket/a"), ("azure:account/c", "azure://account/c")]
)
def test_a_url_without_its_slashes_is_no_folder(slip: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On the worst day, an empty list must not come of a slip."""
    assert exit_code(["list", "--location", slip]) == 1
    assert f"did you mean {meant}? A folder of that name is ./{slip}" in capsys.readouterr().err


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
