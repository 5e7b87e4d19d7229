"""Waits until something is so, and fails when it never is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_POLL_SECONDS: Final = 0.02
_PATIENCE: Final = 60.0


def wait_for(condition: Callable[[], T], what: str) -> T:
    """What `condition` returns, once that is true; `what` says for people what was waited for in vain."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_POLL_SECONDS)
    return found
