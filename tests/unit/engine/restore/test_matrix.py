"""What becomes of each item, planned and then done: {same, different, missing, refused, going} x existing policy."""

from __future__ import annotations

from typing import Any

import pytest

from runner.engine.restore.waits import Patience
from runner.errors import ApplyConflict, ExitCode, Rejected
from runner.model.restore import ItemChange
from runner.plan.restore import GOING, MERGED, RELEASED
from tests.fakes.cluster import Call, FakeCluster, config_map, definition
from tests.fakes.restore_stage import RestoreStage, fates

PATIENT = Patience(deletion=100, definition=0, webhook=0)
WEB = "shop/configmaps/web"
POLICIES = ("none", "update", "recreate")


def stage(*live: dict[str, Any]) -> RestoreStage:
    """A backup of one ConfigMap, and a target with `live`."""
    return RestoreStage(config_map("shop", "web", color="red"), target=FakeCluster(*live))


def leaves_at(made: RestoreStage, moment: float) -> None:
    """The ConfigMap is let go at this moment."""

    def look(call: Call) -> None:
        if call.verb == "get" and made.clock.passed > moment:
            made.target.on_call = lambda _: None
            made.target.take("configmaps", "shop", "web")

    made.target.on_call = look


def settled(made: RestoreStage, **spec: Any) -> bool:
    """Whether a restore would change nothing."""
    return made.plan(**spec).items == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_missing_is_created(policy: str) -> None:
    """Whatever the policy; and the second time there is nothing to do."""
    made = stage()
    result = made.restore(existingResourcePolicy=policy)
    assert (result.created, result.failed, result.exit_code) == (2, (), ExitCode.DONE)
    assert made.live("configmaps", "shop", "web")["data"] == {"color": "red"}
    assert made.live("configmaps", "shop", "web")["metadata"]["labels"] == {"trysail.dev/backup": "b1"}
    assert settled(made, existingResourcePolicy=policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_same_is_left(policy: str) -> None:
    """What is there as it was stored is not written, and gets no label."""
    made = stage(config_map("shop", "web", color="red"))
    before = made.live("configmaps", "shop", "web")
    plan = made.plan(existingResourcePolicy=policy)
    assert fates(plan)[WEB] == "unchanged"
    made.restore(existingResourcePolicy=policy)
    assert made.live("configmaps", "shop", "web") == before


@pytest.mark.parametrize(
    ("policy", "action", "color", "keeps"),
    [("none", "skip", "blue", True), ("update", "update", "red", True), ("recreate", "recreate", "red", False)],
)
def test_different(policy: str, action: str, color: str, keeps: bool) -> None:
    """None leaves it, update merges and keeps what is there besides and its uid, recreate makes it as it was stored."""
    made = stage(config_map("shop", "web", color="blue", size="7"))
    before = made.live("configmaps", "shop", "web")
    plan = made.plan(existingResourcePolicy=policy)
    assert fates(plan)[WEB] == action
    assert [(change.path, change.live, change.stored) for change in plan.changes[0].fields] == [
        ("data.color", "blue", "red")
    ]
    result = made.restore(existingResourcePolicy=policy)
    assert not result.failed
    after = made.live("configmaps", "shop", "web")
    assert after["data"]["color"] == color
    assert ("size" in after["data"]) is keeps
    assert (after["metadata"]["uid"] == before["metadata"]["uid"]) is keeps
    assert settled(made, existingResourcePolicy=policy)


@pytest.mark.parametrize("policy", ["update", "recreate"])
def test_an_immutable_field(policy: str) -> None:
    """The API server's no is the item's own failure; the rest is done, and the exit code tells."""
    made = stage(config_map("shop", "web", color="blue"))
    made.source.put(config_map("shop", "other", a="1"))
    made.clock.advance(60)
    made.back_up("b2")
    made.target.reject = lambda verb, *_: Rejected("data is immutable") if verb in {"apply", "delete"} else None
    result = made.restore(existingResourcePolicy=policy)
    assert [(one.name, one.action, one.reason) for one in result.failed] == [("web", policy, "data is immutable")]
    assert result.created == 1
    assert result.exit_code == ExitCode.PARTIAL
    assert made.live("configmaps", "shop", "web")["data"] == {"color": "blue"}


def test_a_recreate_that_is_refused_after_the_delete_says_that_it_is_gone() -> None:
    """The one case in which something is lost: it must not read like a plain refusal."""
    made = stage(config_map("shop", "web", color="blue"))
    made.target.reject = lambda verb, *_: Rejected("denied by admission") if verb == "create" else None
    (failed,) = made.restore(existingResourcePolicy="recreate").failed
    assert "was deleted" in failed.reason
    assert "denied by admission" in failed.reason


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_being_deleted_is_waited_for(policy: str) -> None:
    """It is created once the old one is gone, however long its finalizer takes within the patience."""
    going = config_map("shop", "web", color="blue")
    going["metadata"] |= {"deletionTimestamp": "2026-03-01T01:59:00Z", "finalizers": ["example.com/wait"]}
    made = stage(going)
    plan = made.plan(existingResourcePolicy=policy)
    assert [step.why for step in plan.steps if step.resource == "configmaps"] == [GOING]
    leaves_at(made, 40.0)
    result = made.restore(existingResourcePolicy=policy, patience=PATIENT)
    assert (result.created, result.failed) == (1, ())
    assert made.live("configmaps", "shop", "web")["data"] == {"color": "red"}


def test_what_is_being_deleted_and_stays() -> None:
    """The wait has an end, and the item is named."""
    going = config_map("shop", "web", color="blue")
    going["metadata"] |= {"deletionTimestamp": "2026-03-01T01:59:00Z", "finalizers": ["example.com/wait"]}
    made = stage(going)
    (failed,) = made.restore(patience=PATIENT).failed
    assert "does not go away" in failed.reason
    assert PATIENT.deletion - 5 < made.clock.passed < PATIENT.deletion + 60


@pytest.mark.parametrize(
    "value",
    [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {"nfs": {"path": "/"}}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "db", "namespace": "shop"}},
        definition("widgets", "Widget", "example.com"),
    ],
    ids=lambda value: value["kind"],
)
def test_never_recreated(value: dict[str, Any]) -> None:
    """What holds others, or data, is a conflict instead: deletion would cascade."""
    labelled = {**value, "metadata": {**value["metadata"], "labels": {"a": "stored"}}}
    other = {**value, "metadata": {**value["metadata"], "labels": {"a": "live"}}}
    made = RestoreStage(labelled, target=FakeCluster(other))
    plan = made.plan(existingResourcePolicy="recreate")
    assert plan.count("conflict") == 1
    assert plan.count("recreate") == 0
    result = made.restore(existingResourcePolicy="recreate")
    assert result.exit_code == ExitCode.FINDINGS
    assert not [call for call in made.target.calls if call.verb == "delete"]


