"""Which related items Velero adds to a backup that a list of types does not name. Pure.

Source: Velero's item_backupper.go, where includes do not hold for cluster-scoped items that belong to another item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from runner.model.cluster import Resource
from runner.plan.globs import first_resource_match


def _type(name: str, kind: str, *short_names: str, namespaced: bool = False) -> Resource:
    plural, _, group = name.partition(".")
    return Resource(group, plural, "v1", kind, namespaced=namespaced, short_names=short_names)


_CLAIMS = _type("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", namespaced=True)
_ACCOUNTS = _type("serviceaccounts", "ServiceAccount", "sa", namespaced=True)
# What is added, and the type of what it is added for.
_RELATED: tuple[tuple[Resource, Resource], ...] = (
    (_type("persistentvolumes", "PersistentVolume", "pv"), _CLAIMS),
    (_type("clusterrolebindings.rbac.authorization.k8s.io", "ClusterRoleBinding"), _ACCOUNTS),
    (_type("clusterroles.rbac.authorization.k8s.io", "ClusterRole"), _ACCOUNTS),
)
# The same of a custom resource; a type counts as one unless it is of Kubernetes' own, by group or by name.
_DEFINITIONS = _type("customresourcedefinitions.apiextensions.k8s.io", "CustomResourceDefinition", "crd", "crds")
_BUILT_IN_GROUPS = ("apps", "autoscaling", "batch", "extensions", "policy")
_BUILT_IN = frozenset((
    "cm", "cj", "configmap", "configmaps", "cronjob", "cronjobs", "daemonset", "daemonsets", "deploy", "deployment",
    "deployments", "ds", "endpoints", "endpointslices", "ep", "ev", "event", "events", "horizontalpodautoscalers",
    "hpa", "ing", "ingress", "ingresses", "job", "jobs", "limitranges", "limits", "namespace", "namespaces", "netpol",
    "networkpolicies", "ns", "pdb", "persistentvolume", "persistentvolumeclaim", "persistentvolumeclaims",
    "persistentvolumes", "po", "pod", "poddisruptionbudgets", "pods", "pv", "pvc", "quota", "rc", "replicaset",
    "replicasets", "replicationcontrollers", "resourcequotas", "role", "rolebinding", "rolebindings", "roles", "rs",
    "sa", "sc", "secret", "secrets", "service", "serviceaccount", "serviceaccounts", "services", "statefulset",
    "statefulsets", "storageclass", "storageclasses", "sts", "svc",
))  # fmt: skip


class Filter(NamedTuple):
    """Types by name or glob; nothing included is every type."""

    included: list[str]
    excluded: list[str]


def missing_related(cluster_scoped: Filter, namespaced: Filter) -> list[str]:
    """The cluster-scoped types that `cluster_scoped` does not say anything of, and of which Velero takes items."""
    return [
        resource.name
        for resource in _related(namespaced)
        if first_resource_match(cluster_scoped.included, resource) is None
        and first_resource_match(cluster_scoped.excluded, resource) is None
    ]


def _related(namespaced: Filter) -> Iterator[Resource]:
    """The cluster-scoped types that something selected in namespaces can be related to."""
    included, excluded = namespaced
    for resource, by in _RELATED:
        taken = not included or first_resource_match(included, by) is not None
        if taken and first_resource_match(excluded, by) is None:
            yield resource
    if not included or any(_may_be_custom(word) for word in included):
        yield _DEFINITIONS


def _may_be_custom(word: str) -> bool:
    name, _, group = word.lower().partition(".")
    if not set(word).isdisjoint("*?["):
        return True
    return not group.endswith("k8s.io") and group not in _BUILT_IN_GROUPS if group else name not in _BUILT_IN
