"""An executor on the caller's own thread: work is done when its result is wanted, or in between, by a given order.

Each piece of work is done in one go, so that a run replays exactly. What threads do beyond that is acted out where
the engine could notice: work begins whenever there is a free place, another piece may be done first, and work that
somebody wants to cancel may just have begun.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SimulatedExecutor:
    """An Executor. Without `order`, work is done in the order it was handed over, when its result is wanted.

    `fatal` errors end the process, not the work: they fall through whoever waits, and meet every later request.
    `touched` is called before each request with its name, and may raise.
    """

    def __init__(
        self,
        order: Random | None = None,
        *,
        fatal: tuple[type[BaseException], ...] = (),
        touched: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.fatal = fatal
        self.depth = 0  # above 0 while work is done, so that a caller is a worker and not the main thread
        self.most_waiting = 0
        self._order = order
        self._told = touched
        self._end: BaseException | None = None
        self._waiting: list[SimulatedWork[Any]] = []

    def submit(self, work: Callable[[], T]) -> SimulatedWork[T]:
        """Keeps the work; some that waits may be done at once, as if a thread were free."""
        self._touched("submit")
        pending = SimulatedWork(self, work)
        self._waiting.append(pending)
        self.most_waiting = max(self.most_waiting, len(self._waiting))
        while self._order is not None and self._waiting and self._order.random() < 1 / 3:
            self.run(self._order.choice(self._waiting))
        return pending

    def until(self, wanted: SimulatedWork[T]) -> None:
        """Does what waits, in any order, until `wanted` is done."""
        self._begin_by_chance(wanted)
        self._touched("result")
        assert self.depth == 0, "work waits for other work: with every thread taken by such, none would ever go on"
        while not wanted.done:
            assert wanted in self._waiting, "the result of cancelled work is wanted"
            self.run(self._order.choice(self._waiting) if self._order is not None else wanted)

    def withdraw(self, pending: SimulatedWork[T]) -> bool:
        """Takes back work that has not begun; by chance it just has."""
        self._touched("cancel")
        self._begin_by_chance(pending)
        if pending.done or pending.begun:
            return False
        if pending in self._waiting:
            self._waiting.remove(pending)
        return True

    def run(self, pending: SimulatedWork[T]) -> None:
        """Does one piece of work."""
        self._waiting.remove(pending)
        self.depth += 1
        try:
            pending.run(self.fatal)
        except self.fatal as end:
            self._end = end
            raise
        finally:
            self.depth -= 1

    def leave(self) -> None:
        """The end of the process: work that has begun is finished, the rest never begins."""
        begun = [pending for pending in self._waiting if pending.begun]
        for pending in begun:
            self.run(pending)
        self._waiting.clear()

    def _begin_by_chance(self, pending: SimulatedWork[T]) -> None:
        """A thread may have taken it up a moment ago; what has begun is finished, whatever the caller does next."""
        if self._order is not None and pending in self._waiting and self._order.random() < 1 / 3:
            pending.begun = True

    def _touched(self, what: str) -> None:
        if self._end is not None:
            raise self._end
        self._told(what)


class SimulatedWork(Generic[T]):
    """A Pending."""

    def __init__(self, executor: SimulatedExecutor, work: Callable[[], T]) -> None:
        self.begun = False
        self.done = False
        self._executor = executor
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def result(self) -> T:
        """What the work returned or raised; does it now, if it is not done."""
        self._executor.until(self)
        if self._error is not None:
            raise self._error
        return self._results[0]

    def cancel(self) -> bool:
        """Whether it will never begin."""
        return self._executor.withdraw(self)

    def run(self, fatal: tuple[type[BaseException], ...]) -> None:
        """Does the work; for the executor alone."""
        self.begun = True
        try:
            self._results.append(self._work())
        except fatal:
            raise
        except BaseException as error:  # noqa: BLE001 -- as a thread's Future: whoever wants the result gets it
            self._error = error
        self.done = True
