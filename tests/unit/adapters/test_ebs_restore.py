"""New EBS volumes of snapshots: what EC2 answers that moto never does, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.stub import ANY

from runner.adapters.ebs_unseen import SECONDS
from runner.errors import SnapshotNotFound, VolumeError, VolumeQuotaExceeded, VolumeRejected, VolumesUnreachable
from runner.model.volumes import Brought, Snapshot
from tests.parts.moto_ec2 import REGION
from tests.unit.adapters.ec2_stub import DISK, RESTORED, Json, Stubbed, as_tags, restoring, taken

MADE: Json = {**DISK, "VolumeId": "vol-2", "State": "creating", "Tags": as_tags(RESTORED)}


def begun(ec2: Stubbed, snapshot: Snapshot) -> Brought:
    """A new volume, the first of its claim."""
    ec2.disks()
    ec2.stub.add_response("create_volume", MADE)
    return ec2.restorer.bring(restoring(snapshot))


@pytest.fixture
def ec2() -> Iterator[Stubbed]:
    """All answers are used up when the test ends."""
    with Stubbed() as stubbed:
        yield stubbed


def test_a_new_volume_is_like_the_old_one(ec2: Stubbed) -> None:
    """Zone, type, size, IOPS, throughput, key and tags; AWS' own tags cannot be set."""
    snapshot = ec2.started()
    ec2.disks()  # none of an earlier try
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
        "TagSpecifications": [{"ResourceType": "volume", "Tags": as_tags({"Name": "pg", "team": "shop", **RESTORED})}],
    }
    ec2.stub.add_response("create_volume", MADE, expected)
    brought = ec2.restorer.bring(restoring(snapshot, team="shop"))
    assert (brought.handle, brought.state, brought.adopted) == ("vol-2", "pending", False)


@pytest.mark.parametrize(
    ("disk", "asked"),
    [
        ({"type": "gp2", "iops": 100}, {"VolumeType": "gp2"}),
        ({"type": "st1", "throughput": 40}, {"VolumeType": "st1"}),
        (
            {"type": "io2", "iops": 9000, "multi_attach": True},
            {"VolumeType": "io2", "Iops": 9000, "MultiAttachEnabled": True},
        ),
        ({"encrypted": True}, {"VolumeType": "gp3", "Encrypted": True}),
    ],
    ids=["gp2", "st1", "io2", "default key"],
)
def test_each_type_is_asked_for_what_it_takes(ec2: Stubbed, disk: Json, asked: Json) -> None:
    """EC2 refuses IOPS for a gp2, whose IOPS it tells all the same."""
    begun(ec2, taken(**disk))
    (given,) = ec2.asked("CreateVolume")
    common = {"SnapshotId", "ClientToken", "TagSpecifications", "AvailabilityZone", "Size"}
    assert {key: value for key, value in given.items() if key not in common} == asked


def test_tags_of_the_old_volume_give_way(ec2: Stubbed) -> None:
    """To ours, then to the user's, then to EC2's limit of 50: a disk with fewer tags is better than none."""
    old = {f"k{number:02}": "old" for number in range(48)}
    ec2.disks()
    ec2.stub.add_response("create_volume", MADE)
    ec2.restorer.bring(restoring(taken(tags=old), k00="new", team="shop"))
    tags = {tag["Key"]: tag["Value"] for tag in ec2.asked("CreateVolume")[0]["TagSpecifications"][0]["Tags"]}
    assert len(tags) == 50
    assert tags.items() >= {**RESTORED, "k00": "new", "team": "shop", "k44": "old"}.items()


