"""Tells the story of seeds: `python -m tests.simulation SEED…` prints every call, fault and event, and the verdict."""

from __future__ import annotations

import sys

from tests.simulation.check import check
from tests.simulation.run import simulate
from tests.simulation.ways import ways


def main(seeds: list[str]) -> int:
    """Returns 1 where a rule is broken."""
    broken = 0
    for seed in seeds:
        story = simulate(int(seed))
        print(*story.log, f"-- ways: {', '.join(sorted(ways(story)))}", sep="\n")  # noqa: T201 -- its purpose
        try:
            check(story)
        except AssertionError as error:
            print(f"-- broken: {error}")  # noqa: T201
            broken = 1
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
