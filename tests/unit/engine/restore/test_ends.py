"""How a restore ends: answers that are lost, what others do meanwhile, a quota, an API server that goes, a signal."""

from __future__ import annotations

from random import Random

import pytest

from runner.errors import (
    Cancelled,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ExitCode,
    QuotaExceeded,
    Rejected,
    Unauthorized,
)
from runner.model.event import ItemFailed, RestoreFinished, RestoreStarted
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.restore_stage import BACKUP, RestoreStage


def many(count: int = 10) -> RestoreStage:
    """A backup of some ConfigMaps."""
    return RestoreStage(*(config_map("shop", f"c{n:03}", n=str(n)) for n in range(count)))


def creates(made: RestoreStage) -> list[str]:
    """Names that were sent to be created, in order."""
    return [call.name for call in made.target.calls if call.verb == "create"]


def test_lost_answers_of_creates() -> None:
    """What is found under its name is ours: counted once, created once."""
    made = many()
    lost: set[str] = set()

    def lose(call: Call) -> None:
        if call.name not in lost:
            lost.add(call.name)
            raise ClusterUnreachable("the connection was reset")

    made.target.after_call = lose
    result = made.restore()
    assert (result.done, result.created, result.already, result.failed) == (11, 0, 11, ())
    assert made.plan().items == 0


@pytest.mark.parametrize("policy", ["update", "recreate"])
def test_lost_answers_of_changes(policy: str) -> None:
    """An apply is sent again, a delete finds the object gone: either way the item is as it was stored."""
    made = RestoreStage(config_map("shop", "web", a="1"), target=FakeCluster(config_map("shop", "web", a="2")))
    lost: set[str] = set()

    def lose(call: Call) -> None:
        if call.verb not in lost:
            lost.add(call.verb)
            raise ClusterUnreachable("the connection was reset")

    made.target.after_call = lose
    result = made.restore(existingResourcePolicy=policy)
    assert (result.done, result.failed) == (1, ())
    assert made.live("configmaps", "shop", "web")["data"] == {"a": "1"}


def test_others_create_the_same() -> None:
    """Equal to what was stored: that is what was wanted."""
    made = many(3)
    planned = made.planned()
    made.target.put(config_map("shop", "c001", n="1"))
    result = made.restore(planned=planned)
    assert (result.failed, result.done) == ((), 4)
    assert "labels" not in made.live("configmaps", "shop", "c001")["metadata"]


def test_others_create_something_else() -> None:
    """It is theirs: left as it is, and named, with what differs."""
    made = many(3)
    planned = made.planned(existingResourcePolicy="recreate")
    made.target.put(config_map("shop", "c001", n="mine"))
    result = made.restore(planned=planned)
    assert [(one.name, one.reason) for one in result.failed] == [
        ("c001", "it has come into being since the plan was made, and differs: data.n")
    ]
    assert made.live("configmaps", "shop", "c001")["data"] == {"n": "mine"}


def test_somebody_creates_and_deletes_it_over_and_over() -> None:
    """That has an end."""
    made = many(1)

    def flicker(call: Call) -> None:
        if call.verb == "create" and call.name == "c000":
            made.target.put(config_map("shop", "c000", n="theirs"))
        if call.verb == "get" and call.name == "c000":
            made.target.take("configmaps", "shop", "c000")

    planned = made.planned()
    made.target.on_call = flicker
    (failed,) = made.restore(planned=planned).failed
    assert "comes and goes" in failed.reason


def test_a_controller_makes_it_first_and_it_is_ours_by_label() -> None:
    """A run beside us, or before, has created it, and somebody has changed it since: it is done."""
    made = many(1)
    planned = made.planned()
    theirs = config_map("shop", "c000", n="changed")
    theirs["metadata"]["labels"] = {"trysail.dev/backup": BACKUP}
    made.target.put(theirs)
    result = made.restore(planned=planned)
    assert (result.already, result.failed) == (2, ())