def test_an_account_is_merged_whatever_the_policy() -> None:
    """Each namespace has an account `default` before a restore could create it: ours is added to it."""
    stored = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop", "annotations": {"role": "reader"}},
        "imagePullSecrets": [{"name": "registry"}],
    }
    live = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop", "labels": {"kept": "yes"}},
    }
    made = RestoreStage(stored, target=FakeCluster(live))
    assert [step.why for step in made.plan().steps if step.action == "update"] == [MERGED]
    assert made.restore().updated == 1
    after = made.live("serviceaccounts", "shop", "default")
    assert after["imagePullSecrets"] == [{"name": "registry"}]
    assert after["metadata"]["annotations"] == {"role": "reader"}
    assert after["metadata"]["labels"] == {"kept": "yes"}
    assert settled(made)


def test_an_account_with_a_field_that_others_own_is_a_conflict_of_the_plan() -> None:
    """It is told before anything is done, as for every other update; and forced where that is asked for."""
    metadata = {"name": "ci", "namespace": "shop"}
    account: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount"}
    stored = {**account, "metadata": {**metadata, "labels": {"a": "stored"}}}
    owner = {"manager": "helm", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}}}
    live = {**account, "metadata": {**metadata, "labels": {"a": "live"}, "managedFields": [owner]}}
    made = RestoreStage(stored, target=FakeCluster(live))
    assert fates(made.plan())["shop/serviceaccounts/ci"] == "conflict"
    assert fates(made.plan(forceConflicts=True))["shop/serviceaccounts/ci"] == "update"


