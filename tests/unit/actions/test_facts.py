"""Tests of the facts that are read from objects: what decides on volumes and hooks, and nothing that may be secret."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from runner.actions.facts import has_facts, row, row_with_facts
from runner.model.cluster import Resource
from runner.model.inventory import ClaimFacts, Facts, PodFacts, PodVolume, SnapshotClassFacts, VolumeFacts

LAST_APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": '{"password": "hunter2"}'}


def facts(plural: str, body: dict[str, Any], *, group: str = "", annotations: dict[str, str] | None = None) -> Facts:
    """The facts of an object named `web-0` in shop; its annotations hold a secret besides."""
    about = {"name": "web-0", "namespace": "shop", "annotations": {**LAST_APPLIED, **(annotations or {})}}
    resource = Resource(group, plural, "v1", "Kind", namespaced=True)
    found = row_with_facts(resource, json.dumps({"metadata": about, **body}).encode())
    assert found.facts is not None
    assert b"hunter2" not in msgspec.json.encode(found)
    return found.facts


def claim(
    spec: dict[str, Any], status: dict[str, Any] | None = None, annotations: dict[str, str] | None = None
) -> ClaimFacts:
    """The facts of a claim."""
    found = facts("persistentvolumeclaims", {"spec": spec, "status": status or {}}, annotations=annotations)
    assert isinstance(found, ClaimFacts)
    return found


def volume(**spec: Any) -> VolumeFacts:
    """The facts of a PersistentVolume."""
    found = facts("persistentvolumes", {"spec": spec})
    assert isinstance(found, VolumeFacts)
    return found


def pod(*volumes: dict[str, Any], annotations: dict[str, str] | None = None, **more: Any) -> PodFacts:
    """The facts of a Pod."""
    body = {"spec": {"volumes": list(volumes), **more.pop("spec", {})}, **more}
    found = facts("pods", body, annotations=annotations)
    assert isinstance(found, PodFacts)
    return found


# claims


def test_a_claim_says_what_it_has_and_what_it_asks() -> None:
    """Volume, class, modes and phase; the size that is granted, else the one that is asked for."""
    spec = {
        "volumeName": "pv-1",
        "storageClassName": "gp3",
        "accessModes": ["ReadWriteOncePod"],
        "volumeMode": "Block",
        "resources": {"requests": {"storage": "5Gi"}},
    }
    bound = claim(spec, {"phase": "Bound", "capacity": {"storage": "8Gi"}})
    assert bound == ClaimFacts(
        volume="pv-1",
        storage_class="gp3",
        capacity="8Gi",
        phase="Bound",
        access_modes=("ReadWriteOncePod",),
        volume_mode="Block",
    )
    assert claim(spec).capacity == "5Gi"


def test_a_claim_may_name_its_snapshot_class() -> None:
    """By our annotation, else by Velero's."""
    theirs = {"velero.io/csi-volumesnapshot-class": "velero"}
    ours = {"trysail.dev/csi-volumesnapshot-class": "mine"}
    assert claim({}, annotations={**theirs, **ours}).snapshot_class == "mine"
    assert claim({}, annotations=theirs).snapshot_class == "velero"
    assert claim({}).snapshot_class == ""


# PersistentVolumes


def test_a_csi_volume() -> None:
    """Driver, handle and attributes; the claim that it is for."""
    found = volume(
        capacity={"storage": "10Gi"},
        accessModes=["ReadWriteOnce"],
        volumeMode="Filesystem",
        storageClassName="gp3",
        claimRef={"namespace": "shop", "name": "data", "uid": "1"},
        csi={"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1", "volumeAttributes": {"a": "b"}, "fsType": "ext4"},
    )
    assert found == VolumeFacts(
        claim="shop/data",
        storage_class="gp3",
        capacity="10Gi",
        source="ebs.csi.aws.com",
        handle="vol-1",
        type="csi",
        attributes={"a": "b"},
        access_modes=("ReadWriteOnce",),
        volume_mode="Filesystem",
    )


@pytest.mark.parametrize(("written", "read"), [(1073741824, "1073741824"), (1.5, "1.5"), ("1Gi", "1Gi")])
def test_sizes_that_are_written_as_numbers(written: float | str, read: str) -> None:
    """An API server takes them, so that a folder of manifests may hold them."""
    assert volume(hostPath={}, capacity={"storage": written}).capacity == read
    assert claim({"resources": {"requests": {"storage": written}}}, {}).capacity == read
    assert claim({}, {"capacity": {"storage": written}}).capacity == read


@pytest.mark.parametrize("written", ["vol-0a1", "aws://eu-west-1a/vol-0a1", "aws:///vol-0a1"])
def test_an_in_tree_ebs_volume(written: str) -> None:
    """Its handle is the volume's id alone, however it is written."""
    found = volume(awsElasticBlockStore={"volumeID": written, "fsType": "ext4"})
    assert (found.type, found.source, found.handle) == ("awsElasticBlockStore", "awsElasticBlockStore", "vol-0a1")


