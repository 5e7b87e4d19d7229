"""Claims from CSI snapshots: a VolumeSnapshotContent that stands for the driver's handle, and a VolumeSnapshot of it.

Both may be made in any namespace, and in any cluster whose driver reaches the handle. The data stays (`Retain`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import msgspec

from runner.actions.fields import part, text
from runner.actions.restored import label_value
from runner.adapters.csi_objects import (
    BACKUP,
    CLAIM,
    CONTENTS,
    EXCLUDED,
    SNAPSHOTS,
    Objects,
    snapshot_name,
)
from runner.adapters.csi_status import RETAIN, going, policy_of
from runner.errors import AlreadyExists, ClusterError, ItemNotFound, VolumeRejected, WriteConflict
from runner.model.cluster import Resource
from runner.model.volumes import Brought, RestoringVolume, Snapshot
from runner.ports import Cluster


class CsiRestorer:
    """A VolumeRestorer."""

    when: Literal["before", "after"] = "before"

    def __init__(self, cluster: Cluster) -> None:
        self._objects = Objects(cluster)
        self._drivers: dict[str, str] | None = None  # of each class here, once they were asked for

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer. VolumeRejected where the cluster has no such types. The namespace is there already."""
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        name = _name(volume)
        try:
            new = self._create(CONTENTS, "", self._content(volume, snapshot, name))
        except ItemNotFound:
            self._objects.served()
            raise
        if not new:
            self._check_binding(volume, name)
        try:
            adopted = not self._create(SNAPSHOTS, volume.namespace, _snapshot(volume, name)) or not new
        except ClusterError as error:
            if new and not error.retriable:
                self.discard(volume, Brought(state="failed"))
            raise
        return msgspec.structs.replace(self._now(volume, name), adopted=adopted)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        return msgspec.structs.replace(self._now(volume, _name(volume)), adopted=brought.adopted)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer. Both objects go, and the data stays, whatever became of the content's policy."""
        del brought
        name = _name(volume)
        content = self._objects.find(CONTENTS, "", name)
        if content is not None and policy_of(content) != RETAIN:
            with suppress(ItemNotFound):
                self._objects.merge(CONTENTS, "", name, {"spec": {"deletionPolicy": RETAIN}})
        found = self._objects.find(SNAPSHOTS, volume.namespace, name)
        if found is not None:
            self._objects.delete(SNAPSHOTS, volume.namespace, name, text(found, "metadata", "uid"))
        if content is not None:
            self._objects.delete(CONTENTS, "", name, text(content, "metadata", "uid"))

    def _now(self, volume: RestoringVolume, name: str) -> Brought:
        """An error is no end: the controller tries again, so it is a reason, and the limit decides."""
        brought = Brought(state="pending", object=f"{volume.namespace}/{name}")
        found = self._objects.find(SNAPSHOTS, volume.namespace, name)
        if found is None or going(found):
            return msgspec.structs.replace(brought, state="failed", reason="its VolumeSnapshot was deleted")
        if part(found, "status").get("readyToUse") is True:
            return msgspec.structs.replace(brought, state="ready")
        content = self._objects.find(CONTENTS, "", name)
        if content is None or going(content):
            return msgspec.structs.replace(brought, state="failed", reason="its VolumeSnapshotContent was deleted")
        error = text(content, "status", "error", "message") or text(found, "status", "error", "message")
        silent = f"no driver {text(content, 'spec', 'driver')} of this cluster has answered yet"
        return msgspec.structs.replace(brought, reason=error or silent)

    def _check_binding(self, volume: RestoringVolume, name: str) -> None:
        """A content of an earlier try is of use only to the VolumeSnapshot that it was bound to, if it was."""
        bound = text(self._objects.find(CONTENTS, "", name), "spec", "volumeSnapshotRef", "uid")
        if not bound or text(self._objects.find(SNAPSHOTS, volume.namespace, name), "metadata", "uid") == bound:
            return
        self.discard(volume, Brought(state="failed"))
        raise WriteConflict(
            f"the VolumeSnapshot {volume.namespace}/{name} of an earlier try was deleted: making it anew"
        )

    def _create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> bool:
        """Whether it is new; one that an earlier try has made is as good."""
        name = body["metadata"]["name"]
        try:
            self._objects.create(resource, namespace, body)
        except AlreadyExists as error:
            found = self._objects.find(resource, namespace, name)
            if found is None or going(found):
                raise WriteConflict(f"the {resource.kind} {name} of an earlier try is on its way out") from error
            same_claim = text(found, "metadata", "annotations", CLAIM) == body["metadata"]["annotations"][CLAIM]
            if not same_claim or part(found, "spec", "source") != body["spec"]["source"]:
                raise
            return False
        return True

    def _content(self, volume: RestoringVolume, snapshot: Snapshot, name: str) -> dict[str, Any]:
        driver = snapshot.driver or volume.stored.planned.source
        if not snapshot.id or not driver:
            raise VolumeRejected("the backup does not say which snapshot of which driver it is")
        spec: dict[str, Any] = {
            "deletionPolicy": RETAIN,
            "driver": driver,
            "source": {"snapshotHandle": snapshot.id},
            "volumeSnapshotRef": {
                "apiVersion": SNAPSHOTS.api_version,
                "kind": SNAPSHOTS.kind,
                "namespace": volume.namespace,
                "name": name,
            },
        }
        chosen = self._class(driver, volume.stored.planned.snapshot_class)
        if chosen:
            spec["volumeSnapshotClassName"] = chosen
        return {
            "apiVersion": CONTENTS.api_version,
            "kind": CONTENTS.kind,
            "metadata": _metadata(volume, name),
            "spec": spec,
        }

    def _class(self, driver: str, former: str) -> str:
        """A class of the driver here, for its secrets: the former one, or the first; "" where none is seen."""
        if self._drivers is None:
            self._drivers = self._objects.drivers() or {}
        names = sorted(name for name, of in self._drivers.items() if of == driver)
        return former if former in names else next(iter(names), "")


def _snapshot(volume: RestoringVolume, name: str) -> dict[str, Any]:
    return {
        "apiVersion": SNAPSHOTS.api_version,
        "kind": SNAPSHOTS.kind,
        "metadata": {**_metadata(volume, name), "namespace": volume.namespace},
        "spec": {"source": {"volumeSnapshotContentName": name}},
    }


def _metadata(volume: RestoringVolume, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {BACKUP: label_value(volume.backup), EXCLUDED: "true"},
        "annotations": {CLAIM: f"{volume.namespace}/{volume.claim}"},
    }


def _name(volume: RestoringVolume) -> str:
    return snapshot_name(volume.backup, "restore", volume.namespace, volume.claim)
