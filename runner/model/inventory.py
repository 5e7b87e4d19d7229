"""Inventory: what a cluster held when it was looked at, as far as deciding needs it. Never an object's contents."""

from __future__ import annotations

import msgspec

from runner.model.cluster import ClusterIdentity, DiscoveryFailure, ItemId, Resource

INVENTORY_FORMAT = "2.0"  # 2: volumes within Pods, and what decides on volumes


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
    access_modes: tuple[str, ...] = ()
    volume_mode: str = ""  # Filesystem | Block
    snapshot_class: str = ""  # the VolumeSnapshotClass that an annotation of the claim names


class VolumeFacts(msgspec.Struct, frozen=True, rename="camel", tag="volume"):
    """What decisions need of a PersistentVolume."""

    claim: str  # namespace/name of claimRef; "" where nothing claims it
    storage_class: str
    capacity: str
    source: str  # how it is provided: a CSI driver's name, or the source's field, as `nfs`
    handle: str  # the provider's own word for it; "" where it has none
    # The field of the spec that says where its bytes are: csi, nfs, awsElasticBlockStore. `type` itself is the tag's.
    type: str = msgspec.field(default="", name="volumeType")
    attributes: dict[str, str] = {}  # a CSI volume's
    server: str = ""  # NFS
    path: str = ""  # NFS
    access_modes: tuple[str, ...] = ()
    volume_mode: str = ""


class PodVolume(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A volume that lives within a Pod and holds data: no claim stands for it."""

    name: str
    type: str  # the field that says where its bytes are: emptyDir, hostPath, nfs, csi …
    driver: str = ""  # of an inline CSI volume
    attributes: dict[str, str] = {}  # of an inline CSI volume
    memory: bool = False  # an emptyDir in memory
    capacity: str = ""  # an emptyDir's sizeLimit
    server: str = ""  # NFS
    path: str = ""  # NFS, hostPath


class PodFacts(msgspec.Struct, frozen=True, rename="camel", tag="pod"):
    """What decisions need of a Pod."""

    claims: tuple[str, ...]  # names of the claims it mounts
    priority_class: str
    service_account: str
    volumes: tuple[PodVolume, ...] = ()  # those that no claim stands for
    containers: tuple[str, ...] = ()
    phase: str = ""
    node: str = ""
    hooks: dict[str, str] = {}  # annotations that ask for hooks, ours and Velero's
    frozen: str = ""  # the annotation of a run that froze it


class BindingFacts(msgspec.Struct, frozen=True, rename="camel", tag="binding"):
    """What decisions need of a RoleBinding or a ClusterRoleBinding."""

    role_kind: str  # Role | ClusterRole
    role: str
    accounts: tuple[str, ...]  # namespace/name of ServiceAccounts; `namespace/*` for all of a namespace


class NamespaceFacts(msgspec.Struct, frozen=True, rename="camel", tag="namespace"):
    """What decisions need of a Namespace."""

    phase: str  # Active | Terminating


class SnapshotClassFacts(msgspec.Struct, frozen=True, rename="camel", tag="snapshotClass"):
    """What decisions need of a VolumeSnapshotClass."""

    driver: str
    default: bool = False  # of its driver, by annotation


Facts = ClaimFacts | VolumeFacts | PodFacts | BindingFacts | NamespaceFacts | SnapshotClassFacts


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
