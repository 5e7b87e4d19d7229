"""The inventory seen through a policy: which namespaces, types and items its filters take, each with its why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from runner.model.inventory import Holding, Inventory, Row
from runner.plan.labels import as_query, excluded_by_label
from runner.plan.needs import NAMESPACES, Need, need
from runner.plan.selection import ClusterScope, Selection, Verdict


@dataclass(frozen=True, slots=True)
class Picked:
    """What is taken of one holding."""

    holding: Holding
    why: str
    count: int
    rows: tuple[Row, ...] | None  # what the filters take; None where items were only counted
    names: tuple[str, ...] | None = None  # exactly these, where more is taken than the filters do
    left: Counter[str] = field(default_factory=Counter)  # rule -> items it leaves out


@dataclass(frozen=True, slots=True)
class Picture:
    """Verdicts on all that was seen. `picked` has every holding that filters or relations look at, taken or not."""

    selection: Selection
    inventory: Inventory
    namespaces: dict[str, Verdict]
    resources: dict[tuple[str, str], Verdict]
    picked: dict[tuple[str, str, str], Picked]  # (group, plural, namespace)
    warnings: tuple[str, ...] = ()

    def rows(self, kind: tuple[str, str]) -> list[Row]:
        """All rows that the filters take of a type, over all namespaces."""
        return [
            row
            for (group, plural, _), picked in self.picked.items()
            if (group, plural) == kind
            for row in picked.rows or ()
        ]

    def seen(self, kind: tuple[str, str]) -> list[Row]:
        """All rows of a type that were looked at, whether the filters take the type or not."""
        of_type = [
            holding for holding in self.inventory.holdings if (holding.resource.group, holding.resource.plural) == kind
        ]
        return [row for holding in _ordered(of_type) for row in holding.rows or ()]

    def all_rows(self, kind: tuple[str, str]) -> list[Row]:
        """All rows of a type in namespaces that are taken (or cluster-scoped), whatever the filters say of items."""
        return [
            row
            for (group, plural, _), picked in self.picked.items()
            if (group, plural) == kind
            for row in picked.holding.rows or ()
        ]


def look(selection: Selection, inventory: Inventory) -> Picture:
    """Puts a policy's questions to an inventory; relations between items are not looked at yet."""
    namespaces = {row.name: selection.namespace(row) for row in inventory.namespaces}
    served = frozenset((resource.group, resource.plural) for resource in inventory.resources)
    resources = {
        (resource.group, resource.plural): selection.resource(resource, served) for resource in inventory.resources
    }
    picked: dict[tuple[str, str, str], Picked] = {}
    for holding in _ordered(inventory.holdings):
        resource = holding.resource
        kind = (resource.group, resource.plural)
        if kind == NAMESPACES or kind not in resources or not resources[kind].taken:
            continue
        if need(selection, resource) is Need.NOTHING:
            continue
        if holding.namespace and not _taken(namespaces, holding.namespace):
            continue
        why = _why(selection, resources[kind], namespaces.get(holding.namespace))
        picked[*kind, holding.namespace] = _pick(selection, holding, why)
    return Picture(selection, inventory, namespaces, resources, picked)


def _ordered(holdings: Iterable[Holding]) -> list[Holding]:
    """Sorted, whoever wrote the inventory: where several things are the reason for one, the first of them is named."""
    by_name = [
        holding
        if holding.rows is None
        else msgspec.structs.replace(holding, rows=tuple(sorted(holding.rows, key=lambda row: row.name)))
        for holding in holdings
    ]
    return sorted(by_name, key=lambda holding: (holding.resource, holding.namespace))


def _taken(namespaces: dict[str, Verdict], name: str) -> bool:
    verdict = namespaces.get(name)
    return verdict is not None and verdict.taken


def _pick(selection: Selection, holding: Holding, why: str) -> Picked:
    resource = holding.resource
    if not resource.namespaced and selection.scope is ClusterScope.RELATED:
        return Picked(holding, why, 0, ())
    if holding.rows is None:
        left = Counter(f"label {label}=true" for row in holding.marked if (label := excluded_by_label(row.labels)))
        return Picked(holding, why, holding.count - left.total(), None, left=left)
    taken: list[Row] = []
    left = Counter()
    for row in holding.rows:
        verdict = selection.item(resource, row.namespace, row.name, row.labels)
        if verdict.taken:
            taken.append(row)
        elif not verdict.why.startswith(("labelSelector", "none of orLabelSelectors")):
            # What label selectors do not match is never counted: an API server that is asked with the selector
            # does not tell, and a plan must not depend on how its counts were had.
            left[verdict.why] += 1
    return Picked(holding, why, len(taken), tuple(taken), left=left)


def _why(selection: Selection, resource: Verdict, namespace: Verdict | None) -> str:
    parts = [namespace.why] if namespace is not None else []
    if resource.why != "every type" or not parts:
        parts.append(resource.why)
    spec = selection.spec
    if spec.label_selector is not None:
        parts.append(f"labelSelector {as_query(spec.label_selector)}")
    if spec.or_label_selectors is not None:
        parts.append("orLabelSelectors " + " or ".join(as_query(s) for s in spec.or_label_selectors))
    if spec.included_items is not None:
        parts.append("includedItems")
    return ", ".join(parts)
