"""EBS volumes through EC2: snapshots with our tags, and new volumes of them. The API has no client token for snapshots,
so tags alone tell what is ours. Never waits and never retries: that is the engine's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from threading import Lock
from typing import Any, Literal

import msgspec

from runner.adapters import ebs_facts as facts
from runner.adapters.ebs_connection import Ec2
from runner.adapters.ebs_unseen import Unseen
from runner.errors import SnapshotNotFound, VolumeNotFound, VolumeRejected
from runner.model.snapshot_location import AwsSnapshotLocation
from runner.model.volumes import Brought, Disk, FoundSnapshot, PlannedVolume, RestoringVolume, RunTags, Snapshot

_AT_ONCE = 200  # values that one filter takes
_A_PAGE = 1000  # snapshots; the most that EC2 gives

# What all that is told of a resource has.
_SNAPSHOT = ("SnapshotId",)
_VOLUME = ("VolumeId", "AvailabilityZone")
_DISK = (*_VOLUME, "VolumeType", "Size")


class EbsVolumes:
    """A VolumeSnapshotter for the volumes of one account and region; and what EbsRestorer asks of them."""

    cut_at_once = True  # docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html

    def __init__(
        self,
        location: AwsSnapshotLocation,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
    ) -> None:
        """Opens nothing. Without keys, AWS' own chain (environment, profile, instance role) is asked on first use."""
        self._ec2 = Ec2(location.config, access_key_id, secret_access_key, session_token)
        self._disks: dict[str, Disk] = {}  # volumes that were looked at
        self._tokens: dict[str, str] = {}  # claims whose new volume was asked for without an answer
        self._volume_of: dict[str, str] = {}  # snapshot -> the volume that it was taken of
        self._unseen = Unseen()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"EbsVolumes({self._ec2.region!r})"

    # VolumeSnapshotter

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter. A volume that is not there is found out when its snapshot is asked for."""
        self._look_at(volume.handle for volume in volumes)

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        wanted = facts.policy_tags(tags) | (facts.backup_tag(tags) if this_run else {})
        asked = {"Filters": facts.as_filters(wanted), "OwnerIds": ["self"], "MaxResults": _A_PAGE}
        pages = self._ec2.pages("DescribeSnapshots", "describe_snapshots", "Snapshots", each=_SNAPSHOT, **asked)
        return tuple(facts.found_of(one, self._noted(one)) for one in pages if facts.carries(one, wanted))

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter. Without the right to tag, EC2 refuses the whole request: nothing is made."""
        disk = self._disk(volume)
        made = self._ec2.call(
            "CreateSnapshot",
            "create_snapshot",
            volume.handle,
            needs=_SNAPSHOT,
            VolumeId=volume.handle,
            Description=facts.description(volume, tags),
            TagSpecifications=[
                {"ResourceType": "snapshot", "Tags": facts.as_tags(facts.snapshot_tags(volume, tags))},
            ],
        )
        self._unseen.made(made["SnapshotId"])
        return facts.snapshot_of(made, disk)

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter."""
        now: dict[str, Snapshot] = {}
        left = iter(snapshot.id for snapshot in snapshots)
        while ids := list(islice(left, _AT_ONCE)):
            # As a filter, an id that is gone is no error, and hides none of the others.
            asked = {"Filters": [{"Name": "snapshot-id", "Values": ids}], "OwnerIds": ["self"]}
            for found in self._ec2.pages(
                "DescribeSnapshots", "describe_snapshots", "Snapshots", each=_SNAPSHOT, **asked
            ):
                now[found["SnapshotId"]] = facts.snapshot_of(found, self._noted(found))
        self._unseen.seen(now)
        return tuple(self._as_now(snapshot, now.get(snapshot.id)) for snapshot in snapshots)

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter. What cannot be used is left with the name of its own run."""
        (now,) = self.look([found.snapshot])
        if now.state == "failed":
            raise SnapshotNotFound(f"the snapshot {now.id} cannot be used: {now.reason}", snapshot=now.id)
        now = msgspec.structs.replace(now, disk=now.disk or self._disk_behind(now.id))
        tag = facts.as_tags(facts.backup_tag(tags))
        self._ec2.call("CreateTags", "create_tags", now.id, Resources=[now.id], Tags=tag)
        return now

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        with self._ec2.passing("InvalidSnapshot.NotFound"):
            self._ec2.call("DeleteSnapshot", "delete_snapshot", snapshot.id, SnapshotId=snapshot.id)
        self._unseen.seen([snapshot.id])

    def tidy(self, snapshot: Snapshot) -> None:
        """Nothing stands for it in the cluster."""

    # new volumes

    def make(self, volume: RestoringVolume) -> Brought:
        """A volume of a snapshot, like the one that it was taken of; the same one for the same claim and backup."""
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        own = facts.restore_tags(volume, snapshot)
        earlier = self._made_before(own)
        if earlier is not None:
            return facts.brought_of(earlier, adopted=True)
        disk = snapshot.disk
        if disk is None:
            raise VolumeRejected(
                f"the backup does not say what disk {snapshot.id} was taken of",
                hint="make a volume of the snapshot by hand, and a PersistentVolume for it",
                snapshot=snapshot.id,
            )
        tags = facts.volume_tags(own, volume.user_tags, disk)
        made = self._ec2.call(
            "CreateVolume",
            "create_volume",
            snapshot.id,
            needs=_VOLUME,
            SnapshotId=snapshot.id,
            ClientToken=self._token(own),
            TagSpecifications=[{"ResourceType": "volume", "Tags": facts.as_tags(tags)}],
            **facts.like(disk),
        )
        self._answered(own)
        self._unseen.made(made["VolumeId"])
        return facts.brought_of(made)

    def drop(self, brought: Brought) -> None:
        """Deletes a volume that failed: one that is ready belongs to its claim."""
        if brought.state != "failed" or not brought.handle:
            return
        with self._ec2.passing("InvalidVolume.NotFound"):
            self._ec2.call("DeleteVolume", "delete_volume", brought.handle, VolumeId=brought.handle)

    def look_volume(self, brought: Brought, disk: Disk | None) -> Brought:
        """How far a new volume is, that was to be like `disk`."""
        filters = [{"Name": "volume-id", "Values": [brought.handle]}]
        for found in self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", each=_VOLUME, Filters=filters):
            self._unseen.seen([brought.handle])
            return facts.brought_of(found, adopted=brought.adopted)
        if self._unseen.awaited(brought.handle):
            return msgspec.structs.replace(brought, state="pending", reason="EC2 does not show it yet")
        reason = f"the new volume {brought.handle} is gone"
        if disk is not None and disk.encrypted:
            # EC2 looks at the key only after it has answered
            # (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html).
            reason += f": may the credentials use the key {disk.kms_key or 'that encrypts the disk'}?"
        return msgspec.structs.replace(brought, state="failed", reason=reason)

    # shared

    def _look_at(self, handles: Iterable[str]) -> None:
        left = iter(handle for handle in handles if facts.is_volume_id(handle))
        while ids := list(islice(left, _AT_ONCE)):
            asked = {"Filters": [{"Name": "volume-id", "Values": ids}]}
            for found in self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", each=_DISK, **asked):
                with self._lock:
                    self._disks[found["VolumeId"]] = facts.disk_of(found)

    def _as_now(self, before: Snapshot, now: Snapshot | None) -> Snapshot:
        if now is not None:
            return msgspec.structs.replace(now, disk=before.disk or now.disk)
        if self._unseen.awaited(before.id):
            return msgspec.structs.replace(before, reason="EC2 does not show it yet")
        reason = f"it was deleted, or is not in {self._ec2.region}"
        return msgspec.structs.replace(before, state="failed", reason=reason)

    def _disk(self, volume: PlannedVolume) -> Disk:
        disk = self._known(volume.handle)
        if disk is None:
            self._look_at([volume.handle])
            disk = self._known(volume.handle)
        if disk is None:
            told = facts.is_volume_id(volume.handle)
            where = f"is it in {self._ec2.region}, and in the account of these credentials?"
            raise VolumeNotFound(
                f"the EBS volume {volume.handle} is not there",
                hint=where if told else f"its PersistentVolume {volume.volume} names no EBS volume",
                volume=volume.handle,
            )
        return disk

    def _disk_behind(self, snapshot: str) -> Disk:
        """What a snapshot was taken of: without that, no volume can be made of it that is like the old one."""
        with self._lock:
            handle = self._volume_of.get(snapshot, "")
        self._look_at([handle])
        disk = self._known(handle)
        if disk is None:
            raise VolumeNotFound(
                f"the EBS volume {handle} that {snapshot} was taken of is not there any more",
                hint="a new one could not be made like it",
                volume=handle,
            )
        return disk

    def _known(self, handle: str) -> Disk | None:
        with self._lock:
            return self._disks.get(handle)

    def _noted(self, snapshot: Mapping[str, Any]) -> Disk | None:
        """The disk that a snapshot which EC2 describes was taken of, if it was looked at."""
        handle = str(snapshot.get("VolumeId", ""))
        with self._lock:
            self._volume_of[snapshot["SnapshotId"]] = handle
            return self._disks.get(handle)

    def _made_before(self, own: Mapping[str, str]) -> dict[str, Any] | None:
        """A volume that an earlier try of this restore has made, and that nothing uses yet."""
        filters = [*facts.as_filters(own), {"Name": "status", "Values": ["creating", "available"]}]
        pages = self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", each=_VOLUME, Filters=filters)
        found = (one for one in pages if facts.carries(one, own))
        return min(found, key=lambda one: str(one["VolumeId"]), default=None)

    def _token(self, own: Mapping[str, str]) -> str:
        """The word by which EC2 knows a request again whose answer was lost: its volume may not be shown yet."""
        with self._lock:
            return self._tokens.setdefault(repr(own), secrets.token_hex(16))

    def _answered(self, own: Mapping[str, str]) -> None:
        with self._lock:
            self._tokens.pop(repr(own), None)


class EbsRestorer:
    """The VolumeRestorer of an EbsVolumes."""

    when: Literal["before", "after"] = "before"

    def __init__(self, volumes: EbsVolumes) -> None:
        self._volumes = volumes

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer."""
        return self._volumes.make(volume)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        snapshot = volume.stored.snapshot
        return self._volumes.look_volume(brought, snapshot.disk if snapshot is not None else None)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer."""
        del volume
        self._volumes.drop(brought)
