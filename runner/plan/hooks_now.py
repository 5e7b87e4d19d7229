"""The hooks of a saved plan with the Pods of now: what is run, what is otherwise, and what forbids the plan. Pure.

A Pod that would be snapshotted without its hook, or frozen without the hook that thaws it, is worse than no run: the
plan was read and agreed to with those hooks in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runner.model.hooks import PlannedHook
from runner.model.inventory import Inventory, PodFacts
from runner.plan.hooks import in_order, runs
from runner.plan.needs import PODS


class HooksNow(NamedTuple):
    """What becomes of a saved plan's hooks."""

    hooks: tuple[PlannedHook, ...] = ()  # those that are run
    differences: tuple[str, ...] = ()  # worth reading, no reason to stop
    stale: tuple[str, ...] = ()  # why the plan may not be run


def hooks_now(saved: Sequence[PlannedHook], now: Sequence[PlannedHook], inventory: Inventory) -> HooksNow:
    """Compares the hooks of `saved` with those that a plan from `inventory` would have, Pod by Pod.

    Pods come and go under other names: one that asks for the very hooks of some Pod of the plan gets them. Where Pods
    may not be looked at now, the plan's hooks are run in the Pods that it names.
    """
    unread = {lost.namespace for lost in inventory.unreadable if lost.resource == "pods"}
    blind = [hook for hook in saved if unread & {"", hook.namespace}]
    seen = [hook for hook in saved if hook not in blind]
    planned = {_asked(hooks) for hooks in _by_pod(seen)}
    known = {one for asked in planned for one in asked}
    covered = {claim for hook in seen for claim in hook.claims}
    kept, new, stale = list(blind), [], []
    for hooks in _by_pod(now):
        asked = _asked(hooks)
        if asked in planned:
            kept += hooks
        elif asked & known or any(claim in covered for hook in hooks for claim in hook.claims):
            stale.append(f"{hooks[0].pod_name} asks for other hooks than when it was planned")
        else:
            new += hooks
    gone, lost = _gone(seen, now, inventory)
    differences = (
        *(f"Pods in {name} cannot be looked at: hooks are run in those of the plan" for name in _namespaces(blind)),
        *sorted({f"{_words(hook)} is new since the plan, and not run" for hook in new}),
        *sorted({f"{_words(hook)} has no Pod any more" for hook in gone}),
    )
    reasons = (
        *stale,
        *(() if stale else sorted({f"{_words(hook)} is none of {claim}'s Pod any more" for hook, claim in lost})),
    )
    return HooksNow(in_order(kept), differences, reasons)


def _gone(
    saved: Iterable[PlannedHook], now: Iterable[PlannedHook], inventory: Inventory
) -> tuple[list[PlannedHook], list[tuple[PlannedHook, str]]]:
    """Hooks that no Pod asks for any more: with their Pods, or though a Pod still uses this claim."""
    here = {_same(hook) for hook in now}
    used = set(_used(inventory))
    gone, lost = [], []
    for hook in saved:
        if _same(hook) in here:
            continue
        claims = sorted(used.intersection(hook.claims))
        if claims:
            lost.append((hook, claims[0]))
        else:
            gone.append(hook)
    return gone, lost


def _used(inventory: Inventory) -> Iterator[str]:
    for holding in inventory.holdings:
        if (holding.resource.group, holding.resource.plural) != PODS:
            continue
        for row in holding.rows or ():
            if isinstance(row.facts, PodFacts) and runs(row, row.facts):
                yield from (f"{row.namespace}/{claim}" for claim in row.facts.claims)


def _by_pod(hooks: Iterable[PlannedHook]) -> Iterable[list[PlannedHook]]:
    pods: dict[str, list[PlannedHook]] = {}
    for hook in hooks:
        pods.setdefault(hook.pod_name, []).append(hook)
    return pods.values()


def _asked(hooks: Iterable[PlannedHook]) -> frozenset[tuple[object, ...]]:
    return frozenset(map(_same, hooks))


def _same(hook: PlannedHook) -> tuple[object, ...]:
    return (hook.namespace, hook.container, hook.when, hook.command, hook.on_error, hook.timeout, hook.why, hook.order)


def _namespaces(hooks: Iterable[PlannedHook]) -> list[str]:
    return sorted({hook.namespace for hook in hooks})


def _words(hook: PlannedHook) -> str:
    return f"the {hook.when} hook {hook.command[0]} in {hook.namespace} ({hook.why})"
