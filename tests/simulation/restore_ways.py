"""Which ways a simulated restore went, so that a test can tell whether the seeds still reach all of them."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Cancelled, PlanStale
from runner.model.event import Retrying
from runner.plan.restore import ADOPTED, GOING, MERGED, OURS, OWNED_ANEW
from tests.simulation.restore_run import RestoreAttempt, RestoreStory

_WHYS = {
    ADOPTED: "owner named by a later run",
    GOING: "created once the old one was gone",
    MERGED: "account merged",
    OURS: "ours, and changed since",
    OWNED_ANEW: "owner recreated",
}
RESTORE_WAYS = frozenset(
    (
        *_WHYS.values(),
        "empty",
        "changed",
        "other",
        "completed",
        "partial",
        "error",
        "cancelled",
        "died",
        "the saved plan is stale",
        "a saved plan is resumed",
        "created",
        "updated",
        "recreated",
        "found done",
        "killed after a write",
        "owner named later",
        "retried",
        "slept",
        "change",
        "quota",
        "forbidden",
        "refused",
        "never gone",
        "reply to apply lost",
        "reply to create lost",
        "reply to delete lost",
        "reply to merge lost",
        "BadResponse",
        "ClusterBusy",
        "ClusterUnreachable",
        "StoreBusy",
        "StoreUnreachable",
        "Unauthorized",
    )
)


def restore_ways(story: RestoreStory) -> frozenset[str]:
    """The names among RESTORE_WAYS that fit."""
    found = {story.world.kind}
    for attempt in story.attempts:
        found |= {*_ending(attempt), *_events(attempt), *attempt.faults.met}
    return frozenset(found) & RESTORE_WAYS


def _ending(attempt: RestoreAttempt) -> Iterator[str]:
    match attempt.error:
        case Cancelled():
            yield "cancelled"
        case PlanStale():
            yield "the saved plan is stale"
        case None if attempt.result is None:
            yield "died"
            if attempt.faults.written:
                yield "killed after a write"
        case None:
            yield from _result(attempt)
        case _:
            yield "error"


def _result(attempt: RestoreAttempt) -> Iterator[str]:
    result = attempt.result
    assert result is not None
    yield "partial" if result.failed else "completed"
    counts = {"created": result.created, "updated": result.updated, "recreated": result.recreated}
    yield from (name for name, count in {**counts, "found done": result.already}.items() if count)
    reasons = " ".join(one.reason for one in result.failed)
    told = {"quota": "quota", "forbidden": "forbidden", "refused": "denied", "never gone": "does not go away"}
    yield from (name for name, words in told.items() if words in reasons)
    if attempt.saved:
        yield "a saved plan is resumed"


def _events(attempt: RestoreAttempt) -> Iterator[str]:
    if attempt.observer.of(Retrying):
        yield "retried"
    if attempt.clock.slept:
        yield "slept"
    if any(write.verb == "merge" for write in attempt.faults.written):
        yield "owner named later"
    if attempt.plan is not None and attempt.result is not None:
        yield from (name for why, name in _WHYS.items() if any(step.why == why for step in attempt.plan.steps))
