"""From the raw JSON of claims, PersistentVolumes, snapshot classes and Pods to the facts that a ledger needs.

Annotations are read by name: what asks for hooks, chooses a snapshot class or tells of a freeze, and no other.
"""

from __future__ import annotations

from sys import intern

import msgspec

from runner.model.inventory import ClaimFacts, PodFacts, PodVolume, SnapshotClassFacts, VolumeFacts

FROZEN = "trysail.dev/frozen"  # on a Pod: the hooks that thaw it
SNAPSHOT_CLASS = ("trysail.dev/csi-volumesnapshot-class", "velero.io/csi-volumesnapshot-class")
HOOK_GROUPS = ("hook.backup.trysail.dev", "hook.backup.velero.io")
DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"

_HOOKS = tuple(f"{when}.{group}/" for group in HOOK_GROUPS for when in ("pre", "post"))

Annotations = dict[str, str] | None
Quantity = str | int | float  # an API server hands out texts, and takes `storage: 1073741824` from a manifest as well


class _ClaimSource(msgspec.Struct, rename="camel"):
    claim_name: str = ""


class _Source(msgspec.Struct, rename="camel"):
    """What is read of a volume's source, whichever it is."""

    medium: str | None = None
    size_limit: Quantity | None = None
    server: str | None = None
    path: str | None = None


class _InlineCsi(msgspec.Struct, rename="camel"):
    """A CSI volume that is written into a Pod."""

    driver: str | None = None
    volume_attributes: dict[str, str] | None = None


class ContainerName(msgspec.Struct):
    """A container, as far as it is of interest."""

    name: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    """What is read of a Pod's spec."""

    volumes: list[dict[str, msgspec.Raw]] | None = None
    priority_class_name: str = ""
    service_account_name: str = ""
    node_name: str = ""
    containers: list[ContainerName] | None = None


class _Requests(msgspec.Struct):
    requests: dict[str, Quantity] | None = None


class ClaimSpec(msgspec.Struct, rename="camel"):
    """What is read of a claim's spec."""

    volume_name: str = ""
    storage_class_name: str | None = None
    access_modes: list[str] | None = None
    volume_mode: str = ""
    resources: _Requests = msgspec.field(default_factory=_Requests)


class _CsiSource(msgspec.Struct, rename="camel"):
    driver: str = ""
    volume_handle: str = ""
    volume_attributes: dict[str, str] | None = None


class _EbsSource(msgspec.Struct):
    volume_id: str = msgspec.field(name="volumeID", default="")


class _Name(msgspec.Struct):
    name: str = ""
    namespace: str = ""


def claim_facts(
    spec: ClaimSpec, annotations: Annotations, phase: str, capacity: dict[str, Quantity] | None
) -> ClaimFacts:
    """What decisions need of a claim."""
    notes = annotations or {}
    return ClaimFacts(
        volume=spec.volume_name,
        storage_class=spec.storage_class_name or "",
        capacity=_storage(capacity) or _storage(spec.resources.requests),
        phase=phase,
        access_modes=tuple(spec.access_modes or ()),
        volume_mode=spec.volume_mode,
        snapshot_class=next((notes[name] for name in SNAPSHOT_CLASS if notes.get(name)), ""),
    )


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


def volume_facts(spec: dict[str, msgspec.Raw]) -> VolumeFacts:
    """What decisions need of a PersistentVolume."""
    kind = _source_of(spec, _NOT_A_SOURCE)
    source, handle, csi, found = kind, "", _CsiSource(), _Source()
    if kind == "csi":
        csi = _CSI.decode(spec[kind]) or csi
        source, handle = csi.driver, csi.volume_handle
    elif kind == "awsElasticBlockStore":
        # Kubernetes takes aws://eu-west-1a/vol-1 and vol-1 alike.
        handle = (_EBS.decode(spec[kind]) or _EbsSource()).volume_id.rpartition("/")[2]
    elif kind:
        found = _SOURCE.decode(spec[kind]) or found
    claim = (_NAME.decode(spec["claimRef"]) if "claimRef" in spec else None) or _Name()
    capacity = _QUANTITIES.decode(spec["capacity"]) if "capacity" in spec else None
    return VolumeFacts(
        claim=f"{claim.namespace}/{claim.name}" if claim.name else "",
        storage_class=_text(spec.get("storageClassName")),
        capacity=_storage(capacity),
        source=source,
        handle=handle,
        type=kind,
        attributes=csi.volume_attributes or {},
        server=found.server or "",
        path=found.path or "",
        access_modes=tuple(_LIST.decode(spec["accessModes"]) or ()) if "accessModes" in spec else (),
        volume_mode=_text(spec.get("volumeMode")),
    )


