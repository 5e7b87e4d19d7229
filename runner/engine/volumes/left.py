"""Snapshots of runs that never came to their manifest: those of the very same plan are taken over, the rest is named.

The providers' APIs have no way to ask for a snapshot once and only once, so each carries its run and plan as tags.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from runner.engine.retry import Retrier
from runner.errors import ClusterError, VolumeError
from runner.model.event import Warned
from runner.model.volumes import FoundSnapshot, Method, PlannedVolume, RunTags
from runner.ports import Clock, Observer
from runner.volume_ports import VolumeSnapshotter

# An older snapshot shows a state that the objects of this run have long left behind.
ADOPTED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Left:
    """What runs that died have left at the providers."""

    # By the volume's uid, of each run of this plan, the newest last.
    adoptable: Mapping[tuple[Method, str], Sequence[FoundSnapshot]] = field(default_factory=dict)
    orphans: tuple[str, ...] = ()  # what this run may not take over, in words

    def nobodys(self, taken: Iterable[FoundSnapshot]) -> tuple[str, ...]:
        """In words: what is not `taken` over, such as a part of a group whose other snapshots were never made."""
        theirs = {one.snapshot.identity for one in taken}
        found = (one for of_volume in self.adoptable.values() for one in of_volume)
        rest = (words_of(one) for one in found if one.snapshot.identity not in theirs)
        return tuple(sorted([*self.orphans, *rest]))

    def of(self, volumes: Sequence[PlannedVolume]) -> tuple[FoundSnapshot, ...]:
        """The snapshots of a whole group by the last run that made all of them; none where there is no such run.

        A group has one point in time: no two runs' snapshots make one.
        """
        of_each = [
            {one.backup: one for one in self.adoptable.get((volume.method, volume.uid), ())} for volume in volumes
        ]
        if not of_each:
            return ()
        whole = [backup for backup in of_each[0] if all(backup in found for found in of_each)]
        return tuple(found[whole[-1]] for found in of_each) if whole else ()


def look_for_left(
    tags: RunTags,
    snapshotters: Mapping[Method, VolumeSnapshotter],
    committed: Collection[str],
    retrier: Retrier,
    clock: Clock,
    observer: Observer,
) -> Left:
    """What lies at the providers by this policy and cluster and belongs to no backup of `committed`."""
    adoptable: dict[tuple[Method, str], list[FoundSnapshot]] = {}
    orphans = []
    for method, snapshotter in sorted(snapshotters.items()):
        try:
            found = retrier.call("snapshots of earlier runs", partial(snapshotter.found, tags))
        except (ClusterError, VolumeError) as error:
            observer.notice(Warned(message=f"what earlier runs have left cannot be seen: {error.message}"))
            continue
        for one in sorted(found, key=lambda one: (one.snapshot.started, one.snapshot.id)):
            if one.backup in committed or one.backup == tags.backup:
                continue
            if one.location and one.location != tags.location:
                continue  # whether its backup is committed shows in that location alone
            if one.plan == tags.plan and _usable(one, clock.now()):
                adoptable.setdefault((method, one.volume_uid), []).append(one)
            else:
                orphans.append(words_of(one))
    return Left(adoptable, tuple(sorted(orphans)))


def _usable(found: FoundSnapshot, now: datetime) -> bool:
    if found.snapshot.state == "failed" or not found.snapshot.started or not found.volume_uid:
        return False
    return now - datetime.fromisoformat(found.snapshot.started) <= ADOPTED_WITHIN


def words_of(found: FoundSnapshot) -> str:
    """Which snapshot it is, of what, and by whom."""
    what = found.snapshot.id or found.snapshot.object
    return f"{what} of {found.claim or found.volume_uid}, by {found.backup}, which never finished (or still goes on)"
