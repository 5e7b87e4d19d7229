"""`trysail run` as it is typed: consent, names, several policies, logs, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.shelf import Shelf

CLAIM: dict[str, Any] = {"spec": {"volumeName": "disk"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A small cluster."""
    return Shelf(tmp_path)


def json_lines(text: str) -> list[dict[str, Any]]:
    """Every line, read as JSON."""
    return [json.loads(line) for line in text.splitlines()]


# what it needs


def test_something_to_run(shelf: Shelf) -> None:
    """Neither policy nor plan: both are named."""
    assert shelf.run(code=1).err == "Error: what is to be run?\n  hint: give -f PATH of a policy, or a saved plan\n"


def test_consent(shelf: Shelf) -> None:
    """Without a terminal it takes a flag, or a plan that somebody has seen."""
    policy = shelf.policy()
    ended = shelf.trysail("run", "--manifests", shelf.cluster, "-f", policy, code=1)
    assert "Error: nobody is here to be asked" in ended.err
    assert not shelf.backups.exists()
    plan = shelf.folder / "plan.json"
    shelf.plan("-f", policy, "--out", plan)
    shelf.trysail("run", plan, "--manifests", shelf.cluster)
    assert len(shelf.names()) == 1


@pytest.mark.parametrize("name", ["Monday", "a_b", "-a", "a-", "a..b", "a/b", "", "x" * 254, "ä"])
def test_a_name_that_cannot_be(shelf: Shelf, name: str) -> None:
    """A backup's name becomes part of keys, and of a Kubernetes object."""
    assert "cannot be the name of a backup" in shelf.run("-f", shelf.policy(), "--name", name, code=1).err
    assert not shelf.backups.exists()


def test_a_name_is_for_one_backup(shelf: Shelf) -> None:
    """Several policies cannot all have it."""
    shelf.policy("first")
    shelf.policy("second")
    ended = shelf.run("-f", shelf.folder, "--name", "monday", code=1)
    assert "--name names one backup, and there are several policies" in ended.err
    shelf.run("-f", shelf.folder, "--name", "monday", "--policy", "second")
    assert shelf.names() == ["monday"]


@pytest.mark.parametrize("words", [("apply",), ("backup", "create", "monday")], ids=" ".join)
def test_other_words_for_it(shelf: Shelf, words: tuple[str, ...]) -> None:
    """`apply` is `run`; `backup create NAME` is `run --name NAME`."""
    shelf.trysail(*words, "--manifests", shelf.cluster, "--auto-approve", "-f", shelf.policy())
    (name,) = shelf.names()
    assert (name == "monday") == (words != ("apply",))


# what it refuses


def test_uncovered_volumes_stop_it(shelf: Shelf) -> None:
    """Unless onUncovered says otherwise: exit code 4, each volume named, nothing written."""
    shelf.put("PersistentVolumeClaim", "data", **CLAIM)
    ended = shelf.run("-f", shelf.policy(onUncovered=None), code=4)
    assert "1 selected volumes are protected by nothing: nothing was written" in ended.err
    assert "volumes: shop/data" in ended.err
    assert not shelf.backups.exists()
    shelf.run("-f", shelf.policy(onUncovered="warn"))


def test_a_run_that_comes_to_no_plan_has_failed(shelf: Shelf) -> None:
    """Whoever waits for onFailure hears of a cluster that cannot be had, a stale plan, and volumes without cover."""
    told = shelf.folder / "told"
    tell = ["sh", "-c", f'echo "$TRYSAIL_PHASE $TRYSAIL_POLICY $TRYSAIL_ERROR" >> {told}']
    policy = shelf.policy(onUncovered=None, hooks={"onFailure": [{"command": tell}]})
    plan = shelf.folder / "plan.json"
    shelf.plan("-f", policy, "--out", plan)
    shelf.put("PersistentVolumeClaim", "data", **CLAIM)
    shelf.run("-f", policy, code=4)
    shelf.put("Namespace", "kube-system", uid="99999999-2222-4333-8444-555555555555")
    shelf.run(plan, code=5)
    shelf.trysail("run", "--manifests", shelf.folder / "gone", "--auto-approve", "-f", policy, code=1)
    uncovered, stale, unreachable = told.read_text().splitlines()
    assert uncovered.startswith("Failed shop 1 selected volumes are protected by nothing")
    assert stale == "Failed shop the saved plan does not fit any more"
    assert unreachable.startswith("Failed shop ")


