"""Decides what becomes of the data of a claim that is restored, given what is live in its place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.actions.storage import RESTORING
from runner.model.restore import RestoreVolume
from runner.model.volumes import StoredVolume

RESUMED = "an earlier run of this restore has begun to bring its data back"
CLAIM_THERE = "the claim is there: its data is left as it is"
NOT_WANTED = "restoreVolumes: false"
NO_JOBS = "files are brought back by a Job, and a folder of manifests runs none"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data of a claim would go, as it is now."""

    namespace: str
    claim: str
    live: Mapping[str, Any] | None  # the claim that is there and stays, or None
    volume_there: bool  # its old PersistentVolume is live, and free for it or bound to it
    volume_comes: bool  # the same, or it is restored as it was, since its storage keeps it
    folder: bool  # nothing but a folder of manifests
    unseen: str = ""  # why nobody knows whether the claim is there


def decide_volume(stored: StoredVolume, place: Place, *, wanted: bool) -> RestoreVolume:
    """What becomes of the data of one claim. `wanted` is the policy's restoreVolumes."""
    action, why = _fate(stored, place, wanted=wanted)
    planned = stored.planned
    source = planned.namespace
    return RestoreVolume(
        namespace=place.namespace,
        claim=place.claim,
        action=action,
        method=planned.method,
        why=why,
        source=source if source != place.namespace else "",
        snapshot=stored.snapshot.id if stored.snapshot is not None else "",
        driver=planned.source,
        capacity=planned.capacity,
        repository=stored.snapshot.repository if stored.snapshot is not None else "",
    )


def _fate(
    stored: StoredVolume, place: Place, *, wanted: bool
) -> tuple[Literal["restore", "empty", "leave", "refuse"], str]:
    planned, snapshot = stored.planned, stored.snapshot
    if place.live is not None:
        notes = (place.live.get("metadata") or {}).get("annotations") or {}
        if snapshot is not None and notes.get(RESTORING) == snapshot.id:
            return "restore", RESUMED
        return "leave", CLAIM_THERE
    if place.volume_there:
        return "leave", f"its PersistentVolume {planned.volume} is there: the claim binds to it again"
    if not planned.keeps and place.volume_comes:
        return "leave", f"its PersistentVolume {planned.volume} is restored as it was: its storage keeps the data"
    if not planned.keeps:
        return "empty", f"the backup does not keep its data: {planned.why}"
    if not wanted:
        return "empty", NOT_WANTED
    if refusal := _refusal(stored, place):
        return "refuse", refusal
    assert snapshot is not None, "else there is no data of it"
    if snapshot.state != "ready":
        return "restore", f"from {snapshot.id}, which was not complete when the backup ended"
    return "restore", f"from {snapshot.id}"


def _refusal(stored: StoredVolume, place: Place) -> str:
    """Why data that somebody wants cannot be brought back; "" where it can."""
    if place.unseen:
        return f"whether the claim is there cannot be seen: {place.unseen}"
    if stored.snapshot is None or not stored.snapshot.id:
        return f"the backup has no data of it: {stored.error or 'its snapshot failed'}"
    return NO_JOBS if place.folder and stored.planned.method == "fs-backup" else ""
