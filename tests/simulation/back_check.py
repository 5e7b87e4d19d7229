"""What must be true of data that comes back after every seed. Each rule names itself where it is broken."""

from __future__ import annotations

from runner.errors import ExitCode
from tests.simulation.back_run import BackAttempt, BackStory


def check_back(story: BackStory) -> None:
    """Raises AssertionError where the story broke a rule."""
    world = story.world
    assert not world.wrong, world.wrong[0]
    for attempt in story.attempts:
        _told_the_truth(attempt)
    assert story.last.result is not None, story.last.ending
    assert story.last.result.exit_code == ExitCode.DONE, story.last.ending
    assert not story.last.result.done, f"the second calm attempt changed something: {story.last.ending}"
    for claim, snapshot in world.expected.items():
        assert world.holds(claim) == snapshot, f"{claim} holds {world.holds(claim)!r} in the end, and not {snapshot}"
    told = [one.reason for attempt in story.attempts for one in (attempt.result.volumes if attempt.result else ())]
    left = [what for made, what in world.left() if not any(made in reason for reason in told)]
    assert not left, f"left behind: {left}"
    names = set(world.of("configmaps")) - {"kube-root-ca.crt"}
    assert names == set(world.claims), f"other objects: {names}"


def _told_the_truth(attempt: BackAttempt) -> None:
    """What is said to be restored is; and what is not, is an exit code of its own."""
    result = attempt.result
    if result is None:
        return
    failed = [one for one in result.volumes if one.outcome == "failed"]
    assert all(one.reason for one in failed)
    assert not failed or result.exit_code == ExitCode.PARTIAL, attempt.ending