def test_a_run_whose_store_cannot_be_had_has_failed(shelf: Shelf) -> None:
    """Once: onFailure is told a single time, whoever else passes the error on."""
    told = shelf.folder / "told"
    policy = shelf.policy(hooks={"onFailure": [{"command": ["sh", "-c", f"echo $TRYSAIL_PHASE >> {told}"]}]})
    shelf.backups.write_text("a file where a folder should be")
    shelf.run("-f", policy, code=1)
    assert told.read_text().split() == ["Failed"]


def test_a_plan_that_is_none(shelf: Shelf) -> None:
    """A missing file, another one, and one that was cut off are told apart."""
    plan = shelf.folder / "plan.json"
    assert "cannot be read: No such file" in shelf.run(plan, code=1).err
    plan.write_text("kind: BackupPlan")
    assert "this is no saved plan of Trysail" in shelf.run(plan, code=1).err
    shelf.plan("-f", shelf.policy(), "--out", plan)
    plan.write_bytes(plan.read_bytes()[:-20])
    assert "this is no saved plan of Trysail" in shelf.run(plan, code=1).err


def test_a_plan_for_another_cluster(shelf: Shelf, tmp_path: Path) -> None:
    """Is stale: exit code 5."""
    plan = shelf.folder / "plan.json"
    shelf.plan("-f", shelf.policy(), "--out", plan)
    shelf.put("Namespace", "kube-system", uid="99999999-2222-4333-8444-555555555555")
    ended = shelf.run(plan, code=5)
    assert "it was made for the cluster with UID 11111111-2222-4333-8444-555555555555" in ended.err
    assert not shelf.backups.exists()


def test_a_plan_and_the_policy_it_was_made_from(shelf: Shelf) -> None:
    """-f may name a folder with more: the plan knows its own policy, and is held against it alone."""
    plan = shelf.folder / "plan.json"
    shelf.policy("other")
    shelf.plan("-f", shelf.policy(), "--out", plan)
    shelf.policy("other", excludedNamespaces=["kube-*"])
    shelf.run(plan, "-f", shelf.folder)
    shelf.policy(excludedNamespaces=["kube-*"])
    assert "the policy shop has changed since" in shelf.run(plan, "-f", shelf.folder, code=5).err


def test_an_include_that_matches_nothing(shelf: Shelf) -> None:
    """What there is is stored; the exit code says that somebody should look."""
    policy = shelf.policy(includedNamespaces=["shop", "shopp"])
    ended = shelf.run("-f", policy, code=4)
    assert 'includedNamespaces "shopp" matches no namespace' in ended.said
    assert len(shelf.names()) == 1


# several policies


def test_several_policies_are_run_by_name(shelf: Shelf) -> None:
    """In the order of their names, whatever the files are called."""
    for name in ("beta", "alpha", "gamma"):
        shelf.policy(name)
    ended = shelf.run("-f", shelf.folder)
    places = [ended.err.index(f"policy {name}, cluster real") for name in ("alpha", "beta", "gamma")]
    assert places == sorted(places)
    assert [name.partition("-")[0] for name in sorted(shelf.names())] == ["alpha", "beta", "gamma"]


