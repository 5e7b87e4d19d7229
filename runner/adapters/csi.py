"""CSI snapshots, by the cluster's own snapshot controller: VolumeSnapshots of claims, kept whatever becomes of them.

Works over the API server alone: the driver is the cluster's. Never waits and never retries: that is the engine's.
Three processes act on these objects, each with an old picture of what the others do; data is safe, and gone where it
shall be, since the one that deletes data reads the policy from the very object whose deletion it was told of.
kubernetes.io/docs/concepts/storage/volume-snapshots
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from runner.actions.fields import part, text
from runner.adapters.csi_objects import (
    BACKUP,
    CLAIM,
    CONTENTS,
    LOCATION,
    OURS,
    PLAN,
    SNAPSHOTS,
    UID,
    Objects,
    labels_of,
    selector,
    snapshot_body,
    snapshot_name,
)
from runner.adapters.csi_status import (
    DELETE,
    RETAIN,
    Policy,
    content_name,
    going,
    object_named_by,
    object_of,
    policy_of,
    snapshot_of,
)
from runner.errors import AlreadyExists, ItemNotFound, SnapshotNotFound, VolumeRejected
from runner.model.cluster import Resource
from runner.model.volumes import FoundSnapshot, PlannedVolume, RunTags, Snapshot
from runner.ports import Cluster

_FEW = 4  # snapshots that are read one by one: a list may hold thousands of other runs

# A VolumeSnapshot and its content, as far as they are there.
_Pair = tuple[dict[str, Any] | None, dict[str, Any] | None]


class CsiSnapshots:
    """A VolumeSnapshotter. Each content is told to keep its data before its snapshot counts as cut."""

    cut_at_once = False  # the driver is asked by a controller, some time later

    def __init__(self, cluster: Cluster) -> None:
        self._objects = Objects(cluster)
        self._drivers: dict[str, str] | None = None  # of each class, where `prepare` could see them

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter: one discovery, one list of classes. VolumeRejected where there are no such types."""
        del volumes
        self._objects.served()
        self._drivers = self._objects.drivers()

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter: one list of each type. A content whose VolumeSnapshot is gone counts as failed."""
        ours = selector(tags, this_run=this_run)
        snapshots = {object_of(one): one for one in self._objects.list(SNAPSHOTS, ours) if not going(one)}
        contents = {object_named_by(one): one for one in self._objects.list(CONTENTS, ours) if not going(one)}
        left = {name: content for name, content in contents.items() if name not in snapshots}
        return (
            # A run that was killed early has not marked the content yet.
            *(
                _found(
                    one,
                    snapshot_of(name, one, contents.get(name) or self._objects.find(CONTENTS, "", content_name(one))),
                )
                for name, one in snapshots.items()
            ),
            # One snapshot of a group is taken over with all the others, and this one cannot be.
            *(_found(one, _failed(snapshot_of(name, None, one))) for name, one in left.items()),
        )

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter: one request. One of our own that is there already is an answer that was lost."""
        self._check_class(volume)
        namespace, _, claim = volume.claim.partition("/")
        name = snapshot_name(tags.backup, volume.claim)
        body = snapshot_body(name, namespace, claim, volume, tags)
        try:
            made = self._objects.create(SNAPSHOTS, namespace, body)
        except AlreadyExists:
            made = self._objects.get(SNAPSHOTS, namespace, name)
            if text(made, "metadata", "annotations", UID) != volume.uid:
                raise
        return snapshot_of(object_of(made), made, None)

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter. Few are read one by one, more by one list of each type."""
        listed = self._listed() if len(snapshots) > _FEW else {}
        return tuple(
            self._kept(snapshot.object, listed.get(snapshot.object) or self._read(snapshot.object))
            for snapshot in snapshots
        )

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        namespace, _, name = found.snapshot.object.partition("/")
        notes = {"labels": labels_of(tags), "annotations": {BACKUP: tags.backup, PLAN: tags.plan}}
        try:
            self._objects.merge(SNAPSHOTS, namespace, name, {"metadata": notes})
        except ItemNotFound as error:
            raise SnapshotNotFound(f"the VolumeSnapshot {found.snapshot.object} was deleted") from error
        (now,) = self.look([found.snapshot])
        if now.state == "failed":
            raise SnapshotNotFound(f"the VolumeSnapshot {now.object} cannot be used: {now.reason}")
        return now

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter: the content is told to take its data along, and both objects are deleted."""
        found, content = self._read(snapshot.object)
        # Of a content that always went with its VolumeSnapshot, the controller knows it.
        told = content is not None and found is not None and policy_of(content) == DELETE
        if content is not None and not told:
            self._set_policy(content, DELETE)
        if found is not None:
            self._delete(SNAPSHOTS, found)
        if found is not None and content is None:
            # The controller may have been making it just now, as its class says.
            content = self._objects.find(CONTENTS, "", content_name(found))
            if content is not None:
                self._set_policy(content, DELETE)
        if content is not None and not told:
            # Else the controller may hear of the VolumeSnapshot's end first, of the policy later, and leave it there.
            self._delete(CONTENTS, content)

    def tidy(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter: the content keeps its data first, and both objects go."""
        found, content = self._read(snapshot.object)
        if content is not None and not going(content):  # one that is going was discarded, with its data
            kept = self._set_policy(content, RETAIN)
            if kept is not None and policy_of(kept) != RETAIN:
                raise VolumeRejected(
                    f"the VolumeSnapshotContent of {snapshot.object} does not take deletionPolicy {RETAIN}",
                    hint="look for an admission webhook that changes it; until then both objects stay",
                )
        if found is not None:
            self._delete(SNAPSHOTS, found)
        if content is not None:
            self._delete(CONTENTS, content)

    # reading

    def _read(self, name: str) -> _Pair:
        """One request for each of the two; a list of contents where the VolumeSnapshot is gone."""
        namespace, _, own = name.partition("/")
        found = self._objects.find(SNAPSHOTS, namespace, own)
        if found is not None:
            return found, self._objects.find(CONTENTS, "", content_name(found))
        return None, next((one for one in self._objects.list(CONTENTS, "") if object_named_by(one) == name), None)

    def _listed(self) -> dict[str, _Pair]:
        """Contents have our label only once they were looked at."""
        snapshots = {object_of(one): one for one in self._objects.list(SNAPSHOTS, OURS)}
        contents = {object_named_by(one): one for one in self._objects.list(CONTENTS, "")}
        return {name: (one, contents.get(name)) for name, one in snapshots.items()}

    def _check_class(self, volume: PlannedVolume) -> None:
        """The controller would only try again and again, until the limit."""
        if self._drivers is None:
            return
        driver = self._drivers.get(volume.snapshot_class)
        if driver is None:
            raise VolumeRejected(
                f"the VolumeSnapshotClass {volume.snapshot_class} is gone",
                hint="make it again, or plan again: another class may be chosen",
            )
        if volume.source and driver != volume.source:
            raise VolumeRejected(
                f"the VolumeSnapshotClass {volume.snapshot_class} is of the driver {driver}, not of {volume.source}",
                hint="name a class of the volume's own driver",
            )

    # keeping

    def _kept(self, name: str, pair: _Pair) -> Snapshot:
        """The snapshot as it is, once its content is told to keep its data: its namespace may be deleted any moment.

        The content is marked as the VolumeSnapshot is, so that it is found without it, and no backup stores it.
        """
        found, content = pair
        if content is None or going(content):
            return snapshot_of(name, found, content)
        marks = _marks(found or content)
        have = part(content, "metadata")
        if policy_of(content) == RETAIN and all(
            part(have, kind).items() >= wanted.items() for kind, wanted in marks.items()
        ):
            return snapshot_of(name, found, content)
        return snapshot_of(name, found, self._set_policy(content, RETAIN, marks))

    def _set_policy(
        self,
        content: dict[str, Any],
        policy: Policy,
        marks: dict[str, dict[str, str]] | None = None,
    ) -> dict[str, Any] | None:
        """The content as it is then; None where it is gone."""
        patch = {"metadata": marks or {}, "spec": {"deletionPolicy": policy}}
        try:
            return self._objects.merge(CONTENTS, "", text(content, "metadata", "name"), patch)
        except ItemNotFound:
            return None

    def _delete(self, resource: Resource, value: dict[str, Any]) -> None:
        metadata = part(value, "metadata")
        self._objects.delete(resource, text(metadata, "namespace"), text(metadata, "name"), text(metadata, "uid"))


def _found(value: dict[str, Any], snapshot: Snapshot) -> FoundSnapshot:
    notes = part(value, "metadata", "annotations")
    return FoundSnapshot(
        snapshot=snapshot,
        backup=text(notes, BACKUP),
        plan=text(notes, PLAN),
        volume_uid=text(notes, UID),
        claim=text(notes, CLAIM),
        location=text(notes, LOCATION),
    )


def _failed(snapshot: Snapshot) -> Snapshot:
    return msgspec.structs.replace(snapshot, state="failed", reason="its VolumeSnapshot was deleted")


def _marks(value: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Our own labels and annotations of an object."""
    return {
        kind: {name: mark for name, mark in part(value, "metadata", kind).items() if name.startswith("trysail.dev/")}
        for kind in ("labels", "annotations")
    }
