"""Files of volumes by Jobs: as snapshots whose point in time is the end of the copy, and back into new claims."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, Literal

import msgspec

from runner.actions.fields import text
from runner.actions.restored import label_value
from runner.adapters.csi_objects import BACKUP, CLAIM, LOCATION, PLAN, UID, labels_of, notes_of, selector
from runner.adapters.mover_jobs import JOBS, MOVER, Jobs, MoverSettings, Stand, Work
from runner.errors import SnapshotNotFound, TrysailError
from runner.model.volumes import Brought, FoundSnapshot, PlannedVolume, RestoringVolume, RunTags, Snapshot
from runner.ports import Cluster

_GOING = "a Job that failed is going away"


_ANOTHER_RUN = "another run"  # in place of a claim, which has a slash


class MoverSnapshots:
    """A VolumeSnapshotter. Its data lies in the repository, which is out of reach here: the Job alone is discarded."""

    cut_at_once = False  # files are read for as long as it takes

    def __init__(self, cluster: Cluster, settings: MoverSettings, may_make: Callable[[], bool] = lambda: True) -> None:
        """`may_make` says whether a mover of this run makes the repository where there is none; it is asked once."""
        self._jobs, self._settings = Jobs(cluster, settings), settings
        self._may_make, self._made_here = may_make, False
        self._lock, self._maker = Lock(), ""  # the claim whose mover makes the repository, where there is none

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """Needs none."""

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        found = []
        for job in self._jobs.found(f"{selector(tags, this_run=this_run)},{MOVER}=backup"):
            namespace, name = text(job, "metadata", "namespace"), text(job, "metadata", "name")
            found.append(
                FoundSnapshot(
                    snapshot=self._snapshot(job, self._jobs.stand(namespace, name)),
                    backup=text(job, "metadata", "annotations", BACKUP),
                    plan=text(job, "metadata", "annotations", PLAN),
                    volume_uid=text(job, "metadata", "annotations", UID),
                    claim=text(job, "metadata", "annotations", CLAIM),
                    location=text(job, "metadata", "annotations", LOCATION),
                )
            )
        return tuple(found)

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        namespace, _, claim = volume.claim.partition("/")
        words = ["--cluster", tags.cluster, "--claim", volume.claim, "--backup", tags.backup]
        if not self._makes(volume.claim):
            words.append("--wait-for-repository")
        job = self._created(
            Work(
                name=_name(tags.backup, volume.claim),
                namespace=namespace,
                claim=claim,
                kind="backup",
                words=tuple(words),
                labels=labels_of(tags),
                annotations=notes_of(volume, tags),
            ),
            volume.claim,
        )
        return self._snapshot(job, Stand("going", None, ""))

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter."""
        return tuple(self._looked(snapshot) for snapshot in snapshots)

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        namespace, _, name = found.snapshot.object.partition("/")
        notes = {"labels": labels_of(tags), "annotations": {BACKUP: tags.backup}}
        self._jobs.objects.merge(JOBS, namespace, name, {"metadata": notes})
        now = self._looked(found.snapshot)
        if now.state == "failed":
            raise SnapshotNotFound(f"the Job {now.object} cannot be used: {now.reason}")
        with self._lock:
            self._maker = self._maker or found.claim  # it is under way, or done
        return now

    def discard(self, snapshot: Snapshot) -> None:
        """Takes the Job away. What it has stored stays in the repository, where nothing names it."""
        self.tidy(snapshot)

    def tidy(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        namespace, _, name = snapshot.object.partition("/")
        self._jobs.remove(namespace, name)

    def _makes(self, claim: str) -> bool:
        """Whether the mover of a claim is the one that makes the repository: two who do so at once damage it."""
        with self._lock:
            if not self._maker:
                self._made_here = self._made_here or self._may_make()
                self._maker = claim if self._made_here else _ANOTHER_RUN
            return self._maker == claim

    def _created(self, work: Work, claim: str) -> dict[str, Any]:
        try:
            return self._jobs.create(work)
        except TrysailError as error:
            with self._lock:
                if self._maker == claim and not error.retriable:
                    self._maker = ""  # it never begins, and another one does it
            raise

    def _looked(self, before: Snapshot) -> Snapshot:
        namespace, _, name = before.object.partition("/")
        return _as_it_stands(before, self._jobs.stand(namespace, name))

    def _snapshot(self, job: dict[str, Any], stand: Stand) -> Snapshot:
        asked = Snapshot(
            provider="restic",
            id="",
            state="asked",
            started=text(job, "metadata", "creationTimestamp"),
            object=f"{text(job, 'metadata', 'namespace')}/{text(job, 'metadata', 'name')}",
            repository=self._settings.repository.key,
        )
        return _as_it_stands(asked, stand)


class MoverRestorer:
    """A VolumeRestorer that writes files into the claim once it is there."""

    when: Literal["before", "after"] = "after"

    def __init__(self, cluster: Cluster, settings: MoverSettings) -> None:
        self._jobs = Jobs(cluster, settings)

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer. A Job of an earlier try that has failed is taken away, and another one made."""
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        name = _restore_name(volume)
        earlier = self._jobs.objects.find(JOBS, volume.namespace, name)
        if earlier is not None and self._jobs.stand(volume.namespace, name).state == "failed":
            self._jobs.remove(volume.namespace, name)
            return Brought(state="pending", object=f"{volume.namespace}/{name}", reason=_GOING)
        self._jobs.create(
            Work(
                name=name,
                namespace=volume.namespace,
                claim=volume.claim,
                kind="restore",
                words=("--snapshot", snapshot.id),
                labels={BACKUP: label_value(volume.backup)},
                annotations={CLAIM: f"{volume.namespace}/{volume.claim}"},
            )
        )
        return msgspec.structs.replace(self._now(volume), adopted=earlier is not None)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        if (
            self._jobs.objects.find(JOBS, volume.namespace, _restore_name(volume)) is None
            and "going away" in brought.reason
        ):
            return self.bring(volume)
        return msgspec.structs.replace(self._now(volume), adopted=brought.adopted)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer. The Job goes; what it has written stays in the claim."""
        del brought
        self._jobs.remove(volume.namespace, _restore_name(volume))

    def _now(self, volume: RestoringVolume) -> Brought:
        name = _restore_name(volume)
        stand = self._jobs.stand(volume.namespace, name)
        states: dict[str, Literal["pending", "ready", "failed"]] = {
            "going": "pending",
            "done": "ready",
            "failed": "failed",
        }
        return Brought(state=states[stand.state], object=f"{volume.namespace}/{name}", reason=stand.reason)


def _as_it_stands(before: Snapshot, stand: Stand) -> Snapshot:
    moved = stand.moved
    if stand.state == "failed":
        return msgspec.structs.replace(before, state="failed", reason=stand.reason, id=moved.snapshot if moved else "")
    if stand.state == "going" or moved is None:
        return msgspec.structs.replace(before, state="asked", reason=stand.reason)
    return msgspec.structs.replace(
        before, state="ready", id=moved.snapshot, size=moved.size, files=moved.files, stored=moved.added, reason=""
    )


def _restore_name(volume: RestoringVolume) -> str:
    return _name(volume.backup, "restore", volume.namespace, volume.claim)


def _name(*parts: str) -> str:
    """A Job's name is a label of its Pods, which holds 63 characters."""
    return f"trysail-mover-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}"
