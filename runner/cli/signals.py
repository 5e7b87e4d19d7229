"""SIGINT and SIGTERM end the work in order: the first raises Cancelled in the main thread, the second ends at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

from runner.errors import Cancelled


def cancel_on_signals(consequence: str = "", hint: str = "") -> None:
    """From now on, the first signal raises Cancelled, so that what was begun is taken back.

    `consequence` and `hint` say what that means for the verb. Also where a shell has set SIGINT to be ignored, as it
    does for work in the background: a run that cannot be stopped in order is stopped in disorder.
    """

    def cancel(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        message = f"cancelled by {signal.Signals(number).name}"
        raise Cancelled(f"{message}: {consequence}" if consequence else message, hint=hint)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, cancel)
