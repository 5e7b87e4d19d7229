"""EbsVolumes over a client of botocore whose answers are given in order: for what moto never says."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Self

import boto3
from botocore.stub import Stubber

from runner.adapters.ebs import EbsRestorer, EbsVolumes
from runner.adapters.ebs_unseen import Unseen
from runner.model.snapshot_location import AwsSnapshotConfig, AwsSnapshotLocation
from runner.model.volumes import Disk, PlannedVolume, RestoringVolume, RunTags, Snapshot, StoredVolume
from tests.parts.moto_ec2 import REGION

Json = dict[str, Any]
SECRET = "AKIAIOSFODNN7EXAMPLE"
VOLUME = PlannedVolume(
    method="native-snapshot", why="a test", claim="shop/data", volume="pv-1", handle="vol-1", uid="u-1"
)
TAGS = RunTags(cluster="c1", policy="shop", backup="b1", plan="digest", user={"team": "shop"})
DISK: Json = {
    "VolumeId": "vol-1",
    "AvailabilityZone": f"{REGION}a",
    "VolumeType": "gp3",
    "Size": 8,
    "Iops": 4000,
    "Throughput": 250,
    "Encrypted": True,
    "KmsKeyId": "arn:aws:kms:eu-west-1:1:key/k",
    "State": "in-use",
    "Tags": [{"Key": "Name", "Value": "pg"}, {"Key": "aws:cloudformation:stack", "Value": "s"}],
}
OWN = {
    "trysail.dev/backup": "b1",
    "trysail.dev/cluster": "c1",
    "trysail.dev/plan": "digest",
    "trysail.dev/policy": "shop",
    "trysail.dev/pvc": "shop/data",
    "trysail.dev/volume-uid": "u-1",
}
"""What a snapshot of VOLUME by TAGS carries, the user's own tags aside."""

_ASKED: Final = "provide-client-params.ec2"

RESTORED = {
    "trysail.dev/backup": "b1",
    "trysail.dev/cluster": "c2",
    "trysail.dev/pvc": "copy/data",
    "trysail.dev/restored-from": "snap-1",
}
"""What tells the volume of `restoring` from all others."""


@cache
def _client() -> Any:
    """One for all tests: making it takes its time."""
    return boto3.client("ec2", REGION, aws_access_key_id=SECRET, aws_secret_access_key=SECRET)


class Stubbed:
    """EbsVolumes whose EC2 says what it is told to, at `seconds`. Within it; all answers are used up in the end."""

    def __init__(self) -> None:
        self.stub = Stubber(_client())
        self.volumes = EbsVolumes(AwsSnapshotLocation(provider="aws", config=AwsSnapshotConfig(region=REGION)))
        self.volumes._ec2._client = _client()
        self.volumes._unseen = Unseen(lambda: self.seconds)
        self.restorer = EbsRestorer(self.volumes)
        self.seconds = 1000.0
        self._asked: list[tuple[str, Json]] = []

    def __enter__(self) -> Self:
        self.stub.activate()
        _client().meta.events.register(_ASKED, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _client().meta.events.unregister(_ASKED, self._note)
        self.stub.deactivate()
        if kind is None:
            self.stub.assert_no_pending_responses()

    def asked(self, action: str) -> list[Json]:
        """What each request of this name said."""
        return [params for name, params in self._asked if name == action]

    def snapshot(self, state: str, tags: dict[str, str] | None = None, **more: Any) -> Json:
        """As DescribeSnapshots has it."""
        return {
            "SnapshotId": "snap-1",
            "VolumeId": "vol-1",
            "State": state,
            "VolumeSize": 8,
            "StartTime": datetime(2026, 11, 22, 2, tzinfo=UTC),
            "Tags": as_tags(tags or {}),
            **more,
        }

    def looks(self, *answers: Json) -> None:
        """Each question for snapshots is answered by one of these; an empty one stands for none."""
        for answer in answers:
            self.stub.add_response("describe_snapshots", {"Snapshots": [answer] if answer else []})

    def disks(self, *answers: Json) -> None:
        """One question for volumes is answered by these."""
        self.stub.add_response("describe_volumes", {"Volumes": list(answers)})

    def look(self) -> Snapshot:
        """One look at snap-1."""
        (now,) = self.volumes.look([Snapshot(provider="aws", id="snap-1", state="cut", started="")])
        return now

    def started(self) -> Snapshot:
        """A snapshot of VOLUME, just asked for."""
        self.disks(DISK)
        self.stub.add_response("create_snapshot", self.snapshot("pending"))
        return self.volumes.start(VOLUME, TAGS)

    def _note(self, params: Json, model: Any, **_: object) -> None:
        self._asked.append((model.name, params))


def as_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """As EC2 has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def taken(**disk: Any) -> Snapshot:
    """A complete snapshot of a disk like this."""
    like: Json = {"zone": f"{REGION}a", "type": "gp3", "size": 8, **disk}
    return Snapshot(provider="aws", id="snap-1", state="ready", disk=Disk(**like))


def restoring(snapshot: Snapshot, **user_tags: str) -> RestoringVolume:
    """VOLUME's claim on its way back, under another namespace and in another cluster."""
    stored = StoredVolume(planned=VOLUME, outcome="stored", snapshot=snapshot)
    return RestoringVolume(
        stored=stored, namespace="copy", claim="data", backup="b1", cluster="c2", user_tags=user_tags
    )
