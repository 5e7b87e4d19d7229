"""The PersistentVolumes that a restore makes for disks that came back, and what binding of claims rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from runner.actions.fields import text
from runner.actions.restored import BACKUP_LABEL, label_value
from runner.actions.storage import RESTORING, unbound_volume
from runner.actions.volume_data import outlives_claim, volume_from_disk
from runner.engine.restore.data import CLAIM
from runner.engine.restore.facts import VOLUME, VOLUMES, RestoreFacts
from runner.engine.retry import Retrier
from runner.errors import AlreadyExists, ClusterError, ExitCode, ItemNotFound, Rejected, TrysailError
from runner.model.cluster import Resource
from runner.model.volumes import Brought, RestoringVolume
from runner.ports import Cluster

_IN_TREE, _NOBODY = "kubernetes.io/", "kubernetes.io/no-provisioner"
_CLASS = Resource("storage.k8s.io", "storageclasses", "v1", "StorageClass", namespaced=False)


@dataclass(frozen=True)
class NewVolumes:
    """Makes them of the backup's own, so that whatever else they say stays so."""

    facts: RestoreFacts
    cluster: Cluster
    retrier: Retrier
    _classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _bodies: dict[str, dict[str, Any]] = field(default_factory=dict)  # PersistentVolumes of the backup
    _unread: list[TrysailError] = field(default_factory=list)  # why some of them could not be read

    def read(self, names: Collection[str]) -> None:
        """Reads PersistentVolumes of the backup, selected or not, in one go.

        Not on a worker: it has others fetch the pieces, and where all of them did so, none would ever go on.
        """
        stored = self.facts.selected_items.stored
        group = self.facts.selected_items.group(VOLUMES, "")
        lines = [line for line in stored.lines(group) if line.name in names] if group is not None and names else []
        try:
            for line, value in stored.objects(lines):
                self._bodies[line.name] = unbound_volume(value)
        except TrysailError as error:
            if error.exit_code != ExitCode.ERROR:
                raise  # a signal, and not these volumes' own matter
            self._unread.append(error)

    def create(self, asked: RestoringVolume, brought: Brought) -> str:
        """The name of the PersistentVolume of a disk that came back, kept for its claim. Rejected."""
        body = self._stored(asked.stored.planned.volume)
        volume_from_disk(body, brought.handle, brought.zone)
        body["spec"]["claimRef"] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": asked.namespace,
            "name": asked.claim,
        }
        if asked.storage_class:
            body["spec"]["storageClassName"] = asked.storage_class
        labels = body["metadata"].get("labels") or {}
        body["metadata"]["labels"] = {**labels, **self.facts.rules.labels, BACKUP_LABEL: label_value(asked.backup)}
        for name in (asked.stored.planned.volume, _another_name(asked)):
            body["metadata"]["name"] = name
            if self._created(name, body):
                return name
        raise Rejected(
            f"PersistentVolumes {asked.stored.planned.volume} and {_another_name(asked)} are both taken by others",
            hint="delete the one that is not needed, and restore again",
        )

    def binds_at_once(self, asked: RestoringVolume, *, by_name: bool) -> bool:
        """Whether a claim is bound without a Pod that uses it: it names its volume, or its class does not wait."""
        if self.facts.identity.is_folder:
            return False
        if by_name or not asked.storage_class:
            return True
        try:
            found = self._class(asked.storage_class)
        except ClusterError:
            return False  # it cannot be known: not waiting is no error
        return bool(found.get("volumeBindingMode", "Immediate") == "Immediate")

    def unprovisioned(self, asked: RestoringVolume) -> str:
        """Why nobody would make a volume of a CSI snapshot for a claim; "" where somebody does, or it cannot be known.

        In a class that waits for a Pod, it would show only when the Pod never starts.
        """
        name, snapshot = asked.storage_class, asked.stored.snapshot
        if self.facts.identity.is_folder or not name:
            return ""
        try:
            made_by = text(self._class(name), "provisioner")
        except ItemNotFound:
            return f"its StorageClass {name} is not there: make it, or name another by storageClassMapping"
        except ClusterError:
            return ""
        driver = (snapshot.driver if snapshot is not None else "") or asked.stored.planned.source
        # An in-tree name stands for the CSI driver that it was migrated to.
        migrated = made_by.startswith(_IN_TREE) and made_by != _NOBODY
        if migrated or made_by in {"", driver}:
            return ""
        other = f"is of {made_by}, and the snapshot of {driver}"
        return f"its StorageClass {name} {other}: name another by storageClassMapping"

    def note_complete(self, asked: RestoringVolume) -> None:
        """Takes the note off a claim that its files are not all there yet."""
        patch = _ENCODER.encode({"metadata": {"annotations": {RESTORING: None}}})
        merge = partial(self.cluster.merge, CLAIM, asked.namespace, asked.claim, patch)
        self.retrier.call(f"claim {asked.namespace}/{asked.claim}", merge)

    def _class(self, name: str) -> dict[str, Any]:
        """A StorageClass; asked for once. ClusterError."""
        if name not in self._classes:
            get = partial(self.cluster.get, _CLASS, "", name)
            self._classes[name] = _DECODER.decode(self.retrier.call(f"storageclass {name}", get))
        return self._classes[name]

    def _created(self, name: str, body: dict[str, Any]) -> bool:
        """Whether it is there for this claim: created now, or by an earlier try."""
        create = partial(self.cluster.create, VOLUME, "", _ENCODER.encode(body))
        try:
            self.retrier.call(f"persistentvolume {name}", create)
        except AlreadyExists:
            get = partial(self.cluster.get, VOLUME, "", name)
            live = _DECODER.decode(self.retrier.call(f"persistentvolume {name}", get))
            claim, ours = live["spec"].get("claimRef") or {}, body["spec"]["claimRef"]
            if not outlives_claim(live):
                return False  # it is on its way out, with a claim that an earlier restore had made
            same = (claim.get("namespace"), claim.get("name")) == (ours["namespace"], ours["name"])
            return same and (live["metadata"].get("labels") or {}).get(BACKUP_LABEL) == label_of(body)
        return True

    def _stored(self, name: str) -> dict[str, Any]:
        """The PersistentVolume of the backup, free of its old life."""
        if name in self._bodies:
            return self._bodies[name]
        if self._unread:
            raise self._unread[0]
        raise ItemNotFound(
            f"the PersistentVolume {name} is not in the backup, and a new one is made after it",
            hint="back up cluster-scoped items that are related: includedClusterScopedResources: related",
        )


def label_of(body: dict[str, Any]) -> str:
    """The backup that an object says it came from."""
    return str(body["metadata"]["labels"][BACKUP_LABEL])


def _another_name(asked: RestoringVolume) -> str:
    """For a volume that is restored beside the old one, which still has its name."""
    what = f"{asked.backup}/{asked.namespace}/{asked.claim}/{asked.stored.planned.volume}"
    return f"trysail-{hashlib.sha256(what.encode()).hexdigest()[:32]}"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(dict[str, Any])
