"""What killed runs left frozen: found, waited for where somebody may be at work, and thawed by its own record."""

from __future__ import annotations

import json

import pytest

from runner.engine.planning import make_plan
from runner.engine.volumes.frozen_records import LeftFrozen, left_in, list_left, over_at, read_record
from runner.errors import BadResponse, ClusterBusy, Forbidden, ItemNotFound
from runner.model.canonical import canonical
from runner.model.event import HookRan
from runner.model.hooks import FrozenPod
from runner.volume_ports import Ended
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.unit.engine.freeze_stage import THAW, FreezeStage, record
from tests.unit.engine.volume_stage import PODS, hook, pod
from tests.unit.plan.build import policy


def free(stage: FreezeStage) -> str:
    """Frees db-0; the problem, in words."""
    return stage.thaw_left().free("shop", "db-0").problem


# when


def test_a_record_whose_process_is_gone_is_thawed_at_once() -> None:
    """Nobody is waited for."""
    stage = FreezeStage(alive=lambda holder: holder != "there")
    stage.leave(record())
    assert free(stage) == ""
    assert (stage.exec.commands, stage.clock.passed) == (["db-0: thaw"], 0.0)
    assert stage.frozen() is None
    assert stage.warnings == ["shop/db-0 was left frozen by b0 since 2026-03-01T02:00:00+00:00, and is thawed"]


@pytest.mark.parametrize("alive", [True, None])
def test_a_record_whose_process_may_be_at_work_is_waited_for(alive: bool | None) -> None:
    """Until its time is over; then it is thawed, whoever lives."""
    stage = FreezeStage(alive=lambda _: alive)
    stage.leave(record(seconds=100.0))
    assert free(stage) == ""
    assert 100 <= stage.clock.passed <= 102
    assert stage.exec.commands == ["db-0: thaw"]
    assert stage.warnings[0] == (
        "shop/db-0 is frozen by b0, which may still be at work: waiting until 2026-03-01 02:01:40 UTC"
    )


def test_a_record_that_goes_meanwhile_needs_no_thawing() -> None:
    """The other run has thawed it itself."""
    stage = FreezeStage()
    stage.leave(record())
    stage.cluster.on_call = lambda _: stage.leave("") if stage.clock.passed > 10 else None
    assert free(stage) == ""
    assert stage.exec.commands == []
    assert len(stage.warnings) == 1


def test_a_pod_that_goes_meanwhile_needs_no_thawing() -> None:
    """Nor does one that is gone from the beginning."""
    stage = FreezeStage()
    stage.leave(record())

    waiting = [True]

    def on_call(_: Call) -> None:
        if stage.clock.passed > 10 and waiting:
            waiting.clear()
            stage.cluster.delete("pods", "shop", "db-0")

    stage.cluster.on_call = on_call
    assert (free(stage), free(stage)) == ("", "")
    assert stage.exec.commands == []


def test_our_own_record_of_an_earlier_backup_is_over() -> None:
    """A process makes one backup after the other: nobody else works on it."""
    stage = FreezeStage(alive=lambda _: True)
    stage.leave(record(holder="here"))
    assert free(stage) == ""
    assert (stage.exec.commands, stage.clock.passed) == (["db-0: thaw"], 0.0)


@pytest.mark.parametrize(
    "fields", [{"since": "yesterday"}, {"since": "2026-03-01T02:00:00"}, {"seconds": 1e300}, {"seconds": -1.0}]
)
def test_a_record_that_does_not_say_until_when_is_over(fields: dict[str, object]) -> None:
    """Nobody waits for a time that there is not."""
    stage = FreezeStage()
    stage.leave(record(**fields))
    assert free(stage) == ""
    assert stage.clock.passed == 0.0


# thawing


