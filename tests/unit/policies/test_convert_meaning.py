"""Filters of Velero's mean the same once they are ours, or a note says that they do not."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given

from runner.model.cluster import Resource
from runner.model.filters import NEW_FAMILY
from runner.model.inventory import Row
from runner.model.policy import BackupPolicySpec
from runner.plan.needs import RELATED_TYPES
from runner.plan.selection import ClusterScope, Selection
from runner.policies.convert_notes import Severity
from tests.unit.policies.velero_documents import FILTERS, Json, bucket, policy, velero

TYPES = [
    Resource("", "pods", "v1", "Pod", namespaced=True),
    Resource("", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True),
    Resource("", "serviceaccounts", "v1", "ServiceAccount", namespaced=True),
    Resource("apps", "deployments", "v1", "Deployment", namespaced=True),
    Resource("shop.example.com", "carts", "v1", "Cart", namespaced=True),
    Resource("", "persistentvolumes", "v1", "PersistentVolume", namespaced=False),
    Resource("storage.k8s.io", "storageclasses", "v1", "StorageClass", namespaced=False),
    Resource("rbac.authorization.k8s.io", "clusterroles", "v1", "ClusterRole", namespaced=False),
    Resource("rbac.authorization.k8s.io", "clusterrolebindings", "v1", "ClusterRoleBinding", namespaced=False),
    Resource("apiextensions.k8s.io", "customresourcedefinitions", "v1", "CustomResourceDefinition", namespaced=False),
]
NAMESPACES = ["default", "kube-system", "shop-a", "shop-b", "web"]


class Rules:
    """Velero's includes_excludes.go and item_backupper.go, said once more: what a BackupSpec takes."""

    def __init__(self, spec: Json) -> None:
        self.spec = spec
        self.newer = any(spec.get(name) for name in NEW_FAMILY)
        included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
        self.all_namespaces = included == ["*"] and not excluded

    def namespace(self, name: str) -> bool:
        """Whether the items in a namespace are looked at."""
        return self._listed("includedNamespaces", name, empty=True) and not self._listed("excludedNamespaces", name)

    def namespaced(self, name: str) -> bool:
        """Whether items of a type that is in namespaces are taken."""
        scope = "NamespaceScopedResources" if self.newer else "Resources"
        return self._listed(f"included{scope}", name, empty=True) and not self._listed(f"excluded{scope}", name)

    def all_of(self, name: str) -> bool:
        """Whether every item of a cluster-scoped type is taken."""
        if self.newer:
            if self._listed("excludedClusterScopedResources", name):
                return False
            # What Velero's server excludes of its own accord is no filter of anybody's.
            filters = ("excludedClusterScopedResources", "excludedNamespaceScopedResources")
            own = [word for each in filters for word in self.spec.get(each, []) if not word.startswith("volumesnap")]
            types = self.spec.get("includedNamespaceScopedResources", ["*"]) == ["*"]
            if not self.spec.get("includedClusterScopedResources"):
                return self.all_namespaces and not own and types
            return self._listed("includedClusterScopedResources", name)
        wanted = self.spec.get("includeClusterResources")
        if wanted is False or (wanted is None and not self.all_namespaces):
            return False
        return self.namespaced(name)

    def if_related(self, name: str) -> bool:
        """Whether items of a cluster-scoped type are taken that belong to something taken."""
        if self.newer:
            return not self._listed("excludedClusterScopedResources", name)
        if self._listed("excludedResources", name) or self.spec.get("includeClusterResources") is False:
            return False
        return self.spec.get("includeClusterResources") is True or self.namespaced(name)

    def _listed(self, field: str, name: str, *, empty: bool = False) -> bool:
        patterns = self.spec.get(field)
        return empty if not patterns else any(fnmatchcase(name, pattern) for pattern in patterns)


@given(FILTERS)
def test_filters_take_what_velero_takes(spec: Json) -> None:
    """The same namespaces and types, and of cluster-scoped ones all, those related, or none; or a note says so."""
    made = policy(bucket(), velero("Backup", "shop", {**spec, "snapshotVolumes": False}))
    ours, rules = Selection(BackupPolicySpec.model_validate(made.value["spec"], by_alias=True)), Rules(spec)
    warned = any(note.severity is Severity.CHANGES for note in made.notes)
    for name in NAMESPACES:
        assert ours.namespace(Row(name=name)).taken == rules.namespace(name)
    claimed = [each for each in TYPES if each.namespaced and rules.namespaced(each.name)]
    for resource in TYPES:
        whole = Resource(**{**_fields(resource), "verbs": ("list", "create", "get", "delete")})
        taken = ours.resource(whole, frozenset()).taken
        if resource.namespaced:
            assert taken == rules.namespaced(resource.name)
            continue
        assert (taken and ours.scope is not ClusterScope.RELATED) == rules.all_of(resource.name)
        if claimed and (resource.group, resource.plural) in RELATED_TYPES and not rules.all_of(resource.name):
            related = taken and ours.scope is ClusterScope.RELATED
            assert related == rules.if_related(resource.name) or warned or not _pulled(resource, claimed)


def test_words_are_kept_where_they_mean_the_same() -> None:
    """Where we take related items alone without a word, as Velero does, none is added."""
    spec = {"includedNamespaces": ["shop"], "excludedNamespaceScopedResources": ["events"]}
    made = policy(bucket(), velero("Backup", "shop", {**spec, "snapshotVolumes": False}))
    skip = {"action": {"type": "skip", "reason": "snapshotVolumes: false, in Velero"}}
    assert made.value["spec"] == {**spec, "storageLocation": "default", "volumePolicies": [skip]}


def _fields(resource: Resource) -> Json:
    return {name: getattr(resource, name) for name in resource.__struct_fields__}


def _pulled(resource: Resource, taken: list[Resource]) -> bool:
    """Whether a type that is taken can have something to do with items of `resource`."""
    if resource.plural == "customresourcedefinitions":
        return any(each.group == "shop.example.com" for each in taken)
    by = "persistentvolumeclaims" if resource.plural == "persistentvolumes" else "serviceaccounts"
    return any(each.plural == by for each in taken)
