"""Retries end, wait as they should, and are told of."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

import pytest

from runner.engine.retry import Retrier, RetryLimits
from runner.errors import (
    Cancelled,
    ClusterBusy,
    ClusterUnreachable,
    Forbidden,
    StoreBusy,
    StoreUnreachable,
    TrysailError,
)
from runner.model.event import Retrying
from tests.fakes.clock import SimulatedClock
from tests.fakes.observer import RecordingObserver


class Failing:
    """Work that fails with each of some errors in turn, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.calls = 0
        self._errors = list(errors)

    def __call__(self) -> str:
        """Counts itself."""
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def waits(*errors: TrysailError, jitter: Callable[[], float] = lambda: 0.5) -> list[float]:
    """How long is waited between attempts that fail with `errors`."""
    clock = SimulatedClock(jitter)
    assert Retrier(clock, RecordingObserver()).call("work", Failing(*errors)) == "done"
    return clock.slept


def test_what_succeeds_is_done_once() -> None:
    """Without a failure nothing is repeated, waited for, or told."""
    clock, observer, work = SimulatedClock(), RecordingObserver(), Failing()
    assert Retrier(clock, observer).call("work", work) == "done"
    assert (work.calls, clock.slept, observer.events) == (1, [], [])


def test_each_retry_is_told() -> None:
    """Which work, why, how often it has failed, and how long the wait is: before it begins."""
    observer = RecordingObserver()
    retrier = Retrier(SimulatedClock(), observer)
    retrier.call("list of pods", Failing(ClusterUnreachable("reset"), ClusterBusy("503", retry_after=2.0)))
    assert observer.events == [
        Retrying(what="list of pods", reason="reset", attempt=1, wait=0.19),
        Retrying(what="list of pods", reason="503", attempt=2, wait=2.2),
    ]


def test_what_is_not_retriable_is_raised_at_once() -> None:
    """A 403 will not become better."""
    work = Failing(Forbidden("no"))
    with pytest.raises(Forbidden):
        Retrier(SimulatedClock(), RecordingObserver()).call("work", work)
    assert work.calls == 1


def test_attempts_end() -> None:
    """The last error is raised, after as many attempts as the limits say and within half a minute."""
    clock, work = SimulatedClock(lambda: 0.999), Failing(*(ClusterUnreachable(str(n)) for n in range(100)))
    with pytest.raises(ClusterUnreachable, match="6"):
        Retrier(clock, RecordingObserver()).call("work", work)
    assert work.calls == RetryLimits().attempts == 7
    assert 10 < clock.passed < 30


def test_an_error_for_good_ends_a_row_of_retries() -> None:
    """Retriable first, then not: the second is raised."""
    work = Failing(ClusterUnreachable("reset"), Forbidden("no"))
    with pytest.raises(Forbidden):
        Retrier(SimulatedClock(), RecordingObserver()).call("work", work)
    assert work.calls == 2


def test_waits_double_and_are_bounded() -> None:
    """Each wait is twice the one before, up to a bound; jitter takes off up to a half."""
    limits = RetryLimits(attempts=9, first_wait=1.0, longest_wait=10.0)
    for jitter, factor in ((0.0, 0.5), (0.999999, 1.0)):
        clock = SimulatedClock(repeat(jitter).__next__)
        Retrier(clock, RecordingObserver(), limits).call("work", Failing(*[StoreBusy("503")] * 8))
        assert clock.slept == pytest.approx([factor * wait for wait in (1, 2, 4, 8, 10, 10, 10, 10)], rel=1e-5)


def test_retry_after_is_honoured() -> None:
    """The server's own wish is the least that is waited, a fifth more at most."""
    for error in (ClusterBusy("429", retry_after=20.0), StoreBusy("503", retry_after=20.0)):
        assert waits(error, jitter=lambda: 0.0) == [20.0]
        assert waits(error, jitter=lambda: 1.0) == [24.0]


def test_retry_after_is_bounded() -> None:
    """A server that says an hour is asked again after a minute."""
    assert waits(ClusterBusy("429", retry_after=3600.0), jitter=lambda: 0.0) == [60.0]


def test_retry_after_of_nothing() -> None:
    """A wish of no seconds is granted; without a wish, the usual wait is."""
    assert waits(ClusterBusy("429", retry_after=0.0)) == [0.0]
    assert waits(ClusterBusy("429")) == pytest.approx([0.1875])


def interrupted() -> None:
    """As a signal's handler does, wherever the main thread is."""
    raise Cancelled("cancelled by SIGINT")


def test_a_signal_that_an_sdk_has_swallowed_is_a_signal_all_the_same() -> None:
    """Botocore catches every exception around its sockets: what looks like no answer was somebody's Ctrl-C."""

    def work() -> None:
        try:
            try:
                interrupted()
            except Exception as error:
                raise ConnectionError("an HTTP client raised an exception") from error
        except ConnectionError as error:
            raise StoreUnreachable("the store gives no answer") from error

    with pytest.raises(Cancelled, match="SIGINT"):
        Retrier(SimulatedClock(), RecordingObserver()).call("a key", work)


def test_while_a_run_is_taken_back_errors_are_retried() -> None:
    """The signal that ended it is behind every error then, and is no new one."""
    tries = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnreachable("reset")
        return "done"

    try:
        interrupted()
    except Cancelled:
        assert Retrier(SimulatedClock(), RecordingObserver()).call("a key", work) == "done"
