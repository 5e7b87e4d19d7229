"""What changed since the last backup of a policy and cluster. Stands beside the plan and is no part of it. Pure.

Compares identities (uid) and versions (resourceVersion) alone: contents are never looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from runner.model.cluster import ItemId, Resource
from runner.model.inventory import Inventory, Row
from runner.model.plan import Plan, Step
from runner.plan.selection import Selection


class SelectedRow(NamedTuple):
    """An item that a plan would store, as the inventory saw it."""

    item: ItemId
    uid: str
    resource_version: str
    terminating: bool


@dataclass(frozen=True, slots=True)
class LastBackup:
    """The backup that is compared with: its name, the policy in its manifest, and (item, uid, resourceVersion)s."""

    name: str
    policy: dict[str, Any]
    items: Iterable[tuple[ItemId, str, str]]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of the policy's spec that is not what it was. None stands for a field that is not there."""

    path: str  # spec.labelSelector.matchLabels
    was: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Dropped:
    """A type or a namespace that the last backup holds items of, and that the plan has no step for."""

    what: str  # `type secrets`, `namespace shop`
    items: int  # in the last backup
    why: str  # the rule that leaves it out; "" where nothing that is selected is left of it


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run would store otherwise than the last backup did. Names are sorted."""

    backup: str
    added: tuple[ItemId, ...]
    removed: tuple[ItemId, ...]  # stored last time; gone now, or not selected any more
    changed: tuple[ItemId, ...]  # the same object in another version
    replaced: tuple[ItemId, ...]  # another object under the same name
    being_deleted: tuple[ItemId, ...]  # still there, and left out by a run
    unchanged: int
    unknown: int  # stored last time, and in what cannot be read now
    policy: tuple[FieldChange, ...]
    dropped: tuple[Dropped, ...]
    departing: int = 0  # how many of those that are being deleted the last backup holds

    @property
    def nothing(self) -> bool:
        """Whether a run would store the very objects, in the very versions, that the last backup holds."""
        return not (self.added or self.removed or self.changed or self.replaced or self.departing or self.unknown)

    @property
    def shrinks(self) -> bool:
        """Whether a rule now leaves out a type or a namespace that was stored last time."""
        return any(dropped.why for dropped in self.dropped)


def selected_rows(plan: Plan, selection: Selection, inventory: Inventory) -> tuple[SelectedRow, ...] | None:
    """The rows that a run of `plan` would store, in its order; None where something planned was only counted.

    `selection` is that of the plan's own policy, `inventory` the one that the plan was made from, or a fuller one.
    """
    holdings = {(holding.resource.name, holding.namespace): holding for holding in inventory.holdings}
    selected: list[SelectedRow] = []
    for step in plan.steps:
        if step.resource == "namespaces":
            selected += _of_step(step, inventory.namespaces, lambda _: True)
            continue
        holding = holdings.get((step.resource, step.namespace))
        if holding is not None:
            if holding.rows is None:
                return None
            selected += _of_step(step, holding.rows, partial(_taken, selection, holding.resource))
    return tuple(selected)


def compare(plan: Plan, rows: Iterable[SelectedRow], last: LastBackup) -> Changes:
    """What differs between what `plan` selects now (`rows`) and what `last` stored. `last.items` is read once."""
    now = {row.item: row for row in rows}
    unreadable = _unreadable(plan)
    removed, changed, replaced = [], [], []
    stored: Counter[_Coverage] = Counter()
    unchanged = unknown = departing = 0
    for item, uid, version in last.items:
        if unreadable(item):
            unknown += 1
            now.pop(item, None)
            continue
        stored[_Coverage(f"type {_resource(item)}", cluster_scoped=not item.namespace)] += 1
        if item.namespace:
            stored[_Coverage(f"namespace {item.namespace}")] += 1
        row = now.get(item)
        if row is None:
            removed.append(item)
        elif row.terminating:
            departing += 1
            continue
        elif uid and row.uid and uid != row.uid:
            replaced.append(item)
        elif version != row.resource_version:
            changed.append(item)
        else:
            unchanged += 1
        if row is not None:
            del now[item]
    being_deleted = [row.item for row in now.values() if row.terminating]
    fields = tuple(_field_changes("spec", last.policy.get("spec"), plan.policy.get("spec")))
    return Changes(
        backup=last.name,
        added=tuple(sorted(row.item for row in now.values() if not row.terminating)),
        removed=tuple(sorted(removed)),
        changed=tuple(sorted(changed)),
        replaced=tuple(sorted(replaced)),
        being_deleted=tuple(sorted(being_deleted)),
        unchanged=unchanged,
        unknown=unknown,
        policy=fields,
        dropped=tuple(_dropped(plan, stored, policy_changed=bool(fields))),
        departing=departing,
    )


class _Coverage(NamedTuple):
    """A type or a namespace, in the words of LeftOut."""

    what: str
    cluster_scoped: bool = False


def _taken(selection: Selection, resource: Resource, row: Row) -> bool:
    return selection.item(resource, row.namespace, row.name, row.labels).taken


def _of_step(step: Step, rows: Iterable[Row], takes: Callable[[Row], bool]) -> Iterator[SelectedRow]:
    plural, _, group = step.resource.partition(".")
    names = None if step.names is None else frozenset(step.names)
    for row in rows:
        if takes(row) if names is None else row.name in names:
            item = ItemId(group, plural, row.namespace, row.name)
            yield SelectedRow(item, row.uid, row.resource_version, row.terminating)


def _resource(item: ItemId) -> str:
    return f"{item.plural}.{item.group}" if item.group else item.plural


def _unreadable(plan: Plan) -> Callable[[ItemId], bool]:
    """Whether an item is of what the plan's gaps name: nobody knows whether it is still there."""
    gaps = {gap.what for gap in plan.gaps}
    groups = {what.removeprefix("every type of ").rpartition("/")[0] for what in gaps if what.startswith("every type")}
    known = {f"namespace {step.namespace}" for step in plan.steps} | {left.what for left in plan.left_out}

    def unreadable(item: ItemId) -> bool:
        resource = _resource(item)
        words = {resource, f"{resource} {item.name}", f"{resource} in namespace {item.namespace}"}
        unseen = item.namespace and "namespaces" in gaps and f"namespace {item.namespace}" not in known
        return not words.isdisjoint(gaps) or item.group in groups or bool(unseen)

    return unreadable if gaps else lambda _: False


def _dropped(plan: Plan, stored: Mapping[_Coverage, int], *, policy_changed: bool) -> Iterator[Dropped]:
    planned = {f"type {step.resource}" for step in plan.steps}
    planned |= {f"namespace {step.namespace}" for step in plan.steps}
    whys = {left.what: left.why for left in plan.left_out}
    for covered, items in sorted(stored.items()):
        if covered.what not in planned:
            why = whys.get(covered.what, "")
            # With the same policy, it was related to something that is gone.
            if not why and covered.cluster_scoped and policy_changed:
                why = whys.get("cluster-scoped items", "")
            yield Dropped(what=covered.what, items=items, why=why)


def _field_changes(path: str, was: Any, now: Any) -> Iterator[FieldChange]:
    """Field by field, as deep as both sides are mappings; lists are compared whole, as their order counts."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _field_changes(f"{path}.{name}", was.get(name), now.get(name))
    elif was != now:
        yield FieldChange(path, was, now)
