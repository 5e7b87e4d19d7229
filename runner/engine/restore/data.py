"""What a restore finds out of volumes before it decides: what the backup keeps of each claim, and what is live."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runner.actions.volume_data import makes_claim
from runner.engine.listing import Listing
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.errors import Forbidden
from runner.model.cluster import ItemId, ListRequest, Resource
from runner.model.restore import RestoreVolume
from runner.model.volumes import StoredVolume, VolumesRecord
from runner.plan.restore_volumes import Place, decide_volume
from runner.ports import ClusterReader

CLAIM = Resource("", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True)

STATEFUL_SETS = "statefulsets.apps"
_CLAIMS = "persistentvolumeclaims"

# By these, a new PersistentVolume is made, and the one of the backup is not restored.
NEW_VOLUME = frozenset({"native-snapshot", "csi-snapshot"})


@dataclass
class VolumeData:
    """The data of the claims that are restored, by the claim's namespace and name in the target."""

    record: VolumesRecord = field(default_factory=lambda: VolumesRecord(()))
    decisions: dict[tuple[str, str], RestoreVolume] = field(default_factory=dict)
    stored: dict[tuple[str, str], StoredVolume] = field(default_factory=dict)

    @property
    def made_anew(self) -> frozenset[str]:
        """PersistentVolumes of the backup, in whose place new ones come with their claims' data."""
        return frozenset(
            self.stored[key].planned.volume
            for key, decision in self.decisions.items()
            if decision.action == "restore" and decision.method in NEW_VOLUME
        )

    def obstacle(self, resource: str, item: ItemId, body: dict[str, Any]) -> str:
        """Why an item is not to be written: a claim whose data cannot be had, or what would make that claim empty."""
        refused = {key: one.why for key, one in self.decisions.items() if one.action == "refuse"}
        if resource == _CLAIMS:
            return refused.get((item.namespace, item.name), "")
        if resource == STATEFUL_SETS:
            for (namespace, claim), why in sorted(refused.items()):
                if namespace == item.namespace and makes_claim(body, claim):
                    return would_be_empty(claim, why)
        return ""

    def unclaimed(self, created: Collection[str]) -> Iterator[str]:
        """In words: snapshots of PersistentVolumes that are `created` as they were, since new ones come for claims."""
        for line in self.record.volumes:
            if not line.planned.claim and line.planned.volume in created and line.snapshot is not None:
                yield (
                    f"the data of PersistentVolume {line.planned.volume} is not brought back, since no claim of the "
                    f"backup uses it: it is in {line.snapshot.id}"
                )

    def restored(self) -> Iterator[tuple[RestoreVolume, StoredVolume]]:
        """Those whose data is brought back, sorted."""
        for key, decision in sorted(self.decisions.items()):
            if decision.action == "restore":
                yield decision, self.stored[key]


@dataclass(frozen=True)
class Wanted:
    """What is asked of the volumes."""

    claims: dict[tuple[str, str], tuple[str, str]]  # namespace and name in the backup -> in the target
    namespaces: Collection[str]  # of the target, that are there and stay
    volumes_there: Collection[str]  # PersistentVolumes that are live, and free for or bound to their old claim
    volumes_come: Collection[str]  # these, and those that are restored as they were
    restore_volumes: bool
    folder: bool


def would_be_empty(claim: str, why: str) -> str:
    """Why a StatefulSet is not restored while a claim of its own lacks its data."""
    return f"held back: it would make its claim {claim} anew, and empty: {why}"


def look_at_data(stored: StoredObjects, wanted: Wanted, cluster: ClusterReader, retrier: Retrier) -> VolumeData:
    """What becomes of the data of each claim that is restored and that the backup's ledger names."""
    data = VolumeData(record=stored.volumes())
    live: dict[str, dict[str, dict[str, Any]]] = {}
    unseen: dict[str, str] = {}
    for line in data.record.volumes:
        source, _, name = line.planned.claim.partition("/")
        target = wanted.claims.get((source, name))
        if target is None:
            continue
        namespace = target[0]
        if namespace in wanted.namespaces and namespace not in live:
            try:
                live[namespace] = _claims(cluster, retrier, namespace)
            except Forbidden as error:
                live[namespace], unseen[namespace] = {}, error.message
        place = Place(
            namespace=namespace,
            claim=target[1],
            live=live.get(namespace, {}).get(target[1]),
            volume_there=line.planned.volume in wanted.volumes_there,
            volume_comes=line.planned.volume in wanted.volumes_come,
            folder=wanted.folder,
            unseen=unseen.get(namespace, ""),
        )
        data.decisions[target] = decide_volume(line, place, wanted=wanted.restore_volumes)
        data.stored[target] = line
    return data


def _claims(cluster: ClusterReader, retrier: Retrier, namespace: str) -> dict[str, dict[str, Any]]:
    """The claims of a namespace that are not on their way out. Forbidden."""
    listing = Listing(cluster, retrier, ListRequest(CLAIM, namespace=namespace))
    found: dict[str, dict[str, Any]] = {}
    while not listing.done:
        for raw in listing.next_page().items:
            value = _DECODER.decode(raw)
            if "deletionTimestamp" not in value["metadata"]:
                found[value["metadata"]["name"]] = value
    return found


_DECODER = msgspec.json.Decoder(dict[str, Any])