def snapshot_class_facts(driver: str, annotations: Annotations) -> SnapshotClassFacts:
    """What decisions need of a VolumeSnapshotClass."""
    return SnapshotClassFacts(driver=driver, default=(annotations or {}).get(DEFAULT_CLASS) == "true")


def pod_facts(name: str, spec: PodSpec, annotations: Annotations, phase: str) -> PodFacts:
    """What decisions need of a Pod."""
    claims, volumes = [], []
    for volume in spec.volumes or ():
        named = intern(_text(volume.get("name")))
        if "persistentVolumeClaim" in volume:
            claims.append(intern(_CLAIM_SOURCE.decode(volume["persistentVolumeClaim"]).claim_name))
        elif "ephemeral" in volume:
            # The claim of a generic ephemeral volume is named after its Pod
            # (kubernetes.io/docs/concepts/storage/ephemeral-volumes).
            claims.append(f"{name}-{named}")
        elif (found := _within(named, volume)) is not None:
            volumes.append(found)
    notes = annotations or {}
    return PodFacts(
        claims=tuple(claims),
        priority_class=intern(spec.priority_class_name),
        service_account=intern(spec.service_account_name),
        volumes=tuple(volumes),
        containers=tuple(intern(container.name) for container in spec.containers or ()),
        phase=intern(phase),
        node=intern(spec.node_name),
        hooks={key: notes[key] for key in sorted(notes) if key.startswith(_HOOKS)},
        frozen=notes.get(FROZEN, ""),
    )


# Made from what the API server has, and not data of the Pod's own
# (kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume).
_NO_DATA = frozenset({"name", "configMap", "secret", "projected", "downwardAPI", "image"})


def _within(name: str, volume: dict[str, msgspec.Raw]) -> PodVolume | None:
    """A volume that lives within its Pod and holds data."""
    kind = _source_of(volume, _NO_DATA)
    if not kind:
        # Where a volume names no source, the API server makes it an emptyDir.
        return None if len(volume) > 1 else PodVolume(name=name, type="emptyDir")
    if kind == "csi":
        csi = _INLINE_CSI.decode(volume[kind]) or _InlineCsi()
        return PodVolume(name=name, type="csi", driver=intern(csi.driver or ""), attributes=csi.volume_attributes or {})
    source = _SOURCE.decode(volume[kind]) or _Source()
    return PodVolume(
        name=name,
        type=intern(kind),
        # Memory, and HugePages of any size: kubernetes.io/docs/concepts/storage/volumes/#emptydir
        memory=kind == "emptyDir" and (source.medium or "").startswith(("Memory", "HugePages")),
        capacity="" if source.size_limit is None else str(source.size_limit),
        server=source.server or "",
        path=source.path or "",
    )


def _source_of(fields: dict[str, msgspec.Raw], others: frozenset[str]) -> str:
    """The field that says where bytes are; one that a manifest leaves open is it only where there is no other."""
    named = [field for field in fields if field not in others]
    return next((field for field in named if fields[field] != _NULL), named[0] if named else "")


def _storage(sizes: dict[str, Quantity] | None) -> str:
    return str((sizes or {}).get("storage", ""))


def _text(raw: msgspec.Raw | None) -> str:
    return "" if raw is None else _TEXT.decode(raw) or ""


_NULL = msgspec.Raw(b"null")

# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
# null stands where a folder of manifests leaves a field open: `emptyDir:`.
_CSI = msgspec.json.Decoder(_CsiSource | None)
_EBS = msgspec.json.Decoder(_EbsSource | None)
_NAME = msgspec.json.Decoder(_Name | None)
_SOURCE = msgspec.json.Decoder(_Source | None)
_CLAIM_SOURCE = msgspec.json.Decoder(_ClaimSource)
_INLINE_CSI = msgspec.json.Decoder(_InlineCsi | None)
_QUANTITIES = msgspec.json.Decoder(dict[str, Quantity] | None)
_LIST = msgspec.json.Decoder(list[str] | None)
_TEXT = msgspec.json.Decoder(str | None)
