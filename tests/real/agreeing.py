"""Two looks at a cluster that others use as well: they say the same where it has not changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_ATTEMPTS: Final = 20


def agreed(one: Callable[[], str], other: Callable[[], str]) -> str:
    """What both say. Other tests' namespaces may be going away: where `one` itself changes, both are asked again."""
    for _ in range(_ATTEMPTS):
        before, found = one(), other()
        if before == one():
            assert found == before
            return found
    raise AssertionError("the cluster never stood still")
