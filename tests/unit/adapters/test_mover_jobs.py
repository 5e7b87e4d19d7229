"""The mover's Job as it is rendered: where it runs, and with which rights."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from runner.adapters.mover import MoverSnapshots
from runner.adapters.mover_jobs import CLAIMS, JOBS, NAMESPACES, SECRETS
from tests.fakes.cluster import FakeCluster
from tests.unit.adapters.mover_stage import SETTINGS, TAGS, listed, one, shop, volume


def claim(cluster: FakeCluster, mode: str, *, phase: str = "Running") -> None:
    """A claim, and the Pod on node-7 that uses it."""
    spec = {"accessModes": [mode]}
    metadata = {"name": "data", "namespace": "shop"}
    cluster.put({"apiVersion": "v1", "kind": CLAIMS.kind, "metadata": metadata, "spec": spec})
    user = {
        "nodeName": "node-7",
        "tolerations": [{"key": "disks", "operator": "Exists"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    web = {"name": "web", "namespace": "shop"}
    cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": web, "spec": user, "status": {"phase": phase}})


@pytest.mark.parametrize(
    ("mode", "phase", "bound"),
    [
        ("ReadWriteOnce", "Running", True),
        ("ReadWriteOnce", "Pending", True),
        ("ReadWriteOnce", "Succeeded", False),
        ("ReadWriteMany", "Running", False),
    ],
)
def test_it_runs_where_the_volume_is_mounted(mode: str, phase: str, *, bound: bool) -> None:
    """A volume that one node alone may mount, while a Pod there uses it."""
    cluster = shop()
    claim(cluster, mode, phase=phase)
    MoverSnapshots(cluster, SETTINGS).start(volume(), TAGS)
    spec = one(cluster, JOBS)["spec"]["template"]["spec"]
    assert ("affinity" in spec) is bound
    if bound:
        required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert required["nodeSelectorTerms"][0]["matchFields"][0]["values"] == ["node-7"]
        assert spec["tolerations"] == [{"key": "disks", "operator": "Exists"}]


def test_a_strict_namespace_gets_a_mover_without_rights() -> None:
    """And others one that reads, or writes, what belongs to whomever."""
    cluster = shop()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.put({"apiVersion": "v1", "kind": NAMESPACES.kind, "metadata": {"name": "strict", "labels": labels}})
    snapshots = MoverSnapshots(cluster, replace(SETTINGS, service_account="mover"))
    for name in ("strict/data", "shop/data"):
        snapshots.start(volume(name), TAGS)
    specs = {job["metadata"]["namespace"]: job["spec"]["template"]["spec"] for job in listed(cluster, JOBS)}
    assert specs["strict"]["securityContext"]["runAsNonRoot"] is True
    assert specs["strict"]["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    rights = specs["shop"]["containers"][0]["securityContext"]
    assert rights["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}
    assert rights["allowPrivilegeEscalation"] is False
    assert specs["shop"]["serviceAccountName"] == "mover"
    assert specs["shop"]["volumes"][0]["persistentVolumeClaim"]["readOnly"] is True


def test_the_stores_own_authority_goes_along() -> None:
    """In the Job's Secret, as a file; without one there is none."""
    cluster = shop()
    MoverSnapshots(cluster, replace(SETTINGS, authority="-----BEGIN CERTIFICATE-----")).start(volume(), TAGS)
    spec = one(cluster, JOBS)["spec"]["template"]["spec"]
    command = spec["containers"][0]["command"]
    assert command[command.index("--ca-file") + 1] == "/authority/ca.crt"
    assert spec["containers"][0]["volumeMounts"][-1] == {
        "name": "authority",
        "mountPath": "/authority",
        "readOnly": True,
    }
    secret = one(cluster, SECRETS)
    assert spec["volumes"][-1]["secret"] == {
        "secretName": secret["metadata"]["name"],
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
    }
    assert base64.b64decode(secret["data"]["ca.crt"]) == b"-----BEGIN CERTIFICATE-----"
    assert "ca.crt" not in {variable["name"] for variable in spec["containers"][0]["env"]}
    other = shop()
    MoverSnapshots(other, SETTINGS).start(volume(), TAGS)
    assert [mount["name"] for mount in one(other, JOBS)["spec"]["template"]["spec"]["volumes"]] == ["volume", "scratch"]
