"""Tells the story of seeds: `python -m tests.simulation SEED…` prints every call, fault and event, and the verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from tests.simulation.check import check
from tests.simulation.restore_check import check_restore
from tests.simulation.restore_run import simulate_restore
from tests.simulation.restore_ways import restore_ways
from tests.simulation.run import simulate
from tests.simulation.ways import ways


def main(seeds: list[str]) -> int:
    """Returns 1 where a rule is broken."""
    broken = 0
    for seed in seeds:
        story = simulate(int(seed))
        print(*story.log, f"-- ways: {', '.join(sorted(ways(story)))}", sep="\n")  # noqa: T201 -- its purpose
        broken |= _verdict(partial(check, story))
        restored = simulate_restore(int(seed))
        print(*restored.log, f"-- ways: {', '.join(sorted(restore_ways(restored)))}", sep="\n")  # noqa: T201
        broken |= _verdict(partial(check_restore, restored))
    return broken


def _verdict(judged: Callable[[], None]) -> int:
    try:
        judged()
    except AssertionError as error:
        print(f"-- broken: {error}")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
