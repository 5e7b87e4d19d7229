"""A restore test: everything is tried in namespaces of its own, and whatever happens, nothing is left of them."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest

from runner.engine.restore.plan import PlannedRestore
from runner.engine.restore.restore import RestorePorts
from runner.engine.restore.scratch import Scratch
from runner.errors import (
    Cancelled,
    ClusterBusy,
    ClusterUnreachable,
    ExitCode,
    Forbidden,
    Rejected,
    TrysailError,
    Unauthorized,
)
from runner.model.scratch import RestoreTest
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.restore_stage import RestoreStage

MAPPING = {"shop": "scratch-0-shop", "team": "scratch-1-team"}
SPEC: dict[str, Any] = {"namespaceMapping": MAPPING, "includedNamespaces": ["shop", "team"]}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}


def stage() -> RestoreStage:
    """Two namespaces with what lies there, and one thing that would run."""
    return RestoreStage(
        config_map("shop", "a", x="1"),
        config_map("shop", "b"),
        config_map("team", "a"),
        DEPLOYMENT,
        target=FakeCluster(config_map("shop", "a", x="live"), config_map("other", "mine")),
    )


def tried(made: RestoreStage, planned: PlannedRestore | None = None, order: Random | None = None) -> RestoreTest:
    """The test of a restore into scratch namespaces."""
    planned = planned or made.planned(**SPEC)
    ports = RestorePorts(made.target, SimulatedExecutor(order), made.clock, made.observer)
    return Scratch(planned.plan, planned.facts, ports).run()


def left(made: RestoreStage) -> set[str]:
    """Scratch namespaces that are still there."""
    made.target.on_call = made.target.after_call = lambda _: None
    made.target.reject = lambda *_: None
    plan = made.plan(includedResources=["namespaces"], namespaceMapping=MAPPING)
    there = {name for step in plan.steps if step.action != "create" for name in step.names}
    assert "shop" not in there or made.live("namespaces", "", "scratch-0-shop")
    return {MAPPING[name] for name in there & set(MAPPING)}


def test_everything_is_tried_and_removed() -> None:
    """What only lies there for real, what would run as a dry run; and nothing that was there is touched."""
    made = stage()
    before = made.live("configmaps", "shop", "a")
    result = tried(made)
    assert (result.passed, result.created, result.checked, result.exit_code) == (True, 5, 1, ExitCode.DONE)
    sent = {
        (call.resource.plural, call.namespace): call.dry_run
        for call in made.target.calls
        if call.verb == "create" and call.resource
    }
    assert sent[("deployments", "scratch-0-shop")]
    assert not sent[("configmaps", "scratch-0-shop")]
    assert not left(made)
    assert made.live("configmaps", "shop", "a") == before


def test_what_is_not_accepted_fails_the_test() -> None:
    """Named as the backup has it, with the server's reason; the rest is tried all the same."""
    made = stage()
    made.target.reject = lambda _v, _t, _s, name, _b: Rejected("denied") if name in {"b", "web"} else None
    result = tried(made)
    assert [(one.namespace, one.name, one.reason) for one in result.failed] == [
        ("shop", "b", "denied"),
        ("shop", "web", "denied"),
    ]
    assert result.exit_code == ExitCode.FINDINGS
    assert not left(made)


def test_what_comes_back_otherwise_fails_the_test() -> None:
    """A webhook that changes what it is given makes another object than was stored."""
    made = stage()

    def change(call: Call) -> None:
        if call.verb == "create" and call.name == "a" and call.namespace == "scratch-0-shop":
            made.target.put(config_map("scratch-0-shop", "a", x="changed", **{"": ""}))
            made.target.after_call = lambda _: None
            value = made.target.found("configmaps", "scratch-0-shop", "a")
            labels = {"trysail.dev/backup": "b1"}
            made.target.put({**value, "metadata": {**value["metadata"], "labels": labels}})
            raise ClusterUnreachable("the connection was reset")

    made.target.after_call = change
    (failed,) = tried(made).failed
    assert failed.reason == "it comes back otherwise: data.x"


def test_a_lost_answer_is_no_failure() -> None:
    """What is found under its name is the item itself: compared, and removed like the others."""
    made = stage()
    lost: set[tuple[str, str]] = set()

    def lose(call: Call) -> None:
        if (call.namespace, call.name) not in lost:
            lost.add((call.namespace, call.name))
            raise ClusterUnreachable("the connection was reset")

    made.target.after_call = lose
    assert tried(made).passed
    assert not left(made)


def test_finalizers_do_not_keep_a_scratch_namespace() -> None:
    """Nobody would come and take them off: they are not sent."""
    held = config_map("shop", "held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    made = RestoreStage(held)
    assert tried(made, made.planned(namespaceMapping=MAPPING, includedNamespaces=["shop"])).passed
    sent = [call.body for call in made.target.calls if call.verb == "create" and call.name == "held"]
    assert sent
    assert not any(b"finalizers" in body for body in sent)


def test_a_scratch_name_that_somebody_has_is_not_removed() -> None:
    """Nothing is deleted that this test has not made."""
    made = stage()
    made.target.put(config_map("scratch-1-team", "mine"))
    result = tried(made)
    assert result.created == 4
    assert made.live("configmaps", "scratch-1-team", "mine")


def test_a_name_that_is_taken_after_planning_is_not_removed() -> None:
    """Nor where it came into being since: it does not have our label."""
    made = stage()
    planned = made.planned(**SPEC)
    made.target.put(config_map("scratch-1-team", "mine"))
    tried(made, planned)
    assert made.live("configmaps", "scratch-1-team", "mine")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "error", [ClusterUnreachable("reset"), Unauthorized("401"), Cancelled("cancelled by SIGINT"), ClusterBusy("503")]
)
def test_whatever_ends_it_everything_is_removed(error: TrysailError, seed: int) -> None:
    """At any write, and with other writes under way: nothing of it is left."""
    made = stage()
    planned = made.planned(**SPEC)
    writes = [0]

    def strike(call: Call) -> None:
        writes[0] += call.verb == "create"
        if call.verb == "create" and writes[0] > seed:
            raise error

    made.target.on_call = strike
    with suppress(ClusterUnreachable, Unauthorized, Cancelled):
        tried(made, planned, Random(seed))
    assert not left(made)


def test_a_namespace_that_cannot_be_removed() -> None:
    """The others are; and the error names the one that is left, and how to remove it."""
    made = stage()
    made.target.reject = lambda verb, _t, _s, name, _b: (
        Forbidden("you may not") if verb == "delete" and name == "scratch-0-shop" else None
    )
    with pytest.raises(Forbidden) as caught:
        tried(made)
    assert caught.value.context["left"] == "scratch-0-shop"
    assert "kubectl delete namespace scratch-0-shop" in caught.value.hint
    assert left(made) == {"scratch-0-shop"}
