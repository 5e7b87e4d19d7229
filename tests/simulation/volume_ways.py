"""Which ways a story of volumes went, so that a test can tell whether the seeds still reach all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.errors import Cancelled, PlanStale, VolumeError
from runner.plan.volume_groups import groups
from tests.simulation.volume_run import VolumeAttempt, VolumeStory

ENDINGS = (
    "completed",
    "partial",
    "cancelled",
    "died",
    "died while somebody was frozen",
    "died with the manifest written",
    "stopped since a volume failed",
    "the saved plan is stale",
)
EVENTS = (
    "taken over",
    "could not be taken over, and made anew",
    "left behind, and named",
    "half a group left behind",
    "asked for twice, and one deleted",
    "thawed by the next run",
    "not taken, since it could not be frozen",
    "taken over, and given back",
    "taken over by another run meanwhile",
    "two runs at once",
)
FAULTS = (
    "ClusterBusy",
    "ClusterUnreachable",
    "Forbidden",
    "StoreBusy",
    "StoreUnreachable",
    "VolumeQuotaExceeded",
    "VolumesBusy",
    "VolumesDenied",
    "VolumesUnreachable",
    "snapshot gone behind our back",
    "freeze fails",
    "thaw fails",
    "reply of the cluster lost",
    "reply of the provider lost",
    "reply of the store lost",
)
WAYS = frozenset((*ENDINGS, *EVENTS, *FAULTS))


def volume_ways(story: VolumeStory) -> frozenset[str]:
    """The names among WAYS that fit."""
    found = {way for attempt in story.attempts for way in (*_ending(attempt), *_events(attempt), *attempt.faults.met)}
    return frozenset(found) & WAYS


def _ending(attempt: VolumeAttempt) -> Iterator[str]:
    match attempt.result, attempt.error:
        case None, None:
            yield "died"
            if attempt.frozen:
                yield "died while somebody was frozen"
            if attempt.faults.committed:
                yield "died with the manifest written"
        case None, Cancelled():
            yield "cancelled"
        case None, PlanStale():
            yield "the saved plan is stale"
        case None, VolumeError():
            yield "stopped since a volume failed"
        case result, None:
            assert result is not None
            yield "partial" if result.manifest.missing else "completed"


def _events(attempt: VolumeAttempt) -> Iterator[str]:
    lines = attempt.result.volumes if attempt.result is not None else ()
    left = [message for message in attempt.warnings if message.startswith("a snapshot was left behind: ")]
    found = {
        "taken over": any(line.adopted for line in lines),
        "left behind, and named": bool(left),
        "half a group left behind": _half(attempt, left),
        "could not be taken over, and made anew": _told(attempt, "a snapshot cannot be taken over"),
        "taken over, and given back": _told(attempt, "stays, under the name of"),
        "taken over by another run meanwhile": _told(attempt, "stays: another run"),
        "two runs at once": attempt.visited,
        "thawed by the next run": _told(attempt, "and is thawed"),
        "asked for twice, and one deleted": attempt.result is not None
        and any(call.startswith("provider: discard") for call in attempt.faults.trace)
        and "reply of the provider lost" in attempt.faults.met,
        "not taken, since it could not be frozen": any(line.error.startswith("not taken, since") for line in lines),
    }
    yield from (name for name, true in found.items() if true)


def _told(attempt: VolumeAttempt, words: str) -> bool:
    return any(words in message for message in attempt.warnings)


def _half(attempt: VolumeAttempt, left: Sequence[str]) -> bool:
    """Whether a killed run made a part of a group's snapshots."""
    if attempt.plan is None:
        return False
    for group in groups(attempt.plan.volumes, attempt.plan.hooks):
        theirs = [one for one in left if any(f" of {volume.claim}, by " in one for volume in group.volumes)]
        for backup in {one.partition(", by ")[2] for one in theirs}:
            if sum(one.endswith(backup) for one in theirs) < len(group.volumes):
                return True
    return False
