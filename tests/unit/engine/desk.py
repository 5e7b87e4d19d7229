"""A sender of bytes in front of a store that fails as a script says, for tests of upload."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

from runner.engine.retry import Retrier
from runner.engine.upload import Sender, Stream
from runner.errors import (
    StoreUnreachable,
)
from runner.model.event import Warned
from runner.model.manifest import StoredKey
from tests.fakes.clock import SimulatedClock
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyStore, Script
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore

LOST = StoreUnreachable("reset before the answer")


class Desk:
    """A sender with all that it needs, in front of a store that fails as a script says."""

    def __init__(
        self,
        script: Script | None = None,
        store: MemoryStore | None = None,
        order: Random | None = None,
        touched: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.script = script or Script()
        self.inner = store or MemoryStore()
        self.store = FaultyStore(self.inner, self.script)
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.executor = SimulatedExecutor(order, touched=touched)
        retrier = Retrier(self.clock, self.observer)
        self.sender = Sender(self.store, self.executor, retrier, "prod/daily/b1/", part_bytes=10)

    def verbs(self) -> list[str]:
        """The calls to the store, without those that read."""
        return [verb for verb, _ in self.script.calls if verb not in {"stream", "piece"}]

    def warnings(self) -> list[str]:
        """What people are told."""
        return [event.message for event in self.observer.of(Warned)]


def stored(data: bytes) -> StoredKey:
    """What a manifest says of these bytes."""
    return StoredKey(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def filled(desk: Desk, data: bytes = b"0123456789abcdefghijABCDE") -> Stream:
    """A stream that was given 25 bytes: two parts and a half."""
    stream = desk.sender.stream("x.gz")
    stream.write(data)
    return stream


def flipped(data: bytes) -> bytes:
    """One bit is another."""
    return bytes([data[0] ^ 1]) + data[1:]


def doubting() -> MemoryStore:
    """A store that does not check what it is sent."""
    return MemoryStore(verifies_uploads=False)
