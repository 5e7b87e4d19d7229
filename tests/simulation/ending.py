"""How one run of a simulation is followed, and ended: every call is counted, and a signal or death may come at any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from runner.errors import Cancelled, TrysailError

_ENOUGH = 30_000  # calls; no run of these small worlds needs so many


class Died(BaseException):
    """The process is gone, as after SIGKILL: whatever it would still do raises this again."""


@dataclass(frozen=True, slots=True)
class End:
    """A death or a signal, at the `at`-th time that something happens: any call, or one that a run counts by name."""

    kind: str  # death | signal
    where: str  # any, or what `count` was told
    at: int


class Ending:
    """Follows one run. `met` counts what struck it; `trace` has every call and what became of it."""

    def __init__(self, random: Random, end: End | None) -> None:
        self.met: Counter[str] = Counter()
        self.trace: list[str] = []
        self.dead = False
        self.in_worker: Callable[[], bool] = lambda: False
        self.random = random
        self.counts: Counter[str] = Counter()
        self._end = end
        self._signalled = self._due = False

    def touched(self, what: str) -> None:
        """A call of clock, executor or observer."""
        self.count("any", what)

    def count(self, where: str, what: str) -> None:
        """One more of `where`. Raises Died, or on the main thread Cancelled, where that is the end."""
        if self.dead:
            raise Died
        if where == "any":
            self.trace.append(what)
            assert len(self.trace) < _ENOUGH, "the run does not come to an end"
        self.counts[where] += 1
        end = self._end
        if end is not None and (end.where, end.at) == (where, self.counts[where]):
            if end.kind == "death":
                self.dead = True
                self.meet("died")
                raise Died
            self._due = True
        if self._due and not self._signalled and not self.in_worker():
            self._signalled = True
            self.meet("cancelled")
            raise Cancelled("cancelled by SIGINT")

    def meet(self, what: str, counted: str = "") -> None:
        """It struck; it is counted by another name where that has more to it."""
        self.met[counted or what] += 1
        self.trace.append(f"  ! {what}")

    def fail(self, *errors: TrysailError) -> None:
        """Raises one of them."""
        error = self.random.choice(errors)
        self.meet(type(error).__name__)
        raise error
