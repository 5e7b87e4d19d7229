"""What must be true of volumes after every seed. Each rule names itself where it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.errors import ExitCode, VolumeError
from runner.model.plan import Plan
from runner.plan.volume_groups import groups
from tests.simulation.volume_run import VolumeAttempt, VolumeStory
from tests.simulation.volume_world import Key, VolumeWorld

Line = dict[str, Any]


def check_volumes(story: VolumeStory) -> None:
    """Raises AssertionError where the story broke a rule."""
    for attempt in story.attempts:
        assert not attempt.unmarked, f"{attempt.name} left {attempt.unmarked} frozen, and unmarked"
        _told_the_truth(attempt)
    for name, record in story.world.records():
        plan = next(attempt.plan for attempt in story.attempts if attempt.name == name)
        assert plan is not None
        _holds_what_it_says(story.world, name, plan, record["volumes"])
    _all_are_named(story)
    _nobody_stands_still(story)
    _last_goes_well(story)


def _told_the_truth(attempt: VolumeAttempt) -> None:
    """The exit code says what became of the volumes, and each has a line."""
    result = attempt.result
    if result is None:
        return
    assert [line.planned.name for line in result.volumes] == [volume.name for volume in result.plan.volumes]
    failed = [line for line in result.volumes if line.outcome == "failed"]
    assert all(line.error for line in failed)
    assert not failed or result.exit_code == ExitCode.PARTIAL, f"{attempt.name}: {failed[0].error}, and exit 0"
    for line in result.volumes:
        assert line.outcome != "stored" or (line.snapshot is not None and line.snapshot.state == "ready")


def _holds_what_it_says(world: VolumeWorld, name: str, plan: Plan, lines: list[Line]) -> None:
    """Each stored volume's snapshot is there, of this volume, with all its Pods frozen, and one freeze for a group."""
    by_volume = {line["planned"]["volume"]: line for line in lines if line["outcome"] == "stored"}
    for volume, line in by_volume.items():
        snapshot = line["snapshot"]["id"]
        kept = world.providers[line["planned"]["method"]].kept.get(snapshot)
        assert kept is not None, f"{name} names {snapshot} of {volume}, which is gone"
        assert kept.volume.volume == volume, f"{name} names {snapshot}, of {kept.volume.volume}, for {volume}"
    if not world.matters:
        return
    for group in groups(plan.volumes, plan.hooks):
        pods = {hook.pod for hook in group.pre}
        freezes = set()
        for line in (by_volume[one.volume] for one in group.volumes if one.volume in by_volume):
            for state in world.states[_key(line)]:
                still = {pod: number for pod, number in state if pod in pods}
                went_on = pods - still.keys()
                assert not went_on, f"{name}: {line['planned']['volume']} was taken while {went_on} went on"
                freezes.add(tuple(sorted(still.items())))
        assert len(freezes) <= 1, f"{name}: the volumes of {group.name} are of several points in time: {freezes}"


def _key(line: Line) -> Key:
    return line["snapshot"]["provider"], line["snapshot"]["id"]


def _all_are_named(story: VolumeStory) -> None:
    """Every snapshot that is left is in a backup, or somebody was told of it."""
    known = story.world.named()
    for provider in story.world.providers.values():
        for snapshot, kept in provider.kept.items():
            assert (provider.provider, snapshot) in known or any(_tells(story, snapshot, kept.tags.backup)), (
                f"{snapshot} of {kept.volume.claim}, by {kept.tags.backup}, is nobody's, and nobody was told"
            )


def _tells(story: VolumeStory, snapshot: str, backup: str) -> Iterator[bool]:
    """The last run, which looks for what is left; or the very run whose answers were lost to the end."""
    yield any(f" {snapshot} of " in message for message in story.last.warnings)
    for attempt in story.attempts:
        if attempt.name == backup:
            yield any(
                f"the snapshot {snapshot} of " in message or "second snapshot cannot be seen" in message
                for message in attempt.warnings
            )


def _nobody_stands_still(story: VolumeStory) -> None:
    """The calm run thaws whatever was left, and takes the marks away."""
    assert not story.world.frozen, f"frozen in the end: {sorted(story.world.frozen)}"
    marked = [pod for pod in story.world.pods if story.world.recorded(pod)]
    assert not marked, f"still marked: {marked}"


def _last_goes_well(story: VolumeStory) -> None:
    """But for a disk that is broken for good."""
    last, broken = story.last, bool(story.world.providers["native-snapshot"].fails)
    if last.error is not None:
        assert broken, last.ending
        assert isinstance(last.error, VolumeError), last.ending
        return
    assert last.result is not None
    failed = [line.planned.claim for line in last.result.volumes if line.outcome == "failed"]
    assert failed == [] or (broken and failed == ["shop/c0"]), last.ending
