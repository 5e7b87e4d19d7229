"""Points claims and PersistentVolumes at data that was brought back. Each changes a body in place."""

from __future__ import annotations

from typing import Any

from runner.actions.fields import drop, part, parts, text
from runner.actions.quantity import quantity

_SNAPSHOTS = "snapshot.storage.k8s.io"
# Labels and node affinity by which a disk is tied to its zone: well-known ones, and the EBS driver's own.
_ZONES = frozenset(
    {"topology.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone", "failure-domain.beta.kubernetes.io/zone"}
)
_REGIONS = frozenset({"topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"})


def claim_from_snapshot(claim: dict[str, Any], snapshot: str, size: int) -> None:
    """A claim that is provisioned with the data of a VolumeSnapshot of its namespace; `size` bytes at least."""
    spec = claim.setdefault("spec", {})
    # A provisioner refuses a claim that selects: it makes a volume, and looks for none.
    drop(spec, "volumeName", "dataSourceRef", "selector")
    spec["dataSource"] = {"apiGroup": _SNAPSHOTS, "kind": "VolumeSnapshot", "name": snapshot}
    requests = spec.setdefault("resources", {}).setdefault("requests", {})
    asked = quantity(requests.get("storage"))
    if size and (asked is None or asked < size):
        requests["storage"] = str(size)


def claim_for_files(claim: dict[str, Any]) -> None:
    """A claim that files are written into: it begins as nothing, whatever it began as in its old life."""
    drop(claim.setdefault("spec", {}), "dataSource", "dataSourceRef")


def claim_to_volume(claim: dict[str, Any], volume: str) -> None:
    """A claim that binds to one PersistentVolume and to no other."""
    spec = claim.setdefault("spec", {})
    drop(spec, "dataSource", "dataSourceRef")
    spec["volumeName"] = volume


def makes_claim(stateful_set: dict[str, Any], claim: str) -> bool:
    """Whether the controller makes a claim of that name for a StatefulSet, empty, where it is not there."""
    own = text(stateful_set, "metadata", "name")
    for template in parts(stateful_set, "spec", "volumeClaimTemplates"):
        before, _, ordinal = claim.rpartition("-")
        if before == f"{text(template, 'metadata', 'name')}-{own}" and ordinal.isdecimal():
            return True
    return False


def outlives_claim(volume: dict[str, Any]) -> bool:
    """Whether a live PersistentVolume stays, with its data, once the claim that it was bound to is gone.

    One that its class deletes goes with that claim, but may be seen, Released, until its driver has deleted the disk.
    """
    if "deletionTimestamp" in part(volume, "metadata"):
        return False
    spec = part(volume, "spec")
    return text(spec, "persistentVolumeReclaimPolicy") != "Delete" or not text(spec, "claimRef", "uid")


def volume_from_disk(volume: dict[str, Any], handle: str, zone: str) -> None:
    """A PersistentVolume that stands for another disk, which may lie in another zone. ValueError where it is no EBS."""
    spec = part(volume, "spec")
    if "csi" in spec:
        spec["csi"]["volumeHandle"] = handle
    elif "awsElasticBlockStore" in spec:
        spec["awsElasticBlockStore"]["volumeID"] = f"aws://{zone}/{handle}" if zone else handle
    else:
        raise ValueError("the PersistentVolume is no disk of a cloud's")
    if zone:
        _move(volume, zone)


def _move(volume: dict[str, Any], zone: str) -> None:
    labels = part(volume, "metadata", "labels")
    for name in _ZONES & labels.keys():
        labels[name] = zone
    for name in _REGIONS & labels.keys():
        labels[name] = zone.rstrip("abcdefghijklmnopqrstuvwxyz")
    for term in parts(volume, "spec", "nodeAffinity", "required", "nodeSelectorTerms"):
        for expression in parts(term, "matchExpressions"):
            if text(expression, "key") in _ZONES and text(expression, "operator") == "In":
                expression["values"] = [zone]
