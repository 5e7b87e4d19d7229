"""What a person must know before trusting a plan: includes that match nothing, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable

from runner.model.plan import Gap, Step
from runner.plan.globs import first_match, first_resource_match
from runner.plan.labels import as_query
from runner.plan.needs import NAMESPACES, Need, need
from runner.plan.picture import Picture
from runner.plan.selection import names_item


def gaps(picture: Picture) -> tuple[Gap, ...]:
    """All that the policy selects, or might, and that could not be read; sorted."""
    found = set()
    by_name = {resource.name: resource for resource in picture.inventory.resources}
    for lost in picture.inventory.unreadable:
        resource = by_name.get(lost.resource)
        if resource is not None and (resource.group, resource.plural) == NAMESPACES:
            found |= set(_unseen_namespaces(picture, lost.reason))
            continue
        if resource is not None:
            verdict = picture.resources[resource.group, resource.plural]
            if not verdict.taken or need(picture.selection, resource) is Need.NOTHING:
                continue
        namespace = picture.namespaces.get(lost.namespace)
        if lost.namespace and (namespace is None or not namespace.taken):
            continue
        where = f" in namespace {lost.namespace}" if lost.namespace else ""
        found.add((f"{lost.resource}{where}", lost.reason))
    unmatched = tuple(_unmatched_types(picture))
    for failure in picture.inventory.failures:
        group = failure.group_version.rpartition("/")[0]
        if picture.selection.may_select_group(group, unmatched):
            found.add((f"every type of {failure.group_version}", failure.reason))
    return tuple(Gap(what=what, reason=reason) for what, reason in sorted(found))


def empty_includes(picture: Picture, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Each include of the policy that matches nothing, in the policy's own words."""
    spec = picture.selection.spec
    names = [row.name for row in picture.inventory.namespaces]
    unseen = any(lost.resource == "namespaces" for lost in picture.inventory.unreadable)
    empty = [
        f'includedNamespaces "{pattern}" matches no namespace'
        for pattern in spec.included_namespaces
        # What a glob would match among namespaces that may not be listed is a gap, and nobody's mistake.
        if not any(first_match((pattern,), name) for name in names) and not (unseen and _is_glob(pattern))
    ]
    empty += [f'"{pattern}" matches no type' for pattern in _unmatched_types(picture)]
    if spec.namespace_selector is not None and not any(verdict.taken for verdict in picture.namespaces.values()):
        empty.append(f"namespaceSelector {as_query(spec.namespace_selector)} matches no namespace")
    for selector in spec.included_items or ():
        taken = (
            names_item(selector, picked.holding.resource, row.namespace, row.name)
            for picked in picture.picked.values()
            for row in picked.rows or ()
        )
        if not any(taken):
            empty.append(f"includedItems {selector.resource}/{selector.name} in {selector.namespace} matches nothing")
    if not any(step.resource != "namespaces" for step in steps):
        empty.append("the policy selects no item at all")
    return tuple(empty)


def _unseen_namespaces(picture: Picture, reason: str) -> Iterable[tuple[str, str]]:
    """What is not known where namespaces may not be listed: those that are named without globs were asked for."""
    if any(map(_is_glob, picture.selection.spec.included_namespaces)):
        yield "namespaces", reason
    if picture.selection.spec.namespace_selector is not None:
        for row in picture.inventory.namespaces:
            if not row.uid:
                yield f"namespaces {row.name}", "its labels, which namespaceSelector asks for, may not be read"
    if not picture.resources[NAMESPACES].excluded:
        for row in picture.inventory.namespaces:
            if picture.namespaces[row.name].taken and not row.uid:
                yield f"namespaces {row.name}", "what is in it may be read, the Namespace itself may not"


def _is_glob(pattern: str) -> bool:
    return not set(pattern).isdisjoint("*?[")


def _unmatched_types(picture: Picture) -> Iterable[str]:
    spec = picture.selection.spec
    listed = spec.included_cluster_scoped_resources
    patterns = (
        *(spec.included_resources or ()),
        *(spec.included_namespace_scoped_resources or ()),
        *(listed if isinstance(listed, tuple) else ()),
    )
    for pattern in patterns:
        if not any(first_resource_match((pattern,), resource) for resource in picture.inventory.resources):
            yield pattern
