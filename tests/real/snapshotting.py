"""`python -m tests.real.snapshotting ENDPOINT BACKUP HOLD-AFTER HANDLE…`: a process that takes snapshots of disks.

It takes over what an earlier one of the same plan has left, makes the rest, and prints {disk: snapshot}. After so many
disks it stands still, so that it can be killed there; 0 for never.
"""

from __future__ import annotations

import json
import sys

from runner.adapters.ebs import EbsVolumes
from runner.model.snapshot_location import AwsSnapshotConfig, AwsSnapshotLocation
from runner.model.volumes import PlannedVolume, RunTags
from tests.parts.moto_ec2 import KEYS, REGION

CLUSTER, PLAN = "adoption", "digest-of-adoption"


def ebs(endpoint: str) -> EbsVolumes:
    """The adapter, at moto's server."""
    config = AwsSnapshotConfig(region=REGION, endpoint=endpoint)
    return EbsVolumes(
        AwsSnapshotLocation(provider="aws", config=config),
        access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )


def tags(backup: str) -> RunTags:
    """Of a run of the plan."""
    return RunTags(cluster=CLUSTER, policy="shop", backup=backup, plan=PLAN)


def volume(handle: str) -> PlannedVolume:
    """A disk as a plan has it."""
    return PlannedVolume(
        method="native-snapshot", why="a test", claim=f"shop/{handle}", handle=handle, uid=f"uid-{handle}"
    )


def main(endpoint: str, backup: str, hold_after: int, handles: list[str]) -> None:
    """Prints what stands for each disk."""
    adapter = ebs(endpoint)
    volumes = [volume(handle) for handle in handles]
    adapter.prepare(volumes)
    left = {found.volume_uid: found for found in adapter.found(tags(backup)) if found.plan == PLAN}
    taken = {}
    for number, one in enumerate(volumes, start=1):
        found = left.get(one.uid)
        snapshot = adapter.start(one, tags(backup)) if found is None else adapter.adopt(found, tags(backup))
        assert snapshot.disk is not None, "a new volume is made like it"
        taken[one.handle] = snapshot.id
        if number == hold_after:
            sys.stdin.read()
    print(json.dumps(taken))  # noqa: T201 -- that is what it is for


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
