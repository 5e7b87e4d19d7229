"""EBS snapshots: what EC2 answers that moto never does (botocore's own Stubber), and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from botocore.stub import ANY

from runner.adapters.ebs_unseen import SECONDS
from runner.errors import (
    SnapshotNotFound,
    VolumeNotFound,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from runner.model.volumes import RunTags, Snapshot
from tests.parts.moto_ec2 import REGION
from tests.unit.adapters.ec2_stub import DISK, OWN, TAGS, VOLUME, Json, Stubbed, as_tags


@pytest.fixture
def ec2() -> Iterator[Stubbed]:
    """All answers are used up when the test ends."""
    with Stubbed() as stubbed:
        yield stubbed


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


def test_what_was_made_a_moment_ago_may_not_be_shown_yet(ec2: Stubbed) -> None:
    """EC2 is eventually consistent: it stays as it was, for a minute, and has failed then."""
    made = ec2.started()
    ec2.looks({}, {}, {})
    (now,) = ec2.volumes.look([made])
    assert (now.state, now.reason, now.disk) == ("cut", "EC2 does not show it yet", made.disk)
    ec2.seconds += SECONDS - 1
    assert ec2.volumes.look([now])[0].state == "cut"
    ec2.seconds += 2
    assert ec2.volumes.look([now])[0].state == "failed"


def test_what_was_shown_once_and_is_not_any_more_is_gone(ec2: Stubbed) -> None:
    """Somebody has deleted it, however young it is."""
    made = ec2.started()
    ec2.looks(ec2.snapshot("pending"), {})
    assert ec2.volumes.look([made])[0].state == "cut"
    assert ec2.volumes.look([made])[0].state == "failed"


def test_one_that_is_gone_hides_none_of_the_others(ec2: Stubbed) -> None:
    """They are asked for by a filter: EC2 names but one of those that a list has too many, and shows none."""
    asked = {"Filters": [{"Name": "snapshot-id", "Values": ["snap-2", "snap-1"]}], "OwnerIds": ["self"]}
    ec2.stub.add_response("describe_snapshots", {"Snapshots": [ec2.snapshot("completed")]}, asked)
    both = [Snapshot(provider="aws", id=name, state="cut") for name in ("snap-2", "snap-1")]
    assert [now.state for now in ec2.volumes.look(both)] == ["failed", "ready"]


def test_a_look_that_is_throttled_can_be_done_again(ec2: Stubbed) -> None:
    """It says nothing of the snapshots."""
    ec2.stub.add_client_error("describe_snapshots", "RequestLimitExceeded", "Request limit exceeded.", 503)
    with pytest.raises(VolumesBusy):
        ec2.look()


def test_an_answer_that_is_not_ec2s_is_not_read_as_none(ec2: Stubbed) -> None:
    """A proxy's page has no list of snapshots: that none of them is there does not follow."""
    ec2.stub.add_response("describe_snapshots", {})
    with pytest.raises(VolumesUnreachable):
        ec2.look()
    ec2.disks(DISK)
    ec2.stub.add_response("create_snapshot", {})
    with pytest.raises(VolumesUnreachable):
        ec2.volumes.start(VOLUME, TAGS)


def test_a_snapshot_carries_its_tags_from_the_first_moment(ec2: Stubbed) -> None:
    """In the request that makes it: there is no time in which it is nobody's. The disk's own looks are kept."""
    ec2.disks(DISK)
    given = [{"ResourceType": "snapshot", "Tags": as_tags({"team": "shop", **OWN})}]
    expected = {"VolumeId": "vol-1", "Description": ANY, "TagSpecifications": given}
    ec2.stub.add_response("create_snapshot", ec2.snapshot("pending"), expected)
    made = ec2.volumes.start(VOLUME, TAGS)
    assert made.disk is not None
    assert (made.id, made.state, made.disk.iops, made.disk.tags) == ("snap-1", "cut", 4000, {"Name": "pg"})


