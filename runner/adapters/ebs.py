"""EBS volumes through EC2: snapshots with our tags, and new volumes of them. The API has no client token for snapshots,
so tags alone tell what is ours. Never waits and never retries: that is the engine's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any, Literal

import msgspec

from runner.adapters.ebs_connection import Ec2
from runner.errors import SnapshotNotFound, VolumeNotFound, VolumeRejected
from runner.model.snapshot_location import AwsSnapshotLocation
from runner.model.volumes import Brought, Disk, FoundSnapshot, PlannedVolume, RestoringVolume, RunTags, Snapshot

BACKUP, POLICY, CLUSTER = "trysail.dev/backup", "trysail.dev/policy", "trysail.dev/cluster"
PLAN, CLAIM, UID = "trysail.dev/plan", "trysail.dev/pvc", "trysail.dev/volume-uid"
RESTORED_FROM = "trysail.dev/restored-from"

_AT_ONCE = 200  # ids in one question; EC2 takes up to 1,000 in a filter, fewer as a list
_GIB = 1 << 30
_STATES: dict[str, Literal["cut", "ready", "failed"]] = {
    # The point in time is that at which CreateSnapshot returns; the copying goes on behind it
    # (docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html).
    "pending": "cut",
    "completed": "ready",
    "recoverable": "failed",  # it is in the recycle bin
    "recovering": "cut",
    "error": "failed",
}


class EbsVolumes:
    """A VolumeSnapshotter for the volumes of one account and region; and what EbsRestorer asks of them."""

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
        self._volume_of: dict[str, str] = {}  # snapshot -> the volume that it was taken of
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"EbsVolumes({self._ec2.region!r})"

    # VolumeSnapshotter

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter. A volume that is not there is found out when its snapshot is asked for."""
        left = iter(volume.handle for volume in volumes)
        while ids := list(islice(left, _AT_ONCE)):
            asked = {"Filters": [{"Name": "volume-id", "Values": ids}]}
            for found in self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", **asked):
                with self._lock:
                    self._disks[found["VolumeId"]] = _disk(found)

    def found(self, tags: RunTags) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in _ours(tags).items()]
        pages = self._ec2.pages(
            "DescribeSnapshots", "describe_snapshots", "Snapshots", Filters=filters, OwnerIds=["self"]
        )
        found = []
        for one in pages:
            with self._lock:
                self._volume_of[one["SnapshotId"]] = one.get("VolumeId", "")
            found.append(_found(one))
        return tuple(found)

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter. Without the right to tag, EC2 refuses the whole request: nothing is made."""
        disk = self._disk(volume)
        claim = volume.claim or volume.volume
        own = {BACKUP: tags.backup, PLAN: tags.plan, CLAIM: claim, UID: volume.uid, **_ours(tags)}
        made = self._ec2.call(
            "CreateSnapshot",
            "create_snapshot",
            volume.handle,
            VolumeId=volume.handle,
            Description=f"{claim} of {tags.cluster}, backup {tags.backup}"[:255],
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": _tags({**tags.user, **own})}],
        )
        return msgspec.structs.replace(_snapshot(made), disk=disk)

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter."""
        now: dict[str, Snapshot] = {}
        left = iter(snapshot.id for snapshot in snapshots)
        while ids := list(islice(left, _AT_ONCE)):
            # As a filter, an id that is gone is no error, and hides none of the others.
            asked = {"Filters": [{"Name": "snapshot-id", "Values": ids}], "OwnerIds": ["self"]}
            for found in self._ec2.pages("DescribeSnapshots", "describe_snapshots", "Snapshots", **asked):
                now[found["SnapshotId"]] = _snapshot(found)
        return tuple(self._as_now(snapshot, now.get(snapshot.id)) for snapshot in snapshots)

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        tag = partial(self._ec2.call, "CreateTags", "create_tags", found.snapshot.id)
        tag(Resources=[found.snapshot.id], Tags=_tags({BACKUP: tags.backup}))
        (now,) = self.look([found.snapshot])
        if now.state == "failed":
            raise SnapshotNotFound(f"the snapshot {now.id} cannot be used: {now.reason}")
        with self._lock:
            disk = self._disks.get(self._volume_of.get(now.id, ""))
        return msgspec.structs.replace(now, disk=now.disk or disk)

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        with self._ec2.passing("InvalidSnapshot.NotFound"):
            self._ec2.call("DeleteSnapshot", "delete_snapshot", snapshot.id, SnapshotId=snapshot.id)

    def tidy(self, snapshot: Snapshot) -> None:
        """Nothing stands for it in the cluster."""

    # new volumes

    def make(self, volume: RestoringVolume) -> Brought:
        """A volume of a snapshot, like the one that it was taken of."""
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        own = {
            BACKUP: volume.backup,
            CLUSTER: volume.cluster,
            CLAIM: f"{volume.namespace}/{volume.claim}",
            RESTORED_FROM: snapshot.id,
        }
        earlier = self._made_before(own)
        if earlier is not None:
            return msgspec.structs.replace(_brought(earlier), adopted=True)
        disk = snapshot.disk
        if disk is None:
            raise VolumeRejected(f"the backup does not say what disk {snapshot.id} was taken of", hint="")
        tags = {**_foreign(disk.tags), **volume.user_tags, **own}
        made = self._ec2.call(
            "CreateVolume",
            "create_volume",
            snapshot.id,
            SnapshotId=snapshot.id,
            ClientToken=secrets.token_hex(16),
            TagSpecifications=[{"ResourceType": "volume", "Tags": _tags(tags)}],
            **_like(disk),
        )
        return _brought(made)

    def drop(self, brought: Brought) -> None:
        """Deletes a volume that failed: one that is ready belongs to its claim."""
        if brought.state != "failed" or not brought.handle:
            return
        with self._ec2.passing("InvalidVolume.NotFound"):
            self._ec2.call("DeleteVolume", "delete_volume", brought.handle, VolumeId=brought.handle)

    def look_volume(self, brought: Brought) -> Brought:
        """How far a new volume is."""
        filters = [{"Name": "volume-id", "Values": [brought.handle]}]
        for found in self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", Filters=filters):
            return msgspec.structs.replace(_brought(found), adopted=brought.adopted)
        return msgspec.structs.replace(brought, state="failed", reason=f"the new volume {brought.handle} is gone")

    # shared

    def _as_now(self, before: Snapshot, now: Snapshot | None) -> Snapshot:
        if now is None:
            reason = f"it was deleted, or is not in {self._ec2.region}"
            return msgspec.structs.replace(before, state="failed", reason=reason)
        return msgspec.structs.replace(now, disk=before.disk or now.disk)

    def _disk(self, volume: PlannedVolume) -> Disk:
        with self._lock:
            disk = self._disks.get(volume.handle)
        if disk is None:
            self.prepare([volume])
            disk = self._disks.get(volume.handle)
        if disk is None:
            raise VolumeNotFound(
                f"the EBS volume {volume.handle} is not there",
                hint=f"is it in {self._ec2.region}, and in the account of these credentials?",
                volume=volume.handle,
            )
        return disk

    def _made_before(self, own: Mapping[str, str]) -> dict[str, Any] | None:
        """A volume that an earlier try of this restore has made, and that nothing uses yet."""
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in own.items()]
        filters.append({"Name": "status", "Values": ["creating", "available"]})
        found = self._ec2.pages("DescribeVolumes", "describe_volumes", "Volumes", Filters=filters)
        return min(found, key=lambda one: str(one["VolumeId"]), default=None)


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
        del volume
        return self._volumes.look_volume(brought)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer."""
        del volume
        self._volumes.drop(brought)


def _ours(tags: RunTags) -> dict[str, str]:
    return {CLUSTER: tags.cluster, POLICY: tags.policy}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _told(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}


def _foreign(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of the old volume that a new one may have: AWS' own cannot be set, and ours are of another life."""
    return {key: value for key, value in tags.items() if not key.startswith(("aws:", "trysail.dev/"))}


