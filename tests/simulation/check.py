"""What must be true after every seed. Each rule names itself where it is broken."""

from __future__ import annotations

from collections import Counter

from runner.archive.layout import backup_prefix, policy_prefix
from runner.archive.manifest import read_manifest
from runner.engine.fetch import Reading
from runner.engine.retry import Retrier
from runner.engine.verify import verify
from runner.errors import Cancelled, ExitCode, KeyExists, PlanRefused
from runner.model.catalog import Address, Committed
from runner.model.event import Warned
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import UID
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.simulation.contents import holds_what_it_should
from tests.simulation.objects import SECRET_MARKS
from tests.simulation.run import Attempt, Story
from tests.simulation.stored import MANIFEST, Stored, intact_manifest, stored_backup

_DEEP = 10  # of so many seeds, one has each object read as YAML once more
LONGEST_WAIT = 72.0  # seconds: a minute for a server that wishes for more, and a fifth to spread it


def check(story: Story) -> None:
    """Raises AssertionError where the story broke a rule."""
    stored = _all_or_nothing(story)
    for name, backup in stored.items():
        holds_what_it_should(story, name, backup)
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
    """The calm run after it succeeds, misses nothing, and tells exactly what lies around; but a name is used once."""
    again, later = story.again, story.later
    if again is not None:
        assert isinstance(again.error, KeyExists | PlanRefused), again.ending
        assert not again.faults.met["stored by create"]
    if later.result is None:
        assert later.error is not None
        assert later.error.exit_code == ExitCode.FINDINGS, later.ending  # uncovered volumes, which the policy forbids
        return
    assert later.result.manifest.phase == "Completed", later.ending
    told = {left.backup: (left.keys, left.size, left.uploads) for left in later.result.leftovers}
    assert told == story.leftovers, f"left: {story.leftovers}, told: {told}"
    warned = Counter(name for name in told for event in later.observer.of(Warned) if event.message.startswith(name))
    assert set(warned) == set(told)
