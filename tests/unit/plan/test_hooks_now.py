"""A saved plan's hooks with the Pods of now: run as they were read and agreed to, or the plan is stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runner.model.inventory import Row, Unreadable
from runner.plan.backup import plan_backup
from runner.plan.hooks_now import HooksNow, hooks_now
from tests.unit.plan.build import SNAPSHOT_LOCATION, pod, policy, seen
from tests.unit.plan.test_hooks import CLAIMS, VOLUMES, annotated, db, hook

FREEZE = [hook(pre=["sync"], post=["thaw"])]


def later(
    before: Sequence[Row],
    after: Sequence[Row],
    *,
    hooks: Any = FREEZE,
    hooks_after: Any = None,
    unreadable: Sequence[Unreadable] = (),
) -> HooksNow:
    """What becomes of the hooks of a plan for the Pods `before`, with those `after`."""

    def inventory(pods: Sequence[Row], unread: Sequence[Unreadable] = ()) -> Any:
        contents = {"shop/pods": pods, "shop/persistentvolumeclaims": CLAIMS, "persistentvolumes": VOLUMES}
        return seen(contents, unreadable=unread)

    def resolved(given: Any) -> Any:
        return policy(snapshotLocation=SNAPSHOT_LOCATION, hooks={"resources": given})

    saved = plan_backup(resolved(hooks), inventory(before))
    there = inventory(after, unreadable)
    now = plan_backup(resolved(hooks if hooks_after is None else hooks_after), there)
    return hooks_now(saved.hooks, now.hooks, there)


def ran(found: HooksNow) -> list[str]:
    """Pod and command of each hook that is run."""
    return [f"{one.pod} {one.command[0]}" for one in found.hooks]


def test_pods_come_back_under_other_names() -> None:
    """A hook is the same whatever its Pod is called and mounts: those of now are run."""
    found = later([db("db-x")], [db("db-y", "logs"), db("db-z")])
    assert ran(found) == ["db-y sync", "db-y thaw", "db-z sync", "db-z thaw"]
    assert (found.differences, found.stale) == ((), ())


def test_pods_that_are_gone_are_a_difference() -> None:
    """Nobody writes into their volumes any more: they can be snapshotted as they are."""
    found = later([db()], [])
    assert found == HooksNow(
        differences=(
            "the post hook thaw in shop (hooks.resources freeze) has no Pod any more",
            "the pre hook sync in shop (hooks.resources freeze) has no Pod any more",
        )
    )


def test_pods_that_cannot_be_looked_at_are_those_of_the_plan() -> None:
    """It was agreed that their volumes are not snapshotted without: whether a Pod is still there shows when it runs."""
    for where in ("", "shop"):
        found = later([db()], [], unreadable=[Unreadable(resource="pods", namespace=where, reason="403")])
        assert ran(found) == ["db-0 sync", "db-0 thaw"]
        assert found.differences == ("Pods in shop cannot be looked at: hooks are run in those of the plan",)
        assert found.stale == ()
    elsewhere = later([db()], [], unreadable=[Unreadable(resource="pods", namespace="web", reason="403")])
    assert elsewhere.hooks == ()


def test_a_pod_that_asks_for_another_hook_is_none_of_the_plan() -> None:
    """Nobody has seen the new one, and without the old one it is snapshotted as it runs."""
    found = later([db()], [db(hooks=annotated(command="rm"))])
    assert found.stale == ("shop/db-0 asks for other hooks than when it was planned",)


def test_half_of_a_pods_hooks_are_not_run() -> None:
    """Frozen, and without the hook that thaws it."""
    thaw = annotated("post.hook.backup.trysail.dev", command="other")
    found = later([db()], [db(hooks=thaw)])
    assert found.hooks == ()
    assert found.stale == ("shop/db-0 asks for other hooks than when it was planned",)


def test_a_pod_without_its_hook_is_none_of_the_plan() -> None:
    """It still writes into the volume."""
    found = later([db()], [db()], hooks_after=[])
    assert found.stale == (
        "the post hook thaw in shop (hooks.resources freeze) is none of shop/data's Pod any more",
        "the pre hook sync in shop (hooks.resources freeze) is none of shop/data's Pod any more",
    )


def test_a_new_hook_of_a_pod_that_had_none_is_not_run() -> None:
    """Its volume was planned without; and nobody has seen the command."""
    hooks = [hook(pre=["sync"], post=["thaw"], labelSelector={"matchLabels": {"app": "db"}})]
    other = pod("web", containers=("web",), phase="Running")
    asks = pod("web", containers=("web",), phase="Running", hooks=annotated(command="rm"))
    labelled = db(labels={"app": "db"})
    found = later([labelled, other], [labelled, asks], hooks=hooks)
    assert ran(found) == ["db-0 sync", "db-0 thaw"]
    assert found.differences == (
        "the pre hook rm in shop (annotation pre.hook.backup.trysail.dev/command) is new since the plan, and not run",
    )
    assert found.stale == ()


@pytest.mark.parametrize(
    "change", [{"container": "side"}, {"command": ["x"]}, {"timeout": "1s"}, {"onError": "continue"}]
)
def test_whatever_is_other_makes_another_hook(change: dict[str, Any]) -> None:
    """Container, command, limits: as planned, or not at all."""
    before, after = [hook(pre=[{"command": ["sync"]}])], [hook(pre=[{"command": ["sync"], **change}])]
    found = later([db()], [db()], hooks=before, hooks_after=after)
    assert found.hooks == ()
    assert found.stale == ("shop/db-0 asks for other hooks than when it was planned",)
