"""Asks for the snapshots of a group and waits until each has its point in time. On a worker; reports, never decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from runner.engine.retry import Retrier
from runner.errors import TrysailError
from runner.model.volumes import FoundSnapshot, Method, PlannedVolume, RunTags, Snapshot, StoredVolume
from runner.ports import Clock
from runner.volume_ports import VolumeSnapshotter

_FIRST_LOOK, _LONGEST_LOOK = 0.05, 2.0  # seconds between looks: somebody is frozen meanwhile


@dataclass
class Taken:
    """A snapshot that this run has asked for, or taken over."""

    volume: PlannedVolume
    snapshot: Snapshot
    found: FoundSnapshot | None = None  # as it was before this run took it over
    dropped: bool = False  # deleted or given back, since no line of the ledger names it


@dataclass(frozen=True)
class Taking:
    """One group's volumes."""

    snapshotters: Mapping[Method, VolumeSnapshotter]
    tags: RunTags
    clock: Clock
    retrier: Retrier
    stopping: Callable[[], bool]
    note: Callable[[Taken], None]  # is told of each snapshot as soon as it is asked for
    doubt: Callable[[PlannedVolume], None]  # is told of each volume that is asked for again

    def start(self, volume: PlannedVolume) -> StoredVolume:
        """Asks for one snapshot. What cannot be had is that line's error."""
        if self.stopping():
            return StoredVolume(planned=volume, outcome="failed", error="the run was ended before it came to it")
        asked = _Asked(self, volume)
        try:
            snapshot = self.retrier.call(f"snapshot of {volume.name}", asked.once)
        except TrysailError as error:
            return StoredVolume(planned=volume, outcome="failed", error=_words(error))
        self.note(Taken(volume, snapshot))
        return StoredVolume(planned=volume, outcome="stored", snapshot=snapshot)

    def until_cut(self, lines: Sequence[StoredVolume], limit: float) -> list[StoredVolume]:
        """The lines as they are once each has its point in time, has failed, or `limit` seconds are over."""
        now = {line.planned.name: line for line in lines}
        deadline = self.clock.monotonic() + limit
        wait = _FIRST_LOOK
        while waiting := [line for line in now.values() if _asked(line)]:
            if self.stopping():
                return [_given_up(line, "the run was ended") if _asked(line) else line for line in now.values()]
            if self.clock.monotonic() >= deadline:
                return [
                    _given_up(line, f"no point in time after {limit:g} s") if _asked(line) else line
                    for line in now.values()
                ]
            self.clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_LOOK)
            for method in sorted({line.planned.method for line in waiting}):
                same = [line for line in waiting if line.planned.method == method]
                now.update({line.planned.name: line for line in self._looked(method, same)})
        return list(now.values())

    def _looked(self, method: Method, lines: Sequence[StoredVolume]) -> list[StoredVolume]:
        snapshots = [line.snapshot for line in lines if line.snapshot is not None]
        try:
            found = self.retrier.call("snapshots", partial(self.snapshotters[method].look, snapshots))
        except TrysailError as error:
            return [_given_up(line, _words(error)) for line in lines]
        return [_as_it_is(line, snapshot) for line, snapshot in zip(lines, found, strict=True)]


@dataclass
class _Asked:
    """Asks once, and looks before it asks again: an answer may have been lost, and the snapshot made all the same."""

    taking: Taking
    volume: PlannedVolume
    tries: int = 0

    def once(self) -> Snapshot:
        self.tries += 1
        if self.tries > 1:
            if self.tries == 2:
                self.taking.doubt(self.volume)
            if (mine := self._mine()) is not None:
                return mine
        return self.taking.snapshotters[self.volume.method].start(self.volume, self.taking.tags)

    def _mine(self) -> Snapshot | None:
        taking, volume = self.taking, self.volume
        for found in taking.snapshotters[volume.method].found(taking.tags, this_run=True):
            if found.volume_uid == volume.uid:
                return found.snapshot
        return None


def _asked(line: StoredVolume) -> bool:
    return line.outcome == "stored" and line.snapshot is not None and line.snapshot.state == "asked"


def _as_it_is(line: StoredVolume, snapshot: Snapshot) -> StoredVolume:
    if snapshot.state == "failed":
        return StoredVolume(planned=line.planned, outcome="failed", error=snapshot.reason or "it failed")
    return msgspec.structs.replace(line, snapshot=snapshot)


def _given_up(line: StoredVolume, why: str) -> StoredVolume:
    """The line without its snapshot, which is deleted in the end: nobody could restore from it."""
    reason = line.snapshot.reason if line.snapshot is not None else ""
    return StoredVolume(planned=line.planned, outcome="failed", error=f"{why}: {reason}" if reason else why)


def _words(error: TrysailError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
