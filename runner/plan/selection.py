"""What a policy selects: namespaces, types and items. Pure; the engine asks the same questions of what it reads.

Velero's rules (velero.io/docs/main/resource-filtering), plus namespaceSelector and names. Everything given must hold,
and exclusion wins. Every answer carries its why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from runner.model.cluster import Resource
from runner.model.filters import Filters, ItemSelector
from runner.model.inventory import NamespaceFacts, Row
from runner.model.labels import matches
from runner.plan.globs import first_match, first_resource_match
from runner.plan.labels import as_query, excluded_by_label

NEEDED_VERBS = frozenset({"list", "create", "get", "delete"})

# (group, plural) that is another name of the same objects -> the group they are taken from.
SERVED_TWICE = {
    ("events.k8s.io", "events"): "",
    ("extensions", "daemonsets"): "apps",
    ("extensions", "deployments"): "apps",
    ("extensions", "replicasets"): "apps",
    ("extensions", "ingresses"): "networking.k8s.io",
    ("extensions", "networkpolicies"): "networking.k8s.io",
    ("extensions", "podsecuritypolicies"): "policy",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something is taken, and the rule that says so."""

    taken: bool
    why: str

    @property
    def excluded(self) -> bool:
        """Whether an exclusion of the policy says so, and not merely that nothing includes it."""
        return not self.taken and self.why.startswith("excluded")


class ClusterScope(Enum):
    """Which cluster-scoped items are wanted."""

    ALL = "all"
    RELATED = "related"
    LISTED = "listed"
    NONE = "none"


@dataclass(frozen=True)
class Selection:
    """The questions that can be asked of a policy's filters."""

    spec: Filters
    scope: ClusterScope = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", _cluster_scope(self.spec))

    # namespaces

    def namespace(self, row: Row) -> Verdict:
        """Whether the items in a namespace are looked at."""
        spec = self.spec
        included = first_match(spec.included_namespaces, row.name)
        if included is None:
            return Verdict(taken=False, why="not in includedNamespaces")
        excluded = first_match(spec.excluded_namespaces, row.name)
        if excluded is not None:
            return Verdict(taken=False, why=f'excludedNamespaces "{excluded}"')
        if spec.namespace_selector is not None and not matches(spec.namespace_selector, row.labels):
            return Verdict(taken=False, why="namespaceSelector does not match")
        label = excluded_by_label(row.labels)
        if label is not None:
            return Verdict(taken=False, why=f"label {label}=true")
        if row.terminating or (isinstance(row.facts, NamespaceFacts) and row.facts.phase == "Terminating"):
            return Verdict(taken=False, why="it is being deleted")
        if spec.namespace_selector is not None:
            return Verdict(taken=True, why=f"namespaceSelector {as_query(spec.namespace_selector)}")
        if included == "*":
            return Verdict(taken=True, why="every namespace")
        return Verdict(taken=True, why=f'includedNamespaces "{included}"')

    # types

    def resource(self, resource: Resource, served: frozenset[tuple[str, str]]) -> Verdict:
        """Whether a type's items are looked at. `served` has (group, plural) of every type that is served.

        With `scope` RELATED a cluster-scoped type that is not excluded is taken: its items are, if something selected
        is related to them.
        """
        missing = sorted(NEEDED_VERBS.difference(resource.verbs))
        if missing:
            return Verdict(taken=False, why="cannot be backed up and restored: its API has no " + ", ".join(missing))
        twin = SERVED_TWICE.get((resource.group, resource.plural))
        if twin is not None and (twin, resource.plural) in served:
            kept = f"{resource.plural}.{twin}" if twin else resource.plural
            return Verdict(taken=False, why=f"the same objects as {kept}")
        if resource.namespaced:
            return self._by_filters(
                resource,
                included=(self.spec.included_resources, "includedResources"),
                also=(self.spec.included_namespace_scoped_resources, "includedNamespaceScopedResources"),
                excluded=(
                    (self.spec.excluded_resources, "excludedResources"),
                    (self.spec.excluded_namespace_scoped_resources, "excludedNamespaceScopedResources"),
                ),
            )
        return self._cluster_scoped(resource)

    def may_select_group(self, group: str, unmatched: tuple[str, ...]) -> bool:
        """Whether types of a group that could not be discovered might have been selected.

        `unmatched` has those include patterns that no discovered type answers to.
        """
        spec = self.spec
        probe = Resource(group=group, plural="?", version="?", kind="?", namespaced=True)
        listed = spec.included_cluster_scoped_resources
        namespaced = _may_match(
            probe,
            spec.included_resources or spec.included_namespace_scoped_resources,
            (*(spec.excluded_resources or ()), *(spec.excluded_namespace_scoped_resources or ())),
        )
        # What is related is never of a group that an aggregated API serves.
        cluster_scoped = self.scope in {ClusterScope.ALL, ClusterScope.LISTED} and _may_match(
            probe,
            listed if isinstance(listed, tuple) else spec.included_resources,
            (*(spec.excluded_resources or ()), *(spec.excluded_cluster_scoped_resources or ())),
        )
        named = any(pattern.endswith("." + group) or "." not in pattern for pattern in unmatched)
        return namespaced or cluster_scoped or named

    # items

    @property
    def filters_items(self) -> bool:
        """Whether items are picked one by one, by labels or by names."""
        spec = self.spec
        return bool(spec.label_selector or spec.or_label_selectors or spec.included_items or spec.excluded_items)

    def filters_items_of(self, resource: Resource) -> bool:
        """Whether some items of this very type might be left out by labels or names."""
        spec = self.spec
        if spec.label_selector or spec.or_label_selectors or spec.included_items:
            return True
        return any(first_resource_match((item.resource,), resource) for item in spec.excluded_items)

    @property
    def query(self) -> str:
        """The label query that an API server may be asked instead of asking for everything; "" for none."""
        if self.spec.label_selector is not None:
            return as_query(self.spec.label_selector)
        if self.spec.or_label_selectors is not None and len(self.spec.or_label_selectors) == 1:
            return as_query(self.spec.or_label_selectors[0])
        return ""

    def item(self, resource: Resource, namespace: str, name: str, labels: Mapping[str, str]) -> Verdict:
        """Whether one item of a taken type in a taken namespace is taken. Items being deleted are not its matter."""
        spec = self.spec
        if spec.label_selector is not None and not matches(spec.label_selector, labels):
            return Verdict(taken=False, why="labelSelector does not match")
        if spec.or_label_selectors is not None and not any(
            matches(selector, labels) for selector in spec.or_label_selectors
        ):
            return Verdict(taken=False, why="none of orLabelSelectors matches")
        if spec.included_items is not None and not any(
            names_item(selector, resource, namespace, name) for selector in spec.included_items
        ):
            return Verdict(taken=False, why="not in includedItems")
        excluded = self.excludes(resource, namespace, name)
        if excluded:
            return Verdict(taken=False, why=excluded)
        label = excluded_by_label(labels)
        if label is not None:
            return Verdict(taken=False, why=f"label {label}=true")
        return Verdict(taken=True, why="")

    def excludes(self, resource: Resource, namespace: str, name: str) -> str:
        """The entry of excludedItems that means an item; "" where none does."""
        for selector in self.spec.excluded_items:
            if names_item(selector, resource, namespace, name):
                return f"excludedItems {selector.resource}/{selector.name}"
        return ""

    def _cluster_scoped(self, resource: Resource) -> Verdict:
        spec = self.spec
        by_filters = self._by_filters(
            resource,
            included=(spec.included_resources, "includedResources"),
            also=(
                spec.included_cluster_scoped_resources
                if isinstance(spec.included_cluster_scoped_resources, tuple)
                else None,
                "includedClusterScopedResources",
            ),
            excluded=(
                (spec.excluded_resources, "excludedResources"),
                (spec.excluded_cluster_scoped_resources, "excludedClusterScopedResources"),
            ),
        )
        if not by_filters.taken:
            return by_filters
        match self.scope:
            case ClusterScope.NONE:
                return Verdict(taken=False, why="includeClusterResources: false")
            case ClusterScope.RELATED:
                return Verdict(taken=True, why="related to what is selected")
            case ClusterScope.ALL if by_filters.why == "every type":
                return Verdict(taken=True, why=_why_all_cluster_scope(spec))
            case _:
                return by_filters

    def _by_filters(
        self,
        resource: Resource,
        *,
        included: tuple[tuple[str, ...] | None, str],
        also: tuple[tuple[str, ...] | None, str],
        excluded: tuple[tuple[tuple[str, ...] | None, str], ...],
    ) -> Verdict:
        for patterns, name in excluded:
            match = first_resource_match(patterns or (), resource)
            if match is not None:
                return Verdict(taken=False, why=f'{name} "{match}"')
        for patterns, name in (included, also):
            if patterns is None:
                continue
            match = first_resource_match(patterns, resource)
            if match is None:
                return Verdict(taken=False, why=f"not in {name}")
            return Verdict(taken=True, why="every type" if match == "*" else f'{name} "{match}"')
        return Verdict(taken=True, why="every type")


