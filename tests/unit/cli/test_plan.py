"""`trysail plan` as it is typed: what it prints, saves and refuses, and its exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.shelf import EXAMPLES, SHOP, Shelf

Json = dict[str, Any]

CLAIM: Json = {"spec": {"volumeName": "disk"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A small cluster."""
    return Shelf(tmp_path)


# what it prints


def test_the_same_cluster_gives_the_same_bytes(shelf: Shelf) -> None:
    """Twice, and saved to a file: one plan."""
    policy = shelf.policy()
    first = shelf.plan("-f", policy, "-o", "json").out
    ended = shelf.plan("-f", policy, "-o", "json", "--out", shelf.folder / "plan.json")
    assert ended.out == first
    assert (shelf.folder / "plan.json").read_text() == first


def test_a_saved_plan_is_told_how_to_be_run(shelf: Shelf) -> None:
    """On the same cluster; in text alone: other forms are for programs."""
    out = shelf.folder / "plan.json"
    text = shelf.plan("-f", shelf.policy(), "--out", out).out
    assert f"Saved the plan to: {out}" in text
    assert f"    trysail run {out} --manifests {shelf.cluster}\n" in text
    assert "Saved" not in shelf.plan("-f", shelf.policy(), "--out", out, "-o", "markdown").out


def test_three_forms_tell_one_story(shelf: Shelf) -> None:
    """Text, Markdown and JSON agree on what is stored; none has colours where no terminal is."""
    policy = shelf.policy()
    plan = json.loads(shelf.plan("-f", policy, "-o", "json").out)
    count = sum(step["count"] for step in plan["steps"])
    text = shelf.plan("-f", policy).out
    assert f"Plan: {count} to store" in text
    assert "\x1b" not in text
    markdown = shelf.plan("-f", policy, "-o", "markdown").out
    assert f"{count} to store" in markdown
    assert "secrets" in markdown


def test_one_of_several_policies(shelf: Shelf) -> None:
    """--policy picks it; without that, or with a name that is not there, the names are said."""
    shelf.policy("first")
    shelf.policy("second")
    several = shelf.plan("-f", shelf.folder, code=1)
    assert several.err == "Error: several policies: first, second\n  hint: choose one with --policy NAME\n"
    unknown = shelf.plan("-f", shelf.folder, "--policy", "third", code=1)
    assert unknown.err == 'Error: no policy is named "third"\n  hint: there are: first, second\n'
    assert "as the policy second says" in shelf.plan("-f", shelf.folder, "--policy", "second").out


def test_files_without_a_policy(shelf: Shelf) -> None:
    """A location alone can be valid, and is nothing to plan."""
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupStorageLocation", "metadata": {"name": "here"}}
    file = shelf.folder / "location.yaml"
    file.write_text(json.dumps({**document, "spec": shelf.location}))
    assert "no BackupPolicy in these files" in shelf.plan("-f", file, code=1).err


# exit codes


def test_detailed_exitcode(shelf: Shelf) -> None:
    """2 where a run would store something new, 0 where not; without the flag 0 in either case."""
    policy = shelf.policy()
    assert "No earlier backup" in shelf.plan("-f", policy, "--detailed-exitcode", code=2).out
    shelf.run("-f", policy)
    assert "No changes" in shelf.plan("-f", policy, "--detailed-exitcode").out
    shelf.put("ConfigMap", "settings", data={"mode": "off"})
    assert "settings" in shelf.plan("-f", policy, "--detailed-exitcode", code=2).out
    shelf.plan("-f", policy)


def test_findings_come_before_changes(shelf: Shelf) -> None:
    """An include that matches nothing is 4, whatever would change; allowEmpty accepts it."""
    included: Json = {"includedNamespaceScopedResources": ["configmaps", "widgets.example.com"]}
    ended = shelf.plan("-f", shelf.policy(**included), "--detailed-exitcode", code=4)
    assert '! "widgets.example.com" matches no type' in ended.out
    shelf.plan("-f", shelf.policy(**included, allowEmpty=True), "--detailed-exitcode", code=2)