def test_a_name_that_fits_no_tag_is_cut_and_still_its_own(ec2: Stubbed) -> None:
    """A claim's name may have 253 letters, and EC2 refuses a value of more than 256."""
    ec2.disks(DISK)
    for end in ("a", "b"):
        ec2.stub.add_response("create_snapshot", ec2.snapshot("pending"))
        ec2.volumes.start(msgspec.structs.replace(VOLUME, claim=f"{'n' * 63}/{'c' * 252}{end}"), TAGS)
    given = [
        {tag["Key"]: tag["Value"] for tag in asked["TagSpecifications"][0]["Tags"]}
        for asked in ec2.asked("CreateSnapshot")
    ]
    seen = [tags["trysail.dev/pvc"] for tags in given]
    assert [len(claim) for claim in seen] == [256, 256]
    assert seen[0] != seen[1]


def test_credentials_that_may_create_but_not_tag_make_nothing(ec2: Stubbed) -> None:
    """EC2 refuses the whole request; its encoded message is not repeated, the missing right is."""
    ec2.disks(DISK)
    said = "You are not authorized to perform: ec2:CreateTags. Encoded authorization failure message: 4GIOHlTkIaWHQD"
    ec2.stub.add_client_error("create_snapshot", "UnauthorizedOperation", said, 403)
    with pytest.raises(VolumesDenied) as refused:
        ec2.volumes.start(VOLUME, TAGS)
    assert "ec2:CreateTags" in str(refused.value)
    assert "4GIOHlTkIaWHQD" not in str(refused.value)
    assert "ec2:CreateSnapshot, and ec2:CreateTags" in refused.value.hint
    assert not refused.value.retriable


@pytest.mark.parametrize(
    ("handle", "hint"),
    [
        ("vol-1", f"is it in {REGION}, and in the account of these credentials?"),
        ("disk one", "its PersistentVolume pv-1 names no EBS volume"),
        ("*", "its PersistentVolume pv-1 names no EBS volume"),
    ],
)
def test_a_volume_that_is_not_there_is_never_asked_for(ec2: Stubbed, handle: str, hint: str) -> None:
    """The likely reasons are in the hint: another region, another account; what is no id is not even looked for."""
    if handle.startswith("vol-"):
        ec2.disks()
    with pytest.raises(VolumeNotFound) as missing:
        ec2.volumes.start(msgspec.structs.replace(VOLUME, handle=handle), TAGS)
    assert missing.value.hint == hint


def test_many_volumes_are_looked_at_in_few_questions(ec2: Stubbed) -> None:
    """500 disks cost three questions, and then one request each; 500 snapshots as many looks."""
    volumes = [msgspec.structs.replace(VOLUME, handle=f"vol-{number:x}", uid=str(number)) for number in range(500)]
    for begin in (0, 200, 400):
        ids = [volume.handle for volume in volumes[begin : begin + 200]]
        asked = {"Filters": [{"Name": "volume-id", "Values": ids}]}
        found = [{**DISK, "VolumeId": handle} for handle in ids]
        ec2.stub.add_response("describe_volumes", {"Volumes": found}, asked)
    ec2.volumes.prepare(volumes)
    for number in range(500):
        ec2.stub.add_response("create_snapshot", ec2.snapshot("pending", SnapshotId=f"snap-{number:x}"))
    made = [ec2.volumes.start(volume, TAGS) for volume in volumes]
    for begin in (0, 200, 400):
        done = [ec2.snapshot("completed", SnapshotId=one.id) for one in made[begin : begin + 200]]
        ec2.stub.add_response("describe_snapshots", {"Snapshots": done})
    assert {one.state for one in ec2.volumes.look(made)} == {"ready"}