def test_a_volume_that_an_earlier_try_has_made_is_taken(ec2: Stubbed) -> None:
    """So that a restore that was killed leaves no second one; one that is used already is not taken."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in RESTORED.items()]
    filters.append({"Name": "status", "Values": ["creating", "available"]})
    found = {"Volumes": [{**MADE, "State": "available"}]}
    ec2.stub.add_response("describe_volumes", found, {"Filters": filters})
    brought = ec2.restorer.bring(restoring(taken()))
    assert (brought.handle, brought.state, brought.adopted) == ("vol-2", "ready", True)


def test_a_lost_answer_is_asked_for_by_the_same_word(ec2: Stubbed) -> None:
    """By which EC2 gives the volume that it has made, also while it does not show it; the next one has another."""
    ec2.disks()
    ec2.stub.add_response("create_volume", {})
    with pytest.raises(VolumesUnreachable):
        ec2.restorer.bring(restoring(taken()))
    begun(ec2, taken())
    begun(ec2, taken())
    first, second, third = [asked["ClientToken"] for asked in ec2.asked("CreateVolume")]
    assert first == second != third


def test_a_new_volume_may_not_be_shown_yet(ec2: Stubbed) -> None:
    """It is on its way then, for a minute; what is still not there is gone, and its key may be the reason."""
    encrypted = taken(encrypted=True, kms_key="arn:k")
    brought = begun(ec2, encrypted)
    ec2.disks()
    now = ec2.restorer.look(restoring(encrypted), brought)
    assert (now.state, now.reason) == ("pending", "EC2 does not show it yet")
    ec2.seconds += SECONDS + 1
    ec2.disks()
    now = ec2.restorer.look(restoring(encrypted), now)
    assert now.state == "failed"
    assert now.reason == "the new volume vol-2 is gone: may the credentials use the key arn:k?"


@pytest.mark.parametrize(("state", "means"), [("creating", "pending"), ("available", "ready"), ("error", "failed")])
def test_what_a_volumes_state_means(ec2: Stubbed, state: str, means: str) -> None:
    """A failed one says what EC2 says."""
    brought = begun(ec2, taken())
    ec2.disks({**MADE, "State": state})
    now = ec2.restorer.look(restoring(taken()), brought)
    assert (now.state, now.handle, now.zone) == (means, "vol-2", f"{REGION}a")
    assert (f"in state {state}" in now.reason) == (means == "failed")


def test_a_failed_volume_is_taken_back_and_no_other(ec2: Stubbed) -> None:
    """One that is ready is kept for its claim: the next try of the restore finds it."""
    volume = restoring(taken())
    ec2.restorer.discard(volume, Brought(state="ready", handle="vol-2"))
    ec2.stub.add_response("delete_volume", {}, {"VolumeId": "vol-2"})
    ec2.restorer.discard(volume, Brought(state="failed", handle="vol-2"))
    ec2.stub.add_client_error("delete_volume", "InvalidVolume.NotFound", "it does not exist", 400)
    ec2.restorer.discard(volume, Brought(state="failed", handle="vol-2"))


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("InvalidSnapshot.NotFound", SnapshotNotFound, f"was it deleted? is it in {REGION}, and shared with"),
        ("InvalidZone.NotFound", VolumeRejected, f"the zone that the disk was in is not one of {REGION}"),
        ("VolumeLimitExceeded", VolumeQuotaExceeded, "ask AWS for a higher quota"),
    ],
)
def test_why_no_volume_can_be_made(ec2: Stubbed, code: str, kind: type[VolumeError], hint: str) -> None:
    """Deleted behind our back or another account's, another region, a quota: each says what to do."""
    ec2.disks()
    ec2.stub.add_client_error("create_volume", code, "no.", 400)
    with pytest.raises(kind) as refused:
        ec2.restorer.bring(restoring(taken()))
    assert hint in refused.value.hint
    assert refused.value.context == {"region": REGION, "snapshot": "snap-1"}


def test_a_backup_that_lacks_the_disks_looks(ec2: Stubbed) -> None:
    """Nothing is guessed: the wrong zone or type would be found out by the Pod."""
    ec2.disks()
    with pytest.raises(VolumeRejected, match="does not say what disk snap-1 was taken of"):
        ec2.restorer.bring(restoring(Snapshot(provider="aws", id="snap-1", state="ready")))
