"""The snapshots that a run has asked for or taken over: none of them outlives it, unless its manifest names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import msgspec

from runner.engine.retry import Retrier
from runner.engine.volumes.left import words_of
from runner.engine.volumes.taking import Taken
from runner.errors import Cancelled, SnapshotNotFound, TrysailError
from runner.model.event import Warned
from runner.model.volumes import FoundSnapshot, Method, PlannedVolume, RunTags, Snapshot, StoredVolume
from runner.ports import Observer
from runner.volume_ports import VolumeSnapshotter


@dataclass
class Held:
    """Workers note and adopt at any time; `tidy` and `drop_unnamed` are called once they have ended."""

    snapshotters: Mapping[Method, VolumeSnapshotter]
    tags: RunTags
    retrier: Retrier
    log: Observer
    _made: list[Taken] = field(default_factory=list)  # everything that was asked for, whatever became of it
    _adopted: list[Taken] = field(default_factory=list)
    _in_doubt: list[PlannedVolume] = field(default_factory=list)  # asked for more than once
    _lock: Lock = field(default_factory=Lock)

    def note(self, taken: Taken) -> None:
        """It was asked for."""
        with self._lock:
            self._made.append(taken)

    def doubt(self, volume: PlannedVolume) -> None:
        """It is asked for again: the answer to the first time was lost."""
        with self._lock:
            self._in_doubt.append(volume)

    def adopt(self, volumes: Sequence[PlannedVolume], found: Sequence[FoundSnapshot]) -> list[Taken]:
        """Takes over a whole group, or nothing: a part of it is of no use, and is given back."""
        adopted = [taken for pair in zip(volumes, found, strict=True) if (taken := self._adopt(*pair)) is not None]
        if len(adopted) < len(found):
            # At once: they carry this run's name now, and would be taken for the new ones if an answer were lost.
            for taken in adopted:
                self._discard(taken)
            return []
        with self._lock:
            self._adopted += adopted
        return adopted

    def tidy(self, methods: Iterable[Method]) -> None:
        """Takes away what stands for them in the cluster. Never the data; what fails is told."""
        wanted = set(methods)
        for taken in (*self._made, *self._adopted):
            if taken.volume.method in wanted:
                try:
                    self._call(taken, "tidying up after", self.snapshotters[taken.volume.method].tidy)
                except TrysailError as error:  # a signal too: the backup is there, and the run all but over
                    self._failed(taken, "tidying up after", error)

    def drop_unnamed(self, ledger: Iterable[StoredVolume]) -> None:
        """Deletes what stands in no line: what has failed, and what was made twice since an answer was lost.

        What was taken over is given back to its run, which may go on after all: it is never deleted here.
        """
        named = {line.snapshot.identity for line in ledger if line.snapshot is not None}
        self._made += self._made_twice(named)
        unnamed = [taken for taken in (*self._made, *self._adopted) if taken.snapshot.identity not in named]
        left = [taken for taken in unnamed if not taken.dropped]
        for method in sorted({taken.volume.method for taken in left}):
            self._drop(method, [taken for taken in left if taken.volume.method == method])

    def _drop(self, method: Method, left: Sequence[Taken]) -> None:
        try:
            theirs = self._others(method)
        except Cancelled:
            raise
        except TrysailError as error:
            for taken in left:
                self._tell(taken, f"stays: whose it is by now cannot be seen: {error.message}")
            return
        for taken in left:
            if taken.snapshot.identity in theirs:
                self._tell(taken, "stays: another run has taken it over, and may name it")
            else:
                self._discard(taken)
            taken.dropped = True

    def _others(self, method: Method) -> set[tuple[str, str, str]]:
        """What carries the tags of this policy, and another run's name."""
        found = self.retrier.call("snapshots of this policy", partial(self.snapshotters[method].found, self.tags))
        return {one.snapshot.identity for one in found if one.backup != self.tags.backup}

    def _adopt(self, volume: PlannedVolume, found: FoundSnapshot) -> Taken | None:
        adopt = partial(self.snapshotters[volume.method].adopt, found, self.tags)
        try:
            return Taken(volume, self.retrier.call(f"taking over the snapshot of {volume.name}", adopt), found)
        except Cancelled:
            raise
        except TrysailError as error:
            message = f"a snapshot cannot be taken over, and a new one is made: {words_of(found)}: {error.message}"
            self.log.notice(Warned(message=message))
            return None

    def _made_twice(self, named: set[tuple[str, str, str]]) -> list[Taken]:
        """Where an answer was lost: what carries the tags of this run, and nobody has noted."""
        known = named | {taken.snapshot.identity for taken in (*self._made, *self._adopted)}
        twice = []
        for method in sorted({volume.method for volume in self._in_doubt}):
            volumes = {volume.uid: volume for volume in self._in_doubt if volume.method == method}
            look = partial(self.snapshotters[method].found, self.tags, this_run=True)
            try:
                found = self.retrier.call("snapshots of this run", look)
            except TrysailError as error:
                names = ", ".join(sorted(volume.name for volume in volumes.values()))
                message = f"whether {names} has a second snapshot cannot be seen: {error.message}"
                self.log.notice(Warned(message=message))
                continue
            twice += [
                Taken(volumes[one.volume_uid], one.snapshot)
                for one in found
                if one.volume_uid in volumes and one.snapshot.identity not in known
            ]
        return twice

    def _discard(self, taken: Taken) -> None:
        doing = "deleting" if taken.found is None else "giving back"
        try:
            self._call(taken, doing, partial(self._away, taken))
        except Cancelled:
            raise  # whoever tidies up after that begins anew
        except TrysailError as error:
            self._failed(taken, doing, error)

    def _away(self, taken: Taken, snapshot: Snapshot) -> None:
        snapshotter, found = self.snapshotters[taken.volume.method], taken.found
        if found is None:
            snapshotter.discard(snapshot)
            return
        try:
            snapshotter.adopt(found, msgspec.structs.replace(self.tags, backup=found.backup))
        except SnapshotNotFound:  # or it is of no use to anybody
            snapshotter.discard(snapshot)
        else:
            self._tell(taken, f"stays, under the name of {found.backup}, which never finished (or still goes on)")

    def _call(self, taken: Taken, doing: str, work: Callable[[Snapshot], None]) -> None:
        self.retrier.call(f"{doing} the snapshot of {taken.volume.name}", partial(work, taken.snapshot))

    def _failed(self, taken: Taken, doing: str, error: TrysailError) -> None:
        what = taken.snapshot.id or taken.snapshot.object
        message = f"{doing} the snapshot {what} of {taken.volume.name} failed: {error.message}"
        self.log.notice(Warned(message=message))

    def _tell(self, taken: Taken, what: str) -> None:
        snapshot = taken.snapshot.id or taken.snapshot.object
        self.log.notice(Warned(message=f"the snapshot {snapshot} of {taken.volume.name} {what}"))
