"""The CSI driver: volumes and snapshots behave as a cluster's do. How it misbehaves is in the module beside."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.nodes import Nodes
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

_SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"


class TestVolumes:
    """Claims have volumes, and volumes go with them or not."""

    def test_a_claim_has_a_volume_as_its_class_says(
        self, control_plane: ControlPlane, csi: Csi, namespace: str
    ) -> None:
        """The claim is bound to a PersistentVolume of its size, whose handle leads to an empty folder."""
        handle = csi.claim(namespace, "data", size="3Gi", labels={"app": "web"})

        claim = control_plane.must("GET", _claims(namespace, "data"))
        volume = control_plane.must("GET", f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
        assert claim["metadata"]["labels"] == {"app": "web"}
        assert volume["spec"]["capacity"] == {"storage": "3Gi"}
        assert volume["spec"]["storageClassName"] == csi.storage_class
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        assert volume["spec"]["csi"]["driver"] == csi.driver
        assert list(csi.volume_path(handle).iterdir()) == []

    def test_the_bytes_go_with_the_claim(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """A volume whose policy is Delete goes when its claim is deleted, and so does its folder."""
        handle = csi.claim(namespace, "data")
        name = control_plane.must("GET", _claims(namespace, "data"))["spec"]["volumeName"]
        (csi.volume_path(handle) / "file").write_text("bytes")

        control_plane.must("DELETE", _claims(namespace, "data"))

        wait_for(lambda: not _there(control_plane, f"/api/v1/persistentvolumes/{name}"), "the volume to go")
        assert not csi.volume_path(handle).exists()
        assert handle not in csi.volumes()

    def test_a_retained_volume_outlives_its_claim(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """With Retain, the PersistentVolume is Released and the folder stays; also when it is deleted by hand."""
        handle = csi.claim(namespace, "data")
        name = control_plane.must("GET", _claims(namespace, "data"))["spec"]["volumeName"]
        path = f"/api/v1/persistentvolumes/{name}"
        control_plane.must("PATCH", path, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})

        control_plane.must("DELETE", _claims(namespace, "data"))
        wait_for(lambda: control_plane.must("GET", path)["status"]["phase"] == "Released", "Released")
        control_plane.must("DELETE", path)
        wait_for(lambda: not _there(control_plane, path), "the PersistentVolume to go")

        assert csi.volume_path(handle).exists()

    def test_a_class_that_waits_for_a_pod(
        self, control_plane: ControlPlane, nodes: Nodes, csi: Csi, namespace: str
    ) -> None:
        """With WaitForFirstConsumer a claim is pending until the scheduler has placed a pod that uses it."""
        waits = f"waits-{secrets.token_hex(4)}"
        classes = "/apis/storage.k8s.io/v1/storageclasses"
        mode = {"provisioner": csi.driver, "volumeBindingMode": "WaitForFirstConsumer"}
        control_plane.must("POST", classes, {"metadata": {"name": waits}, **mode})
        csi.make_claim(namespace, "data", storage_class=waits)
        control_plane.kubectl(
            "wait", "--for=jsonpath={.status.phase}=Pending", "pvc/data", "-n", namespace, "--timeout=60s"
        )

        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        pod = {"containers": [{"name": "main", "image": "registry.example.com/web:1"}], "volumes": volumes}
        control_plane.must("POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "uses"}, "spec": pod})

        handle = csi.handle(namespace, "data")
        control_plane.kubectl("wait", "--for=condition=Ready", "pod/uses", "-n", namespace, "--timeout=60s")
        assert csi.volume_path(handle).is_dir()
        assert not control_plane.must("GET", "/apis/storage.k8s.io/v1/volumeattachments")["items"]
        control_plane.must("DELETE", f"{classes}/{waits}")


class TestSnapshots:
    """Snapshots hold what the volume held, and claims begin as they are."""

    def test_a_claim_begins_as_the_snapshot_was(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """What is written after the snapshot is not in the new volume, and the snapshot goes with its object."""
        source = csi.volume_path(csi.claim(namespace, "data"))
        (source / "folder").mkdir()
        (source / "folder" / "file").write_text("before")
        handle = csi.snapshot(namespace, "snap", claim="data")
        (source / "folder" / "file").write_text("after")

        restored = csi.volume_path(csi.claim(namespace, "restored", snapshot="snap"))

        assert handle in csi.snapshots()
        assert (restored / "folder" / "file").read_text() == "before"
        assert control_plane.must("GET", _snapshots(namespace, "snap"))["status"]["restoreSize"] == "1Gi"
        control_plane.must("DELETE", _snapshots(namespace, "snap"))
        wait_for(lambda: not csi.snapshot_path(handle).exists(), "the snapshot's folder to go")

    def test_a_smaller_claim_is_refused(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """A claim with less room than its snapshot needs stays pending, and an event says why."""
        csi.claim(namespace, "data", size="2Gi")
        csi.snapshot(namespace, "snap", claim="data")

        csi.make_claim(namespace, "small", snapshot="snap")

        wait_for(lambda: "2147483648 bytes" in _events(control_plane, namespace, "small"), "the event")

    def test_a_retained_snapshot_outlives_its_namespace(
        self, control_plane: ControlPlane, csi: Csi, namespace: str
    ) -> None:
        """With Retain, the snapshot's bytes stay when all objects are gone, and so does the content."""
        csi.claim(namespace, "data")
        handle = csi.snapshot(namespace, "snap", claim="data")
        bound = control_plane.must("GET", _snapshots(namespace, "snap"))["status"]["boundVolumeSnapshotContentName"]
        control_plane.must("PATCH", _contents(bound), {"spec": {"deletionPolicy": "Retain"}})

        control_plane.must("DELETE", f"/api/v1/namespaces/{namespace}")
        wait_for(lambda: not _there(control_plane, f"/api/v1/namespaces/{namespace}"), "the namespace to go")

        assert _there(control_plane, _contents(bound))
        control_plane.must("DELETE", _contents(bound))
        wait_for(lambda: not _there(control_plane, _contents(bound)), "the content to go")
        assert csi.snapshot_path(handle).exists()


