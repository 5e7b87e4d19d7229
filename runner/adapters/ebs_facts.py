"""Disks and snapshots between EC2's words and ours: what it says of them, and what it is told, tags above all.

Asks nothing; ebs.py does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal

from runner.model.volumes import Brought, Disk, FoundSnapshot, PlannedVolume, RestoringVolume, RunTags, Snapshot

_BACKUP, _POLICY, _CLUSTER = "trysail.dev/backup", "trysail.dev/policy", "trysail.dev/cluster"
_PLAN, _CLAIM, _UID = "trysail.dev/plan", "trysail.dev/pvc", "trysail.dev/volume-uid"
_LOCATION = "trysail.dev/location"
_RESTORED_FROM = "trysail.dev/restored-from"

# EC2's own limits (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions).
_LONGEST_VALUE = 256
_MOST_TAGS = 50
_LONGEST_DESCRIPTION = 255

_VOLUME_ID = re.compile(r"vol-[0-9a-f]+")
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
_BROUGHT: dict[str, Literal["pending", "ready"]] = {"creating": "pending", "available": "ready", "in-use": "ready"}


def is_volume_id(handle: str) -> bool:
    """Whether EC2 could know it at all: asked for another word, it refuses the question, the other disks with it."""
    return _VOLUME_ID.fullmatch(handle) is not None


# tags


def policy_tags(tags: RunTags) -> dict[str, str]:
    """What all snapshots of one policy and cluster carry."""
    return {key: _value(value) for key, value in {_CLUSTER: tags.cluster, _POLICY: tags.policy}.items()}


def backup_tag(tags: RunTags) -> dict[str, str]:
    """What makes a snapshot one of this run."""
    return {_BACKUP: _value(tags.backup)}


def snapshot_tags(volume: PlannedVolume, tags: RunTags) -> dict[str, str]:
    """All that a snapshot of a volume carries."""
    own = {_PLAN: tags.plan, _CLAIM: volume.claim or volume.volume, _UID: volume.uid}
    own |= {_LOCATION: tags.location} if tags.location else {}
    cut = {key: _value(value) for key, value in own.items()}
    return {**tags.user, **policy_tags(tags), **backup_tag(tags), **cut}


def restore_tags(volume: RestoringVolume, snapshot: Snapshot) -> dict[str, str]:
    """What tells the new volume of one claim of one restore from all others."""
    own = {
        _BACKUP: volume.backup,
        _CLUSTER: volume.cluster,
        _CLAIM: f"{volume.namespace}/{volume.claim}",
        _RESTORED_FROM: snapshot.id,
    }
    return {key: _value(value) for key, value in own.items()}


def volume_tags(own: Mapping[str, str], user: Mapping[str, str], disk: Disk) -> dict[str, str]:
    """All that a new volume carries. Tags of the old one come last, as many as there is room for, in their order."""
    tags = {**user, **own}
    for key, value in sorted(disk.tags.items()):
        if len(tags) >= _MOST_TAGS:
            break
        tags.setdefault(key, value)
    return tags


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As EC2 is given them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def as_filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """As EC2 is asked for what carries them. It takes * and ? for wildcards: see `carries`."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def carries(found: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether it carries these very tags."""
    return tags.items() <= _told(found).items()


def _value(value: str) -> str:
    """A tag's value; what is too long is cut, and told apart by a digest: a claim's name alone may have 253 letters."""
    if len(value) <= _LONGEST_VALUE:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:16]
    return f"{value[: _LONGEST_VALUE - len(digest) - 1]}-{digest}"


def _told(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}


# what is there


def disk_of(found: Mapping[str, Any]) -> Disk:
    """A disk as DescribeVolumes has it. AWS' own tags cannot be set again, and ours are of another life."""
    tags = {key: value for key, value in _told(found).items() if not key.lower().startswith(("aws:", "trysail.dev/"))}
    return Disk(
        zone=found["AvailabilityZone"],
        type=found["VolumeType"],
        size=found["Size"],
        iops=found.get("Iops") or 0,
        throughput=found.get("Throughput") or 0,
        encrypted=bool(found.get("Encrypted")),
        kms_key=found.get("KmsKeyId") or "",
        multi_attach=bool(found.get("MultiAttachEnabled")),
        tags=tags,
    )


def snapshot_of(found: Mapping[str, Any], disk: Disk | None = None) -> Snapshot:
    """A snapshot as DescribeSnapshots and CreateSnapshot have it; of which disk, where that is known."""
    state = str(found.get("State", "pending"))
    started = found.get("StartTime")
    return Snapshot(
        provider="aws",
        id=found["SnapshotId"],
        state=_STATES.get(state, "cut"),
        started=started.isoformat(timespec="seconds") if started is not None else "",
        size=(found.get("VolumeSize") or 0) * _GIB,
        reason=_reason(state, found),
        disk=disk,
    )


def found_of(found: Mapping[str, Any], disk: Disk | None) -> FoundSnapshot:
    """A snapshot with what its tags say."""
    tags = _told(found)
    return FoundSnapshot(
        snapshot=snapshot_of(found, disk),
        backup=tags.get(_BACKUP, ""),
        plan=tags.get(_PLAN, ""),
        volume_uid=tags.get(_UID, ""),
        claim=tags.get(_CLAIM, ""),
        location=tags.get(_LOCATION, ""),
    )


def brought_of(found: Mapping[str, Any], *, adopted: bool = False) -> Brought:
    """A new volume as DescribeVolumes and CreateVolume have it."""
    state = str(found.get("State", "creating"))
    reason = "" if state in _BROUGHT else f"EC2 says that the new volume is in state {state}"
    return Brought(
        state=_BROUGHT.get(state, "failed"),
        handle=found["VolumeId"],
        zone=found["AvailabilityZone"],
        reason=reason,
        adopted=adopted,
    )


def _reason(state: str, found: Mapping[str, Any]) -> str:
    if state == "pending":
        return f"{found['Progress']} copied" if found.get("Progress") else ""
    if state == "completed":
        return ""
    return str(found.get("StateMessage") or f"EC2 says {state}")


# what is to be made


def description(volume: PlannedVolume, tags: RunTags) -> str:
    """What people read beside a snapshot in AWS' console."""
    return f"{volume.claim or volume.volume} of {tags.cluster}, backup {tags.backup}"[:_LONGEST_DESCRIPTION]


def like(disk: Disk) -> dict[str, Any]:
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
