"""The CSI driver misbehaves as it is told, and all is well again when it is told to behave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]


@pytest.fixture
def switches(csi: Csi) -> Iterator[Csi]:
    """The driver, which behaves again when the test ends."""
    yield csi
    csi.behave()


class TestSwitches:
    """The driver misbehaves as it is told, and recovers."""

    def test_failing(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A snapshot's status has the driver's words while it fails, and becomes ready after."""
        switches.claim(namespace, "data")
        switches.fail("the array is on fire")
        switches.make_snapshot(namespace, "snap", claim="data")

        said = wait_for(lambda: _error(control_plane, namespace, "snap"), "an error")
        switches.behave()

        assert "the array is on fire" in said
        assert switches.snapshot_handle(namespace, "snap") in switches.snapshots()

    def test_failing_for_one_volume(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """While one volume cannot be snapshotted, another one can."""
        bad, good = switches.claim(namespace, "bad"), switches.claim(namespace, "good")
        switches.fail("no such luck", only=bad)

        switches.make_snapshot(namespace, "bad", claim="bad")
        switches.snapshot(namespace, "good", claim="good")

        assert bad != good
        assert "no such luck" in wait_for(lambda: _error(control_plane, namespace, "bad"), "an error")

    def test_hanging(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A call that hangs is given up by its caller, and succeeds when it is made again."""
        switches.claim(namespace, "data")
        switches.hang()
        switches.make_snapshot(namespace, "snap", claim="data")

        said = wait_for(lambda: _error(control_plane, namespace, "snap"), "an error")
        switches.behave()

        assert "DeadlineExceeded" in said
        assert switches.snapshot_handle(namespace, "snap") in switches.snapshots()

    def test_never_ready(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A snapshot that is taken, with a handle, does not become ready as long as the driver says so."""
        switches.claim(namespace, "data")
        switches.never_ready()
        switches.make_snapshot(namespace, "snap", claim="data")

        status = wait_for(lambda: _cut(control_plane, namespace, "snap"), "the snapshot to be taken")
        switches.behave()

        assert status["readyToUse"] is False
        assert "error" not in status
        assert switches.snapshot_handle(namespace, "snap") in switches.snapshots()

    def test_slow_to_be_ready(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A snapshot is ready some time after it was taken, by itself."""
        switches.claim(namespace, "data")
        switches.slow_ready(1)
        switches.make_snapshot(namespace, "snap", claim="data")

        status = wait_for(lambda: _cut(control_plane, namespace, "snap"), "the snapshot to be taken")

        assert status["readyToUse"] is False
        switches.snapshot_handle(namespace, "snap")

    def test_failing_to_make_a_volume(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A claim is pending with an event that has the driver's words, and is bound after."""
        switches.fail("no room")
        switches.make_claim(namespace, "data")

        wait_for(lambda: "no room" in _events(control_plane, namespace, "data"), "the event")
        switches.behave()

        assert switches.handle(namespace, "data") in switches.volumes()

    def test_a_claim_waits_for_its_snapshot(self, control_plane: ControlPlane, switches: Csi, namespace: str) -> None:
        """A claim from a snapshot that is not ready is pending, and is bound once it is."""
        switches.claim(namespace, "data")
        switches.never_ready()
        switches.make_snapshot(namespace, "snap", claim="data")
        switches.make_claim(namespace, "restored", snapshot="snap")
        wait_for(lambda: "is not ready" in _events(control_plane, namespace, "restored"), "an event that says so")

        switches.behave()

        assert switches.volume_path(switches.handle(namespace, "restored")).exists()


def _snapshots(namespace: str, name: str) -> str:
    return f"/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots/{name}"


def _cut(plane: ControlPlane, namespace: str, snapshot: str) -> Json:
    """The status of a snapshot, once it is taken."""
    status: Json = plane.must("GET", _snapshots(namespace, snapshot)).get("status", {})
    return status if status.get("creationTime") else {}


def _error(plane: ControlPlane, namespace: str, snapshot: str) -> str:
    status = plane.must("GET", _snapshots(namespace, snapshot)).get("status", {})
    return str(status.get("error", {}).get("message", ""))


def _events(plane: ControlPlane, namespace: str, name: str) -> str:
    """What events say of the object of that name."""
    events = plane.must("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
    return "\n".join(event["message"] for event in events if event["involvedObject"]["name"] == name)
