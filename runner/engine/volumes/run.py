"""Protects the volumes of a plan: groups at once, each frozen, snapshotted and thawed as close together as can be.

A group is thawed as soon as each of its volumes has its point in time; whether the snapshots are complete is looked at
later, while objects are stored. Whatever ends the run, what is frozen is thawed, and snapshots that no manifest will
name are deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event as Flag
from threading import Lock

import msgspec

from runner.engine.retry import Retrier
from runner.engine.volumes.freeze import Freezer, Frozen
from runner.engine.volumes.held import Held
from runner.engine.volumes.left import Left, look_for_left
from runner.engine.volumes.taking import Taken, Taking
from runner.errors import Cancelled, TrysailError, VolumeError
from runner.model.duration import seconds
from runner.model.event import Missing, VolumeProgress, Warned
from runner.model.hooks import PlannedHook
from runner.model.plan import Gap
from runner.model.policy import BackupPolicySpec
from runner.model.volumes import FoundSnapshot, Method, PlannedVolume, RunTags, Snapshot, StoredVolume
from runner.plan.volume_groups import Group, groups
from runner.ports import Clock, Executor, Observer, Pending
from runner.volume_ports import VolumeSnapshotter

_FIRST_LOOK, _LONGEST_LOOK = 0.2, 10.0  # seconds between looks at snapshots on their way


@dataclass(frozen=True)
class Protecting:
    """What protecting volumes touches."""

    snapshotters: Mapping[Method, VolumeSnapshotter]
    impossible: Mapping[Method, str]  # method -> why it cannot be had here
    groups: Executor  # groups of volumes, as many at once as the policy says
    movers: Executor  # groups that have a Job copy files, as many at once as the policy says
    starts: Executor  # the volumes of a group, all at once


@dataclass
class VolumeRun:
    """The volumes of one run. `begin`, then `settle`, then `keep`; or `give_up` at any time in between."""

    volumes: Sequence[PlannedVolume]
    hooks: Sequence[PlannedHook]
    tags: RunTags
    spec: BackupPolicySpec
    ports: Protecting
    freezer: Freezer
    clock: Clock
    retrier: Retrier
    log: Observer
    committed: frozenset[str]  # names of backups whose snapshots are none of ours to take
    gaps: list[Gap] = field(default_factory=list)
    _pending: list[Pending[list[StoredVolume]]] = field(default_factory=list)
    _impossible: dict[Method, str] = field(default_factory=dict)  # why nothing of a method can be taken
    _problems: list[Gap] = field(default_factory=list)  # of hooks
    _lock: Lock = field(default_factory=Lock)
    _stopping: Flag = field(default_factory=Flag)
    _held: Held = field(init=False)

    def __post_init__(self) -> None:
        self._held = Held(self.ports.snapshotters, self.tags, self.retrier, self.log)

    def begin(self) -> None:
        """Looks for what earlier runs have left, and sets the groups going."""
        kept = [volume for volume in self.volumes if volume.keeps]
        for volume in kept:
            if volume.method not in self.ports.snapshotters:
                why = self.ports.impossible.get(volume.method, "nothing here can take it")
                self._impossible[volume.method] = why
        used = {method: one for method, one in self.ports.snapshotters.items() if any(v.method == method for v in kept)}
        for method in sorted(used):
            problem = self._prepare(used[method], [volume for volume in kept if volume.method == method])
            if problem:
                self._impossible[method] = problem
                del used[method]
        left = look_for_left(self.tags, used, self.committed, self.retrier, self.clock, self.log)
        found = [(group, self._of_dead_run(group, left)) for group in groups(kept, self.hooks)]
        for orphan in left.nobodys(one for _, of_group in found for one in of_group):
            self.log.notice(Warned(message=f"a snapshot was left behind: {orphan}"))
        for group, of_group in found:
            moves = any(volume.method == "fs-backup" for volume in group.volumes)
            executor = self.ports.movers if moves else self.ports.groups
            self._pending.append(executor.submit(partial(self._group, group, of_group)))

    def settle(self) -> tuple[StoredVolume, ...]:
        """The run's ledger, in the plan's order, once every snapshot is complete, has failed or has run out of time.

        VolumeError where one failed and the policy says that no backup is made then.
        """
        lines = {line.planned.name: line for pending in self._pending for line in pending.result()}
        self._complete(lines)
        ledger = tuple(lines.get(volume.name) or untouched(volume) for volume in self.volumes)
        self.gaps += sorted(self._problems, key=lambda gap: (gap.what, gap.reason))
        failed = [line for line in ledger if line.outcome == "failed"]
        self.gaps += [Gap(what=f"volume {line.planned.name}", reason=line.error) for line in failed]
        for gap in self.gaps:
            self.log.notice(Missing(what=gap.what, reason=gap.reason))
        if failed and self.spec.on_volume_error == "stop":
            raise VolumeError(
                f"{len(failed)} of {len(ledger)} volumes failed, and the policy says stop: no backup was made",
                hint="onVolumeError: continue would store the rest",
                first=f"{failed[0].planned.name}: {failed[0].error}",
            )
        self._held.drop_unnamed(ledger)
        return ledger

    def keep(self) -> None:
        """The manifest is written: takes away what the cluster need not keep. Never the data; what fails is told."""
        keeps = "csi-snapshot" if self.spec.csi_snapshot_objects == "keep" else None
        self._held.tidy(method for method in self.ports.snapshotters if method != keeps)

    def give_up(self) -> None:
        """No manifest will name these snapshots: waits for groups to thaw, then deletes what this run has made."""
        self._stopping.set()
        for pending in self._pending:
            if not pending.cancel():
                self._wait(pending)
        self._held.drop_unnamed(())

    def _prepare(self, snapshotter: VolumeSnapshotter, volumes: Sequence[PlannedVolume]) -> str:
        """What would go wrong for each volume goes wrong here once: then nobody is frozen for it, or waits."""
        try:
            self.retrier.call("looking at the volumes", partial(snapshotter.prepare, volumes))
        except Cancelled:
            raise
        except TrysailError as error:
            return f"{error.message} ({error.hint})" if error.hint else error.message
        return ""

    def _of_dead_run(self, group: Group, left: Left) -> tuple[FoundSnapshot, ...]:
        """What a killed run has left of a group, if this run may name it."""
        volumes = self._possible(group)
        if group.pre and not all(self.ports.snapshotters[volume.method].cut_at_once for volume in volumes):
            return ()  # it was frozen when they were asked for; whether still when they were cut, nobody knows
        return left.of(volumes)

    # one group, on a worker

    def _possible(self, group: Group) -> list[PlannedVolume]:
        return [volume for volume in group.volumes if volume.method not in self._impossible]

    def _group(self, group: Group, found: Sequence[FoundSnapshot]) -> list[StoredVolume]:
        if self._stopping.is_set():
            return [_failed(volume, "the run was ended before it came to it") for volume in group.volumes]
        lost = [
            _failed(volume, self._impossible[volume.method])
            for volume in group.volumes
            if volume.method in self._impossible
        ]
        possible = self._possible(group)
        adopted = self._adopt(possible, found) if found else []
        return lost + (adopted or self._frozen(group, possible))

    def _adopt(self, volumes: Sequence[PlannedVolume], found: Sequence[FoundSnapshot]) -> list[StoredVolume]:
        adopted = self._held.adopt(volumes, found)
        for taken in adopted:
            self._tell(taken.volume, "adopted", taken.snapshot.id)
        return [
            StoredVolume(planned=taken.volume, outcome="stored", snapshot=taken.snapshot, adopted=True)
            for taken in adopted
        ]

    def _frozen(self, group: Group, volumes: list[PlannedVolume]) -> list[StoredVolume]:
        if group.volumes and not volumes:
            return []  # nothing of it can be had: nobody is frozen for that
        if not group.pre and not group.post:
            return self._take(volumes)
        frozen = self.freezer.freeze(group.name, group.pre, group.post, limit=self._cut_limit(volumes))
        try:
            if frozen.problem:
                if not volumes:  # no line of the ledger would tell it
                    self._miss("a hook in a Pod without volumes", [frozen.problem])
                lines = [_failed(volume, f"not taken, since {frozen.problem}") for volume in volumes]
            else:
                lines = self._take(volumes)
        finally:
            self._thaw(frozen)
        return [msgspec.structs.replace(line, frozen=round(frozen.seconds_frozen, 3)) for line in lines]

    def _thaw(self, frozen: Frozen) -> None:
        self._miss("a hook after the snapshots", self.freezer.thaw(frozen))

    def _miss(self, what: str, problems: Iterable[str]) -> None:
        with self._lock:
            self._problems += [Gap(what=what, reason=problem) for problem in problems]

    def _take(self, volumes: Sequence[PlannedVolume]) -> list[StoredVolume]:
        """Snapshots at once, then files one after the other: each Job is one of as many as the policy allows."""
        taking = Taking(
            self.ports.snapshotters,
            self.tags,
            self.clock,
            self.retrier,
            stopping=self._stopping.is_set,
            note=self._note,
            doubt=self._held.doubt,
        )
        files = [volume for volume in volumes if volume.method == "fs-backup"]
        others = [volume for volume in volumes if volume.method != "fs-backup"]
        starting = [self.ports.starts.submit(partial(taking.start, volume)) for volume in others[1:]]
        lines = [taking.start(volume) for volume in others[:1]] + [pending.result() for pending in starting]
        lines = taking.until_cut(lines, seconds(self.spec.csi_snapshot_timeout))
        for volume in files:
            lines += taking.until_cut([taking.start(volume)], seconds(self.spec.item_operation_timeout))
        return lines

    def _cut_limit(self, volumes: Sequence[PlannedVolume]) -> float:
        files = sum(volume.method == "fs-backup" for volume in volumes)
        return seconds(self.spec.csi_snapshot_timeout) + files * seconds(self.spec.item_operation_timeout)

    def _note(self, taken: Taken) -> None:
        self._held.note(taken)
        self._tell(taken.volume, "started", taken.snapshot.id or taken.snapshot.object)

    # until all is complete

    def _complete(self, lines: dict[str, StoredVolume]) -> None:
        """Looks at all that is on its way, in as few questions as the providers allow, until nothing is."""
        deadline = self.clock.monotonic() + seconds(self.spec.item_operation_timeout)
        wait = _FIRST_LOOK
        while True:
            open_lines = [line for line in lines.values() if _on_its_way(line)]
            if not open_lines:
                return
            for method in sorted({line.planned.method for line in open_lines}):
                asked = [line for line in open_lines if line.planned.method == method]
                lines.update({line.planned.name: line for line in self._looked(method, asked)})
            open_lines = [line for line in lines.values() if _on_its_way(line)]
            if open_lines and self.clock.monotonic() >= deadline:
                lines.update({line.planned.name: _late(line, self.spec.item_operation_timeout) for line in open_lines})
                return
            if open_lines:
                self.clock.sleep(wait)
                wait = min(wait * 1.5, _LONGEST_LOOK)

    def _looked(self, method: Method, lines: Sequence[StoredVolume]) -> Iterable[StoredVolume]:
        snapshots = [line.snapshot for line in lines if line.snapshot is not None]
        look = partial(self.ports.snapshotters[method].look, snapshots)
        try:
            now = self.retrier.call(f"{len(snapshots)} snapshots", look)
        except TrysailError as error:
            for line in lines:
                error_words = f"whether it is complete cannot be seen: {error.message}"
                yield msgspec.structs.replace(line, outcome="failed", error=error_words)
            return
        for line, snapshot in zip(lines, now, strict=True):
            yield self._as_it_is(line, snapshot)

    def _as_it_is(self, line: StoredVolume, snapshot: Snapshot) -> StoredVolume:
        if snapshot.state == "failed":
            self._tell(line.planned, "failed", snapshot.reason)
            error = snapshot.reason or "the provider says that it failed"
            return msgspec.structs.replace(line, outcome="failed", snapshot=None, error=error)
        if snapshot.state == "ready":
            self._tell(line.planned, "stored", snapshot.id)
        return msgspec.structs.replace(line, snapshot=snapshot)

    def _wait(self, pending: Pending[list[StoredVolume]]) -> None:
        try:
            pending.result()
        except TrysailError as error:
            self.log.notice(Warned(message=f"a group of volumes ended with: {error.message}"))

    def _tell(self, volume: PlannedVolume, state: str, detail: str) -> None:
        self.log.notice(VolumeProgress(volume=volume.name, state=state, method=volume.method, detail=detail))


def untouched(volume: PlannedVolume) -> StoredVolume:
    """The line of a volume that the plan does not keep."""
    return StoredVolume(planned=volume, outcome="uncovered" if volume.method == "uncovered" else "skipped")


def _failed(volume: PlannedVolume, error: str) -> StoredVolume:
    return StoredVolume(planned=volume, outcome="failed", error=error)


def _on_its_way(line: StoredVolume) -> bool:
    return line.outcome == "stored" and line.snapshot is not None and line.snapshot.state != "ready"


def _late(line: StoredVolume, limit: str) -> StoredVolume:
    """It is named all the same: its provider goes on with it, and it may well be complete later."""
    reason = line.snapshot.reason if line.snapshot is not None else ""
    error = f"not complete after {limit}: {reason}" if reason else f"not complete after {limit}"
    return msgspec.structs.replace(line, outcome="failed", error=error)
