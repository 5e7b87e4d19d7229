"""CSI snapshots, by the cluster's own snapshot controller: VolumeSnapshots of claims, kept whatever becomes of them.

Works over the API server alone: the driver is the cluster's. Never waits and never retries: that is the engine's.
kubernetes.io/docs/concepts/storage/volume-snapshots
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from runner.actions.fields import part, text
from runner.actions.quantity import quantity
from runner.adapters.csi_objects import (
    BACKUP,
    CLAIM,
    CONTENTS,
    PLAN,
    SNAPSHOTS,
    UID,
    Objects,
    labels_of,
    selector,
    snapshot_body,
    snapshot_name,
)
from runner.errors import AlreadyExists, ItemNotFound, SnapshotNotFound
from runner.model.volumes import FoundSnapshot, PlannedVolume, RunTags, Snapshot
from runner.ports import Cluster

_RETAIN = "Retain"


class CsiSnapshots:
    """A VolumeSnapshotter. Each content is told to keep its data before its snapshot counts as cut."""

    def __init__(self, cluster: Cluster) -> None:
        self._objects = Objects(cluster)

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter. VolumeRejected where the cluster serves no VolumeSnapshots."""
        del volumes
        self._objects.served()

    def found(self, tags: RunTags) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        return tuple(
            FoundSnapshot(
                snapshot=self._as_it_is(value, self._content_of(value)),
                backup=text(value, "metadata", "annotations", BACKUP),
                plan=text(value, "metadata", "annotations", PLAN),
                volume_uid=text(value, "metadata", "annotations", UID),
                claim=text(value, "metadata", "annotations", CLAIM),
            )
            for value in self._objects.list(SNAPSHOTS, selector(tags))
        )

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter. One of our own that is there already is an answer that was lost."""
        namespace, _, claim = volume.claim.partition("/")
        name = snapshot_name(tags.backup, volume.claim)
        body = snapshot_body(name, namespace, claim, volume, tags)
        try:
            made = self._objects.create(SNAPSHOTS, namespace, body)
        except AlreadyExists:
            made = self._objects.get(SNAPSHOTS, namespace, name)
            if text(made, "metadata", "annotations", UID) != volume.uid:
                raise
        return self._as_it_is(made, None)

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter. Few are read one by one, more by one list of each type."""
        if len(snapshots) <= _FEW:
            return tuple(self._looked(snapshot, *self._read(snapshot)) for snapshot in snapshots)
        found = {_name(value): value for value in self._objects.list(SNAPSHOTS, _OURS)}
        contents = {text(value, "metadata", "name"): value for value in self._objects.list(CONTENTS, "")}
        return tuple(
            self._looked(snapshot, found.get(snapshot.object), contents.get(_content_name(found.get(snapshot.object))))
            for snapshot in snapshots
        )

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        namespace, _, name = found.snapshot.object.partition("/")
        notes = {"labels": labels_of(tags), "annotations": {BACKUP: tags.backup}}
        self._objects.merge(SNAPSHOTS, namespace, name, {"metadata": notes})
        (now,) = self.look([found.snapshot])
        if now.state == "failed":
            raise SnapshotNotFound(f"the VolumeSnapshot {now.object} cannot be used: {now.reason}")
        return now

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter: the content is told to take its data along, then the VolumeSnapshot is deleted."""
        namespace, _, name = snapshot.object.partition("/")
        found = self._objects.find(SNAPSHOTS, namespace, name)
        if found is None:
            return
        content = self._content_of(found)
        if content is not None:
            self._set_policy(content, "Delete")
        self._objects.delete(SNAPSHOTS, namespace, name, text(found, "metadata", "uid"))

    def tidy(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter: the content keeps its data first, and both objects go."""
        namespace, _, name = snapshot.object.partition("/")
        found = self._objects.find(SNAPSHOTS, namespace, name)
        if found is None:
            return
        content = self._content_of(found)
        if content is not None:
            self._set_policy(content, _RETAIN)
        self._objects.delete(SNAPSHOTS, namespace, name, text(found, "metadata", "uid"))
        if content is not None:
            self._objects.delete(CONTENTS, "", text(content, "metadata", "name"), text(content, "metadata", "uid"))

    # one snapshot

    def _read(self, snapshot: Snapshot) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        namespace, _, name = snapshot.object.partition("/")
        found = self._objects.find(SNAPSHOTS, namespace, name)
        return found, self._content_of(found) if found is not None else None

    def _looked(self, before: Snapshot, found: dict[str, Any] | None, content: dict[str, Any] | None) -> Snapshot:
        if found is None:
            return msgspec.structs.replace(before, state="failed", reason="its VolumeSnapshot was deleted")
        return self._as_it_is(found, content)

    def _as_it_is(self, found: dict[str, Any], content: dict[str, Any] | None) -> Snapshot:
        """An error of the driver's is no end: the controller tries again, so it is a reason, and the limit decides."""
        if content is not None and text(content, "spec", "deletionPolicy") != _RETAIN:
            # The namespace may be deleted the next moment, and the data with it.
            self._set_policy(content, _RETAIN)
        status, of_content = part(found, "status"), part(content or {}, "status")
        cut = content is not None and ("creationTime" in of_content or "creationTime" in status)
        ready = cut and status.get("readyToUse") is True and bool(text(of_content, "snapshotHandle"))
        state: Literal["ready", "cut", "asked"] = "ready" if ready else "cut" if cut else "asked"
        error = text(status, "error", "message") or text(of_content, "error", "message")
        size = quantity(status.get("restoreSize"))
        return Snapshot(
            provider="csi",
            id=text(of_content, "snapshotHandle"),
            state=state,
            started=text(status, "creationTime") or text(found, "metadata", "creationTimestamp"),
            size=int(size) if size is not None else 0,
            reason="" if ready else error,
            object=_name(found),
            driver=text(content or {}, "spec", "driver"),
        )

    def _content_of(self, found: dict[str, Any]) -> dict[str, Any] | None:
        name = _content_name(found)
        return self._objects.find(CONTENTS, "", name) if name else None

    def _set_policy(self, content: dict[str, Any], policy: str) -> None:
        with suppress(ItemNotFound):
            self._objects.merge(CONTENTS, "", text(content, "metadata", "name"), {"spec": {"deletionPolicy": policy}})


_FEW = 4  # snapshots that are read one by one: a list may hold thousands of other runs
_OURS = "trysail.dev/exclude-from-backup=true"


def _name(value: dict[str, Any]) -> str:
    return f"{text(value, 'metadata', 'namespace')}/{text(value, 'metadata', 'name')}"


def _content_name(value: dict[str, Any] | None) -> str:
    return text(value or {}, "status", "boundVolumeSnapshotContentName")
