"""Claims, PersistentVolumes and the policy that the simulations of volumes share."""

from __future__ import annotations

from typing import Any

from runner.model.location import S3Location
from runner.model.policy import BackupPolicy
from runner.model.policy_set import ResolvedPolicy
from runner.model.snapshot_location import AwsSnapshotLocation
from tests.fakes.cluster import definition

Object = dict[str, Any]

NAMESPACE = "shop"
KINDS = ("ebs", "csi", "files")
"""How a claim's data is kept: the name of its StorageClass."""
DRIVERS = {"ebs": "ebs.csi.aws.com", "csi": "disk.example.com", "files": "disk.example.com"}

_EBS = AwsSnapshotLocation.model_validate({"provider": "aws", "config": {"region": "eu-west-1"}})
_STORE = {"provider": "s3", "objectStorage": {"bucket": "backups"}, "config": {"region": "eu-west-1"}}


def claim(name: str, kind: str) -> Object:
    """A claim that is bound to `pv-<name>`."""
    spec = {"volumeName": f"pv-{name}", "storageClassName": kind, "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": name, "namespace": NAMESPACE}
    made = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    return {**made, "status": {"phase": "Bound"}}


def volume(name: str, of: str, kind: str) -> Object:
    """The PersistentVolume of a claim."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "storageClassName": kind,
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {"namespace": NAMESPACE, "name": of, "uid": "old"},
        "csi": {"driver": DRIVERS[kind], "volumeHandle": f"vol-{name}"},
    }
    made = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    return {**made, "status": {"phase": "Bound"}}


def snapshot_class() -> tuple[Object, Object]:
    """The definition of VolumeSnapshotClasses, and one for the driver that has snapshots."""
    kind = ("volumesnapshotclasses", "VolumeSnapshotClass", "snapshot.storage.k8s.io")
    named = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "disks"}}
    return definition(*kind, namespaced=False), {**named, "driver": DRIVERS["csi"]}


def resolved(**spec: Any) -> ResolvedPolicy:
    """A policy that keeps all claims, each as its StorageClass says; with these fields as well."""
    rule = {"conditions": {"storageClass": ["files"]}, "action": {"type": "fs-backup"}}
    rest = {"conditions": {"volumeTypes": ["persistentVolumeClaim"]}, "action": {"type": "snapshot"}}
    given: Object = {
        "storageLocation": _STORE,
        "onUncovered": "ignore",
        "volumePolicies": [rule, rest],
        "fsBackup": {"image": "trysail:1", "repositoryPassword": {"env": "PASSWORD"}},
        **spec,
    }
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupPolicy", "metadata": {"name": "sim"}}
    policy = BackupPolicy.model_validate({**document, "spec": given})
    return ResolvedPolicy(policy, S3Location.model_validate(_STORE), "", "policy.yaml", _EBS)