def test_a_conflict_by_owner() -> None:
    """The plan names the field and who owns it, leaves the item, and takes it over only where that is asked for."""
    live = config_map("shop", "web", color="blue")
    owner = {"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:data": {"f:color": {}}}}
    live["metadata"]["managedFields"] = [owner]
    made = stage(live)
    plan = made.plan(existingResourcePolicy="update")
    assert fates(plan)[WEB] == "conflict"
    (change,) = plan.changes
    assert isinstance(change, ItemChange)
    assert (change.fields[0].path, change.fields[0].owner) == ("data.color", "argocd")
    result = made.restore(existingResourcePolicy="update")
    assert (result.updated, result.exit_code) == (0, ExitCode.FINDINGS)
    assert made.live("configmaps", "shop", "web")["data"] == {"color": "blue"}
    assert made.restore(existingResourcePolicy="update", forceConflicts=True).updated == 1
    assert made.live("configmaps", "shop", "web")["data"] == {"color": "red"}


def test_a_conflict_that_only_the_api_server_sees() -> None:
    """It fails that item, with field and owner, and nothing is forced."""
    made = stage(config_map("shop", "web", color="blue"))
    made.target.own("configmaps", "shop", "web", ".data.color", manager="flux")
    (failed,) = made.restore(existingResourcePolicy="update").failed
    assert ".data.color (flux)" in failed.reason
    assert made.restore(existingResourcePolicy="update", forceConflicts=True).updated == 1


def test_what_we_created_ourselves_is_no_conflict() -> None:
    """A create is another manager to the API server than an apply of the same name: that one is taken over."""
    made = stage(config_map("shop", "web", color="blue"))
    made.target.own("configmaps", "shop", "web", ".data.color", manager="trysail")
    assert made.restore(existingResourcePolicy="update").updated == 1


def test_an_update_of_what_was_replaced_since_is_refused() -> None:
    """The uid that the plan saw is a precondition: another object of that name is not touched."""
    made = stage(config_map("shop", "web", color="blue"))
    for policy in ("update", "recreate"):
        planned = made.planned(existingResourcePolicy=policy)
        made.target.delete("configmaps", "shop", "web")
        made.target.put(config_map("shop", "web", color="green"))
        (failed,) = made.restore(planned=planned).failed
        assert "another object than the plan saw" in failed.reason
        assert made.live("configmaps", "shop", "web")["data"] == {"color": "green"}


def volume(phase: str = "", claim: dict[str, Any] | None = None) -> dict[str, Any]:
    """A PersistentVolume that is kept, perhaps for a claim."""
    spec: dict[str, Any] = {"nfs": {"path": "/x"}, "persistentVolumeReclaimPolicy": "Retain"}
    spec |= {"claimRef": claim} if claim else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv"},
        "spec": spec,
        "status": {"phase": phase},
    }


def test_a_released_volume_is_freed_for_its_claim() -> None:
    """Only the old claim's uid is taken off; and that is done once."""
    claim = {"namespace": "shop", "name": "db", "uid": "old", "resourceVersion": "5"}
    made = RestoreStage(volume("Bound", claim), target=FakeCluster(volume("Released", claim)))
    assert [step.why for step in made.plan().steps if step.resource == "persistentvolumes"] == [RELEASED]
    assert made.restore().updated == 1
    assert made.live("persistentvolumes", "", "pv")["spec"]["claimRef"] == {"namespace": "shop", "name": "db"}
    assert settled(made)


def test_a_volume_of_another_claim_is_left() -> None:
    """Whatever the policy: it has somebody else's data by now."""
    mine = {"namespace": "shop", "name": "db"}
    made = RestoreStage(
        volume("Bound", mine), target=FakeCluster(volume("Bound", {"namespace": "else", "name": "theirs"}))
    )
    for policy in POLICIES:
        plan = made.plan(existingResourcePolicy=policy)
        assert [(s.action, s.why) for s in plan.steps if s.resource == "persistentvolumes"] == [
            ("skip", "it is bound to the claim else/theirs")
        ]


def test_a_conflict_error_without_fields_is_told_by_its_message() -> None:
    """Not every conflict can be read by field."""
    made = stage(config_map("shop", "web", color="blue"))
    made.target.reject = lambda verb, *_: ApplyConflict("conflict with a webhook") if verb == "apply" else None
    (failed,) = made.restore(existingResourcePolicy="update").failed
    assert "conflict with a webhook" in failed.reason
