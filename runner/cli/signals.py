"""SIGINT and SIGTERM end the work in order: the first raises Cancelled in the main thread, the second ends at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

from runner.errors import Cancelled


def cancel_on_signals() -> None:
    """From now on, the first signal raises Cancelled, so that the engine takes back what it has begun."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _cancel)


def _cancel(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_DFL)
    raise Cancelled(
        f"cancelled by {signal.Signals(number).name}: no backup was made",
        hint="unfinished uploads were taken back; the next run reports anything that is left",
    )
