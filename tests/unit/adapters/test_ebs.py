"""EBS: what EC2 answers that moto never does (botocore's own Stubber), and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError
from botocore.stub import ANY, Stubber

from runner.adapters.ebs import EbsVolumes
from runner.adapters.ebs_answers import error_of
from runner.errors import (
    SnapshotNotFound,
    VolumeError,
    VolumeNotFound,
    VolumeQuotaExceeded,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from runner.model.snapshot_location import AwsSnapshotConfig, AwsSnapshotLocation
from runner.model.volumes import PlannedVolume, RestoringVolume, RunTags, Snapshot, StoredVolume
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


class Stubbed:
    """EbsVolumes over a client whose answers are given in order."""

    def __init__(self, client: Any) -> None:
        self.stub = Stubber(client)
        self.volumes = EbsVolumes(AwsSnapshotLocation(provider="aws", config=AwsSnapshotConfig(region=REGION)))
        self.volumes._ec2._client = client

    def snapshot(self, state: str, **more: Any) -> Json:
        """As DescribeSnapshots has it."""
        return {
            "SnapshotId": "snap-1",
            "VolumeId": "vol-1",
            "State": state,
            "VolumeSize": 8,
            "StartTime": datetime(2026, 11, 22, 2, tzinfo=UTC),
            **more,
        }

    def looks(self, *answers: Json) -> None:
        """Each look is answered by one of these."""
        for answer in answers:
            self.stub.add_response("describe_snapshots", {"Snapshots": [answer] if answer else []})

    def look(self) -> Snapshot:
        """One look at snap-1."""
        (now,) = self.volumes.look([Snapshot(provider="aws", id="snap-1", state="cut", started="")])
        return now


@pytest.fixture(scope="module")
def client() -> Any:
    """One for all: making it takes its time."""
    return boto3.client("ec2", REGION, aws_access_key_id=SECRET, aws_secret_access_key=SECRET)


@pytest.fixture
def ec2(client: Any) -> Iterator[Stubbed]:
    """All answers are used up when the test ends."""
    stubbed = Stubbed(client)
    with stubbed.stub:
        yield stubbed
        stubbed.stub.assert_no_pending_responses()


def test_pending_is_cut_until_it_is_complete(ec2: Stubbed) -> None:
    """The point in time is there when EC2 has answered; how much is copied is said meanwhile."""
    ec2.looks(ec2.snapshot("pending", Progress="40%"), ec2.snapshot("completed", Progress="100%"))
    first, then = ec2.look(), ec2.look()
    assert (first.state, first.reason) == ("cut", "40% copied")
    assert (then.state, then.reason, then.size) == ("ready", "", 8 << 30)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"State": "error", "StateMessage": "Given key ID is not accessible"}, "Given key ID is not accessible"),
        ({"State": "error"}, "EC2 says error"),
        ({"State": "recoverable"}, "EC2 says recoverable"),
        ({}, f"it was deleted, or is not in {REGION}"),
    ],
    ids=["told", "untold", "bin", "gone"],
)
def test_a_snapshot_that_failed_says_why(ec2: Stubbed, answer: Json, reason: str) -> None:
    """With EC2's own words where it has some."""
    ec2.looks({**ec2.snapshot(answer["State"]), **answer} if answer else {})
    now = ec2.look()
    assert (now.state, now.reason) == ("failed", reason)


def test_a_snapshot_carries_its_tags_from_the_first_moment(ec2: Stubbed) -> None:
    """In the request that makes it: there is no time in which it is nobody's. The disk's own looks are kept."""
    ec2.stub.add_response("describe_volumes", {"Volumes": [DISK]})
    wanted = {
        "team": "shop",
        "trysail.dev/backup": "b1",
        "trysail.dev/cluster": "c1",
        "trysail.dev/plan": "digest",
        "trysail.dev/policy": "shop",
        "trysail.dev/pvc": "shop/data",
        "trysail.dev/volume-uid": "u-1",
    }
    given = [{"ResourceType": "snapshot", "Tags": [{"Key": key, "Value": value} for key, value in wanted.items()]}]
    expected = {"VolumeId": "vol-1", "Description": ANY, "TagSpecifications": given}
    ec2.stub.add_response("create_snapshot", ec2.snapshot("pending"), expected)
    made = ec2.volumes.start(VOLUME, TAGS)
    assert made.disk is not None
    assert (made.id, made.state, made.disk.iops, made.disk.tags) == ("snap-1", "cut", 4000, {"Name": "pg"})


def test_credentials_that_may_create_but_not_tag_make_nothing(ec2: Stubbed) -> None:
    """EC2 refuses the whole request; its encoded message is not repeated, the missing right is."""
    ec2.stub.add_response("describe_volumes", {"Volumes": [DISK]})
    said = "You are not authorized to perform: ec2:CreateTags. Encoded authorization failure message: 4GIOHlTkIaWHQD"
    ec2.stub.add_client_error("create_snapshot", "UnauthorizedOperation", said, 403)
    with pytest.raises(VolumesDenied) as refused:
        ec2.volumes.start(VOLUME, TAGS)
    assert "ec2:CreateTags" in str(refused.value)
    assert "4GIOHlTkIaWHQD" not in str(refused.value)
    assert refused.value.hint is not None
    assert "ec2:CreateTags" in refused.value.hint
    assert not refused.value.retriable


