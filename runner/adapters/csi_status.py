"""What a VolumeSnapshot and its VolumeSnapshotContent say of their snapshot. Asks and changes nothing.

The content is what the driver's own process writes to; the VolumeSnapshot follows it a little later.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from runner.actions.fields import part, text
from runner.model.volumes import Snapshot

Policy = Literal["Retain", "Delete"]

RETAIN: Final = "Retain"
DELETE: Final = "Delete"

_SECOND = 10**9  # a content's creationTime is in nanoseconds


def object_of(found: dict[str, Any]) -> str:
    """`namespace/name` of a VolumeSnapshot."""
    return f"{text(found, 'metadata', 'namespace')}/{text(found, 'metadata', 'name')}"


def object_named_by(content: dict[str, Any]) -> str:
    """`namespace/name` of the VolumeSnapshot that a content belongs to, which may be gone."""
    named = part(content, "spec", "volumeSnapshotRef")
    return f"{text(named, 'namespace')}/{text(named, 'name')}"


def bound_to(found: dict[str, Any]) -> str:
    """The content that a VolumeSnapshot says it is bound to; "" before that."""
    return text(found, "status", "boundVolumeSnapshotContentName")


def content_name(found: dict[str, Any]) -> str:
    """The content of a VolumeSnapshot of a claim; the controller gives it its name before it notes it."""
    return bound_to(found) or f"snapcontent-{text(found, 'metadata', 'uid')}"


def going(value: dict[str, Any]) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in part(value, "metadata")


def policy_of(content: dict[str, Any]) -> str:
    """Whether the data stays when the objects go (Retain), or goes with them (Delete)."""
    return text(content, "spec", "deletionPolicy")


def snapshot_of(name: str, found: dict[str, Any] | None, content: dict[str, Any] | None) -> Snapshot:
    """The snapshot `name` as both objects have it; a content alone is enough, its data can be restored.

    An error of the driver's is no end: it is asked again and again, so that is a reason, and the state stays `asked`.
    """
    status = part(content or {}, "status")
    driver = text(content or {}, "spec", "driver")
    asked = Snapshot(
        provider="csi",
        id=text(status, "snapshotHandle"),
        state="asked",
        started=text(found or content or {}, "metadata", "creationTimestamp"),
        size=status["restoreSize"] if isinstance(status.get("restoreSize"), int) else 0,
        object=name,
        driver=driver,
    )
    lost = _lost(found, content)
    if lost:
        return _now(asked, state="failed", reason=lost)
    error = text(status, "error", "message") or text(found or {}, "status", "error", "message")
    if content is None:
        return _now(asked, reason=error or "the snapshot controller has not taken it up yet")
    cut_at = status.get("creationTime")
    if not isinstance(cut_at, int) or not asked.id:
        return _now(asked, reason=error or f"the driver {driver} has not answered yet")
    asked = _now(asked, started=datetime.fromtimestamp(cut_at // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if policy_of(content) != RETAIN:
        return _now(asked, reason=f"its VolumeSnapshotContent would not keep its data: it is not {RETAIN}")
    if status.get("readyToUse") is True:
        return _now(asked, state="ready")
    return _now(asked, state="cut", reason=error or f"the driver {driver} says that it is not ready to use yet")


def _lost(found: dict[str, Any] | None, content: dict[str, Any] | None) -> str:
    """Why there will be no snapshot; "" where there may be one."""
    if content is not None:
        return "its VolumeSnapshotContent is being deleted" if going(content) else ""
    if found is None:
        return "its VolumeSnapshot was deleted"
    if going(found):
        return "its VolumeSnapshot is being deleted"
    return "its VolumeSnapshotContent was deleted" if bound_to(found) else ""


def _now(snapshot: Snapshot, **changes: Any) -> Snapshot:
    return msgspec.structs.replace(snapshot, **changes)
