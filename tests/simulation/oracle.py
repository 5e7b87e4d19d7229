"""What a policy means, written down a second time and in another way than the engine's, to judge backups by.

It knows what must be in a backup and what must not; in between lie related items, which it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from runner.model.cluster import Resource
from tests.simulation.objects import Object
from tests.simulation.world import Key

EXCLUDING = ("trysail.dev/exclude-from-backup", "velero.io/exclude-from-backup")
RELATED = (
    "persistentvolumeclaims",
    "persistentvolumes",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
)


class Oracle:
    """Judges single objects. `namespaces` are the Namespace objects by name."""

    def __init__(
        self, spec: Mapping[str, Any], resources: Mapping[str, Resource], namespaces: Mapping[str, Object]
    ) -> None:
        self.spec = spec
        self.resources = resources
        self.namespaces = namespaces

    def must_hold(self, key: Key, value: Object) -> bool:
        """Whether a complete backup has this object."""
        if key.resource == "namespaces":
            return not self.filters_items() and self.namespace_taken(key.name) and not self._type_excluded(key)
        scoped = key.namespace != ""
        return (
            (self.namespace_taken(key.namespace) if scoped else self.cluster_scope() in {"all", "listed"})
            and self.type_taken(key.resource)
            and self._item_matches(key, value)
            and not _marked(value)
            and not _terminating(value)
        )

    def may_hold(self, key: Key, value: Object) -> bool:
        """Whether any backup may have it: as selected, or as related to something that is."""
        if key.resource == "namespaces":
            return self.namespace_taken(key.name) and not self._type_excluded(key) and not self._item_excluded(key)
        if key.namespace and not self.namespace_taken(key.namespace):
            return False
        if not self.type_taken(key.resource) or self._item_excluded(key) or _marked(value) or _terminating(value):
            return False
        return key.resource in RELATED or self._item_matches(key, value)

    def namespace_taken(self, name: str) -> bool:
        """Whether what is in a namespace is looked at."""
        value = self.namespaces.get(name)
        if value is None or _marked(value) or _terminating(value):
            return False
        included = self.spec.get("includedNamespaces", ("*",))
        excluded = self.spec.get("excludedNamespaces", ())
        selector = self.spec.get("namespaceSelector")
        return (
            any(fnmatchcase(name, glob) for glob in included)
            and not any(fnmatchcase(name, glob) for glob in excluded)
            and (selector is None or _matches(selector, value))
        )

    def type_taken(self, name: str) -> bool:
        """Whether a type's items are looked at."""
        resource = self.resources[name]
        if not {"list", "create", "get", "delete"} <= set(resource.verbs):
            return False
        if name == "events.events.k8s.io" and "events" in self.resources:
            return False
        if resource.namespaced:
            includes, excludes = ("includedNamespaceScopedResources",), ("excludedNamespaceScopedResources",)
        else:
            includes, excludes = ("includedClusterScopedResources",), ("excludedClusterScopedResources",)
            if self.cluster_scope() == "none":
                return False
        for field in (*excludes, "excludedResources"):
            if _named(resource, self.spec.get(field) or ()):
                return False
        for field in (*includes, "includedResources"):
            given = self.spec.get(field)
            if given is not None and not isinstance(given, str) and not _named(resource, given):
                return False
        return True

    def cluster_scope(self) -> str:
        """Which cluster-scoped items are wanted: all, listed, related, none."""
        listed = self.spec.get("includedClusterScopedResources")
        old = self.spec.get("includeClusterResources")
        if listed is not None and not isinstance(listed, str):
            return "listed" if listed else "none"
        if listed is not None or old is not None:
            return {"all": "all", "related": "related", True: "all", False: "none"}[listed if old is None else old]
        spec = self.spec
        everywhere = "*" in spec.get("includedNamespaces", ("*",)) and not spec.get("excludedNamespaces")
        by_name = spec.get("includedNamespaceScopedResources")
        if not everywhere or "namespaceSelector" in spec or (by_name is not None and "*" not in by_name):
            return "related"
        return "all"

    def _type_excluded(self, key: Key) -> bool:
        patterns = (
            *(self.spec.get("excludedResources") or ()),
            *(self.spec.get("excludedClusterScopedResources") or ()),
        )
        return _named(self.resources[key.resource], patterns)

    def filters_items(self) -> bool:
        """Whether items are picked by labels or names."""
        fields = ("labelSelector", "orLabelSelectors", "includedItems", "excludedItems")
        return any(self.spec.get(field) for field in fields)

    def _item_matches(self, key: Key, value: Object) -> bool:
        one, several = self.spec.get("labelSelector"), self.spec.get("orLabelSelectors")
        if one is not None and not _matches(one, value):
            return False
        if several is not None and not any(_matches(selector, value) for selector in several):
            return False
        included = self.spec.get("includedItems")
        if included is not None and not any(self._means(entry, key) for entry in included):
            return False
        return not self._item_excluded(key)

    def _item_excluded(self, key: Key) -> bool:
        return any(self._means(entry, key) for entry in self.spec.get("excludedItems") or ())

    def _means(self, entry: Mapping[str, str], key: Key) -> bool:
        namespace = entry.get("namespace", "*")
        return (
            fnmatchcase(key.name, entry["name"])
            and _named(self.resources[key.resource], (entry.get("resource", "*"),))
            and (fnmatchcase(key.namespace, namespace) if key.namespace else namespace == "*")
        )


def _named(resource: Resource, patterns: tuple[str, ...]) -> bool:
    names = (resource.name, resource.plural, resource.kind.lower(), *resource.short_names)
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


def _labels(value: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = value["metadata"].get("labels") or {}
    return labels


def _marked(value: Object) -> bool:
    return any(_labels(value).get(label) == "true" for label in EXCLUDING)


def _terminating(value: Object) -> bool:
    return "deletionTimestamp" in value["metadata"]


def _matches(selector: Mapping[str, Any], value: Object) -> bool:
    labels = _labels(value)
    if any(labels.get(name) != wanted for name, wanted in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or ():
        has, among = term["key"] in labels, labels.get(term["key"]) in term.get("values", ())
        answer = {"In": among, "NotIn": not among, "Exists": has, "DoesNotExist": not has}[term["operator"]]
        if not answer:
            return False
    return True
