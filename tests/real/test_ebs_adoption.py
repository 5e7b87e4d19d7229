"""A process that takes EBS snapshots is killed, and another one takes them over: by tags alone, on moto's server."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from runner.adapters.ebs import EbsRestorer
from runner.model.volumes import RestoringVolume, StoredVolume
from tests.parts.moto_ec2 import MotoEc2
from tests.real.snapshotting import CLUSTER, PLAN, ebs, tags, volume
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

DISKS = 4


def process(cloud: MotoEc2, backup: str, hold_after: int, handles: list[str]) -> subprocess.Popen[bytes]:
    """A run of the plan, as a process of its own."""
    told = [cloud.endpoint, backup, str(hold_after), *handles]
    command = [sys.executable, "-m", "tests.real.snapshotting", *told]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("made", [1, 3, DISKS])
def test_what_a_killed_process_has_made_is_taken_over(moto_ec2: MotoEc2, made: int) -> None:
    """Each disk has one snapshot in the end; the next process names each of them, and they carry its backup's name."""
    handles = [moto_ec2.create_volume() for _ in range(DISKS)]
    with process(moto_ec2, "died", made, handles) as killed:
        wait_for(lambda: len(moto_ec2.snapshots(plan=PLAN)) == made, "the first process to stand still")
        killed.kill()
    left = set(moto_ec2.snapshots(plan=PLAN))
    assert set(moto_ec2.snapshots(backup="died")) == left

    with process(moto_ec2, "next", 0, handles) as following:
        out, _ = following.communicate(timeout=60)
    taken = json.loads(out)
    assert sorted(taken) == sorted(handles)
    assert left <= set(taken.values())
    assert set(moto_ec2.snapshots(plan=PLAN)) == set(moto_ec2.snapshots(backup="next")) == set(taken.values())
    assert moto_ec2.snapshots(backup="died") == {}

    adapter = ebs(moto_ec2.endpoint)
    for found in adapter.found(tags("next")):
        adapter.discard(found.snapshot)
    assert moto_ec2.snapshots(cluster=CLUSTER) == {}


def test_a_volume_of_a_killed_restore_is_taken_by_the_next(moto_ec2: MotoEc2) -> None:
    """Adapters that know nothing of each other bring the same claim back: there is one disk, like the old one."""
    handle = moto_ec2.create_volume(size=3, Iops=3500, Throughput=150)
    adapter = ebs(moto_ec2.endpoint)
    planned = volume(handle)
    stored = StoredVolume(planned=planned, outcome="stored", snapshot=adapter.start(planned, tags("b1")))
    claim = RestoringVolume(stored=stored, namespace="shop", claim=handle, backup="b1", cluster="target")
    first, again, elsewhere = (
        EbsRestorer(ebs(moto_ec2.endpoint)).bring(asked)
        for asked in (claim, claim, msgspec.structs.replace(claim, cluster="another"))
    )
    assert (first.adopted, again.adopted, elsewhere.adopted) == (False, True, False)
    assert first.handle == again.handle != elsewhere.handle
    made = moto_ec2.volume(first.handle)
    like = [made[name] for name in ("Size", "VolumeType", "Iops", "Throughput", "AvailabilityZone")]
    assert like == [3, "gp3", 3500, 150, "eu-west-1a"]
    for found in adapter.found(tags("b1")):
        adapter.discard(found.snapshot)
