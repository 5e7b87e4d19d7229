"""The order of steps: what others rest on comes first, as a restore will want it (Velero's priorities)."""

from __future__ import annotations

# Velero's own list (pkg/cmd/server/config), without the types that Trysail never stores.
PRIORITIES = (
    "customresourcedefinitions.apiextensions.k8s.io",
    "namespaces",
    "storageclasses.storage.k8s.io",
    "volumesnapshotclasses.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
    "persistentvolumes",
    "persistentvolumeclaims",
    "clusterroles.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "serviceaccounts",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "secrets",
    "configmaps",
    "limitranges",
    "priorityclasses.scheduling.k8s.io",
    "pods",
    "replicasets.apps",
    "endpoints",
    "services",
)
_RANK = {name: rank for rank, name in enumerate(PRIORITIES)}


def step_key(resource: str, namespace: str) -> tuple[int, str, str, str]:
    """Sorts steps by priority, group, plural and namespace. `resource` is `deployments.apps`.

    Namespaces sort as the API server lists them over the whole cluster, by `namespace/name`: `a-b` before `a`. So a
    type's items come in one order, whether each namespace is listed or all at once.
    """
    plural, _, group = resource.partition(".")
    return (_RANK.get(resource, len(_RANK)), group, plural, f"{namespace}/")
