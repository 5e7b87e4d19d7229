"""Retries, which live here and nowhere else: what is retriable is tried again, a bounded number of times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from runner.errors import Cancelled, ClusterBusy, StoreBusy, TrysailError, VolumesBusy
from runner.model.event import Retrying
from runner.ports import Clock, Observer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often and how long. With these defaults a call that fails at once is given up after about 20 seconds."""

    attempts: int = 7
    first_wait: float = 0.25  # seconds; doubles each time
    longest_wait: float = 10.0
    longest_server_wait: float = 60.0  # a Retry-After beyond this is cut


@dataclass(frozen=True, slots=True)
class Retrier:
    """Makes a call until it succeeds, fails for good, or has failed too often: then the last error is raised."""

    clock: Clock
    observer: Observer
    limits: RetryLimits = RetryLimits()

    def call(self, what: str, work: Callable[[], T]) -> T:
        """What `work` returns. `what` names it for people: `list of secrets in shop`."""
        attempt = 1
        handled = sys.exc_info()[1]
        while True:
            try:
                return work()
            except TrysailError as error:
                _raise_cancelled(error, handled)
                if not error.retriable or attempt >= self.limits.attempts:
                    raise
                wait = self._wait(error, attempt)
                self.observer.notice(Retrying(what=what, reason=error.message, attempt=attempt, wait=round(wait, 2)))
            self.clock.sleep(wait)
            attempt += 1

    def _wait(self, error: TrysailError, attempt: int) -> float:
        """The server's own wish where it has one, else twice as long each time; spread so that many do not march."""
        if isinstance(error, ClusterBusy | StoreBusy | VolumesBusy) and error.retry_after is not None:
            wished = min(error.retry_after, self.limits.longest_server_wait)
            return wished * (1 + 0.2 * self.clock.jitter())
        longest = min(self.limits.first_wait * 2.0 ** (attempt - 1), self.limits.longest_wait)
        return longest * (0.5 + 0.5 * self.clock.jitter())


def _raise_cancelled(error: BaseException, handled: BaseException | None) -> None:
    """A signal's Cancelled, where a vendor's code has met it and made an error of its own of it.

    SDKs catch all exceptions around their sockets: what looks like a store without an answer was somebody's Ctrl-C.
    What is being `handled` already, as while a run is taken back, is behind every error too, and no news.
    """
    known = set(map(id, _chain(handled)))
    for one in _chain(error):
        if isinstance(one, Cancelled) and one is not error and id(one) not in known:
            raise one


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and each one behind it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
