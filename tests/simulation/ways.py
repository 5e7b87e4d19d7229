"""Which ways a story went, so that a test can tell whether the seeds still reach all of them."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Cancelled, ContinueExpired, PageTooLarge, PlanRefused, PlanStale, UploadDamaged
from runner.model.event import Retrying
from tests.simulation.run import Story

ENDINGS = (
    "completed",
    "partial",
    "an include matches nothing",
    "error",
    "cancelled",
    "died",
    "died with an upload under way",
    "killed or cut off with the manifest written",
    "refused for its volumes",
    "the saved plan is stale",
)
EVENTS = (
    "retried",
    "upload in parts",
    "lost commit reply recognised as ours",
    "upload taken back",
    "upload that nobody knew of taken back",
    "token expired",
    "list goes on at a newer state",
    "page too large",
    "leftovers reported",
    "lying store caught",
    "two runs at once",
    "two runs of one name at once",
)
FAULTS = (
    "BadResponse",
    "ClusterBusy",
    "ClusterUnreachable",
    "Forbidden",
    "ItemNotFound",
    "StoreBusy",
    "StoreDenied",
    "StoreFull",
    "StoreUnreachable",
    "Unauthorized",
    "change",
    "damage noticed by the store",
    "garbage in a page",
    "lie at reading",
    "lie at writing",
    "reply to complete lost",
    "reply to create lost",
    "reply to part lost",
    "reply to upload lost",
    "token expired for good",
)
WAYS = frozenset((*ENDINGS, *EVENTS, *FAULTS))


def ways(story: Story) -> frozenset[str]:
    """The names among WAYS that fit."""
    return frozenset((*_endings(story), *_events(story), *story.met)) & WAYS


def _endings(story: Story) -> Iterator[str]:
    first = story.first
    if first.result is not None:
        yield "partial" if first.result.manifest.missing else "completed"
        if first.result.plan.empty_includes:
            yield "an include matches nothing"
        return
    match first.error:
        case None:
            yield "died"
            if first.store.begun & story.left_uploads:
                yield "died with an upload under way"
        case Cancelled():
            yield "cancelled"
        case PlanRefused():
            yield "refused for its volumes"
        case PlanStale():
            yield "the saved plan is stale"
        case _:
            yield "error"
    if first.faults.committed:
        yield "killed or cut off with the manifest written"


def _events(story: Story) -> Iterator[str]:
    first = story.first
    verbs = {call.split(" ")[0] for call in first.faults.trace}
    refusals = set(first.cluster.refusals)
    found = {
        "retried": bool(first.observer.of(Retrying)),
        "upload taken back": "abort" in verbs,
        "upload that nobody knew of taken back": "discard" in verbs,
        "token expired": ContinueExpired in refusals,
        "page too large": PageTooLarge in refusals,
        "leftovers reported": story.later.result is not None and bool(story.later.result.leftovers),
        "lying store caught": isinstance(first.error, UploadDamaged) and "lie at writing" in story.met,
        "two runs at once": story.visitor is not None,
        "two runs of one name at once": story.visitor is not None and story.visitor.name == first.name,
    }
    yield from (name for name, true in found.items() if true)
    if first.result is not None:
        if "stored by complete" in story.met:
            yield "upload in parts"
        if "commit reply lost" in story.met:
            yield "lost commit reply recognised as ours"
        if ContinueExpired in refusals and not all(one.consistent for one in first.result.manifest.lists):
            yield "list goes on at a newer state"
