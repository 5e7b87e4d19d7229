"""Tests of which volumes are frozen and snapshotted together."""

from __future__ import annotations

from typing import Literal

from runner.model.hooks import PlannedHook
from runner.model.volumes import Method, PlannedVolume
from runner.plan.volume_groups import Group, groups


def line(claim: str, method: Method = "native-snapshot") -> PlannedVolume:
    """The line of a claim in shop."""
    return PlannedVolume(method=method, why="rule", claim=f"shop/{claim}", volume=f"pv-{claim}")


def hook(pod: str, *claims: str, when: Literal["pre", "post"] = "pre", order: int = 0) -> PlannedHook:
    """A hook of a Pod in shop."""
    return PlannedHook(
        namespace="shop",
        pod=pod,
        container="db",
        when=when,
        command=("sync",),
        on_error="fail",
        timeout=30,
        why="hooks.resources freeze",
        claims=tuple(f"shop/{claim}" for claim in claims),
        order=order,
    )


def test_a_volume_without_a_hooked_pod_is_alone() -> None:
    """It waits for nobody; what is not kept is in no group."""
    unclaimed = PlannedVolume(method="native-snapshot", why="rule", volume="pv-9")
    lines = [line("a"), line("b"), line("c", "skip"), line("d", "uncovered"), unclaimed]
    assert groups(lines, ()) == (
        Group("pv-9", (unclaimed,)),
        Group("shop/a", (lines[0],)),
        Group("shop/b", (lines[1],)),
    )


def test_volumes_of_a_hooked_pod_have_one_point_in_time() -> None:
    """With the hooks before and after them, in order; the group is named after the Pod."""
    hooks = [hook("db", "a", "b"), hook("db", "a", "b", order=1), hook("db", "a", "b", when="post")]
    lines = [line("a"), line("b"), line("c")]
    assert groups(lines, hooks) == (
        Group("shop/c", (lines[2],)),
        Group("shop/db", (lines[0], lines[1]), pre=tuple(hooks[:2]), post=(hooks[2],)),
    )


def test_pods_that_share_a_claim_are_frozen_together() -> None:
    """Over any number of steps: x shares with y, and y with z."""
    hooks = [hook("x", "a"), hook("y", "a", "b"), hook("z", "b", "c"), hook("far", "d")]
    lines = [line("a"), line("b"), line("c"), line("d")]
    assert groups(lines, hooks) == (
        Group("shop/far", (lines[3],), pre=(hooks[3],)),
        Group("shop/x", tuple(lines[:3]), pre=tuple(hooks[:3])),
    )


def test_hooks_without_volumes_are_run_all_the_same() -> None:
    """Somebody asked for them: a group without volumes."""
    hooks = [hook("cache"), hook("web", "scratch")]
    assert groups([line("scratch", "skip")], hooks) == (
        Group("shop/cache", (), pre=(hooks[0],)),
        Group("shop/web", (), pre=(hooks[1],)),
    )


def test_the_order_of_rows_does_not_matter() -> None:
    """The same groups, by name."""
    hooks, lines = [hook("x", "a"), hook("y", "a"), hook("z", "b")], [line("a"), line("b"), line("c")]
    assert [group.name for group in groups(lines[::-1], hooks)] == ["shop/c", "shop/x", "shop/z"]
