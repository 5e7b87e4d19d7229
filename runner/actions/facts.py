"""From an object's raw JSON to its Row: metadata for every type, and the facts that decisions need of a few.

Only named fields are decoded; everything else, annotations and Secrets' data included, is skipped unread.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from runner.model.cluster import Resource
from runner.model.inventory import (
    BindingFacts,
    ClaimFacts,
    Facts,
    NamespaceFacts,
    Owner,
    PodFacts,
    Row,
    VolumeFacts,
)


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


class _ClaimSource(msgspec.Struct, rename="camel"):
    claim_name: str = ""


class _PodVolume(msgspec.Struct, rename="camel"):
    name: str = ""
    persistent_volume_claim: _ClaimSource | None = None
    ephemeral: msgspec.Raw = msgspec.Raw()


class _PodSpec(msgspec.Struct, rename="camel"):
    volumes: list[_PodVolume] | None = None
    priority_class_name: str = ""
    service_account_name: str = ""


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)


class _Requests(msgspec.Struct):
    requests: dict[str, str] | None = None


class _ClaimSpec(msgspec.Struct, rename="camel"):
    volume_name: str = ""
    storage_class_name: str | None = None
    resources: _Requests = msgspec.field(default_factory=_Requests)


class _Status(msgspec.Struct):
    phase: str = ""
    capacity: dict[str, str] | None = None


class _Claim(msgspec.Struct):
    metadata: _Metadata
    spec: _ClaimSpec = msgspec.field(default_factory=_ClaimSpec)
    status: _Status = msgspec.field(default_factory=_Status)


class _CsiSource(msgspec.Struct, rename="camel"):
    driver: str = ""
    volume_handle: str = ""


class _EbsSource(msgspec.Struct):
    volume_id: str = msgspec.field(name="volumeID", default="")


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
    claims = []
    for volume in pod.spec.volumes or ():
        if volume.persistent_volume_claim is not None:
            claims.append(volume.persistent_volume_claim.claim_name)
        elif bytes(volume.ephemeral):
            # The claim of a generic ephemeral volume is named after its Pod
            # (kubernetes.io/docs/concepts/storage/ephemeral-volumes).
            claims.append(f"{pod.metadata.name}-{volume.name}")
    facts = PodFacts(
        claims=tuple(claims),
        priority_class=pod.spec.priority_class_name,
        service_account=pod.spec.service_account_name,
    )
    return _row(pod.metadata, facts)


def _claim(raw: bytes | msgspec.Raw) -> Row:
    claim = _CLAIM.decode(raw)
    capacity = (claim.status.capacity or {}).get("storage") or (claim.spec.resources.requests or {}).get("storage", "")
    facts = ClaimFacts(
        volume=claim.spec.volume_name,
        storage_class=claim.spec.storage_class_name or "",
        capacity=capacity,
        phase=claim.status.phase,
    )
    return _row(claim.metadata, facts)


# Fields of a PersistentVolume's spec that do not say where its bytes are.
_NOT_A_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def _volume(raw: bytes | msgspec.Raw) -> Row:
    volume = _VOLUME.decode(raw)
    spec = volume.spec
    source, handle = next((field for field in spec if field not in _NOT_A_SOURCE), ""), ""
    if source == "csi":
        csi = _CSI.decode(spec["csi"])
        source, handle = csi.driver, csi.volume_handle
    elif source == "awsElasticBlockStore":
        handle = _EBS.decode(spec[source]).volume_id
    claim = _NAME.decode(spec["claimRef"]) if "claimRef" in spec else _Name()
    capacity = _TEXTS.decode(spec["capacity"]) if "capacity" in spec else {}
    facts = VolumeFacts(
        claim=f"{claim.namespace}/{claim.name}" if claim.name else "",
        storage_class=_text(spec.get("storageClassName")),
        capacity=capacity.get("storage", ""),
        source=source,
        handle=handle,
    )
    return _row(volume.metadata, facts)


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


def _text(raw: msgspec.Raw | None) -> str:
    return "" if raw is None else _TEXT.decode(raw)


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_ANY = msgspec.json.Decoder(_Any)
_CSI = msgspec.json.Decoder(_CsiSource)
_EBS = msgspec.json.Decoder(_EbsSource)
_NAME = msgspec.json.Decoder(_Name)
_TEXTS = msgspec.json.Decoder(dict[str, str])
_TEXT = msgspec.json.Decoder(str)
_POD = msgspec.json.Decoder(_Pod)
_CLAIM = msgspec.json.Decoder(_Claim)
_VOLUME = msgspec.json.Decoder(_Volume)
_BINDING = msgspec.json.Decoder(_Binding)
_NAMESPACE = msgspec.json.Decoder(_Namespace)

_READERS: dict[tuple[str, str], Callable[[bytes | msgspec.Raw], Row]] = {
    ("", "pods"): _pod,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _volume,
    ("", "namespaces"): _namespace,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding,
}
