"""What every VolumeSnapshotter promises: the tests' fake, EBS on moto, and CSI through a real snapshot controller.

restic's Jobs are a VolumeSnapshotter too: where a Job really ends, tests/real/test_volumes_files.py has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from runner.adapters.csi import CsiSnapshots
from runner.adapters.ebs import EbsVolumes
from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import SnapshotNotFound
from runner.model.volumes import PlannedVolume, RunTags, Snapshot
from runner.volume_ports import VolumeSnapshotter
from tests.conformance.clouds import cloud, server, snapshots
from tests.conformance.clusters import NAMESPACES, make, of
from tests.fakes.snapshotter import FakeSnapshotter
from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.moto_ec2 import REGION
from tests.real.waiting import wait_for

_NUMBERS = count(1)


@dataclass(frozen=True)
class Place:
    """Two volumes, and what takes their snapshots. `data` is what the provider itself holds, by snapshot."""

    provider: VolumeSnapshotter
    volumes: tuple[PlannedVolume, PlannedVolume]
    data: Callable[[], set[str]]

    def ready(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot, once it is complete."""
        wait_for(lambda: self.now(snapshot).state not in {"asked", "cut"}, "the snapshot to be complete")
        return self.now(snapshot)

    def now(self, snapshot: Snapshot) -> Snapshot:
        """A look at one."""
        (found,) = self.provider.look([snapshot])
        return found


def _fake() -> Iterator[Place]:
    provider = FakeSnapshotter(cut_after=1, ready_after=2)
    yield Place(provider, _volumes("shop", "vol-1", "vol-2"), lambda: set(provider.kept))


@pytest.fixture(scope="module")
def ec2() -> Iterator[tuple[Any, EbsVolumes]]:
    """One for all tests."""
    with cloud() as made:
        yield made


def _ebs(ec2: Any, ebs: EbsVolumes) -> Iterator[Place]:
    handles = [ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"] for _ in range(2)]
    before = snapshots(ec2)
    yield Place(ebs, _volumes("shop", handles[0], handles[1]), lambda: snapshots(ec2) - before)
    for left in snapshots(ec2) - before:
        ec2.delete_snapshot(SnapshotId=left)


def _csi(control_plane: ControlPlane, csi: Csi) -> Iterator[Place]:
    cluster = KubernetesCluster.connect(kubeconfig=str(control_plane.kubeconfig))
    namespace = f"snapshotter-{next(_NUMBERS)}"
    make(cluster, NAMESPACES, "", of(NAMESPACES, namespace))
    handles = [csi.claim(namespace, name) for name in ("one", "two")]
    before = set(csi.snapshots())
    volumes = _volumes(namespace, handles[0], handles[1], csi.snapshot_class)
    yield Place(CsiSnapshots(cluster), volumes, lambda: set(csi.snapshots()) - before)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


def _volumes(namespace: str, one: str, two: str, snapshot_class: str = "") -> tuple[PlannedVolume, PlannedVolume]:
    first, second = (
        PlannedVolume(
            method="csi-snapshot" if snapshot_class else "native-snapshot",
            why="a test",
            claim=f"{namespace}/{name}",
            volume=f"pv-{name}",
            handle=handle,
            uid=f"uid-{namespace}-{name}",
            snapshot_class=snapshot_class,
        )
        for name, handle in (("one", one), ("two", two))
    )
    return first, second


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


def tags(backup: str = "b1", policy: str = "shop", plan: str = "digest") -> RunTags:
    """Of a run."""
    return RunTags(cluster="c1", policy=policy, backup=backup, plan=plan, user={"team": "shop"}, location="s3://here")


def test_a_snapshot_is_asked_for_cut_and_complete(place: Place) -> None:
    """Its data is there, its size is known, and it is found by its tags."""
    place.provider.prepare(place.volumes)
    made = place.provider.start(place.volumes[0], tags())
    assert made.state in ({"cut", "ready"} if place.provider.cut_at_once else {"asked", "cut", "ready"})
    ready = place.ready(made)
    assert (ready.state, ready.reason, ready.size) == ("ready", "", 1 << 30)
    assert ready.id in place.data()
    (found,) = place.provider.found(tags(backup="another"))
    assert (found.backup, found.plan, found.volume_uid) == ("b1", "digest", place.volumes[0].uid)
    assert (found.claim, found.snapshot.id) == (place.volumes[0].claim, ready.id)
    assert found.location == "s3://here"
    assert place.provider.found(tags(), this_run=True) == (found,)
    assert place.provider.found(tags(backup="another"), this_run=True) == ()
    place.provider.discard(ready)


def test_another_policys_snapshots_are_not_found(place: Place) -> None:
    """Nor taken over, nor deleted: they are not ours."""
    made = place.provider.start(place.volumes[0], tags(policy="other"))
    assert place.provider.found(tags()) == ()
    place.provider.discard(place.ready(made))


def test_a_look_answers_in_the_order_of_the_question(place: Place) -> None:
    """And of each: the engine matches them by their place."""
    made = [place.provider.start(volume, tags()) for volume in place.volumes]
    ready = [place.ready(one) for one in made]
    assert [one.id for one in place.provider.look(ready)] == [one.id for one in ready]
    assert [one.id for one in place.provider.look(ready[::-1])] == [one.id for one in ready[::-1]]
    for one in ready:
        place.provider.discard(one)


def test_what_is_discarded_is_gone_with_its_data(place: Place) -> None:
    """Twice is once; and a look at it says that it has failed, rather than nothing."""
    ready = place.ready(place.provider.start(place.volumes[0], tags()))
    place.provider.discard(ready)
    place.provider.discard(ready)
    wait_for(lambda: ready.id not in place.data(), "the data to go")
    gone = place.now(ready)
    assert gone.state == "failed"
    assert gone.reason
    assert [one for one in place.provider.found(tags()) if one.snapshot.state != "failed"] == []


def test_a_snapshot_of_a_run_that_died_becomes_one_of_this_run(place: Place) -> None:
    """The same data under the new backup's name."""
    ready = place.ready(place.provider.start(place.volumes[0], tags("died")))
    (left,) = place.provider.found(tags("b2"))
    adopted = place.provider.adopt(left, tags("b2"))
    assert (adopted.id, adopted.state) == (ready.id, "ready")
    (found,) = place.provider.found(tags("b2"))
    assert found.backup == "b2"
    assert place.provider.found(tags("b2"), this_run=True) == (found,)
    assert place.provider.found(tags("died"), this_run=True) == ()
    place.provider.discard(adopted)


def test_one_that_went_meanwhile_cannot_be_adopted(place: Place) -> None:
    """And says so: a ledger must not name what is not there."""
    ready = place.ready(place.provider.start(place.volumes[0], tags("died")))
    (left,) = place.provider.found(tags("b2"))
    place.provider.discard(ready)
    wait_for(lambda: ready.id not in place.data(), "the data to go")
    with pytest.raises(SnapshotNotFound):
        place.provider.adopt(left, tags("b2"))


def test_tidying_never_takes_the_data(place: Place) -> None:
    """Twice is once."""
    ready = place.ready(place.provider.start(place.volumes[0], tags()))
    place.provider.tidy(ready)
    place.provider.tidy(ready)
    assert ready.id in place.data()
