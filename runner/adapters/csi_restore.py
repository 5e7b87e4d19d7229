"""Claims from CSI snapshots: a VolumeSnapshotContent that stands for the driver's handle, and a VolumeSnapshot of it.

Both may be made in any namespace, and in any cluster whose driver reaches the handle. The data stays (`Retain`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from runner.actions.fields import text
from runner.actions.restored import label_value
from runner.adapters.csi_objects import (
    BACKUP,
    CLAIM,
    CLASSES,
    CONTENTS,
    EXCLUDED,
    GROUP,
    SNAPSHOTS,
    Objects,
    snapshot_name,
)
from runner.errors import AlreadyExists, VolumeRejected
from runner.model.cluster import Resource
from runner.model.volumes import Brought, RestoringVolume, Snapshot
from runner.ports import Cluster


class CsiRestorer:
    """A VolumeRestorer."""

    when: Literal["before", "after"] = "before"

    def __init__(self, cluster: Cluster) -> None:
        self._objects = Objects(cluster)

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer."""
        self._objects.served()
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        name = _name(volume)
        adopted = not self._create(CONTENTS, "", self._content(volume, snapshot, name))
        adopted |= not self._create(SNAPSHOTS, volume.namespace, _snapshot(volume, name))
        return msgspec.structs.replace(self._now(volume, name), adopted=adopted)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        return msgspec.structs.replace(self._now(volume, _name(volume)), adopted=brought.adopted)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer. Both objects go, and the data stays."""
        del brought
        name = _name(volume)
        for resource, namespace in ((SNAPSHOTS, volume.namespace), (CONTENTS, "")):
            found = self._objects.find(resource, namespace, name)
            if found is not None:
                self._objects.delete(resource, namespace, name, text(found, "metadata", "uid"))

    def _now(self, volume: RestoringVolume, name: str) -> Brought:
        """An error is no end: the controller tries again, so it is a reason, and the limit decides."""
        where = f"{volume.namespace}/{name}"
        found = self._objects.find(SNAPSHOTS, volume.namespace, name)
        if found is None:
            return Brought(state="failed", object=where, reason="its VolumeSnapshot was deleted")
        content = self._objects.find(CONTENTS, "", name) or {}
        ready = (found.get("status") or {}).get("readyToUse") is True
        error = text(found, "status", "error", "message") or text(content, "status", "error", "message")
        return Brought(state="ready" if ready else "pending", object=where, reason="" if ready else error)

    def _create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> bool:
        """Whether it is new; one that an earlier try has made is as good."""
        name = body["metadata"]["name"]
        try:
            self._objects.create(resource, namespace, body)
        except AlreadyExists:
            found = self._objects.get(resource, namespace, name)
            if text(found, "metadata", "annotations", CLAIM) != body["metadata"]["annotations"][CLAIM]:
                raise
            return False
        return True

    def _content(self, volume: RestoringVolume, snapshot: Snapshot, name: str) -> dict[str, Any]:
        driver = snapshot.driver or volume.stored.planned.source
        if not snapshot.id or not driver:
            raise VolumeRejected("the backup does not say which snapshot of which driver it is")
        spec: dict[str, Any] = {
            "deletionPolicy": "Retain",
            "driver": driver,
            "source": {"snapshotHandle": snapshot.id},
            "volumeSnapshotRef": {
                "apiVersion": f"{GROUP}/v1",
                "kind": "VolumeSnapshot",
                "namespace": volume.namespace,
                "name": name,
            },
        }
        chosen = self._class(driver, volume.stored.planned.snapshot_class)
        if chosen:
            spec["volumeSnapshotClassName"] = chosen
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": "VolumeSnapshotContent",
            "metadata": _metadata(volume, name),
            "spec": spec,
        }

    def _class(self, driver: str, former: str) -> str:
        """A class of the driver here, for its secrets: the former one, or the first; "" where there is none."""
        names = sorted(
            text(found, "metadata", "name")
            for found in self._objects.list(CLASSES, "")
            if text(found, "driver") == driver
        )
        return former if former in names else next(iter(names), "")


def _snapshot(volume: RestoringVolume, name: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "VolumeSnapshot",
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