def test_a_volume_that_is_not_there_is_never_asked_for(ec2: Stubbed) -> None:
    """The likely reasons are in the hint: another region, another account."""
    ec2.stub.add_response("describe_volumes", {"Volumes": []})
    with pytest.raises(VolumeNotFound) as missing:
        ec2.volumes.start(VOLUME, TAGS)
    assert missing.value.hint == f"is it in {REGION}, and in the account of these credentials?"


def test_a_new_volume_is_like_the_old_one(ec2: Stubbed) -> None:
    """Zone, type, size, IOPS, throughput, key and tags; AWS' own tags cannot be set."""
    ec2.stub.add_response("describe_volumes", {"Volumes": [DISK]})
    ec2.stub.add_response("create_snapshot", ec2.snapshot("pending"))
    snapshot = ec2.volumes.start(VOLUME, TAGS)
    ec2.stub.add_response("describe_volumes", {"Volumes": []})  # none of an earlier try
    tags = {
        "Name": "pg",
        "trysail.dev/backup": "b1",
        "trysail.dev/cluster": "c2",
        "trysail.dev/pvc": "copy/data",
        "trysail.dev/restored-from": "snap-1",
    }
    expected = {
        "SnapshotId": "snap-1",
        "ClientToken": ANY,
        "AvailabilityZone": f"{REGION}a",
        "VolumeType": "gp3",
        "Size": 8,
        "Iops": 4000,
        "Throughput": 250,
        "Encrypted": True,
        "KmsKeyId": "arn:aws:kms:eu-west-1:1:key/k",
        "TagSpecifications": [
            {"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    }
    ec2.stub.add_response("create_volume", {**DISK, "VolumeId": "vol-2", "State": "creating"}, expected)
    brought = ec2.volumes.make(_restoring(snapshot))
    assert (brought.handle, brought.state, brought.adopted) == ("vol-2", "pending", False)


def test_a_volume_that_an_earlier_try_has_made_is_taken(ec2: Stubbed) -> None:
    """So that a restore that was killed leaves no second one."""
    ec2.stub.add_response("describe_volumes", {"Volumes": [{**DISK, "VolumeId": "vol-2", "State": "available"}]})
    brought = ec2.volumes.make(_restoring(Snapshot(provider="aws", id="snap-1", state="ready", started="")))
    assert (brought.handle, brought.state, brought.adopted) == ("vol-2", "ready", True)


def test_discarding_what_is_gone_is_no_error(ec2: Stubbed) -> None:
    """And what may not be deleted is one."""
    snapshot = Snapshot(provider="aws", id="snap-1", state="cut", started="")
    ec2.stub.add_client_error("delete_snapshot", "InvalidSnapshot.NotFound", "it does not exist", 400)
    ec2.volumes.discard(snapshot)
    ec2.stub.add_client_error("delete_snapshot", "InvalidSnapshot.InUse", "an image uses it", 400)
    with pytest.raises(VolumeRejected):
        ec2.volumes.discard(snapshot)


@pytest.mark.parametrize(
    ("code", "status", "kind", "retriable"),
    [
        ("RequestLimitExceeded", 503, VolumesBusy, True),
        ("SnapshotCreationPerVolumeRateExceeded", 400, VolumesBusy, True),
        ("ConcurrentSnapshotLimitExceeded", 400, VolumesBusy, True),
        ("InternalError", 500, VolumesBusy, True),
        ("NeverHeardOf", 500, VolumesBusy, True),
        ("NeverHeardOf", 400, VolumeRejected, False),
        ("SnapshotLimitExceeded", 400, VolumeQuotaExceeded, False),
        ("VolumeLimitExceeded", 400, VolumeQuotaExceeded, False),
        ("InvalidVolume.NotFound", 400, VolumeNotFound, False),
        ("InvalidSnapshot.NotFound", 400, SnapshotNotFound, False),
        ("UnauthorizedOperation", 403, VolumesDenied, False),
        ("AuthFailure", 401, VolumesDenied, False),
        ("ExpiredToken", 400, VolumesDenied, False),
        ("TagLimitExceeded", 400, VolumeRejected, False),
        ("KmsKeyNotAccessibleFault", 400, VolumeRejected, False),
    ],
    ids=lambda value: str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "",
)
def test_what_a_refusal_means(code: str, status: int, kind: type[VolumeError], *, retriable: bool) -> None:
    """Throttling passes by itself, a quota does not; each says what EC2 said."""
    response: Any = {"Error": {"Code": code, "Message": "no."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = error_of(ClientError(response, "CreateSnapshot"), region=REGION, action="CreateSnapshot", subject="vol-1")
    assert type(error) is kind
    assert error.retriable == retriable
    assert f"EC2 refuses CreateSnapshot ({code}): no." in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (NoCredentialsError(), VolumesDenied),
        (ReadTimeoutError(endpoint_url=f"https://{SECRET}@ec2"), VolumesUnreachable),
        (ValueError(f"Invalid endpoint: {SECRET}"), VolumeError),
    ],
    ids=["none", "silent", "nonsense"],
)
def test_what_never_reached_ec2_tells_no_secret(raised: Exception, kind: type[VolumeError]) -> None:
    """Neither botocore's texts nor addresses are repeated: they may hold what nobody should read."""
    error = error_of(raised, region=REGION, action="CreateSnapshot", subject="vol-1")
    assert type(error) is kind
    assert SECRET not in f"{error}{error.hint}{error.context}"


def _restoring(snapshot: Snapshot) -> RestoringVolume:
    stored = StoredVolume(planned=VOLUME, outcome="stored", snapshot=snapshot)
    return RestoringVolume(stored=stored, namespace="copy", claim="data", backup="b1", cluster="c2")
