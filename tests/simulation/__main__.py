"""Tells the story of seeds: `python -m tests.simulation SEED…` prints every call, fault and event, and the verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from tests.simulation.back_check import check_back
from tests.simulation.back_run import simulate_back
from tests.simulation.back_ways import back_ways
from tests.simulation.check import check
from tests.simulation.restore_check import check_restore
from tests.simulation.restore_run import simulate_restore
from tests.simulation.restore_ways import restore_ways
from tests.simulation.run import simulate
from tests.simulation.volume_check import check_volumes
from tests.simulation.volume_run import simulate_volumes
from tests.simulation.volume_ways import volume_ways
from tests.simulation.ways import ways


def main(seeds: list[str]) -> int:
    """Returns 1 where a rule is broken."""
    broken = 0
    for seed in map(int, seeds):
        story, restored = simulate(seed), simulate_restore(seed)
        volumes, back = simulate_volumes(seed), simulate_back(seed)
        broken |= _verdict(story.log, ways(story), partial(check, story))
        broken |= _verdict(restored.log, restore_ways(restored), partial(check_restore, restored))
        broken |= _verdict(volumes.log, volume_ways(volumes), partial(check_volumes, volumes))
        broken |= _verdict(back.log, back_ways(back), partial(check_back, back))
    return broken


def _verdict(log: Sequence[str], went: Iterable[str], judged: Callable[[], None]) -> int:
    print(*log, f"-- ways: {', '.join(sorted(went))}", sep="\n")  # noqa: T201 -- its purpose
    try:
        judged()
    except AssertionError as error:
        print(f"-- broken: {error}")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