class TestHandles:
    """A snapshot is found again by its handle alone."""

    def test_in_another_namespace(
        self, control_plane: ControlPlane, csi: Csi, namespace: str, other_namespace: str
    ) -> None:
        """A content made by hand, of the handle, makes a snapshot ready from which a claim has the bytes."""
        (csi.volume_path(csi.claim(namespace, "data")) / "file").write_text("before")
        handle = csi.snapshot(namespace, "snap", claim="data")

        csi.point_at(other_namespace, "found", handle=handle)
        restored = csi.claim(other_namespace, "restored", snapshot="found")

        assert csi.snapshot_handle(other_namespace, "found") == handle
        assert (csi.volume_path(restored) / "file").read_text() == "before"
        _forget(control_plane, other_namespace)
        assert csi.snapshot_path(handle).exists()

    def test_in_another_cluster(
        self,
        control_plane: ControlPlane,
        second_control_plane: ControlPlane,
        csi: Csi,
        namespace: str,
        tmp_path: Path,
    ) -> None:
        """A cluster whose driver has the same root reaches the handle; what it makes is its own."""
        (csi.volume_path(csi.claim(namespace, "data")) / "file").write_text("before")
        handle = csi.snapshot(namespace, "snap", claim="data")

        with Csi(second_control_plane, tmp_path / "csi", root=csi.root) as other:
            there = f"test-{secrets.token_hex(4)}"
            second_control_plane.kubectl("create", "namespace", there)
            other.point_at(there, "found", handle=handle)
            restored = other.claim(there, "restored", snapshot="found")

            assert (other.volume_path(restored) / "file").read_text() == "before"
            second_control_plane.must("DELETE", _claims(there, "restored"))
            wait_for(lambda: restored not in csi.volumes(), "the other's volume to go")
            _forget(second_control_plane, there)
            assert csi.snapshot_path(handle).exists()

    def test_an_unknown_handle_is_told(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """A handle that the driver does not have makes no snapshot ready, and the snapshot's status says why."""
        csi.point_at(namespace, "found", handle="snap-nowhere")

        said = wait_for(lambda: _error(control_plane, namespace, "found"), "an error")

        assert "can not find snapshot for snapshotID snap-nowhere" in said
        assert control_plane.must("GET", _snapshots(namespace, "found"))["status"]["readyToUse"] is False
        _forget(control_plane, namespace)  # else the driver is asked for it each second


class TestSeveral:
    """Drivers side by side, and what is left of them."""

    def test_two_drivers_in_one_cluster(
        self, control_plane: ControlPlane, csi: Csi, namespace: str, tmp_path: Path
    ) -> None:
        """Each serves its own class, from a root of its own, and the first goes on when the second is gone."""
        with Csi(control_plane, tmp_path / "csi", driver="other.csi.tests.trysail.dev") as other:
            first, second = csi.claim(namespace, "first"), other.claim(namespace, "second")
            other.snapshot(namespace, "second", claim="second")
            csi.snapshot(namespace, "first", claim="first")

            assert csi.volume_path(first).exists()
            assert not csi.volume_path(second).exists()
            assert other.volumes() == [second]
            for path in (_snapshots(namespace, "second"), _claims(namespace, "second")):
                control_plane.must("DELETE", path)
            wait_for(lambda: not other.volumes() and not other.snapshots(), "all of the second's to go")

        csi.snapshot(namespace, "later", claim="first")

    def test_snapshots_are_served_when_the_first_of_two_drivers_stops(self, tmp_path: Path) -> None:
        """The one that is left takes the snapshot controller over; after both, no process and no class is left."""
        with ControlPlane(tmp_path / "plane") as plane:
            first = Csi(plane, tmp_path / "first", driver="first.csi.tests.trysail.dev")
            with first, Csi(plane, tmp_path / "second", driver="second.csi.tests.trysail.dev") as second:
                pids = [first.pid(), second.pid()]
                second.claim("default", "data")
                first.stop()
                second.snapshot("default", "snap", claim="data")

            assert not plane.must("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
            for pid in pids:
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)

    def test_it_finds_the_api_server_again(self, control_plane: ControlPlane, csi: Csi, namespace: str) -> None:
        """A crash of the API server is survived."""
        csi.claim(namespace, "before")
        control_plane.stop_apiserver()
        control_plane.start_apiserver()

        csi.snapshot(namespace, "snap", claim="before")
        csi.claim(namespace, "after", snapshot="snap")


@pytest.fixture
def other_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A second empty namespace."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


def _forget(plane: ControlPlane, namespace: str) -> None:
    """Take the VolumeSnapshot `found` away with its content, which its driver must let go of."""
    content = f"{namespace}-found"
    plane.must("DELETE", _snapshots(namespace, "found"))
    plane.must("DELETE", _contents(content))
    wait_for(lambda: not _there(plane, _contents(content)), "the content to go")


def _claims(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}".rstrip("/")


def _snapshots(namespace: str, name: str = "") -> str:
    return f"{_SNAPSHOTS}/namespaces/{namespace}/volumesnapshots/{name}".rstrip("/")


def _contents(name: str = "") -> str:
    return f"{_SNAPSHOTS}/volumesnapshotcontents/{name}".rstrip("/")


def _there(plane: ControlPlane, path: str) -> bool:
    return plane.request("GET", path)[0] != 404


def _error(plane: ControlPlane, namespace: str, snapshot: str) -> str:
    status = plane.must("GET", _snapshots(namespace, snapshot)).get("status", {})
    return str(status.get("error", {}).get("message", ""))


def _events(plane: ControlPlane, namespace: str, name: str) -> str:
    """What events say of the object of that name."""
    events = plane.must("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
    return "\n".join(event["message"] for event in events if event["involvedObject"]["name"] == name)
