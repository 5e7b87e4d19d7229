"""Policies and inventories for tests of the planner, in few words.

planned({"shop/configmaps": named("web", "api")}, includedNamespaces=["shop"])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from runner.model.cluster import ClusterIdentity, DiscoveryFailure, Resource
from runner.model.inventory import (
    BindingFacts,
    ClaimFacts,
    Facts,
    Holding,
    Inventory,
    NamespaceFacts,
    PodFacts,
    PodVolume,
    Row,
    SnapshotClassFacts,
    Unreadable,
    VolumeFacts,
)
from runner.model.plan import Plan
from runner.model.policy import BackupPolicy
from runner.model.policy_set import ResolvedPolicy
from runner.plan.backup import plan_backup

UID = "11111111-2222-4333-8444-555555555555"
VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
LOCATION = {"provider": "filesystem", "path": "/backups"}
S3 = {"provider": "s3", "objectStorage": {"bucket": "shop"}, "config": {"region": "eu-west-1"}}
SNAPSHOT_LOCATION = {"provider": "aws", "config": {"region": "eu-west-1"}}
SNAPSHOT_CLASSES = "volumesnapshotclasses.snapshot.storage.k8s.io"
RBAC = "rbac.authorization.k8s.io"


def _type(
    name: str, kind: str, *, namespaced: bool = True, verbs: tuple[str, ...] = VERBS, short: str = ""
) -> Resource:
    plural, _, group = name.partition(".")
    return Resource(
        group=group,
        plural=plural,
        version="v1",
        kind=kind,
        namespaced=namespaced,
        verbs=verbs,
        short_names=(short,) if short else (),
    )


TYPES = tuple(
    sorted(
        (
            _type("bindings", "Binding", verbs=("create",)),
            _type("componentstatuses", "ComponentStatus", namespaced=False, verbs=("get", "list")),
            _type("configmaps", "ConfigMap", short="cm"),
            _type("events", "Event"),
            _type("namespaces", "Namespace", namespaced=False, short="ns"),
            _type("nodes", "Node", namespaced=False),
            _type("persistentvolumeclaims", "PersistentVolumeClaim", short="pvc"),
            _type("persistentvolumes", "PersistentVolume", namespaced=False, short="pv"),
            _type("pods", "Pod"),
            _type("secrets", "Secret"),
            _type("serviceaccounts", "ServiceAccount", short="sa"),
            _type("customresourcedefinitions.apiextensions.k8s.io", "CustomResourceDefinition", namespaced=False),
            _type("deployments.apps", "Deployment", short="deploy"),
            _type("events.events.k8s.io", "Event"),
            _type("gadgets.example.com", "Gadget", namespaced=False),
            _type("widgets.example.com", "Widget"),
            _type("deployments.extensions", "Deployment"),
            _type(f"clusterrolebindings.{RBAC}", "ClusterRoleBinding", namespaced=False),
            _type(f"clusterroles.{RBAC}", "ClusterRole", namespaced=False),
            _type(f"rolebindings.{RBAC}", "RoleBinding"),
            _type(f"roles.{RBAC}", "Role"),
            _type(SNAPSHOT_CLASSES, "VolumeSnapshotClass", namespaced=False),
        )
    )
)


def policy(**spec: Any) -> ResolvedPolicy:
    """A policy named `daily`; `spec` in the words of YAML."""
    document = BackupPolicy.model_validate(
        {
            "apiVersion": "trysail.dev/v1alpha1",
            "kind": "BackupPolicy",
            "metadata": {"name": "daily"},
            "spec": {"clusterName": "demo", "storageLocation": LOCATION, **spec},
        }
    )
    location = document.spec.storage_location
    snapshots = document.spec.snapshot_location
    assert not isinstance(location, str), "tests of the planner write their location out"
    assert not isinstance(snapshots, str), "and that of snapshots"
    return ResolvedPolicy(
        policy=document, location=location, location_name="", file="policy.yaml", snapshot_location=snapshots
    )


def resource(name: str) -> Resource:
    """One of TYPES, by its name: `deployments.apps`."""
    return next(known for known in TYPES if known.name == name)


def row(name: str, labels: dict[str, str] | None = None, *, facts: Facts | None = None, **fields: Any) -> Row:
    """A row that the inventory puts into a namespace; its uid is made of its name."""
    return Row(name=name, uid=f"uid-{name}", resource_version="1", labels=labels or {}, facts=facts, **fields)


def named(*names: str) -> list[Row]:
    """Rows that have nothing but names."""
    return [row(name) for name in names]


CLAIM_FACTS = frozenset(ClaimFacts.__struct_fields__)
VOLUME_FACTS = frozenset(VolumeFacts.__struct_fields__)
POD_FACTS = frozenset(PodFacts.__struct_fields__)


def claim(name: str, volume: str = "", labels: dict[str, str] | None = None, **fields: Any) -> Row:
    """A claim of 10Gi of gp3, bound where it names a volume; fields are those of its facts, or of the row."""
    about, rest = _split(CLAIM_FACTS, fields)
    phase = "Bound" if volume else "Pending"
    facts = {"volume": volume, "storage_class": "gp3", "capacity": "10Gi", "phase": phase, **about}
    return row(name, labels, facts=ClaimFacts(**facts), **rest)


def volume(name: str, claimed: str = "", labels: dict[str, str] | None = None, **fields: Any) -> Row:
    """A volume of 10Gi of gp3, of the EBS driver; `claimed` is namespace/name."""
    about, rest = _split(VOLUME_FACTS, fields)
    facts = {
        "claim": claimed,
        "storage_class": "gp3",
        "capacity": "10Gi",
        "source": "ebs.csi.aws.com",
        "handle": f"vol-{name}",
        "type": "csi",
        **about,
    }
    return row(name, labels, facts=VolumeFacts(**facts), **rest)


def pod(name: str, *claims: str, labels: dict[str, str] | None = None, **fields: Any) -> Row:
    """A Pod that mounts claims; `volumes` are its own."""
    about, rest = _split(POD_FACTS, fields)
    facts = {"claims": claims, "priority_class": "", "service_account": "default", **about}
    return row(name, labels, facts=PodFacts(**facts), **rest)


def pod_volume(name: str, kind: str = "emptyDir", **fields: Any) -> PodVolume:
    """A volume within a Pod."""
    return PodVolume(name=name, type=kind, **fields)


def snapshot_class(name: str, driver: str, labels: dict[str, str] | None = None, *, default: bool = False) -> Row:
    """A VolumeSnapshotClass."""
    return row(name, labels, facts=SnapshotClassFacts(driver=driver, default=default))


def binding(name: str, role: str, *accounts: str, **fields: Any) -> Row:
    """A binding of `Role/name` or `ClusterRole/name` to service accounts, `namespace/name` each."""
    kind, _, role_name = role.partition("/")
    return row(name, facts=BindingFacts(role_kind=kind, role=role_name, accounts=accounts), **fields)


def namespace(name: str, labels: dict[str, str] | None = None, *, phase: str = "Active", **fields: Any) -> Row:
    """A Namespace's row."""
    return row(name, labels, facts=NamespaceFacts(phase=phase), **fields)


