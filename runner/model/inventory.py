"""Inventory: what a cluster held when it was looked at, as far as deciding needs it. Never an object's contents."""

from __future__ import annotations

import msgspec

from runner.model.cluster import ClusterIdentity, DiscoveryFailure, ItemId, Resource

INVENTORY_FORMAT = "1.0"


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    """One ownerReference."""

    kind: str
    name: str
    uid: str


class ClaimFacts(msgspec.Struct, frozen=True, rename="camel", tag="claim"):
    """What decisions need of a PersistentVolumeClaim."""

    volume: str  # spec.volumeName; "" while it is unbound
    storage_class: str
    capacity: str  # a Kubernetes quantity: what is granted, else what is asked for
    phase: str


class VolumeFacts(msgspec.Struct, frozen=True, rename="camel", tag="volume"):
    """What decisions need of a PersistentVolume."""

    claim: str  # namespace/name of claimRef; "" where nothing claims it
    storage_class: str
    capacity: str
    source: str  # how it is provided: a CSI driver's name, or the source's field, as `nfs`
    handle: str  # the provider's own word for it; "" where it has none


class PodFacts(msgspec.Struct, frozen=True, rename="camel", tag="pod"):
    """What decisions need of a Pod."""

    claims: tuple[str, ...]  # names of the claims it mounts
    priority_class: str
    service_account: str


class BindingFacts(msgspec.Struct, frozen=True, rename="camel", tag="binding"):
    """What decisions need of a RoleBinding or a ClusterRoleBinding."""

    role_kind: str  # Role | ClusterRole
    role: str
    accounts: tuple[str, ...]  # namespace/name of ServiceAccounts; `namespace/*` for all of a namespace


class NamespaceFacts(msgspec.Struct, frozen=True, rename="camel", tag="namespace"):
    """What decisions need of a Namespace."""

    phase: str  # Active | Terminating


Facts = ClaimFacts | VolumeFacts | PodFacts | BindingFacts | NamespaceFacts


class Row(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One item as it was seen. Annotations are left out: last-applied-configuration holds secrets."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    owners: tuple[Owner, ...] = ()
    terminating: bool = False
    facts: Facts | None = None

    def id(self, resource: Resource) -> ItemId:
        """The row's identity among all items of the cluster."""
        return ItemId(resource.group, resource.plural, self.namespace, self.name)


class Holding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the cluster holds of one resource in one namespace ("" for cluster-scoped ones).

    Either every item was seen: then `rows` has them all and `count` is their number. Or they were only counted: then
    `rows` is None, and `marked` has those that carry a label that excludes them (they are in `count` too).
    """

    resource: Resource
    namespace: str
    count: int
    rows: tuple[Row, ...] | None = None
    marked: tuple[Row, ...] = ()


class Unreadable(msgspec.Struct, frozen=True, rename="camel", order=True):
    """Something that could not be looked at, so that nobody knows what it holds."""

    resource: str  # `secrets`, `widgets.example.com`; "" where a whole group could not be discovered
    namespace: str  # "" for the whole cluster
    reason: str
    group_version: str = ""  # what could not be discovered


class Inventory(msgspec.Struct, frozen=True, rename="camel"):
    """All facts that a plan rests on. Holdings are sorted by resource and namespace; empty ones are left out."""

    cluster: ClusterIdentity
    resources: tuple[Resource, ...]
    namespaces: tuple[Row, ...]
    holdings: tuple[Holding, ...]
    failures: tuple[DiscoveryFailure, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    complete: bool = False  # every readable item of every namespace has its row, whatever a policy selects
    format_version: str = INVENTORY_FORMAT
    kind: str = "Inventory"
