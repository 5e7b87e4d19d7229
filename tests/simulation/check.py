"""What must be true after every seed. Each rule names itself where it is broken."""

from __future__ import annotations

from collections import Counter

from runner.archive.layout import backup_prefix, policy_prefix
from runner.archive.manifest import read_manifest
from runner.engine.fetch import Reading
from runner.engine.retry import Retrier
from runner.engine.verify import verify
from runner.errors import Cancelled, ExitCode
from runner.model.catalog import Address, Committed
from runner.model.event import Warned
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import UID
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.simulation.objects import SECRET_MARKS
from tests.simulation.oracle import Oracle
from tests.simulation.run import FIRST, LATER, Attempt, Story
from tests.simulation.stored import MANIFEST, Stored, intact_manifest, stored_backup
from tests.simulation.world import Key

_DEEP = 10  # of so many seeds, one has each object read as YAML once more
LONGEST_WAIT = 72.0  # seconds: a minute for a server that wishes for more, and a fifth to spread it


def check(story: Story) -> None:
    """Raises AssertionError where the story broke a rule."""
    stored = _all_or_nothing(story)
    for name, backup in stored.items():
        _holds_what_it_should(story, name, backup)
    for attempt in story.attempts:
        _told_the_truth(story, attempt, stored)
        _took_back_its_uploads(story, attempt)
        _kept_secrets(attempt)
        assert max(attempt.clock.slept, default=0.0) <= LONGEST_WAIT
        _read_no_more_than_it_may(attempt)
    _nothing_in_the_way(story)


def _all_or_nothing(story: Story) -> dict[str, Stored]:
    """Either a backup is whole, or nobody takes it for one."""
    found = {}
    cluster = story.world.spec.get("clusterName", UID)
    objects = story.world.store.objects
    prefix = policy_prefix(cluster, "sim")
    for key in sorted(objects):
        name, _, rest = key.removeprefix(prefix).partition("/")
        assert key.startswith(prefix), key
        if rest != MANIFEST:
            continue
        if intact_manifest(objects[key]) is None:
            lied = any(attempt.faults.lied_about_manifest for attempt in story.attempts if attempt.name == name)
            assert lied, f"the manifest of {name} is damaged, and the store did not lie about it"
            continue
        prefix_of_it = backup_prefix(cluster, "sim", name)
        found[name] = stored_backup(objects, prefix_of_it)
        assert found[name].manifest["name"] == name
        _verifies(story, Address(cluster, "sim", name), objects[prefix_of_it + MANIFEST])
    return found


def _verifies(story: Story, address: Address, raw: bytes) -> None:
    """`trysail verify` says so too."""
    reading = Reading(story.world.store, SimulatedExecutor(), Retrier(SimulatedClock(), RecordingObserver()))
    committed = Committed(address, read_manifest(raw, MANIFEST), 0)
    verify(reading, committed, deep=story.seed % _DEEP == 0)


def _holds_what_it_should(story: Story, name: str, backup: Stored) -> None:
    """Everything selected that was there all the while, as it was, or its absence is named; nothing excluded."""
    world = story.world
    namespaces = {key.name: versions[-1] for key, versions in world.versions.items() if key.resource == "namespaces"}
    oracle = Oracle(world.spec, world.resources, namespaces)
    missing = [gap["what"] for gap in backup.manifest["missing"]]
    for unseen in namespaces.keys() & {what.removeprefix("namespaces ") for what in missing}:
        namespaces[unseen] = {"metadata": {"name": unseen}}  # nobody could see its labels, nor that it is being deleted
    untouched = story.untouched[LATER if name == LATER else FIRST]
    for key in sorted(untouched - set(backup.objects)):
        value = world.versions[key][-1]
        if oracle.must_hold(key, value):
            assert _named(key, value["apiVersion"], missing), f"{name}: {key} is not there, and not named: {missing}"
    for key, value in backup.objects.items():
        assert value in world.versions[key], f"{name}: {key} never was what is stored of it"
        at_the_time = any(oracle.may_hold(key, version) for version in world.versions[key])
        fits = at_the_time if key in world.touched else oracle.may_hold(key, value)
        assert fits, f"{name}: {key} is stored, and the policy excludes it"
    for step in backup.plan["steps"]:
        for item in step.get("names", ()):
            key = Key(step["resource"], step["namespace"], item)
            if key in untouched and "deletionTimestamp" not in world.versions[key][-1]["metadata"]:
                known = key in backup.objects or _named(key, step["apiVersion"], missing)
                assert known, f"{name}: {key} was planned, and is neither there nor named: {missing}"