@pytest.mark.parametrize(("on_uncovered", "code"), [(None, 4), ("fail", 4), ("warn", 0), ("ignore", 0)])
def test_uncovered_volumes(shelf: Shelf, on_uncovered: str | None, code: int) -> None:
    """Each is a line of the plan unless they are ignored; `fail` is the default, and a finding."""
    shelf.put("PersistentVolumeClaim", "data", **CLAIM)
    ended = shelf.plan("-f", shelf.policy(onUncovered=on_uncovered), code=code)
    assert ("! shop/data" in ended.out) == (on_uncovered != "ignore")
    assert "1 volume uncovered" in ended.out


# what it refuses


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--inventory", "x", "--context", "y"), "--inventory stands for the cluster"),
        (("--inventory", "x", "--manifests", "y"), "--inventory stands for the cluster"),
        (("--manifests", "x", "--context", "y"), "--manifests is a cluster of its own"),
        (("--manifests", "x", "--kubeconfig", "y"), "--manifests is a cluster of its own"),
        (("--inventory", "no-such-file"), "no-such-file cannot be read: No such file or directory"),
        (("--manifests", "no-such-folder"), "no-such-folder"),
    ],
    ids=" ".join,
)
def test_two_clusters_or_none(shelf: Shelf, words: tuple[str, ...], message: str) -> None:
    """One question has one answer, and it must be there."""
    ended = shelf.trysail("plan", "-f", shelf.policy(), *words, code=1)
    assert message in ended.err
    assert "hint: " in ended.err


def test_a_plan_that_cannot_be_saved(shelf: Shelf) -> None:
    """Is an error; nothing is left of it."""
    out = shelf.folder / "no" / "such" / "folder" / "plan.json"
    assert (
        f"{out} cannot be written: No such file or directory"
        in shelf.plan("-f", shelf.policy(), "--out", out, code=1).err
    )
    full = shelf.folder / "taken"
    full.mkdir()
    assert "cannot be written" in shelf.plan("-f", shelf.policy(), "--out", full, code=1).err
    assert list(full.parent.glob(".taken*")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is no saved inventory of Trysail"),
        (b"kind: Inventory", "this is no saved inventory of Trysail"),
        (b'{"kind": "BackupPlan", "formatVersion": "1.0"}', "this is a BackupPlan, not a saved inventory"),
        (b'{"kind": "Inventory", "formatVersion": "3.0"}', "format 3.0 was written by another version of Trysail"),
        (b'{"kind": "Inventory", "formatVersion": "2.0"}', "the saved inventory is damaged"),
        (gzip.compress(b"x" * 1000)[:-9], "is not whole"),
    ],
    ids=["empty", "yaml", "plan", "newer", "fields", "cut"],
)
def test_an_inventory_that_is_none(shelf: Shelf, content: bytes, message: str) -> None:
    """What is wrong with the file is said, and what to do."""
    file = shelf.folder / "inventory.json"
    file.write_bytes(content)
    ended = shelf.trysail("plan", "-f", shelf.policy(), "--inventory", file, code=1)
    assert message in ended.err
    assert "hint: " in ended.err


def test_a_store_that_cannot_be_opened_costs_the_comparison_alone(shelf: Shelf) -> None:
    """A pull request's job has no keys of the bucket: the plan is made, and a note says why nothing is compared."""
    secret = {"env": "NOT_SET_ANYWHERE"}
    location = {
        "provider": "s3",
        "objectStorage": {"bucket": "backups"},
        "credential": {"accessKeyId": secret, "secretAccessKey": secret},
    }
    text = shelf.plan("-f", shelf.policy(storageLocation=location)).said
    assert "Not compared with the last backup: the environment variable NOT_SET_ANYWHERE is not set." in text


def test_the_demo(shelf: Shelf) -> None:
    """The example that the README shows: it may be run, and no secret of its cluster is in the plan."""
    demo = EXAMPLES / "policies" / "demo" / "shop.yaml"
    plan = shelf.trysail("plan", "-f", demo, "--manifests", SHOP, "-o", "json").out
    for file in SHOP.rglob("*.yaml"):
        for line in file.read_text().splitlines():
            key, _, value = line.strip().partition(": ")
            if "password" in key.lower() and len(value) > 12:
                assert value not in plan