def test_a_quota_that_runs_out_midway() -> None:
    """Each item that has no room is named with the server's words; what fitted is there."""
    made = many(10)
    room = [4]

    def full(verb: str, resource: object, namespace: str, name: str, body: bytes) -> QuotaExceeded | None:
        del resource, name, body
        if verb == "create" and namespace:
            room[0] -= 1
            return QuotaExceeded("exceeded quota: objects, used: 4, limited: 4") if room[0] < 0 else None
        return None

    made.target.reject = full
    result = made.restore()
    assert (result.created, len(result.failed)) == (5, 6)
    assert {one.reason for one in result.failed} == {"exceeded quota: objects, used: 4, limited: 4"}
    assert result.exit_code == ExitCode.PARTIAL
    assert len(made.observer.of(ItemFailed)) == 6
    (finished,) = made.observer.of(RestoreFinished)
    assert (finished.items, finished.failed) == (5, 6)


def test_busy_for_a_while() -> None:
    """429 and 5xx are tried again, each item for itself."""
    made = many(3)
    seen: dict[str, int] = {}

    def busy(call: Call) -> None:
        if call.verb == "create":
            seen[call.name] = seen.get(call.name, 0) + 1
            if seen[call.name] <= 2:
                raise ClusterBusy("the API server answers 429", retry_after=1.0)

    made.target.on_call = busy
    assert not made.restore().failed
    assert set(seen.values()) == {3}


def test_busy_without_end() -> None:
    """Given up after a bounded number of tries; the item is named."""
    made = many(2)
    planned = made.planned()

    def busy(call: Call) -> None:
        if call.name == "c001":
            raise ClusterBusy("failed calling webhook")

    made.target.on_call = busy
    result = made.restore(planned=planned)
    assert [(one.name, one.reason) for one in result.failed] == [("c001", "failed calling webhook")]
    assert creates(made).count("c001") == 7


@pytest.mark.parametrize(
    "error", [ClusterUnreachable("connection refused"), Unauthorized("the API server answers 401", hint="log in")]
)
def test_an_api_server_that_goes_midway(error: ClusterError) -> None:
    """That ends everything, and says what was done and how to go on; going on completes it, without doing it twice."""
    made = many(200)
    planned = made.planned()
    seen = len(made.target.calls)

    def gone(call: Call) -> None:
        if call.number > seen + 100:
            raise error

    made.target.on_call = gone
    with pytest.raises(type(error)) as caught:
        made.restore(planned=planned)
    assert caught.value.context["done"].endswith(" of 201 items")
    assert caught.value.hint in {"the same command goes on from here", "log in; the same command goes on from here"}
    made.target.on_call = lambda _: None
    result = made.restore()
    assert not result.failed
    done = [call.name for call in made.target.calls if call.verb == "create"]
    assert result.created == 101
    assert len(set(done)) == 201
    assert made.plan().items == 0


def test_a_signal_midway() -> None:
    """Nothing more is begun, and what was done is said."""
    made = many(200)
    submits = [0]

    def touched(what: str) -> None:
        submits[0] += what == "submit"
        if submits[0] == 120 and what == "submit":
            raise Cancelled("cancelled by SIGINT")

    planned = made.planned()
    with pytest.raises(Cancelled) as caught:
        made.restore(planned=planned, touched=touched, order=Random(1))
    assert "of 201 items" in caught.value.context["done"]
    assert len(creates(made)) <= 120
    assert not made.restore().failed


def test_a_signal_while_owners_are_named() -> None:
    """It is no failure of an item."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "old-web"},
    }
    child = config_map("shop", "c")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "old-web"}
    ]
    made = RestoreStage(owner, child)

    def stop(call: Call) -> None:
        if call.verb == "merge":
            raise Cancelled("cancelled by SIGTERM")

    made.target.on_call = stop
    with pytest.raises(Cancelled):
        made.restore()


def test_nothing_to_do() -> None:
    """Then nothing is written, and the result says so."""
    made = many(3)
    made.restore()
    written = len(creates(made))
    result = made.restore()
    assert (result.done, result.exit_code, len(creates(made))) == (0, ExitCode.DONE, written)
    assert made.observer.of(RestoreStarted)[-1].items == 0


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_the_work_ends_the_same(seed: int) -> None:
    """Also where some of it fails."""
    made = many(80)
    made.target.reject = lambda _v, _t, _s, name, _b: Rejected("denied") if name.endswith("7") else None
    result = made.restore(order=Random(seed))
    assert (result.created, len(result.failed)) == (73, 8)
    assert list(result.failed) == sorted(result.failed)
