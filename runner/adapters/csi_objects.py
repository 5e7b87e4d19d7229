"""The objects that stand for CSI snapshots in a cluster: types, names and labels; how they are read and written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from runner.actions.fields import text
from runner.actions.restored import label_value
from runner.errors import Forbidden, ItemNotFound, VolumeRejected
from runner.model.cluster import ListRequest, Resource
from runner.model.volumes import PlannedVolume, RunTags
from runner.ports import Cluster

GROUP, _V1 = "snapshot.storage.k8s.io", "v1"
SNAPSHOTS = Resource(GROUP, "volumesnapshots", _V1, "VolumeSnapshot", namespaced=True)
CONTENTS = Resource(GROUP, "volumesnapshotcontents", _V1, "VolumeSnapshotContent", namespaced=False)
CLASSES = Resource(GROUP, "volumesnapshotclasses", _V1, "VolumeSnapshotClass", namespaced=False)

# Labels, to find them by; and the same as annotations, since a label's value holds 63 characters and no slash.
BACKUP, POLICY, CLUSTER = "trysail.dev/backup", "trysail.dev/policy", "trysail.dev/cluster"
PLAN, CLAIM, UID = "trysail.dev/plan", "trysail.dev/pvc", "trysail.dev/volume-uid"
LOCATION = "trysail.dev/location"
EXCLUDED = "trysail.dev/exclude-from-backup"
OURS = f"{EXCLUDED}=true"  # whatever a run or a restore has made

_PAGE = 500
_LONGEST_NAME = 253


class Objects:
    """Reads and writes them as they are, as JSON."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def served(self) -> None:
        """VolumeRejected where the cluster has no such types."""
        resources = self._cluster.discover().resources
        if not any(one.name == SNAPSHOTS.name and _V1 in (one.version, *one.other_versions) for one in resources):
            raise VolumeRejected(
                "the cluster serves no VolumeSnapshots",
                hint="install the snapshot CRDs and the snapshot controller of its CSI drivers",
            )

    def list(self, resource: Resource, label_selector: str) -> Iterator[dict[str, Any]]:
        """All of a type, of every namespace."""
        token = ""
        while True:
            page = self._cluster.page(
                ListRequest(resource, limit=_PAGE, continue_token=token, label_selector=label_selector)
            )
            for raw in page.items:
                yield _DECODER.decode(raw)
            token = page.continue_token
            if not token:
                return

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One of them. ItemNotFound."""
        return _DECODER.decode(self._cluster.get(resource, namespace, name))

    def find(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """One of them, or None."""
        try:
            return self.get(resource, namespace, name)
        except ItemNotFound:
            return None

    def create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        """As it is once it is there. AlreadyExists."""
        return _DECODER.decode(self._cluster.create(resource, namespace, _ENCODER.encode(body)).raw)

    def merge(self, resource: Resource, namespace: str, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Changes fields; returns it as it is then. ItemNotFound."""
        return _DECODER.decode(self._cluster.merge(resource, namespace, name, _ENCODER.encode(patch)).raw)

    def drivers(self) -> dict[str, str] | None:
        """Each VolumeSnapshotClass with its driver; None where we may not see them."""
        try:
            return {text(one, "metadata", "name"): text(one, "driver") for one in self.list(CLASSES, "")}
        except Forbidden:
            return None

    def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Asks for its end; gone already is no error."""
        with suppress(ItemNotFound):
            self._cluster.delete(resource, namespace, name, uid=uid)


def labels_of(tags: RunTags) -> dict[str, str]:
    """By which a run's snapshots are found; none of them is stored by a backup."""
    return {
        BACKUP: label_value(tags.backup),
        POLICY: label_value(tags.policy),
        CLUSTER: label_value(tags.cluster),
        EXCLUDED: "true",
    }


def notes_of(volume: PlannedVolume, tags: RunTags) -> dict[str, str]:
    """What fits no label, as annotations."""
    own = {BACKUP: tags.backup, PLAN: tags.plan, CLAIM: volume.claim, UID: volume.uid}
    return {**own, LOCATION: tags.location} if tags.location else own


def selector(tags: RunTags, *, this_run: bool) -> str:
    """Those of a policy and cluster, or of one backup of theirs."""
    of_policy = f"{CLUSTER}={label_value(tags.cluster)},{POLICY}={label_value(tags.policy)}"
    return f"{of_policy},{BACKUP}={label_value(tags.backup)}" if this_run else of_policy


def snapshot_name(*parts: str) -> str:
    """A legal name that no other backup, restore or claim gets."""
    end = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"trysail-{parts[0]}"[: _LONGEST_NAME - len(end) - 1].rstrip("-.") + f"-{end}"


def snapshot_body(name: str, namespace: str, claim: str, volume: PlannedVolume, tags: RunTags) -> dict[str, Any]:
    """A VolumeSnapshot of a claim."""
    notes = notes_of(volume, tags)
    return {
        "apiVersion": SNAPSHOTS.api_version,
        "kind": "VolumeSnapshot",
        "metadata": {"name": name, "namespace": namespace, "labels": labels_of(tags), "annotations": notes},
        "spec": {
            "volumeSnapshotClassName": volume.snapshot_class,
            "source": {"persistentVolumeClaimName": claim},
        },
    }


_DECODER = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()