def test_one_that_fails_does_not_stop_the_others(shelf: Shelf) -> None:
    """Its error is said with its name, the others are stored, and the worst exit code is the process'."""
    shelf.put("PersistentVolumeClaim", "data", **CLAIM)
    file = shelf.folder / "a-file"
    file.touch()
    shelf.policy("alpha", onUncovered=None)  # 4: uncovered
    shelf.policy("beta", storageLocation={"provider": "filesystem", "path": str(file)})  # 1: no folder
    shelf.policy("gamma")
    ended = shelf.run("-f", shelf.folder, code=1)
    assert "alpha: Error: 1 selected volumes are protected by nothing" in ended.err
    assert "beta: Error: " in ended.err
    assert [name.partition("-")[0] for name in shelf.names()] == ["gamma"]
    assert shelf.run("-f", shelf.folder, "--policy", "gamma").code == 0
    (shelf.folder / "beta.yaml").unlink()
    assert shelf.run("-f", shelf.folder, code=4).code == 4


# logs


def test_json_lines(shelf: Shelf) -> None:
    """Standard error is a JSON object a line, each with its time; standard output is one for the result."""
    ended = shelf.run("-f", shelf.policy(), "--log-format", "json")
    events = json_lines(ended.err)
    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "finished"
    assert {"phase", "stored", "uploaded", "warning"} <= {event["event"] for event in events}
    assert all(event["time"].endswith("+00:00") for event in events)
    (result,) = json_lines(ended.out)
    assert result == {"backup": shelf.names()[0], "phase": "Completed", "exitCode": 0}


def test_json_lines_of_what_goes_wrong(shelf: Shelf) -> None:
    """Errors and differences are lines too, with all that their text would say."""
    policy, plan = shelf.policy(), shelf.folder / "plan.json"
    shelf.plan("-f", policy, "--out", plan)
    shelf.put("ConfigMap", "later")
    differs = json_lines(shelf.run(plan, "--log-format", "json").err)[0]
    assert (differs["event"], differs["message"][:27]) == ("warning", "since the plan was made, co")
    changed = shelf.policy(excludedNamespaces=["kube-*"])
    (stale,) = json_lines(shelf.run(plan, "-f", changed, "--log-format", "json", code=5).err)
    assert (stale["event"], stale["exitCode"]) == ("error", 5)
    assert stale["parts"] == ["the policy shop has changed since"]
    assert stale["hint"].startswith("make a new one")
    wrong = shelf.policy(includedNamespace=["shop"])
    (refused,) = json_lines(shelf.run("-f", wrong, "--log-format", "json", code=1).err)
    assert refused["parts"][0]["path"] == "spec.includedNamespace"


def test_json_lines_of_several_policies(shelf: Shelf) -> None:
    """One that fails is a line with its policy's name."""
    shelf.put("PersistentVolumeClaim", "data", **CLAIM)
    shelf.policy("alpha", onUncovered=None)
    shelf.policy("beta")
    ended = shelf.run("-f", shelf.folder, "--log-format", "json", code=4)
    errors = [event for event in json_lines(ended.err) if event["event"] == "error"]
    assert [(error["policy"], error["exitCode"]) for error in errors] == [("alpha", 4)]
    assert [result["phase"] for result in json_lines(ended.out)] == ["Completed"]


# hooks


def test_hooks_over_manifests_leave_nothing_frozen(shelf: Shelf) -> None:
    """No command can be run in a manifest, so none was begun: no file says that its Pod is frozen, for good."""
    pod = shelf.put("Pod", "db", spec={"containers": [{"name": "db"}]})
    exec_ = {"container": "db", "command": ["sync"]}
    hooks = {"resources": [{"name": "freeze", "pre": [{"exec": exec_}], "post": [{"exec": exec_}]}]}
    policy = shelf.policy(hooks=hooks)
    ended = shelf.run("-f", policy, code=3)
    assert "shop/db is a manifest in a folder: no command can be run in it" in " ".join(ended.out.split())
    assert "frozen" not in pod.read_text()
    assert "frozen" not in shelf.plan("-f", policy).out
