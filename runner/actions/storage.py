"""Claims, volumes and snapshots: free of the binding that was, with StorageClasses and namespaces mapped.

What becomes of a volume's data is not decided here: a volume that its class deletes comes with a snapshot or not at
all, and a snapshot is made to point at what the storage system holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.actions.fields import drop, drop_from, keep_where, part, parts, text
from runner.actions.restored import Case, LeftAlone, bare

# On a claim that files are still written into, or that was not seen bound to its volume yet; its value is the snapshot.
RESTORING = "trysail.dev/restoring"

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
# What the binder, the scheduler, the provisioner and another restore noted on a claim when they did their work.
_CLAIM_NOTES = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    RESTORING,
)
# Held by processes of the driver, which may not be there to let go of a volume that they never saw.
_DRIVER_FINALIZERS = ("external-attacher/", "external-provisioner.volume.kubernetes.io/", "kubernetes.io/pv-controller")
_SNAPSHOT_NOTES = (
    "snapshot.storage.kubernetes.io/volumesnapshot-being-created",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
)


def map_claim(claim: dict[str, Any], classes: Mapping[str, str]) -> None:
    """Give a claim, a template of one, or a volume the StorageClass that its own is mapped to."""
    spec, annotations = part(claim, "spec"), part(claim, "metadata", "annotations")
    for owner, field in ((spec, "storageClassName"), (annotations, _BETA_CLASS)):
        if text(owner, field) in classes:
            owner[field] = classes[owner[field]]


def map_ephemeral_volumes(pod_spec: dict[str, Any], classes: Mapping[str, str]) -> None:
    """Map the StorageClasses of the claims that a Pod brings with it."""
    for volume in parts(pod_spec, "volumes"):
        map_claim(part(volume, "ephemeral", "volumeClaimTemplate"), classes)


def claim(case: Case) -> None:
    """A claim that binds to its old volume where that comes too, and else is provisioned anew."""
    drop_from(part(case.body, "metadata"), "annotations", *_CLAIM_NOTES)
    spec = part(case.body, "spec")
    if not case.others.volume_comes(text(spec, "volumeName")):
        drop(spec, "volumeName")
    map_claim(case.body, case.rules.storage_classes)


def volume(case: Case) -> LeftAlone | None:
    """A volume that was to be kept, waiting for its claim under whatever uid that gets."""
    spec = part(case.body, "spec")
    if case.others.made_anew(case.item.name):
        return LeftAlone("its data comes from a snapshot: a new volume is made for its claim")
    if spec.get("persistentVolumeReclaimPolicy") == "Delete":
        return LeftAlone("its reclaim policy is Delete: it comes and goes with its claim")
    metadata = part(case.body, "metadata")
    drop_from(metadata, "annotations", "pv.kubernetes.io/bound-by-controller")
    keep_where(metadata, "finalizers", lambda entry: not str(entry).startswith(_DRIVER_FINALIZERS))
    _refer_anew(part(spec, "claimRef"), case)
    map_claim(case.body, case.rules.storage_classes)
    return None


def unbound_volume(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a volume as it was stored, free of its binding, its driver's finalizers and its old life."""
    body = bare(stored)
    metadata = part(body, "metadata")
    drop_from(metadata, "annotations", "pv.kubernetes.io/bound-by-controller")
    keep_where(metadata, "finalizers", lambda entry: not str(entry).startswith(_DRIVER_FINALIZERS))
    drop(part(body, "spec"), "claimRef")
    return body


def snapshot_content(case: Case) -> LeftAlone | None:
    """A VolumeSnapshotContent that stands for the snapshot which the storage system has, and outlives its removal."""
    spec = part(case.body, "spec")
    handle = text(case.stored, "status", "snapshotHandle") or text(spec, "source", "snapshotHandle")
    if not handle:
        return LeftAlone("the snapshot had not been taken yet")
    spec["deletionPolicy"] = "Retain"
    spec["source"] = {"snapshotHandle": handle}
    drop_from(part(case.body, "metadata"), "annotations", *_SNAPSHOT_NOTES)
    _refer_anew(part(spec, "volumeSnapshotRef"), case)
    return None


def snapshot(case: Case) -> LeftAlone | None:
    """A VolumeSnapshot that is bound to its old content; as it was asked for, it would take a new snapshot."""
    spec = part(case.body, "spec")
    content = text(case.stored, "status", "boundVolumeSnapshotContentName") or text(
        spec, "source", "volumeSnapshotContentName"
    )
    if not content:
        return LeftAlone("the snapshot had not been taken yet")
    spec["source"] = {"volumeSnapshotContentName": content}
    return None


def _refer_anew(reference: dict[str, Any], case: Case) -> None:
    drop(reference, "uid", "resourceVersion")
    if text(reference, "namespace"):
        reference["namespace"] = case.rules.namespace(reference["namespace"])
