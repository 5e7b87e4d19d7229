"""Which ways a story of data that comes back went, so that a test can tell whether the seeds reach all of them."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Cancelled
from runner.model.event import ItemFailed, VolumeProgress
from tests.simulation.back_run import BackAttempt, BackStory

ENDINGS = ("complete", "partial", "error", "cancelled", "died", "died while data came back")
EVENTS = (
    "gone on with",
    "a claim left out",
    "a StatefulSet held back",
    "a namespace held back",
    "disks, snapshots and files at once",
)
FAULTS = (
    "ClusterBusy",
    "ClusterUnreachable",
    "Forbidden",
    "StoreBusy",
    "StoreUnreachable",
    "VolumesBusy",
    "VolumesDenied",
    "VolumesUnreachable",
    "reply of the cluster lost",
    "reply of the provider lost",
)
WAYS = frozenset((*ENDINGS, *EVENTS, *FAULTS))


def back_ways(story: BackStory) -> frozenset[str]:
    """The names among WAYS that fit."""
    found = {way for attempt in story.attempts for way in (*_ending(attempt), *_events(attempt), *attempt.faults.met)}
    if len(set(story.world.claims.values())) > 2:
        found.add("disks, snapshots and files at once")
    return frozenset(found) & WAYS


def _ending(attempt: BackAttempt) -> Iterator[str]:
    match attempt.result, attempt.error:
        case None, None:
            yield "died"
            if attempt.observer.of(VolumeProgress):
                yield "died while data came back"
        case None, Cancelled():
            yield "cancelled"
        case None, _:
            yield "error"
        case result, _:
            assert result is not None
            yield "partial" if result.failed or result.exit_code else "complete"


def _events(attempt: BackAttempt) -> Iterator[str]:
    failed = attempt.observer.of(ItemFailed)
    found = {
        "gone on with": attempt.gone_on,
        "a claim left out": any("its data could not be brought back" in one.reason for one in failed),
        "a StatefulSet held back": any("would make its claim" in one.reason for one in failed),
        "a namespace held back": any("nothing shall begin without it" in one.reason for one in failed),
    }
    yield from (name for name, true in found.items() if true)
