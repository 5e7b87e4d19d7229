"""What every VolumeRestorer promises: the tests' fake, EBS on moto, and CSI through a real snapshot controller.

restic's Jobs are a VolumeRestorer too: where a Job really ends, tests/real/test_volumes_files.py has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import pytest

from runner.adapters.csi import CsiSnapshots
from runner.adapters.csi_restore import CsiRestorer
from runner.adapters.ebs import EbsRestorer, EbsVolumes
from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import TrysailError
from runner.model.volumes import Brought, PlannedVolume, RestoringVolume, RunTags, Snapshot, StoredVolume
from runner.volume_ports import VolumeRestorer, VolumeSnapshotter
from tests.conformance.clouds import cloud, server, snapshots
from tests.conformance.clusters import NAMESPACES, make, of
from tests.fakes.snapshotter import FakeRestorer
from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.moto_ec2 import REGION
from tests.real.waiting import wait_for

_NUMBERS = count(1)
_TAGS = RunTags(cluster="c1", policy="shop", backup="b1", plan="digest")


@dataclass(frozen=True)
class Place:
    """A claim whose data is to come back; `kept` says whether its snapshot is still there."""

    restorer: VolumeRestorer
    volume: RestoringVolume
    kept: Callable[[], bool]

    def ready(self, brought: Brought) -> Brought:
        """It, once the claim could be created."""
        wait_for(lambda: self.restorer.look(self.volume, brought).state != "pending", "the data to be there")
        return self.restorer.look(self.volume, brought)


def _fake() -> Iterator[Place]:
    snapshot = Snapshot(provider="aws", id="snap-1", state="ready")
    planned = PlannedVolume(method="native-snapshot", why="a test", claim="shop/data", handle="vol-1")
    yield Place(FakeRestorer(states=("pending", "ready")), _restoring(planned, snapshot, "shop"), lambda: True)


@pytest.fixture(scope="module")
def ec2() -> Iterator[tuple[Any, EbsVolumes]]:
    """One for all tests."""
    with cloud() as made:
        yield made


def _ebs(ec2: Any, ebs: EbsVolumes) -> Iterator[Place]:
    handle = ec2.create_volume(AvailabilityZone=f"{REGION}b", Size=8, VolumeType="gp3")["VolumeId"]
    planned = PlannedVolume(
        method="native-snapshot", why="a test", claim="shop/data", volume="pv-1", handle=handle, uid="u-1"
    )
    snapshot = _taken(ebs, planned)
    yield Place(EbsRestorer(ebs), _restoring(planned, snapshot, "copy"), lambda: snapshot.id in snapshots(ec2))
    ebs.discard(snapshot)  # a server may be others' too


def _csi(control_plane: ControlPlane, csi: Csi) -> Iterator[Place]:
    cluster = KubernetesCluster.connect(kubeconfig=str(control_plane.kubeconfig))
    namespace = f"restorer-{next(_NUMBERS)}"
    for name in (namespace, f"{namespace}-copy"):
        make(cluster, NAMESPACES, "", of(NAMESPACES, name))
    planned = PlannedVolume(
        method="csi-snapshot",
        why="a test",
        claim=f"{namespace}/data",
        volume="pv-1",
        source=csi.driver,
        handle=csi.claim(namespace, "data"),
        uid="u-1",
        snapshot_class=csi.snapshot_class,
    )
    snapshot = _taken(CsiSnapshots(cluster), planned)
    restoring = _restoring(planned, snapshot, f"{namespace}-copy")
    yield Place(CsiRestorer(cluster), restoring, lambda: snapshot.id in csi.snapshots())
    for name in (namespace, f"{namespace}-copy"):
        control_plane.kubectl("delete", "namespace", name, "--wait=false")


def _taken(provider: VolumeSnapshotter, planned: PlannedVolume) -> Snapshot:
    made = provider.start(planned, _TAGS)
    wait_for(lambda: provider.look([made])[0].state == "ready", "the snapshot to be complete")
    (now,) = provider.look([made])
    return msgspec.structs.replace(now, disk=made.disk)


def _restoring(planned: PlannedVolume, snapshot: Snapshot, namespace: str) -> RestoringVolume:
    stored = StoredVolume(planned=planned, outcome="stored", snapshot=snapshot)
    return RestoringVolume(stored=stored, namespace=namespace, claim="data", backup="b1", cluster="target-uid")


_REAL = [pytest.param(name, marks=pytest.mark.real) for name in ("ebs-server", "csi")]


@pytest.fixture(params=["fake", "ebs", *_REAL])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each in turn."""
    if request.param == "fake":
        yield from _fake()
    elif request.param == "ebs":
        yield from _ebs(*request.getfixturevalue("ec2"))
    elif request.param == "ebs-server":
        yield from _ebs(*server(request.getfixturevalue("moto_ec2")))
    else:
        yield from _csi(request.getfixturevalue("control_plane"), request.getfixturevalue("csi"))


def test_what_is_begun_becomes_ready(place: Place) -> None:
    """And says what the claim is to be bound to: a new disk with its zone, or what stands for the snapshot."""
    brought = place.restorer.bring(place.volume)
    assert (brought.adopted, brought.state in {"pending", "ready"}) == (False, True)
    ready = place.ready(brought)
    assert (ready.state, ready.reason) == ("ready", "")
    assert bool(ready.handle and ready.zone) != bool(ready.object)
    place.restorer.discard(place.volume, ready)


def test_begun_twice_is_begun_once(place: Place) -> None:
    """A restore that was killed goes on with what it has made."""
    first = place.ready(place.restorer.bring(place.volume))
    again = place.restorer.bring(place.volume)
    assert again.adopted
    assert (again.handle, again.object) == (first.handle, first.object)
    place.restorer.discard(place.volume, again)


def test_taking_it_back_leaves_the_snapshot(place: Place) -> None:
    """Twice is once, and the same restore may begin anew."""
    brought = place.ready(place.restorer.bring(place.volume))
    place.restorer.discard(place.volume, brought)
    place.restorer.discard(place.volume, brought)

    def begun() -> bool:
        try:
            return place.ready(place.restorer.bring(place.volume)).state == "ready"
        except TrysailError as error:
            if not error.retriable:  # what is on its way out is waited for
                raise
            return False

    wait_for(begun, "the restore to begin anew")
    assert place.kept()