def _may_match(probe: Resource, included: tuple[str, ...] | None, excluded: tuple[str, ...]) -> bool:
    if first_resource_match((pattern for pattern in excluded if pattern != "?"), probe):
        return False
    return included is None or first_resource_match(included, probe) is not None


def names_item(selector: ItemSelector, resource: Resource, namespace: str, name: str) -> bool:
    """Whether an entry of includedItems or excludedItems means this item."""
    return (
        fnmatchcase(name, selector.name)
        and (fnmatchcase(namespace, selector.namespace) if namespace else selector.namespace == "*")
        and first_resource_match((selector.resource,), resource) is not None
    )


def _cluster_scope(spec: Filters) -> ClusterScope:
    listed = spec.included_cluster_scoped_resources
    if isinstance(listed, tuple):
        return ClusterScope.LISTED if listed else ClusterScope.NONE
    if listed == "all" or spec.include_cluster_resources is True:
        return ClusterScope.ALL
    if spec.include_cluster_resources is False:
        return ClusterScope.NONE
    if listed == "related":
        return ClusterScope.RELATED
    every_namespace = (
        "*" in spec.included_namespaces and not spec.excluded_namespaces and spec.namespace_selector is None
    )
    # Types of the namespaced kind alone, asked for by name, do not ask for the cluster's own.
    types_named = spec.included_namespace_scoped_resources is not None and "*" not in (
        spec.included_namespace_scoped_resources
    )
    return ClusterScope.ALL if every_namespace and not types_named else ClusterScope.RELATED


def _why_all_cluster_scope(spec: Filters) -> str:
    if spec.include_cluster_resources:
        return "includeClusterResources: true"
    if spec.included_cluster_scoped_resources == "all":
        return "includedClusterScopedResources: all"
    return "every namespace is selected, so every cluster-scoped type is"