def _disk(found: Mapping[str, Any]) -> Disk:
    return Disk(
        zone=found["AvailabilityZone"],
        type=found["VolumeType"],
        size=found["Size"],
        iops=found.get("Iops") or 0,
        throughput=found.get("Throughput") or 0,
        encrypted=bool(found.get("Encrypted")),
        kms_key=found.get("KmsKeyId") or "",
        multi_attach=bool(found.get("MultiAttachEnabled")),
        tags=_foreign(_told(found)),
    )


def _snapshot(found: Mapping[str, Any]) -> Snapshot:
    state = str(found.get("State", "pending"))
    started = found.get("StartTime")
    return Snapshot(
        provider="aws",
        id=found["SnapshotId"],
        state=_STATES.get(state, "cut"),
        started=started.isoformat(timespec="seconds") if started is not None else "",
        size=found.get("VolumeSize", 0) * _GIB,
        reason=_reason(state, found),
    )


def _reason(state: str, found: Mapping[str, Any]) -> str:
    if state == "pending":
        return f"{found['Progress']} copied" if found.get("Progress") else ""
    if state == "completed":
        return ""
    return str(found.get("StateMessage") or f"EC2 says {state}")


def _found(found: Mapping[str, Any]) -> FoundSnapshot:
    tags = _told(found)
    return FoundSnapshot(
        snapshot=_snapshot(found),
        backup=tags.get(BACKUP, ""),
        plan=tags.get(PLAN, ""),
        volume_uid=tags.get(UID, ""),
        claim=tags.get(CLAIM, ""),
    )


def _like(disk: Disk) -> dict[str, Any]:
    """What a new volume is asked to be. IOPS are given only where a type lets one choose them."""
    asked: dict[str, Any] = {"AvailabilityZone": disk.zone, "VolumeType": disk.type, "Size": disk.size}
    if disk.iops and disk.type in {"gp3", "io1", "io2"}:
        asked["Iops"] = disk.iops
    if disk.throughput and disk.type == "gp3":
        asked["Throughput"] = disk.throughput
    if disk.encrypted:
        asked["Encrypted"] = True
        if disk.kms_key:
            asked["KmsKeyId"] = disk.kms_key
    if disk.multi_attach:
        asked["MultiAttachEnabled"] = True
    return asked


def _brought(found: Mapping[str, Any]) -> Brought:
    state = str(found.get("State", "creating"))
    known: dict[str, Literal["pending", "ready", "failed"]] = {
        "creating": "pending",
        "available": "ready",
        "in-use": "ready",
    }
    return Brought(
        state=known.get(state, "failed"),
        handle=found["VolumeId"],
        zone=found["AvailabilityZone"],
        reason="" if state in known else f"EC2 says that the new volume is in state {state}",
    )
