"""What goes wrong in one run that takes snapshots, drawn by its seed: refusals, lost answers, a signal, death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from runner.archive.layout import MANIFEST
from runner.errors import (
    Cancelled,
    ClusterBusy,
    ClusterUnreachable,
    Forbidden,
    StoreBusy,
    StoreUnreachable,
    TrysailError,
    VolumeQuotaExceeded,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from tests.fakes.clock import SimulatedClock
from tests.simulation.faults import Died, End

_ENOUGH = 30_000  # calls; no run of these small worlds needs so many
_PASSING: dict[str, tuple[TrysailError, ...]] = {
    "provider": (VolumesBusy("the provider is busy"), VolumesUnreachable("the connection was reset")),
    "cluster": (ClusterBusy("the API server answers 429"), ClusterUnreachable("the connection was reset")),
    "exec": (ClusterUnreachable("the connection was refused"),),  # what is retriable was never begun
    "store": (StoreBusy("the store answers 503"), StoreUnreachable("the connection was reset")),
}
_LASTING: dict[str, tuple[TrysailError, ...]] = {
    "provider": (VolumesDenied("the provider refuses it"), VolumeQuotaExceeded("there are too many snapshots")),
    "cluster": (Forbidden("it may not be done"),),
    "exec": (Forbidden("exec may not be done"),),
}
_LOST: dict[str, type[TrysailError]] = {
    "provider": VolumesUnreachable,
    "cluster": ClusterUnreachable,
    "store": StoreUnreachable,
}


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances, for each call that they can strike."""

    passing: float = 0.0  # it fails, and would not a moment later
    lasting: float = 0.0  # it fails, and the same call again is not worth a try
    lost: float = 0.0  # it is done, and its answer is lost
    command: float = 0.0  # a command in a Pod fails or hangs


class VolumeFaults:
    """Strikes the calls of one run. `met` counts what did; `trace` has every call and what became of it."""

    def __init__(self, random: Random, weather: Weather, end: End | None) -> None:
        self.met: Counter[str] = Counter()
        self.trace: list[str] = []
        self.dead = False
        self.committed = False  # the manifest was written, heard of or not
        self.clock = SimulatedClock()  # its run's own takes the place
        self.in_worker: Callable[[], bool] = lambda: False
        self.visitor: Callable[[], None] = lambda: None
        self.visit = 0  # from this call to a provider on, somebody else's run is due
        self.random, self.weather = random, weather
        self._end = end
        self._counts: Counter[str] = Counter()
        self._signalled = self._due = False

    def touched(self, what: str) -> None:
        """A call of clock, executor or observer."""
        self._count("any", what)

    def calls(self, port: str, what: str) -> None:
        """Before a call to a port, which has no effect where this raises."""
        self.touched(f"{port}: {what}")
        self._count(port, what)
        # Nobody can take over what is on its way out: no provider deletes only what still has a certain tag.
        if port == "provider" and 0 < self.visit <= self._counts[port] and not what.startswith("discard"):
            self.visitor()
        self.clock.advance(self.random.expovariate(20))
        chance = self.random.random()
        if chance < self.weather.passing:
            self._fail(*_PASSING[port])
        elif chance < self.weather.passing + self.weather.lasting and port in _LASTING:
            self._fail(*_LASTING[port])

    def answers(self, port: str, what: str) -> None:
        """After a call to a port had its effect."""
        self._count("reply", what)
        if port in _LOST and self.random.random() < self.weather.lost:
            self.meet(f"reply of the {port} lost")
            raise _LOST[port]("the connection was reset before the answer came")

    def meet(self, what: str) -> None:
        """It struck."""
        self.met[what] += 1
        self.trace.append(f"  ! {what}")

    # a Fate of the store

    def before(self, verb: str, key: str, size: int) -> None:
        """As `tests.fakes.faulty.Fate` has it."""
        del size
        self.calls("store", f"{verb} {key}")

    def after(self, verb: str, key: str) -> None:
        """As `tests.fakes.faulty.Fate` has it."""
        self.committed |= verb == "create" and key.endswith(MANIFEST)
        self.answers("store", f"{verb} {key}")

    def kept(self, verb: str, key: str, data: bytes) -> bytes:
        """As `tests.fakes.faulty.Fate` has it."""
        del verb, key
        return data

    def given(self, key: str, data: bytes) -> bytes:
        """As `tests.fakes.faulty.Fate` has it."""
        del key
        return data

    def _count(self, where: str, what: str) -> None:
        if self.dead:
            raise Died
        if where == "any":
            self.trace.append(what)
            assert len(self.trace) < _ENOUGH, "the run does not come to an end"
        self._counts[where] += 1
        end = self._end
        if end is not None and (end.where, end.at) == (where, self._counts[where]):
            if end.kind == "death":
                self.dead = True
                self.meet("died")
                raise Died
            self._due = True
        if self._due and not self._signalled and not self.in_worker():
            self._signalled = True
            self.meet("cancelled")
            raise Cancelled("cancelled by SIGINT")

    def _fail(self, *errors: TrysailError) -> None:
        error = self.random.choice(errors)
        self.meet(type(error).__name__)
        raise type(error)(error.message)
