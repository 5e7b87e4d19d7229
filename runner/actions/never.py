"""What is never restored, whatever the filters: what a cluster makes for itself, and would only be confused by.

By type alone, by name, and by what an item says of who keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.actions.fields import part, text
from runner.model.cluster import ItemId

_RBAC = "rbac.authorization.k8s.io"
_FLOWS = "flowcontrol.apiserver.k8s.io"

_NODES = "a node registers itself"
_EVENTS = "an event tells what happened in the old cluster"
_LEASES = "a lease belongs to a running process"
_REQUESTS = "a certificate is asked for anew, from the cluster's own signer"
_DRIVERS = "the driver publishes it for its nodes"
_VELERO = "it is a record that Velero keeps of its own store"
_TYPES = {
    ("", "nodes"): _NODES,
    ("", "events"): _EVENTS,
    ("events.k8s.io", "events"): _EVENTS,
    ("coordination.k8s.io", "leases"): _LEASES,
    ("coordination.k8s.io", "leasecandidates"): _LEASES,
    ("networking.k8s.io", "ipaddresses"): "the API server allots the addresses of Services",
    ("certificates.k8s.io", "certificatesigningrequests"): _REQUESTS,
    ("certificates.k8s.io", "podcertificaterequests"): _REQUESTS,
    ("resource.k8s.io", "resourceslices"): _DRIVERS,
    ("storage.k8s.io", "csistoragecapacities"): _DRIVERS,
    ("storage.k8s.io", "csinodes"): _NODES,
    ("storage.k8s.io", "volumeattachments"): "a volume is attached where its Pod runs",
    ("internal.apiserver.k8s.io", "storageversions"): "the API servers publish it",
    ("velero.io", "backups"): _VELERO,
    ("velero.io", "restores"): _VELERO,
    ("velero.io", "backuprepositories"): _VELERO,
    ("velero.io", "resticrepositories"): _VELERO,
}

_OWN_SERVICE = "it is the address of the API server itself"
_OWN_TOKENS = "the API server keeps it for itself"
_NAMES = {
    ItemId("", "configmaps", "kube-system", "extension-apiserver-authentication"): _OWN_TOKENS,
    ItemId("", "configmaps", "kube-system", "kube-apiserver-legacy-service-account-token-tracking"): _OWN_TOKENS,
    ItemId("", "services", "default", "kubernetes"): _OWN_SERVICE,
    ItemId("", "endpoints", "default", "kubernetes"): _OWN_SERVICE,
    ItemId("discovery.k8s.io", "endpointslices", "default", "kubernetes"): _OWN_SERVICE,
    ItemId("networking.k8s.io", "servicecidrs", "", "kubernetes"): "it is the API server's own range of addresses",
    ItemId("scheduling.k8s.io", "priorityclasses", "", "system-cluster-critical"): "every cluster has it",
    ItemId("scheduling.k8s.io", "priorityclasses", "", "system-node-critical"): "every cluster has it",
}

_SLICE_CONTROLLERS = frozenset(
    {"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"},
)
# The API server sets these right whatever anyone writes (k8s.io/api/flowcontrol/v1: FlowSchemaNameExempt and the like).
_MANDATORY_FLOWS = frozenset({"exempt", "catch-all"})


def never_type(group: str, plural: str) -> str:
    """Why no item of a type is ever restored, or "": such a type need not even be read."""
    return _TYPES.get((group, plural), "")


def never_restored(item: ItemId, stored: Mapping[str, Any] | None) -> str:
    """Why an item is never restored, or "". Where it has not been read (None), its type and name alone decide."""
    why = never_type(item.group, item.plural) or _by_name(item)
    return why or ("" if stored is None else _by_content(item, stored))


def _by_name(item: ItemId) -> str:
    if (item.group, item.plural, item.name) == ("", "configmaps", "kube-root-ca.crt"):
        return "every namespace is given the cluster's own certificate authority"
    if item.group == _FLOWS and item.name in _MANDATORY_FLOWS:
        return "every API server has it, and keeps it as it is"
    return _NAMES.get(item, "")


def _by_content(item: ItemId, stored: Mapping[str, Any]) -> str:
    labels, annotations = part(stored, "metadata", "labels"), part(stored, "metadata", "annotations")
    if (item.group, item.plural) == ("", "endpoints"):
        return _managed_endpoints(labels, annotations)
    if (item.group, item.plural) == ("discovery.k8s.io", "endpointslices"):
        managed = text(labels, "endpointslice.kubernetes.io/managed-by") in _SLICE_CONTROLLERS
        return "the endpoints of a Service are made from its Pods" if managed else ""
    if item.group == _RBAC and labels.get("kubernetes.io/bootstrapping") == "rbac-defaults":
        return "the API server makes its default roles and bindings itself"
    # "false" is how an administrator keeps a changed one from being set back: that is worth restoring.
    if item.group == _FLOWS and annotations.get("apf.kubernetes.io/autoupdate-spec") == "true":
        return "the API server makes its default flow schemas and priority levels itself"
    if (item.group, item.plural) == ("apiregistration.k8s.io", "apiservices"):
        # "onstart" for built-in groups, "true" for those of CRDs.
        automanaged = "kube-aggregator.kubernetes.io/automanaged" in labels
        return "the API server registers its own groups and those of CRDs itself" if automanaged else ""
    return ""


def _managed_endpoints(labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> str:
    # Servers of 1.33 and later write the label; those before write nothing but the time, and not always that.
    managed = (
        labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller"
        or "endpoints.kubernetes.io/last-change-trigger-time" in annotations
    )
    return "the endpoints of a Service are made from its Pods" if managed else ""
