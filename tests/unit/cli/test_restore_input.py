"""What `trysail restore` says to what cannot be, word for word: tests/golden/problems/restore. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden.golden import assert_golden
from tests.unit.cli.repair import BACKUP, Repair

GOLDEN = Path(__file__).parents[2] / "golden" / "problems" / "restore"

# Name -> the words after `trysail restore … --location BUCKET --manifests CLUSTER`.
WORDS: dict[str, list[str]] = {
    "no-backup": [],
    "unknown-name": ["b2"],
    "unknown-policy": ["latest", "--policy", "shpo"],
    "unknown-item-form": [BACKUP, "--item", "settings"],
    "item-of-too-many-parts": [BACKUP, "--item", "a/b/c/d"],
    "item-without-name": [BACKUP, "--item", "shop/configmaps/"],
    "broken-selector": [BACKUP, "-l", "app in (web"],
    "selector-that-compares": [BACKUP, "-l", "weight>3"],
    "mapping-without-target": [BACKUP, "--namespace-mappings", "shop"],
    "mapping-to-an-invalid-name": [BACKUP, "--namespace-mappings", "shop:Shop_Copy"],
    "mapping-to-too-long-a-name": [BACKUP, "--namespace-mappings", f"shop:{'x' * 64}"],
    "mapping-twice": [BACKUP, "--namespace-mappings", "shop:a,shop:b"],
    "mapping-of-two-onto-one": [BACKUP, "--namespace-mappings", "shop:copy,stage:copy"],
    "mapping-onto-a-restored-namespace": [BACKUP, "--namespace-mappings", "shop:stage"],
    "mapping-of-an-unknown-namespace": [BACKUP, "--namespace-mappings", "shopp:copy"],
    "storage-class-of-an-invalid-name": [BACKUP, "--storage-class-mappings", "fast:Very Slow"],
    "label-with-an-invalid-key": [BACKUP, "--labels", "my team:web"],
    "label-with-an-invalid-value": [BACKUP, "--labels", "team:web team"],
    "label-that-is-no-pair": [BACKUP, "--labels", "team=web"],
    "to-beside-a-cluster": [BACKUP, "--to", "OUT"],
    "scratch-in-a-folder": [BACKUP, "--into-scratch"],
    "form-without-a-plan": [BACKUP, "-o", "json"],
    "plan-file-of-another-name": [BACKUP, "--out", "plan.txt"],
    "nobody-to-ask": [BACKUP],
    "restore-policy-without-files": [BACKUP, "--restore-policy", "drill"],
    "undo-location-of-no-store": [BACKUP, "--undo-location", "gopher://hole"],
}


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """A cluster that has lost everything, and a backup of it."""
    made = Repair(tmp_path)
    made.lose()
    return made


@pytest.fixture
def refused(repair: Repair) -> Callable[..., None]:
    """Calls `trysail restore`: it must say what is recorded under a name, in text and as JSON, and change nothing."""

    def refused(name: str, *words: str | Path, code: int = 1) -> None:
        before = repair.state(), repair.names()
        ended = repair.call("restore", *words, code=code)
        assert ended.out == ""
        assert_golden(GOLDEN / f"{name}.txt", ended.err.replace(str(repair.folder), "HERE"))
        logged = repair.call("restore", *words, "--log-format", "json", code=code)
        assert logged.out == ""
        error = json.loads(logged.err.splitlines()[-1])
        assert (error["event"], error["exitCode"]) == ("error", code)
        said = [error["message"], *(part["message"] for part in error["parts"] if isinstance(part, dict))]
        assert any(words.splitlines()[0] in ended.err for words in said)
        assert (repair.state(), repair.names()) == before

    return refused


@pytest.mark.parametrize("name", WORDS)
def test_words_that_cannot_be(repair: Repair, refused: Callable[..., None], name: str) -> None:
    """Each option by its own name, with what it takes instead."""
    refused(name, *WORDS[name], "--location", repair.backups, "--manifests", repair.cluster)


def test_no_place(repair: Repair, refused: Callable[..., None]) -> None:
    """Neither -f nor --location; and both."""
    refused("no-place", BACKUP, "--manifests", repair.cluster)
    both = ("-f", repair.policy, "--location", repair.backups)
    refused("two-places", BACKUP, *both, "--manifests", repair.cluster)


def test_to_beside_a_context(repair: Repair, refused: Callable[..., None]) -> None:
    """A folder and a cluster are two targets."""
    words = (BACKUP, "--location", repair.backups)
    refused("to-beside-a-context", *words, "--to", repair.folder / "out", "--context", "prod")
    refused("scratch-with-a-plan", *words, "--into-scratch", "--plan")


def test_which_restore_policy(repair: Repair, refused: Callable[..., None]) -> None:
    """Several, none, and none of that name."""
    there = ("--manifests", repair.cluster)
    refused("files-without-restore-policy", "-f", repair.policy, *there)
    for name in ("drill", "staging"):
        repair.restore_policy(name)
    files = ("-f", repair.folder / "restores", *there)
    refused("several-restore-policies", *files)
    refused("unknown-restore-policy", *files, "--restore-policy", "dril")


def test_a_restore_policy_that_does_not_hold(repair: Repair, refused: Callable[..., None]) -> None:
    """Every mistake, with its place, as `trysail validate` says it."""
    policy = repair.restore_policy(
        existingResourcePolicy="overwrite", namespaceMapping={"shop": "Shop!"}, restorePVs=True, hooks={}
    )
    refused("restore-policy-that-does-not-hold", "-f", policy, "--manifests", repair.cluster)


def test_a_saved_plan_that_does_not_fit(repair: Repair, refused: Callable[..., None]) -> None:
    """Beside filters; altered; cut off; of another cluster, policy or state."""
    file = repair.folder / "plan.json"
    there = ("--manifests", repair.cluster)
    policy = repair.restore_policy(includedNamespaces=["shop"])
    repair.call("restore", "-f", policy, *there, "--out", file)
    refused("saved-plan-and-filters", file, "-n", "shop", *there)
    refused("saved-plan-and-location", file, "--location", repair.backups, *there)
    refused("saved-plan-that-is-not-there", repair.folder / "plans.json", *there)
    repair.restore_policy(includedNamespaces=["stage"])
    refused("stale-plan-of-another-policy", file, "-f", policy, *there, code=5)
    repair.restore_policy(includedNamespaces=["shop"])
    whole = file.read_text()
    file.write_text(whole.replace('"settings"', '"password"', 1))
    refused("altered-plan", file, *there)
    file.write_text(whole[:200])
    refused("plan-that-was-cut-off", file, *there)
    file.write_text('{"kind": "BackupPlan", "formatVersion": "1.0"}')
    refused("plan-of-a-backup", file, *there)
    file.write_text(whole)
    repair.restore(BACKUP, "-n", "shop", "--auto-approve")
    repair.change()
    refused("stale-plan-of-another-state", file, "-f", policy, *there, code=5)
    kube_system = repair.cluster / "Namespace-kube-system.json"
    kube_system.write_text(kube_system.read_text().replace("11111111", "99999999"))
    refused("stale-plan-of-another-cluster", file, *there, code=5)


def test_a_folder_that_is_no_cluster(repair: Repair, refused: Callable[..., None]) -> None:
    """Broken YAML in it is named with its line; so is one that is not there."""
    words = (BACKUP, "--location", repair.backups, "--plan", "--manifests")
    (repair.cluster / "broken.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n")
    refused("folder-of-broken-yaml", *words, repair.cluster)
    refused("folder-that-is-not-there", *words, repair.folder / "nowhere")
    place = ("--location", repair.folder / "no-bucket", "--manifests", repair.folder)
    refused("location-that-is-not-there", BACKUP, *place)


def test_a_folder_to_write_to_that_holds_something_else(repair: Repair, refused: Callable[..., None]) -> None:
    """Broken YAML in the folder of --to is not written over."""
    folder = repair.folder / "out"
    folder.mkdir()
    (folder / "notes.yaml").write_text("a: [1\n")
    refused("to-a-folder-of-broken-yaml", BACKUP, "--location", repair.backups, "--to", folder)


def test_a_damaged_backup(repair: Repair, refused: Callable[..., None]) -> None:
    """What is wrong with it, and what can still be done."""
    volumes = next(repair.backups.rglob("volumes.json"))
    volumes.write_bytes(volumes.read_bytes() + b" ")
    words = ("--location", repair.backups, "--manifests", repair.cluster)
    refused("damaged-backup", BACKUP, *words, "--auto-approve", code=4)
    index = next(repair.backups.rglob("index.jsonl.gz"))
    index.unlink()
    refused("backup-without-index", BACKUP, *words, "--auto-approve", "--allow-damaged", code=4)


def test_every_golden_is_tested() -> None:
    """No recorded text is left over from a case that is gone."""
    text = Path(__file__).read_text()
    assert [path.stem for path in GOLDEN.glob("*.txt") if f'"{path.stem}"' not in text] == []