def seen(
    contents: Mapping[str, Iterable[Row]],
    *,
    namespaces: Iterable[Row] | None = None,
    resources: Iterable[Resource] = TYPES,
    failures: Iterable[DiscoveryFailure] = (),
    unreadable: Iterable[Unreadable] = (),
) -> Inventory:
    """An inventory of `namespace/type` or `type` → rows. Without `namespaces`, those that something is in."""
    holdings = []
    for key, rows in contents.items():
        where, _, name = key.rpartition("/")
        placed = tuple(msgspec.structs.replace(found, namespace=where) for found in sorted(rows, key=_name))
        holdings.append(Holding(resource=resource(name), namespace=where, count=len(placed), rows=placed))
    if namespaces is None:
        namespaces = map(namespace, sorted({holding.namespace for holding in holdings if holding.namespace}))
    return Inventory(
        cluster=ClusterIdentity(uid=UID, context="test", server="https://127.0.0.1:1"),
        resources=tuple(resources),
        namespaces=tuple(sorted(namespaces, key=_name)),
        holdings=tuple(sorted(holdings, key=lambda holding: (holding.resource, holding.namespace))),
        failures=tuple(failures),
        unreadable=tuple(unreadable),
        complete=True,
    )


def planned(contents: Mapping[str, Iterable[Row]] | Inventory, **spec: Any) -> Plan:
    """The plan of a policy with this spec for a cluster with these contents."""
    inventory = contents if isinstance(contents, Inventory) else seen(contents)
    return plan_backup(policy(**spec), inventory)


def counts(plan: Plan) -> dict[str, int]:
    """What a plan stores: `namespace/type` or `type` → items. Namespaces themselves are left out here."""
    return {
        f"{step.namespace}/{step.resource}" if step.namespace else step.resource: step.count
        for step in plan.steps
        if step.resource != "namespaces"
    }


def names_of(plan: Plan, what: str) -> tuple[str, ...] | None:
    """The names that a step lists, by `namespace/type` or `type`; None where it lists none."""
    where, _, name = what.rpartition("/")
    return next(step.names for step in plan.steps if (step.namespace, step.resource) == (where, name))


def why(plan: Plan, what: str) -> str:
    """The reason of a step, by `namespace/type` or `type`."""
    where, _, name = what.rpartition("/")
    return next(step.why for step in plan.steps if (step.namespace, step.resource) == (where, name))


def left_out(plan: Plan) -> dict[str, str]:
    """What a plan leaves out, and the rule; items with their number: `items (2)`."""
    return {left.what if left.count is None else f"{left.what} ({left.count})": left.why for left in plan.left_out}


def _split(known: frozenset[str], fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {n: v for n, v in fields.items() if n in known}, {n: v for n, v in fields.items() if n not in known}


def _name(found: Row) -> str:
    return found.name