def test_an_nfs_volume() -> None:
    """Server and path; it has no handle."""
    found = volume(nfs={"server": "10.0.0.1", "path": "/x"}, mountOptions=["hard"], nodeAffinity={})
    assert (found.type, found.server, found.path, found.handle) == ("nfs", "10.0.0.1", "/x", "")


def test_a_volume_whose_fields_are_open() -> None:
    """What a folder of manifests leaves open is no mistake of the object."""
    found = volume(hostPath=None, claimRef=None, capacity=None, accessModes=None, storageClassName=None)
    assert found == VolumeFacts(claim="", storage_class="", capacity="", source="hostPath", handle="", type="hostPath")


def test_a_source_that_is_left_open_beside_another() -> None:
    """As templates write it, and an API server takes it: the other one is where the bytes are."""
    found = volume(csi=None, awsElasticBlockStore=None, nfs={"server": "nas", "path": "/x"})
    assert (found.type, found.server) == ("nfs", "nas")
    assert [(one.name, one.type) for one in pod({"name": "a", "emptyDir": None, "nfs": {}}).volumes] == [("a", "nfs")]
    assert (volume(csi=None).type, volume(awsElasticBlockStore=None).type) == ("csi", "awsElasticBlockStore")


# Pods


def test_a_pod_says_which_volumes_hold_data() -> None:
    """Each by its type; what the API server itself puts into a Pod holds none."""
    found = pod(
        {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        {"name": "huge", "emptyDir": {"medium": "HugePages-2Mi"}},
        {"name": "open", "emptyDir": None},
        {"name": "bare"},
        {"name": "host", "hostPath": {"path": "/var/lib"}},
        {"name": "share", "nfs": {"server": "nfs", "path": "/x"}},
        {"name": "inline", "csi": {"driver": "x.example.com", "volumeAttributes": {"a": "b"}}},
        {"name": "flex", "flexVolume": {"driver": "y.example.com"}},
        *({"name": kind, kind: {}} for kind in ("configMap", "secret", "projected", "downwardAPI", "image")),
    )
    assert found.volumes == (
        PodVolume("cache", "emptyDir", capacity="1Gi"),
        PodVolume("shm", "emptyDir", memory=True),
        PodVolume("huge", "emptyDir", memory=True),
        PodVolume("open", "emptyDir"),
        PodVolume("bare", "emptyDir"),
        PodVolume("host", "hostPath", path="/var/lib"),
        PodVolume("share", "nfs", server="nfs", path="/x"),
        PodVolume("inline", "csi", driver="x.example.com", attributes={"a": "b"}),
        PodVolume("flex", "flexVolume"),
    )


def test_a_pod_names_its_claims() -> None:
    """Those of its own, and those that Kubernetes makes for it."""
    found = pod({"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "scratch", "ephemeral": {}})
    assert (found.claims, found.volumes) == (("data", "web-0-scratch"), ())


def test_a_pod_says_where_it_runs_and_what_in_it() -> None:
    """Containers in their order, phase and node."""
    found = pod(
        spec={"containers": [{"name": "db"}, {"name": "side"}], "nodeName": "node-1"}, status={"phase": "Running"}
    )
    assert (found.containers, found.node, found.phase) == (("db", "side"), "node-1", "Running")


def test_of_a_pods_annotations_only_hooks_are_read() -> None:
    """Ours and Velero's for a backup, and the record of who froze it; none of the others."""
    hooks = {
        "pre.hook.backup.trysail.dev/command": "sync",
        "post.hook.backup.velero.io/container": "db",
    }
    others = {"pre.hook.restore.velero.io/command": "x", "example.com/pre.hook.backup.velero.io": "y"}
    found = pod(annotations={**hooks, **others, "trysail.dev/frozen": "{}"})
    assert (found.hooks, found.frozen) == (hooks, "{}")


# the rest


@pytest.mark.parametrize(("annotations", "default"), [
    ({}, False),
    ({"snapshot.storage.kubernetes.io/is-default-class": "true"}, True),
    ({"snapshot.storage.kubernetes.io/is-default-class": "false"}, False),
])  # fmt: skip
def test_a_snapshot_class(annotations: dict[str, str], default: bool) -> None:
    """Its driver, and whether it is the driver's default."""
    group = "snapshot.storage.k8s.io"
    found = facts("volumesnapshotclasses", {"driver": "x.example.com"}, group=group, annotations=annotations)
    assert found == SnapshotClassFacts("x.example.com", default=default)


def test_other_types_have_names_alone() -> None:
    """A Secret's data is skipped unread."""
    secrets = Resource("", "secrets", "v1", "Secret", namespaced=True)
    raw = b'{"metadata": {"name": "tls", "uid": "1"}, "data": {"key": 5}}'
    assert not has_facts(secrets)
    assert row_with_facts(secrets, raw) == row(raw)
    assert row(raw).facts is None


@pytest.mark.parametrize("body", [{"spec": {"volumes": 5}}, {"spec": {"volumes": [{"name": "x", "emptyDir": 5}]}}])
def test_what_is_no_pod_is_an_error(body: dict[str, Any]) -> None:
    """A body that is not of its type is refused, and never guessed at."""
    with pytest.raises(ValueError, match="Expected"):
        facts("pods", body)
