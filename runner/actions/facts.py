"""From an object's raw JSON to its Row: metadata for every type, and the facts that decisions need of a few.

Only named fields are decoded; everything else, annotations and Secrets' data included, is skipped unread.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern

import msgspec

from runner.actions.storage_facts import (
    ClaimSpec,
    PodSpec,
    Quantity,
    claim_facts,
    pod_facts,
    snapshot_class_facts,
    volume_facts,
)
from runner.model.cluster import Resource
from runner.model.inventory import BindingFacts, Facts, NamespaceFacts, Owner, Row


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None


class _Any(msgspec.Struct):
    metadata: _Metadata


class _Name(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    kind: str = ""


class _Status(msgspec.Struct):
    phase: str = ""
    capacity: dict[str, Quantity] | None = None


class _Noted(_Metadata):
    """Metadata of the few types whose annotations are looked into, each by name."""

    annotations: dict[str, str] | None = None


class _Pod(msgspec.Struct):
    metadata: _Noted
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: _Status = msgspec.field(default_factory=_Status)


class _Claim(msgspec.Struct):
    metadata: _Noted
    spec: ClaimSpec = msgspec.field(default_factory=ClaimSpec)
    status: _Status = msgspec.field(default_factory=_Status)


class _SnapshotClass(msgspec.Struct):
    metadata: _Noted
    driver: str = ""


class _Volume(msgspec.Struct):
    metadata: _Metadata
    spec: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


class _Binding(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    role_ref: _Name
    subjects: list[_Name] | None = None


class _Namespace(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)


def row(raw: bytes | msgspec.Raw) -> Row:
    """The Row of any object, or of its metadata alone. ValueError where it is no Kubernetes object."""
    return _row(_ANY.decode(raw).metadata, None)


def row_with_facts(resource: Resource, raw: bytes | msgspec.Raw) -> Row:
    """The Row of a whole object, with facts where its type has any. ValueError where it is no such object."""
    read = _READERS.get((resource.group, resource.plural))
    return read(raw) if read is not None else row(raw)


def has_facts(resource: Resource) -> bool:
    """Whether a type's rows carry more than metadata."""
    return (resource.group, resource.plural) in _READERS


def _row(metadata: _Metadata, facts: Facts | None) -> Row:
    return Row(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        labels=metadata.labels or {},
        owners=tuple(metadata.owner_references or ()),
        terminating=metadata.deletion_timestamp is not None,
        facts=facts,
    )


def _pod(raw: bytes | msgspec.Raw) -> Row:
    pod = _POD.decode(raw)
    found = _row(pod.metadata, pod_facts(pod.metadata.name, pod.spec, pod.metadata.annotations, pod.status.phase))
    # There may be a hundred thousand Pods, and they are much alike.
    return msgspec.structs.replace(
        found,
        namespace=intern(found.namespace),
        labels={intern(key): intern(value) for key, value in found.labels.items()},
        owners=tuple(Owner(intern(one.kind), intern(one.name), intern(one.uid)) for one in found.owners),
    )


def _claim(raw: bytes | msgspec.Raw) -> Row:
    claim = _CLAIM.decode(raw)
    status = claim.status
    return _row(claim.metadata, claim_facts(claim.spec, claim.metadata.annotations, status.phase, status.capacity))


def _volume(raw: bytes | msgspec.Raw) -> Row:
    volume = _VOLUME.decode(raw)
    return _row(volume.metadata, volume_facts(volume.spec))


def _snapshot_class(raw: bytes | msgspec.Raw) -> Row:
    found = _SNAPSHOT_CLASS.decode(raw)
    return _row(found.metadata, snapshot_class_facts(found.driver, found.metadata.annotations))


def _binding(raw: bytes | msgspec.Raw) -> Row:
    binding = _BINDING.decode(raw)
    accounts = []
    for subject in binding.subjects or ():
        if subject.kind == "ServiceAccount":
            accounts.append(f"{subject.namespace}/{subject.name}")
        elif subject.kind == "Group" and subject.name.startswith("system:serviceaccounts:"):
            accounts.append(subject.name.removeprefix("system:serviceaccounts:") + "/*")
    facts = BindingFacts(role_kind=binding.role_ref.kind, role=binding.role_ref.name, accounts=tuple(accounts))
    return _row(binding.metadata, facts)


def _namespace(raw: bytes | msgspec.Raw) -> Row:
    namespace = _NAMESPACE.decode(raw)
    return _row(namespace.metadata, NamespaceFacts(phase=namespace.status.phase or "Active"))


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_ANY = msgspec.json.Decoder(_Any)
_POD = msgspec.json.Decoder(_Pod)
_CLAIM = msgspec.json.Decoder(_Claim)
_VOLUME = msgspec.json.Decoder(_Volume)
_SNAPSHOT_CLASS = msgspec.json.Decoder(_SnapshotClass)
_BINDING = msgspec.json.Decoder(_Binding)
_NAMESPACE = msgspec.json.Decoder(_Namespace)

_READERS: dict[tuple[str, str], Callable[[bytes | msgspec.Raw], Row]] = {
    ("", "pods"): _pod,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _volume,
    ("", "namespaces"): _namespace,
    ("snapshot.storage.k8s.io", "volumesnapshotclasses"): _snapshot_class,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding,
}
