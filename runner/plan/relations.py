"""Adds to a picture what is related to its items: claims of Pods, volumes of claims, bindings, roles, CRDs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from runner.actions.related import bindings_of_accounts, claims_of_pods, roles_of_bindings, volumes_of_claims
from runner.model.inventory import ClaimFacts, Holding, Row
from runner.plan.labels import excluded_by_label
from runner.plan.needs import (
    CLAIMS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    VOLUMES,
)
from runner.plan.picture import Picked, Picture
from runner.plan.selection import ClusterScope

Kind = tuple[str, str]
Found = tuple[tuple[str, str], str]  # ((namespace, name), why)


def relate(picture: Picture) -> Picture:
    """The picture with everything that belongs to what it takes. Exclusions still win; types left out stay out."""
    if picture.selection.filters_items:
        picture = _add(picture, CLAIMS, claims_of_pods(picture.rows(PODS)))
        picture = _add_namespaced_rbac(picture)
    if picture.selection.scope is ClusterScope.RELATED:
        volumes = list(volumes_of_claims(picture.rows(CLAIMS)))
        picture = _add(picture, VOLUMES, (_cluster_item(name, why) for name, why in volumes))
        picture = _warn_of_lost(picture)
        picture = _add_cluster_rbac(picture)
        picture = _add(picture, CRDS, _crds(picture))
    return _add_namespaces(picture)


def _add_namespaces(picture: Picture) -> Picture:
    """The Namespace objects themselves: of every namespace taken, or, where items are filtered, of those with items.

    What excludes items excludes them too; what includes items by label or by name may mean the Namespace itself.
    """
    resource = next((r for r in picture.inventory.resources if (r.group, r.plural) == NAMESPACES), None)
    if resource is None or picture.resources[NAMESPACES].excluded:
        return picture
    lived_in = {picked.holding.namespace for picked in picture.picked.values() if picked.count}
    rows: list[Row] = []
    left: Counter[str] = Counter()
    for row in sorted(picture.inventory.namespaces, key=lambda row: row.name):
        # One without uid may not be read itself, though what is in it may.
        if not picture.namespaces[row.name].taken or not row.uid:
            continue
        excluded = picture.selection.excludes(resource, "", row.name)
        if excluded:
            left[excluded] += 1
        elif row.name in lived_in or picture.selection.item(resource, "", row.name, row.labels).taken:
            rows.append(row)
    holding = Holding(resource, "", len(picture.inventory.namespaces), picture.inventory.namespaces)
    names = tuple(row.name for row in rows)
    picked = Picked(holding, "holds what is selected", len(rows), tuple(rows), names, left)
    return replace(picture, picked={**picture.picked, (*NAMESPACES, ""): picked})


def _add_namespaced_rbac(picture: Picture) -> Picture:
    bindings = list(bindings_of_accounts(picture.all_rows(ROLE_BINDINGS), _accounts(picture)))
    picture = _add(picture, ROLE_BINDINGS, (((row.namespace, row.name), why) for row, why in bindings))
    roles = roles_of_bindings(picture.rows(ROLE_BINDINGS))
    return _add(picture, ROLES, (((namespace, name), why) for (kind, namespace, name), why in roles if kind == "Role"))


def _add_cluster_rbac(picture: Picture) -> Picture:
    bindings = list(bindings_of_accounts(picture.all_rows(CLUSTER_ROLE_BINDINGS), _accounts(picture)))
    picture = _add(picture, CLUSTER_ROLE_BINDINGS, (_cluster_item(row.name, why) for row, why in bindings))
    # A RoleBinding may grant a ClusterRole, and is of no use where that is missing.
    granted = [*picture.rows(CLUSTER_ROLE_BINDINGS), *picture.rows(ROLE_BINDINGS)]
    roles = roles_of_bindings(granted)
    return _add(
        picture,
        CLUSTER_ROLES,
        (_cluster_item(name, why) for (kind, _, name), why in roles if kind == "ClusterRole"),
    )


def _accounts(picture: Picture) -> frozenset[tuple[str, str]]:
    return frozenset((row.namespace, row.name) for row in picture.rows(SERVICE_ACCOUNTS))


def _crds(picture: Picture) -> Iterable[Found]:
    for (group, plural, _), picked in picture.picked.items():
        if picked.count and group:
            yield _cluster_item(f"{plural}.{group}", f"defines the selected {plural}.{group}")


def _cluster_item(name: str, why: str) -> Found:
    return (("", name), why)


def _add(picture: Picture, kind: Kind, found: Iterable[Found]) -> Picture:
    """Takes the items that were found, where they exist and nothing excludes them."""
    wanted: dict[str, dict[str, str]] = {}
    for (namespace, name), why in found:
        wanted.setdefault(namespace, {}).setdefault(name, why)
    changed = dict(picture.picked)
    for namespace, whys in wanted.items():
        picked = changed.get((*kind, namespace))
        if picked is not None:
            changed[*kind, namespace] = _with(picture, picked, whys)
    return replace(picture, picked=changed)


def _with(picture: Picture, picked: Picked, whys: dict[str, str]) -> Picked:
    taken = {row.name for row in picked.rows or ()}
    added = [
        row
        for row in picked.holding.rows or ()
        if row.name in whys and row.name not in taken and not _excluded(picture, picked, row)
    ]
    if not added:
        return picked
    rows = tuple(sorted((*(picked.rows or ()), *added), key=lambda row: row.name))
    related = picked.why if not taken else f"{picked.why}; also related items"
    return replace(
        picked,
        rows=rows,
        count=len(rows),
        names=tuple(row.name for row in rows),
        why=related if taken else _why_related(added, whys),
        left=_left_without(picture, picked, added),
    )


def _left_without(picture: Picture, picked: Picked, added: list[Row]) -> Counter[str]:
    """What the filters leave out of a holding, now that some of it is taken all the same."""
    resource = picked.holding.resource
    back = Counter(picture.selection.item(resource, row.namespace, row.name, row.labels).why for row in added)
    return picked.left - back


def _why_related(added: list[Row], whys: dict[str, str]) -> str:
    first = whys[min(row.name for row in added)]
    return first if len(added) == 1 else f"{first}, and {len(added) - 1} more like it"


def _excluded(picture: Picture, picked: Picked, row: Row) -> bool:
    resource = picked.holding.resource
    return excluded_by_label(row.labels) is not None or bool(
        picture.selection.excludes(resource, row.namespace, row.name)
    )


def _warn_of_lost(picture: Picture) -> Picture:
    """A claim may name a volume that is not there any more: its data is lost already, and nobody should miss it."""
    verdict = picture.resources.get(VOLUMES)
    unreadable = any(lost.resource == "persistentvolumes" for lost in picture.inventory.unreadable)
    if verdict is None or not verdict.taken or unreadable:
        return picture
    present = {row.name for row in picture.all_rows(VOLUMES)}
    warnings = tuple(
        f"claim {row.namespace}/{row.name} is bound to volume {row.facts.volume}, which is not there"
        for row in picture.rows(CLAIMS)
        if isinstance(row.facts, ClaimFacts)
        and row.facts.phase != "Pending"
        and row.facts.volume
        and row.facts.volume not in present
    )
    return replace(picture, warnings=picture.warnings + warnings)