def _named(key: Key, api_version: str, missing: list[str]) -> bool:
    """Whether one of `missing` says that this object, or what it is of, is not there."""
    where = f"{key.resource} in namespace {key.namespace}" if key.namespace else key.resource
    item = f"{key.namespace}/{key.resource}/{key.name}" if key.namespace else f"{key.resource}/{key.name}"
    exact = {
        where,
        item,
        key.resource,
        f"{key.resource} {key.name}",
        f"an item of {key.resource}",
        f"every type of {api_version}",
    }
    return any(what in exact or what.startswith(f"the rest of {where}, after ") for what in missing)


def _told_the_truth(story: Story, attempt: Attempt, stored: dict[str, Stored]) -> None:
    """The exit code and the error say what became of the backup."""
    result, error = attempt.result, attempt.error
    backup = stored.get(attempt.name)
    namesakes = [one for one in story.attempts if one.name == attempt.name and one is not attempt]
    if result is not None:
        assert backup is not None, f"{attempt.name} ended well, and is not there"
        assert backup.manifest["digest"] == result.manifest.digest
        missing = bool(backup.manifest["missing"])
        assert (backup.manifest["phase"] == "PartiallyFailed") is missing
        expected = ExitCode.PARTIAL if missing else ExitCode.FINDINGS if result.plan.empty_includes else ExitCode.DONE
        assert result.exit_code == expected
    elif backup is not None and not any(one.result is not None for one in namesakes):
        assert attempt.faults.committed or any(one.faults.committed for one in namesakes)
        if attempt.faults.committed and error is not None:
            assert "trysail list" in error.hint, f"{attempt.name}: {error!r} hides that the backup may be there"
    if error is not None and not attempt.faults.committed:
        assert isinstance(error, Cancelled) or error.exit_code != ExitCode.DONE


def _took_back_its_uploads(story: Story, attempt: Attempt) -> None:
    """Whoever was not killed leaves no unfinished upload, or has said that one may be left."""
    left = attempt.store.begun & story.left_uploads
    warned = any("unfinished upload" in event.message for event in attempt.observer.of(Warned))
    assert attempt.faults.dead or warned or not left, f"{attempt.name} left {left}"
    assert not attempt.store.late, f"{attempt.name} sent parts of an upload that it had aborted"


def _read_no_more_than_it_may(attempt: Attempt) -> None:
    """No page of several objects is larger than the limit, so that memory is bounded."""
    most = attempt.limits.lists.largest_page
    if attempt.plan is not None:
        assert not [size for items, size in attempt.cluster.pages if items > 1 and size > most]


def _kept_secrets(attempt: Attempt) -> None:
    """No secret value in events, plan, or the error's text; those of the stored keys are looked through elsewhere."""
    told = [repr(event) for event in attempt.observer.events] + [repr(attempt.plan)]
    if attempt.error is not None:
        told += [repr(attempt.error), attempt.error.hint, repr(attempt.error.context), repr(attempt.error.__dict__)]
    assert not any(mark.decode() in text for text in told for mark in SECRET_MARKS)


def _nothing_in_the_way(story: Story) -> None:
    """The calm run after it succeeds, misses nothing, and tells exactly what lies around."""
    later = story.later
    if later.result is None:
        assert later.error is not None
        assert later.error.exit_code == ExitCode.FINDINGS, later.ending  # uncovered volumes, which the policy forbids
        return
    assert later.result.manifest.phase == "Completed", later.ending
    told = {left.backup: (left.keys, left.size, left.uploads) for left in later.result.leftovers}
    assert told == story.leftovers, f"left: {story.leftovers}, told: {told}"
    warned = Counter(name for name in told for event in later.observer.of(Warned) if event.message.startswith(name))
    assert set(warned) == set(told)
