"""What goes wrong in one run that takes snapshots, drawn by its seed: refusals, lost answers, a signal, death."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from runner.archive.layout import MANIFEST
from runner.errors import (
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
from tests.simulation.ending import End, Ending

_Errors = tuple[type[TrysailError], ...]
_PASSING: dict[str, _Errors] = {
    "provider": (VolumesBusy, VolumesUnreachable),
    "cluster": (ClusterBusy, ClusterUnreachable),
    "exec": (ClusterUnreachable,),  # what is retriable was never begun
    "store": (StoreBusy, StoreUnreachable),
}
_LASTING: dict[str, _Errors] = {
    "provider": (VolumesDenied, VolumeQuotaExceeded),
    "cluster": (Forbidden,),
    "exec": (Forbidden,),
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


class VolumeFaults(Ending):
    """Strikes the calls of one run."""

    def __init__(self, random: Random, weather: Weather, end: End | None) -> None:
        super().__init__(random, end)
        self.committed = False  # the manifest was written, heard of or not
        self.clock = SimulatedClock()  # its run's own takes the place
        self.visitor: Callable[[], None] = lambda: None
        self.visit = 0  # from this call to a provider on, somebody else's run is due
        self.weather = weather

    def calls(self, port: str, what: str) -> None:
        """Before a call to a port, which has no effect where this raises."""
        self.touched(f"{port}: {what}")
        self.count(port, what)
        # Nobody can take over what is on its way out: no provider deletes only what still has a certain tag.
        if port == "provider" and 0 < self.visit <= self.counts[port] and not what.startswith("discard"):
            self.visitor()
        self.clock.advance(self.random.expovariate(20))
        chance = self.random.random()
        if chance < self.weather.passing:
            self.fail(*(kind("it passes") for kind in _PASSING[port]))
        elif chance < self.weather.passing + self.weather.lasting and port in _LASTING:
            self.fail(*(kind("it lasts") for kind in _LASTING[port]))

    def answers(self, port: str, what: str) -> None:
        """After a call to a port had its effect."""
        self.count("reply", what)
        if port in _LOST and self.random.random() < self.weather.lost:
            self.meet(f"reply of the {port} lost")
            raise _LOST[port]("the connection was reset before the answer came")

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
