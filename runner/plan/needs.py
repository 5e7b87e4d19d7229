"""How much must be read of each type before a plan can be made: nothing but a number, metadata, or whole objects."""

from __future__ import annotations

from enum import IntEnum

from runner.model.cluster import Resource
from runner.plan.selection import ClusterScope, Selection

# group/plural of the types that decisions look into.
CLAIMS = ("", "persistentvolumeclaims")
VOLUMES = ("", "persistentvolumes")
PODS = ("", "pods")
NAMESPACES = ("", "namespaces")
SERVICE_ACCOUNTS = ("", "serviceaccounts")
ROLES = ("rbac.authorization.k8s.io", "roles")
ROLE_BINDINGS = ("rbac.authorization.k8s.io", "rolebindings")
CLUSTER_ROLES = ("rbac.authorization.k8s.io", "clusterroles")
CLUSTER_ROLE_BINDINGS = ("rbac.authorization.k8s.io", "clusterrolebindings")
CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")

# Cluster-scoped types that something selected can be related to; the others are related to nothing.
RELATED_TYPES = frozenset({VOLUMES, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, CRDS})


class Need(IntEnum):
    """How much is read of a type; each holds the ones before it."""

    NOTHING = 0
    COUNT = 1
    METADATA = 2
    WHOLE = 3


def need(selection: Selection, resource: Resource) -> Need:
    """What planning has to know of a type that the selection takes."""
    kind = (resource.group, resource.plural)
    related = selection.scope is ClusterScope.RELATED
    if kind == NAMESPACES:
        return Need.NOTHING  # namespaces are always had whole, before anything else
    if not resource.namespaced and related:
        if kind not in RELATED_TYPES:
            return Need.NOTHING
        return Need.WHOLE if kind in {VOLUMES, CLUSTER_ROLE_BINDINGS} else Need.METADATA
    if kind in {CLAIMS, VOLUMES}:
        return Need.WHOLE
    if kind == SERVICE_ACCOUNTS and related:
        return Need.METADATA
    if kind == ROLE_BINDINGS and (related or selection.filters_items):
        return Need.WHOLE
    if kind == PODS and selection.filters_items:
        return Need.WHOLE
    if selection.filters_items_of(resource):
        return Need.METADATA
    return Need.COUNT


def query(selection: Selection, resource: Resource) -> str:
    """The label query to list a type with. "" where something may be related to an item that it would hide."""
    # Volumes are looked into for the claims that are bound to them, whatever their own labels are.
    pulled = {CLAIMS, VOLUMES, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS}
    if (resource.group, resource.plural) in pulled:
        return ""
    if not resource.namespaced and selection.scope is ClusterScope.RELATED:
        return ""
    return selection.query
