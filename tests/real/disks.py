"""Claims on EBS disks in the real cluster: made by hand, as no driver provisions there, and taken away again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from tests.parts.controlplane import ControlPlane
from tests.parts.moto_ec2 import REGION, MotoEc2

Json = dict[str, Any]

ZONE: Final = f"{REGION}a"


def make_claim(plane: ControlPlane, cloud: MotoEc2, namespace: str, name: str, *, in_tree: bool = False) -> str:
    """A disk with its PersistentVolume, and a claim that is bound to it; the disk's id."""
    handle = cloud.create_volume(size=1, Iops=3500, Throughput=150)
    plane.must("POST", "/api/v1/persistentvolumes", _volume(namespace, name, handle, in_tree=in_tree))
    claim: Json = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "",
            "volumeName": f"{namespace}-{name}",
        },
    }
    plane.must("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)
    plane.kubectl("wait", f"pvc/{name}", "-n", namespace, "--for=jsonpath={.status.phase}=Bound", "--timeout=30s")
    return handle


def destroy(plane: ControlPlane, cloud: MotoEc2, namespace: str, **handles: str) -> None:
    """The namespace with its claims, and the disks behind them: all of it, as on the worst day."""
    plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=60s")
    for name, handle in handles.items():
        plane.kubectl("delete", "pv", f"{namespace}-{name}", "--wait=true", "--timeout=30s", "--ignore-not-found")
        cloud.delete_volume(handle)


def snapshot_location(folder: Path, endpoint: str, name: str = "ebs") -> Path:
    """A VolumeSnapshotLocation that leads to a cloud."""
    path = folder / f"{name}-snapshots.yaml"
    config = {"region": REGION, "endpoint": endpoint}
    spec = {"provider": "aws", "config": config, "tags": {"team": "shop"}}
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "VolumeSnapshotLocation"}
    path.write_text(yaml.safe_dump({**document, "metadata": {"name": name}, "spec": spec}))
    return path


def handle_of(volume: Json) -> str:
    """The disk that a PersistentVolume stands for."""
    spec = volume["spec"]
    return str(spec["csi"]["volumeHandle"] if "csi" in spec else spec["awsElasticBlockStore"]["volumeID"])


def _volume(namespace: str, name: str, handle: str, *, in_tree: bool) -> Json:
    source: Json = {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": handle, "fsType": "ext4"}}
    if in_tree:
        source = {"awsElasticBlockStore": {"volumeID": f"aws://{ZONE}/{handle}", "fsType": "ext4"}}
    expression = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [ZONE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{name}"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            # The cluster has no driver that could carry Delete out; whoever tests a loss deletes the disk himself.
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": name, "kind": "PersistentVolumeClaim", "apiVersion": "v1"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
            **source,
        },
    }
