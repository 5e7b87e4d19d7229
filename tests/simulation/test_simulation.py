"""The whole engine under every fault at once, by seeds. A failing seed replays: `python -m tests.simulation SEED`."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.back_check import check_back
from tests.simulation.back_run import simulate_back
from tests.simulation.back_ways import WAYS as BACK_WAYS
from tests.simulation.back_ways import back_ways
from tests.simulation.check import check
from tests.simulation.restore_check import check_restore
from tests.simulation.restore_run import simulate_restore
from tests.simulation.restore_ways import RESTORE_WAYS, restore_ways
from tests.simulation.run import simulate
from tests.simulation.volume_check import check_volumes
from tests.simulation.volume_run import simulate_volumes
from tests.simulation.volume_ways import WAYS as VOLUME_WAYS
from tests.simulation.volume_ways import volume_ways
from tests.simulation.ways import WAYS, ways

_BLOCK = 20  # seeds a test
_EVERYDAY = 200


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each block of the seeds that the options ask for."""
    if "block" in metafunc.fixturenames:
        first: int = metafunc.config.getoption("--simulation-first")
        end: int = first + metafunc.config.getoption("--simulation-seeds")
        blocks = [range(at, min(at + _BLOCK, end)) for at in range(first, end, _BLOCK)]
        metafunc.parametrize("block", blocks, ids=lambda block: f"{block[0]}-{block[-1]}")


def test_every_seed_keeps_the_rules(block: range) -> None:
    """Whatever fails, delays, lies or dies: a backup is whole or not there, and the next run goes well."""
    broken = [wrong for seed in block if (wrong := _judged(seed)[0])]
    assert not broken, "\n".join([*broken, "replay with: python -m tests.simulation SEED"])


def test_every_seed_is_restored_by_the_rules(block: range) -> None:
    """Whatever fails, or kills it: a restore that is done again ends complete, or names what is not; nothing else."""
    broken = [wrong for seed in block if (wrong := _judged_restore(seed)[0])]
    assert not broken, "\n".join([*broken, "replay with: python -m tests.simulation SEED"])


def test_every_seed_keeps_volumes_by_the_rules(block: range) -> None:
    """Whatever fails or dies: nobody stays frozen, each backup has what it names, and no snapshot is nobody's."""
    broken = [wrong for seed in block if (wrong := _judged_volumes(seed)[0])]
    assert not broken, "\n".join([*broken, "replay with: python -m tests.simulation SEED"])


def test_every_seed_brings_data_back_by_the_rules(block: range) -> None:
    """Whatever fails, or kills it: no application finds an empty volume, and the same command ends with all of it."""
    broken = [wrong for seed in block if (wrong := _judged_back(seed)[0])]
    assert not broken, "\n".join([*broken, "replay with: python -m tests.simulation SEED"])


def test_the_seeds_reach_everything() -> None:
    """Among the seeds of every day, each way that a run can go and each fault is met."""
    met = frozenset[str]().union(*(_judged(seed)[1] for seed in range(_EVERYDAY)))
    assert not WAYS - met


def test_the_seeds_reach_all_of_restore() -> None:
    """Among the seeds of every day, each way that a restore can go and each fault is met."""
    met = frozenset[str]().union(*(_judged_restore(seed)[1] for seed in range(_EVERYDAY)))
    assert not RESTORE_WAYS - met


def test_the_seeds_reach_all_of_volumes() -> None:
    """Among the seeds of every day, each way that runs of volumes can go and each fault is met."""
    met = frozenset[str]().union(*(_judged_volumes(seed)[1] for seed in range(_EVERYDAY)))
    assert not VOLUME_WAYS - met


def test_the_seeds_reach_all_of_data_that_comes_back() -> None:
    """Among the seeds of every day, each way that data can come back and each fault is met."""
    met = frozenset[str]().union(*(_judged_back(seed)[1] for seed in range(_EVERYDAY)))
    assert not BACK_WAYS - met


def test_a_seed_replays() -> None:
    """The same seed has the same story, call by call."""
    for seed in range(0, _EVERYDAY, 10):
        assert simulate(seed).log == simulate(seed).log
    for seed in range(5, _EVERYDAY, 20):
        assert simulate_restore(seed).log == simulate_restore(seed).log
    for seed in range(0, _EVERYDAY, 10):
        assert simulate_volumes(seed).log == simulate_volumes(seed).log
        assert simulate_back(seed).log == simulate_back(seed).log


@pytest.mark.slow
def test_a_seed_replays_elsewhere() -> None:
    """Nothing hangs on the order of hashes, which differs from process to process."""

    def told(hashes: str) -> bytes:
        command = [sys.executable, "-m", "tests.simulation", "11", "12", "13"]
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        root = Path(__file__).parents[2]
        return subprocess.run(command, capture_output=True, check=True, cwd=root, env=environment).stdout

    assert told("1") == told("2")


@cache
def _judged(seed: int) -> tuple[str, frozenset[str]]:
    """What is wrong with a seed, if anything; and the ways it went."""
    story = simulate(seed)
    try:
        check(story)
    except AssertionError as error:
        return f"seed {seed}: {error}\n  {story.first.ending}", ways(story)
    return "", ways(story)


@cache
def _judged_restore(seed: int) -> tuple[str, frozenset[str]]:
    """The same of its restore."""
    story = simulate_restore(seed)
    try:
        check_restore(story)
    except AssertionError as error:
        return f"seed {seed}, restored: {error}\n  {story.last.ending}", restore_ways(story)
    return "", restore_ways(story)


@cache
def _judged_volumes(seed: int) -> tuple[str, frozenset[str]]:
    """The same of its volumes."""
    story = simulate_volumes(seed)
    try:
        check_volumes(story)
    except AssertionError as error:
        return f"seed {seed}, volumes: {error}\n  {story.last.ending}", volume_ways(story)
    return "", volume_ways(story)


@cache
def _judged_back(seed: int) -> tuple[str, frozenset[str]]:
    """The same of data that comes back."""
    story = simulate_back(seed)
    try:
        check_back(story)
    except AssertionError as error:
        return f"seed {seed}, back: {error}\n  {story.last.ending}", back_ways(story)
    return "", back_ways(story)