def test_all_pages_of_what_is_found_are_read(ec2: Stubbed) -> None:
    """And what a filter's wildcards let in is left out: it is another cluster's."""
    wild = RunTags(cluster="c*", policy="shop", backup="b2", plan="digest")
    filters = [
        {"Name": f"tag:trysail.dev/{name}", "Values": [v]} for name, v in (("cluster", "c*"), ("policy", "shop"))
    ]
    asked = {"Filters": filters, "OwnerIds": ["self"], "MaxResults": 1000}
    mine = {**OWN, "trysail.dev/cluster": "c*"}
    first = {"Snapshots": [ec2.snapshot("completed", OWN), ec2.snapshot("error", mine)], "NextToken": "more"}
    last = {"Snapshots": [ec2.snapshot("completed", mine, SnapshotId="snap-3")]}
    ec2.stub.add_response("describe_snapshots", first, asked)
    ec2.stub.add_response("describe_snapshots", last, {**asked, "NextToken": "more"})
    found = ec2.volumes.found(wild)
    assert [(one.snapshot.id, one.snapshot.state) for one in found] == [("snap-1", "failed"), ("snap-3", "ready")]


def test_a_snapshot_whose_answer_was_lost_is_found_with_its_disk(ec2: Stubbed) -> None:
    """Or no volume could be made of it: the ledger says what its disk was like, and nothing else does."""
    ec2.disks(DISK)
    ec2.stub.add_client_error("create_snapshot", "InternalError", "An internal error has occurred", 500)
    with pytest.raises(VolumesBusy):
        ec2.volumes.start(VOLUME, TAGS)
    ec2.looks(ec2.snapshot("pending", OWN))
    (found,) = ec2.volumes.found(TAGS)
    assert found.snapshot.disk is not None
    assert found.snapshot.disk.zone == f"{REGION}a"


def test_a_snapshot_is_taken_over_by_one_tag(ec2: Stubbed) -> None:
    """Its disk is looked at then, if nobody has done it before."""
    ec2.looks(ec2.snapshot("pending", OWN), ec2.snapshot("completed", OWN))
    (left,) = ec2.volumes.found(TAGS)
    ec2.disks(DISK)
    tag = as_tags({"trysail.dev/backup": "b2"})
    ec2.stub.add_response("create_tags", {}, {"Resources": ["snap-1"], "Tags": tag})
    adopted = ec2.volumes.adopt(left, msgspec.structs.replace(TAGS, backup="b2"))
    assert adopted.disk is not None
    assert (adopted.id, adopted.state, adopted.disk.size) == ("snap-1", "ready", 8)


def test_what_cannot_be_taken_over_keeps_the_name_of_its_run(ec2: Stubbed) -> None:
    """Failed meanwhile, or its disk is gone: tagged with this run's name, no manifest would name it."""
    ec2.looks(ec2.snapshot("pending", OWN), ec2.snapshot("error", OWN), ec2.snapshot("completed", OWN))
    (left,) = ec2.volumes.found(TAGS)
    with pytest.raises(SnapshotNotFound, match="EC2 says error"):
        ec2.volumes.adopt(left, TAGS)
    ec2.disks()
    with pytest.raises(VolumeNotFound, match="that snap-1 was taken of is not there any more"):
        ec2.volumes.adopt(left, TAGS)


def test_discarding_what_is_gone_is_no_error(ec2: Stubbed) -> None:
    """And what may not be deleted is one."""
    snapshot = Snapshot(provider="aws", id="snap-1", state="cut", started="")
    ec2.stub.add_client_error("delete_snapshot", "InvalidSnapshot.NotFound", "it does not exist", 400)
    ec2.volumes.discard(snapshot)
    ec2.stub.add_client_error("delete_snapshot", "InvalidSnapshot.InUse", "an image uses it", 400)
    with pytest.raises(VolumeRejected):
        ec2.volumes.discard(snapshot)


def test_what_was_discarded_is_not_waited_for(ec2: Stubbed) -> None:
    """It is young and not shown, and that says everything."""
    made = ec2.started()
    ec2.stub.add_response("delete_snapshot", {})
    ec2.volumes.discard(made)
    ec2.looks({})
    assert ec2.volumes.look([made])[0].state == "failed"
