"""What must be true after every simulated restore. Each rule names itself where it is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from runner.actions.drift import drift
from runner.actions.restored import BACKUP_LABEL
from runner.errors import ClusterUnreachable, PlanStale
from runner.model.cluster import ItemId
from runner.model.restore import CHANGING, RestorePlan
from tests.simulation.objects import SECRET_MARKS, Object
from tests.simulation.oracle import Oracle
from tests.simulation.restore_run import RestoreAttempt, RestoreStory
from tests.simulation.restore_world import BACKUP
from tests.simulation.world import Key

_MAY: Mapping[str, frozenset[str]] = {
    "create": frozenset({"create", "recreate"}),
    "delete": frozenset({"recreate"}),
    "apply": frozenset({"update", "create"}),  # an account that its controller made first is merged
    "merge": frozenset({"update", "create", "recreate"}),  # owners that came later
}
# Fields that a restore writes anew, so that they are held against nothing here.
_REWRITTEN = frozenset({"persistentvolumes", "persistentvolumeclaims"})
_NEVER = frozenset({"events.events.k8s.io"})


def check_restore(story: RestoreStory) -> None:
    """Raises AssertionError where the story broke a rule."""
    for attempt in story.attempts:
        assert not attempt.faults.wrong, attempt.faults.wrong
        _did_what_it_planned(attempt)
        _told_the_truth(story, attempt)
        _kept_secrets(attempt)
    _nothing_twice(story)
    _nothing_else_changed(story)
    _completed(story)
    _all_there_or_named(story)
    _owners_are_named(story)
    _again_finds_all_done(story)


def _did_what_it_planned(attempt: RestoreAttempt) -> None:
    fates = _fates(attempt.plan, attempt.world.mapping) if attempt.plan is not None else {}
    for write in attempt.faults.written:
        planned = fates.get(write.key, set())
        assert planned & _MAY[write.verb], (
            f"{attempt.name}: {write.verb} of {write.key}, which was planned as {planned}"
        )


def _told_the_truth(story: RestoreStory, attempt: RestoreAttempt) -> None:
    """Counts add up; an error says what was done; a saved plan is stale only where somebody else did something."""
    if attempt.result is not None:
        result = attempt.result
        failed = {(one.resource, one.namespace, one.name) for one in result.failed}
        assert len(failed) == len(result.failed), f"{attempt.name}: an item failed twice: {result.failed}"
        assert result.done <= result.plan.items <= result.done + len(failed), attempt.ending
        if attempt.calm and not result.failed:
            assert result.done == result.plan.items, attempt.ending
        assert (result.exit_code == 3) is bool(result.failed)
        assert all(one.reason for one in result.failed)
    if isinstance(attempt.error, ClusterUnreachable) and attempt.plan is not None:
        assert "goes on from here" in attempt.error.hint
        assert attempt.error.context["done"].endswith("items")
    if isinstance(attempt.error, PlanStale):
        assert story.world.touched, f"{attempt.name}: {attempt.error.reasons}, and nobody has touched anything"


def _nothing_twice(story: RestoreStory) -> None:
    """No item is created again but where it was deleted, by plan or by others."""
    created = Counter(
        write.key for attempt in story.attempts for write in attempt.faults.written if write.verb == "create"
    )
    gone = Counter(
        write.key for attempt in story.attempts for write in attempt.faults.written if write.verb == "delete"
    )
    twice = {key for key, times in created.items() if times > 1 + gone[key]}
    assert not twice, f"created twice: {twice}"


def _nothing_else_changed(story: RestoreStory) -> None:
    """What was there and was not written is as it was, but for what others did and what was on its way out."""
    written = {write.key for attempt in story.attempts for write in attempt.faults.written}
    before, left = story.world.before, story.after
    leaving = {key for key, value in before.items() if "deletionTimestamp" in value["metadata"]}
    emptied = {key.name for key in leaving if key.resource == "namespaces"}
    for key, value in before.items():
        if key in written | leaving | story.world.touched or key.namespace in emptied:
            continue
        assert key in left, f"{key} is gone"
        assert _unversioned(left[key]) == _unversioned(value), f"{key} has changed"
    come = left.keys() - before.keys() - written - story.world.touched
    assert not come, f"nobody made {come}"


def _completed(story: RestoreStory) -> None:
    """The calm attempt ends with a result, and fails at nothing but what is refused for good."""
    last = story.last
    assert last.result is not None, last.ending
    assert story.again.result is not None, story.again.ending
    refusing = ("refused by name", "is forbidden in", "exceeded quota", "its owner is not there", "service")
    for one in last.result.failed:
        assert any(what in one.reason for what in refusing), one


def _all_there_or_named(story: RestoreStory) -> None:
    world, result = story.world, story.last.result
    assert result is not None
    objects = world.backup.objects
    named = _named_problems(result.plan, world.mapping)
    named |= {Key(one.resource, one.namespace, one.name) for one in result.failed}
    fates = _fates(result.plan, world.mapping)
    namespaces = {key.namespace: {"metadata": {"name": key.namespace}} for key in objects if key.namespace}
    namespaces |= {key.name: value for key, value in objects.items() if key.resource == "namespaces"}
    stored_types = {key.resource for key in objects} | {"namespaces"}
    oracle = Oracle(world.spec, {name: one for name, one in world.types.items() if name in stored_types}, namespaces)
    for key, value in objects.items():
        place = world.place(key)
        if key.resource in _NEVER:
            continue
        if oracle.must_hold(key, value):
            there = place in story.after or place in named
            assert there, f"{key} is selected, and neither there nor named: {fates.get(place)}"
        if place in fates:
            assert oracle.may_hold(key, value) or key.resource == "namespaces", f"{key} is not selected, and planned"
            equal = place in named or place in world.touched or _equal(key, place, value, story.after[place])
            assert equal, f"{place} is not as it was stored, and nothing says so: {fates[place]}"


def _equal(key: Key, place: Key, stored: Object, live: Object) -> bool:
    """Whether what was stored stands in what is live, as far as no rule of its kind writes it anew."""
    if key.resource in _REWRITTEN or (key.resource == "namespaces" and not stored["metadata"].get("labels")):
        return True
    plural, _, group = key.resource.partition(".")
    metadata = {name: stored["metadata"].get(name) for name in ("labels", "finalizers")}
    if key == place:
        metadata["annotations"] = stored["metadata"].get("annotations")
    body = {name: field for name, field in stored.items() if name not in {"metadata", "status", "subjects"}}
    if key.resource == "namespaces" and key != place:
        metadata["labels"] = {n: v for n, v in (metadata["labels"] or {}).items() if not n.startswith("kubernetes.io/")}
    return not drift(ItemId(group, plural, *place[1:]), {**body, "metadata": metadata}, live)


def _owners_are_named(story: RestoreStory) -> None:
    """Whoever names an owner names one that is there; and what we made names all its owners that were restored."""
    world, left = story.world, story.after
    created = {w.key for attempt in story.attempts for w in attempt.faults.written if w.verb == "create"}
    deleted = {w.key for attempt in story.attempts for w in attempt.faults.written if w.verb == "delete"}
    uids = {value["metadata"]["uid"]: key for key, value in left.items()}
    by_uid = {value["metadata"]["uid"]: key for key, value in world.backup.objects.items()}
    result = story.last.result
    assert result is not None
    fates = _fates(result.plan, world.mapping)
    failed = {Key(one.resource, one.namespace, one.name) for one in result.failed}
    for stored, value in world.backup.objects.items():
        place = world.place(stored)
        if place not in created or place not in left or place in world.touched | failed or place not in fates:
            continue
        names = {owner["uid"] for owner in left[place]["metadata"].get("ownerReferences") or ()}
        assert names <= uids.keys(), f"{place} names an owner that is not there"
        assert left[place]["metadata"]["labels"][BACKUP_LABEL] == BACKUP
        for owner in value["metadata"].get("ownerReferences") or ():
            target = world.place(by_uid[owner["uid"]]) if owner["uid"] in by_uid else None
            if target is None or target not in left or target not in fates or target in world.touched | deleted:
                continue
            if fates[target] & {"invalid"} or target in failed:
                continue
            assert left[target]["metadata"]["uid"] in names, f"{place} does not name its owner {target}"


def _again_finds_all_done(story: RestoreStory) -> None:
    """A second restore changes nothing, but tries what was refused for good once more."""
    last, again = story.last.result, story.again.result
    assert last is not None
    assert again is not None
    failed = {(one.resource, one.namespace, one.name) for one in last.failed}
    refused = {(one.resource, one.namespace, one.name) for one in again.failed}
    left = {tuple(key) for key, action in _planned(again.plan, story.world.mapping) if action in CHANGING}
    assert left <= failed | refused, f"left to do: {left - failed - refused}"
    assert {write.key for write in story.again.faults.written} <= {Key(*one) for one in left}


def _kept_secrets(attempt: RestoreAttempt) -> None:
    told = [repr(event) for event in attempt.observer.events] + [repr(attempt.plan), repr(attempt.result)]
    if attempt.error is not None:
        told += [repr(attempt.error), attempt.error.hint, repr(attempt.error.context), repr(attempt.error.__dict__)]
    assert not any(mark.decode() in text for text in told for mark in SECRET_MARKS)


def _fates(plan: RestorePlan, mapping: Mapping[str, str]) -> dict[Key, set[str]]:
    """What a plan has of each item, by where it goes."""
    found: dict[Key, set[str]] = {}
    for key, action in _planned(plan, mapping):
        found.setdefault(key, set()).add(action)
    return found


def _planned(plan: RestorePlan, mapping: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
    for step in plan.steps:
        for name in step.names:
            there = mapping.get(name, name) if step.resource == "namespaces" else name
            yield Key(step.resource, step.namespace, there), step.action


def _named_problems(plan: RestorePlan, mapping: Mapping[str, str]) -> set[Key]:
    return {key for key, action in _planned(plan, mapping) if action in {"skip", "conflict", "invalid"}}


def _unversioned(value: Object) -> Object:
    metadata = {name: field for name, field in value["metadata"].items() if name != "resourceVersion"}
    return {**value, "metadata": metadata}
