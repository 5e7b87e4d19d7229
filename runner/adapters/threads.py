"""The Executor with threads, and the Clock of this machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class ThreadExecutor:
    """Runs up to `workers` pieces of work at once; leaving the `with` block waits for what has begun."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="trysail")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Begins `work` as soon as a thread is free."""
        return self._pool.submit(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # After an error nobody waits for requests that are still on their way: they may take minutes.
        self._pool.shutdown(wait=error is None, cancel_futures=True)


class SystemClock:
    """The machine's own time and randomness."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits; a signal's handler may raise from here."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """From 0 up to 1."""
        return random.random()  # noqa: S311 -- spreads retries, guards nothing