def test_a_record_whose_hook_fails_stays() -> None:
    """Every hook is tried; the problem names what failed."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record(THAW, hook("post", "resume")))
    stage.exec.answers = {"thaw": Ended(1, "busy")}
    assert free(stage) == "the post hook of shop/db-0, container main ended with exit code 1: busy"
    assert stage.exec.commands == ["db-0: thaw", "db-0: resume"]
    assert stage.frozen() is not None


def test_a_record_can_be_forgotten() -> None:
    """For a Pod that was never frozen, whose thaw fails each time."""
    stage = FreezeStage()
    stage.leave(record())
    stage.exec.answers = {"thaw": Ended(1, "")}
    left = list_left(stage.cluster, PODS, stage.ports.retrier)
    assert [stage.thaw_left().thaw(one, forget=True).problem for one in left] != [""]
    assert stage.frozen() is None


def test_a_record_that_cannot_be_read_is_a_problem_and_no_command() -> None:
    """It stays, unless it is to be forgotten."""
    stage = FreezeStage()
    stage.leave("{broken")
    assert free(stage) == ("shop/db-0 is marked as frozen, and the mark cannot be read: nobody knows what thaws it")
    assert stage.exec.commands == []
    assert stage.cluster.found("pods", "shop", "db-0")["metadata"]["annotations"]["trysail.dev/frozen"] == "{broken"


def test_a_record_that_changed_meanwhile_is_not_taken_off() -> None:
    """While the hooks ran, another run has frozen the Pod anew: that is its own matter."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record())
    stage.exec.on_call = lambda _: stage.leave(record(backup="b2"))
    assert free(stage) == ""
    lying = stage.frozen()
    assert lying is not None
    assert lying["backup"] == "b2"


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        ("", ""),  # its run has thawed it itself, and it may do what it likes since
        (record(backup="b9"), "shop/db-0 is marked by another run by now: it was not touched"),
    ],
)
def test_what_changed_since_somebody_agreed_to_it_is_not_touched(now: FrozenPod | str, problem: str) -> None:
    """Between the list and the answer lie minutes: to thaw a Pod that a new run has frozen spoils its snapshot."""
    stage = FreezeStage()
    stage.leave(record())
    (seen,) = list_left(stage.cluster, PODS, stage.ports.retrier)
    stage.leave(now)
    assert stage.thaw_left().thaw_as_seen(seen).problem == problem
    assert stage.exec.commands == []
    assert [left.record for left in list_left(stage.cluster, PODS, stage.ports.retrier)] == ([now] if now else [])


def test_a_pod_that_cannot_be_looked_at_again_is_not_touched() -> None:
    """Nobody knows whether it is still frozen."""
    stage = FreezeStage()
    stage.leave(record())
    (seen,) = list_left(stage.cluster, PODS, stage.ports.retrier)

    def on_call(_: Call) -> None:
        raise Forbidden("pods is forbidden")

    stage.cluster.on_call = on_call
    problem = "whether shop/db-0 is still frozen cannot be seen: pods is forbidden"
    assert stage.thaw_left().thaw_as_seen(seen).problem == problem
    assert stage.exec.commands == []


def test_a_record_means_the_pod_that_carries_it() -> None:
    """Who may annotate one Pod must not have commands run in another, nor have us wait for ever."""
    foreign = hook("post", "rm", pod="other", timeout=1e9)
    read = read_record(canonical(record(foreign, backup="b\x1b[2J")).decode(), "shop", "db-0")
    assert read is not None
    assert [(one.namespace, one.pod, one.timeout) for one in read.hooks] == [("shop", "db-0", 3600.0)]
    assert read.backup == "b?[2J"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "\ud800", '{"backup": 1}', canonical(record()).decode()[:-9]])
def test_what_is_no_record(text: str) -> None:
    """Nothing is made of it."""
    assert read_record(text, "shop", "db-0") is None


def test_a_pod_that_cannot_be_looked_at_is_a_problem() -> None:
    """It is not taken for thawed."""
    stage = FreezeStage()

    def on_call(call: Call) -> None:
        if call.verb == "get":
            raise Forbidden("no")

    stage.cluster.on_call = on_call
    assert free(stage) == "whether shop/db-0 is left frozen cannot be seen: no"


