"""A provider of snapshots in memory, that fails, is late and loses answers as its test wants.

provider = FakeSnapshotter(cut_after=2)
provider.on_call = lambda verb, name: fail if verb == "start" and name == "shop/data" else None
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

import msgspec

from runner.errors import SnapshotNotFound, TrysailError
from runner.model.volumes import Brought, Disk, FoundSnapshot, PlannedVolume, RestoringVolume, RunTags, Snapshot
from tests.fakes.clock import BEGIN

Verb = Literal["prepare", "found", "start", "look", "adopt", "discard", "tidy", "bring"]


@dataclass
class Kept:
    """A snapshot that the provider holds."""

    snapshot: Snapshot
    volume: PlannedVolume
    tags: RunTags
    looks: int = 0


@dataclass
class FakeSnapshotter:
    """A VolumeSnapshotter.

    A snapshot is cut after so many looks, and ready after so many; 0 at once. `fails` names volumes whose snapshots
    fail at their first look, with the reason. `on_call` is told of each call before it is done, and may raise;
    `after_call` once it is done, and an error there loses the answer.
    """

    provider: Literal["aws", "csi", "restic"] = "aws"
    cut_after: int = 0
    ready_after: int = 0
    fails: dict[str, str] = field(default_factory=dict)
    on_call: Callable[[Verb, str], None] = lambda _verb, _name: None
    after_call: Callable[[Verb, str], None] = lambda _verb, _name: None
    calls: list[tuple[Verb, str]] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=dict)
    tidied: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _made: int = 0

    @property
    def cut_at_once(self) -> bool:
        """See VolumeSnapshotter."""
        return not self.cut_after

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter."""
        del volumes
        with self._call("prepare", ""):
            pass

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        with self._call("found", ""):
            return tuple(
                FoundSnapshot(
                    snapshot=self._now(one),
                    backup=one.tags.backup,
                    plan=one.tags.plan,
                    volume_uid=one.volume.uid,
                    claim=one.volume.claim,
                    location=one.tags.location,
                )
                for one in self.kept.values()
                if (one.tags.cluster, one.tags.policy) == (tags.cluster, tags.policy)
                and (not this_run or one.tags.backup == tags.backup)
            )

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        with self._call("start", volume.name):
            self._made += 1
            snapshot = Snapshot(
                provider=self.provider,
                id=f"snap-{self._made}",
                state="asked",
                started=BEGIN.isoformat(),
                object=f"{volume.namespace}/job-{self._made}" if self.provider != "aws" else "",
                disk=Disk(zone="eu-west-1a", type="gp3", size=1) if self.provider == "aws" else None,
            )
            kept = self.kept[snapshot.id] = Kept(snapshot, volume, tags)
            return self._now(kept)

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter."""
        with self._call("look", ",".join(snapshot.id for snapshot in snapshots)):
            looked = []
            for snapshot in snapshots:
                kept = self.kept.get(snapshot.id)
                if kept is None:
                    looked.append(msgspec.structs.replace(snapshot, state="failed", reason="it is gone"))
                    continue
                kept.looks += 1
                looked.append(self._now(kept))
            return tuple(looked)

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        with self._call("adopt", found.snapshot.id):
            kept = self.kept.get(found.snapshot.id)
            if kept is None:
                raise SnapshotNotFound(f"{found.snapshot.id} is gone")
            now = self._now(kept)
            if now.state == "failed":
                raise SnapshotNotFound(f"{now.id} cannot be used: {now.reason}")
            kept.tags = tags
            return now

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        with self._call("discard", snapshot.id):
            self.kept.pop(snapshot.id, None)

    def tidy(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        with self._call("tidy", snapshot.id):
            self.tidied.append(snapshot.id)

    def names(self) -> dict[str, str]:
        """Snapshot -> the volume that it is of, of all that is held."""
        return {id_: kept.volume.name for id_, kept in self.kept.items()}

    def _now(self, kept: Kept) -> Snapshot:
        reason = self.fails.get(kept.volume.name)
        if reason is not None and kept.looks:
            return msgspec.structs.replace(kept.snapshot, state="failed", reason=reason)
        if kept.looks >= max(self.cut_after, self.ready_after):
            return msgspec.structs.replace(kept.snapshot, state="ready", size=1 << 30)
        state: Literal["cut", "asked"] = "cut" if kept.looks >= self.cut_after else "asked"
        return msgspec.structs.replace(kept.snapshot, state=state)

    def _call(self, verb: Verb, name: str) -> _Call:
        return _Call(self, verb, name)


@dataclass
class FakeRestorer:
    """A VolumeRestorer. `states` are what `bring` and each look answer, in turn, and the last from then on."""

    when: Literal["before", "after"] = "before"
    native: bool = True  # disks, and not what stands for a snapshot in the cluster
    states: Sequence[Literal["pending", "ready", "failed"]] = ("ready",)
    reason: str = ""
    on_call: Callable[[Verb, str], None] = lambda _verb, _name: None
    calls: list[tuple[Verb, str]] = field(default_factory=list)
    asked: dict[str, RestoringVolume] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer."""
        name = self._called("bring", volume)
        adopted = name in self.asked
        self.asked[name] = volume
        return msgspec.structs.replace(self._now(volume, name), adopted=adopted)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        return msgspec.structs.replace(self._now(volume, self._called("look", volume)), adopted=brought.adopted)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer."""
        del brought
        self._called("discard", volume)

    def _called(self, verb: Verb, volume: RestoringVolume) -> str:
        name = f"{volume.namespace}/{volume.claim}"
        self.calls.append((verb, name))
        self.on_call(verb, name)
        return name

    def _now(self, volume: RestoringVolume, name: str) -> Brought:
        told = self._told.get(name, 0)
        self._told[name] = told + 1
        state = self.states[min(told, len(self.states) - 1)]
        snapshot = volume.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        if self.native:
            return Brought(state=state, handle=f"vol-of-{snapshot.id}", zone="eu-west-1a", reason=self.reason)
        return Brought(state=state, object=f"{volume.namespace}/back-{volume.claim}", reason=self.reason)


@dataclass
class _Call:
    """One call, under the provider's lock; its answer may be lost."""

    of: FakeSnapshotter
    verb: Verb
    name: str

    def __enter__(self) -> None:
        with self.of._lock:
            self.of.calls.append((self.verb, self.name))
        self.of.on_call(self.verb, self.name)
        self.of._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self.of._lock.release()
        if kind is None:
            self.of.after_call(self.verb, self.name)


def failing(verb: Verb, name: str, error: TrysailError, times: int = 1) -> Callable[[Verb, str], None]:
    """For `on_call` and `after_call`: the first `times` calls of this verb for this name raise the error."""
    left = [times]

    def strike(called: Verb, whom: str) -> None:
        if (called, whom) == (verb, name) and left[0]:
            left[0] -= 1
            raise error

    return strike
