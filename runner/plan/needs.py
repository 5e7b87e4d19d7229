"""How much must be read of each type before a plan can be made: nothing but a number, metadata, or whole objects."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from runner.model.cluster import Resource
from runner.model.policy import BackupPolicySpec
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
SNAPSHOT_CLASSES = ("snapshot.storage.k8s.io", "volumesnapshotclasses")
CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")

# Looked at to decide on volumes, also where the filters do not take them; then nothing of them is stored.
DECIDING = (VOLUMES, PODS, SNAPSHOT_CLASSES)

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
    if kind in {CLAIMS, VOLUMES} or (keeps_volumes(selection) and kind in DECIDING):
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


def keeps_volumes(selection: Selection) -> bool:
    """Whether it is a backup's, whose volumes all have a line; those of a restore are in the backup's ledger."""
    return isinstance(selection.spec, BackupPolicySpec)


def deciding(selection: Selection, resources: Iterable[Resource]) -> frozenset[Resource]:
    """Types that the filters do not take, and that decisions on volumes rest on: looked at whole, and never stored."""
    known = tuple(resources)
    if not keeps_volumes(selection):
        return frozenset()
    served = frozenset((one.group, one.plural) for one in known)
    taken = {
        (one.group, one.plural)
        for one in known
        if selection.resource(one, served).taken and need(selection, one) is not Need.NOTHING
    }
    if taken.isdisjoint({CLAIMS, VOLUMES}):
        return frozenset()
    wanted = set(DECIDING) - taken
    return frozenset(one for one in known if (one.group, one.plural) in wanted)


def query(selection: Selection, resource: Resource) -> str:
    """The label query to list a type with. "" where something may be related to an item that it would hide."""
    # Volumes are looked into for the claims that are bound to them, whatever their own labels are.
    pulled = {CLAIMS, VOLUMES, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS}
    if keeps_volumes(selection):
        pulled |= set(DECIDING)  # a claim may be used by Pods that the query would hide
    if (resource.group, resource.plural) in pulled:
        return ""
    if not resource.namespaced and selection.scope is ClusterScope.RELATED:
        return ""
    return selection.query