def test_a_mark_that_cannot_be_taken_off_is_a_problem() -> None:
    """The Pod is thawed, and the next run would thaw it again."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record())

    def on_call(call: Call) -> None:
        if call.verb == "merge":
            raise Forbidden("no")

    stage.cluster.on_call = on_call
    assert free(stage) == "shop/db-0 is still marked as frozen: no"
    assert stage.exec.commands == ["db-0: thaw"]


def test_a_container_that_cannot_be_told_gone_is_a_problem() -> None:
    """Whether the Pod is gone cannot be seen: the record stays."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record())
    stage.exec.answers = {"thaw": ItemNotFound("container not found")}

    def strike(_: object) -> None:
        stage.cluster.on_call = busy

    def busy(call: Call) -> None:
        if call.verb == "get":
            raise ClusterBusy("503")

    stage.exec.on_call = strike
    assert free(stage).startswith("the post hook of shop/db-0, container main failed: container not found")


def test_all_are_freed_and_every_problem_is_told() -> None:
    """One that fails does not keep the others."""
    stage = FreezeStage("db-0", "db-1", "db-2", alive=lambda _: False)
    for name in ("db-2", "db-1", "db-0"):
        stage.leave(record(hook("post", f"thaw-{name}", pod=name)), name)
    stage.exec.answers = {"thaw-db-1": Ended(1, "")}
    left = list_left(stage.cluster, PODS, stage.ports.retrier)
    problems = stage.thaw_left().all(left, SimulatedExecutor())
    assert problems == ("the post hook of shop/db-1, container main ended with exit code 1",)
    assert len(stage.observer.of(HookRan)) == 3
    assert [stage.frozen(name) is None for name in ("db-0", "db-1", "db-2")] == [True, False, True]


# finding


def test_records_are_found_by_listing_pods() -> None:
    """In all namespaces, or in those that are named; by metadata alone."""
    stage = FreezeStage("db-0", "db-1")
    stage.leave(record(), "db-1")
    elsewhere = pod("db-9")
    elsewhere["metadata"] = {"name": "db-9", "namespace": "other", "annotations": {"trysail.dev/frozen": "x"}}
    stage.cluster.put(elsewhere)
    everywhere = list_left(stage.cluster, PODS, stage.ports.retrier)
    assert [one.name for one in everywhere] == ["other/db-9", "shop/db-1"]
    assert [one.name for one in list_left(stage.cluster, PODS, stage.ports.retrier, ("shop",))] == ["shop/db-1"]
    assert all(call.request.metadata_only for call in stage.cluster.calls if call.request is not None)


def test_records_are_found_in_an_inventory() -> None:
    """A run has looked at its Pods already."""
    stage = FreezeStage()
    stage.leave(record())
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "shop"}}
    cluster = FakeCluster({**claim, "spec": {}}, stage.cluster.found("pods", "shop", "db-0"), pod("db-1"))
    planned = make_plan(policy(onUncovered="ignore"), cluster, SimulatedExecutor(), stage.ports.retrier)
    left = left_in(planned.inventory)
    assert [one.name for one in left] == ["shop/db-0"]
    assert left[0].record == read_record(json.dumps(stage.frozen()), "shop", "db-0")


def test_a_record_says_until_when() -> None:
    """By its own limits."""
    over = over_at(record(seconds=90.0))
    assert over is not None
    assert over.isoformat() == "2026-03-01T02:01:30+00:00"
    assert LeftFrozen("shop", "db-0", "x").record is None


def test_an_answer_that_is_no_pod_is_an_error_of_ours() -> None:
    """It is told as what it is, and nothing is taken for thawed."""
    stage = FreezeStage()
    value = pod("db-0")
    value["metadata"]["annotations"] = {"trysail.dev/frozen": 7}
    stage.cluster.put(value)
    assert "is not what Kubernetes' API promises" in free(stage)
    with pytest.raises(BadResponse):
        list_left(stage.cluster, PODS, stage.ports.retrier)
