"""What belongs to an object that is stored, so that a backup must have it too; a second time, as oracle.py is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tests.simulation.objects import Object
from tests.simulation.oracle import Oracle
from tests.simulation.world import Key

_RBAC = "rbac.authorization.k8s.io"
_BINDINGS = (f"rolebindings.{_RBAC}", f"clusterrolebindings.{_RBAC}")


def belongings(oracle: Oracle, stored: dict[Key, Object], others: dict[Key, Object]) -> Iterator[tuple[Key, Key]]:
    """(object, what belongs to it) of `stored`, as far as it is among `others` and nothing excludes it."""
    for key, value in stored.items():
        for target in (*_named(oracle, key, value), *_bindings(oracle, key, others)):
            if target in others and oracle.may_hold(target, others[target]):
                yield key, target


def _named(oracle: Oracle, key: Key, value: Object) -> Iterator[Key]:
    """What the object itself names."""
    related = oracle.cluster_scope() == "related"
    if key.resource == "pods" and oracle.filters_items():
        for volume in value["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                name = volume["persistentVolumeClaim"]["claimName"]
                yield Key("persistentvolumeclaims", key.namespace, name)
    if key.resource == "persistentvolumeclaims" and related:
        yield Key("persistentvolumes", "", value["spec"]["volumeName"])
    if key.resource.endswith(".example.com") and related:
        yield Key("customresourcedefinitions.apiextensions.k8s.io", "", key.resource)
    if key.resource in _BINDINGS and (oracle.filters_items() if key.namespace else related):
        kind, name = value["roleRef"]["kind"], value["roleRef"]["name"]
        if kind == "Role" and key.namespace:
            yield Key(f"roles.{_RBAC}", key.namespace, name)
        if kind == "ClusterRole" and not key.namespace:
            yield Key(f"clusterroles.{_RBAC}", "", name)


def _bindings(oracle: Oracle, key: Key, others: dict[Key, Object]) -> Iterator[Key]:
    """What names the object, where it is a service account."""
    if key.resource != "serviceaccounts":
        return
    for other, value in others.items():
        followed = oracle.filters_items() if other.namespace else oracle.cluster_scope() == "related"
        if followed and other.resource in _BINDINGS and _names_account(value["subjects"], key):
            yield other


def _names_account(subjects: Collection[Object], account: Key) -> bool:
    everybody = f"system:serviceaccounts:{account.namespace}"
    return any(
        (subject["kind"], subject["name"]) == ("Group", everybody)
        or (subject["kind"], subject.get("namespace"), subject["name"]) == ("ServiceAccount", *account[1:])
        for subject in subjects
    )
