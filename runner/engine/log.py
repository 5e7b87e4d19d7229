"""The run's own log: every event with its time, as JSON lines that are stored beside the backup."""

from __future__ import annotations

from threading import Lock

import msgspec

from runner.model.event import Event, Progress, Warned
from runner.ports import Clock, Observer


class RunLog:
    """An Observer that keeps what it is told and passes it on."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self.warnings: list[str] = []
        self._clock = clock
        self._observer = observer
        self._lines: list[bytes] = []
        self._lock = Lock()

    def notice(self, event: Event) -> None:
        """Keeps the event, but for progress, and tells the observer."""
        if not isinstance(event, Progress):
            self.record(event)
        self._observer.notice(event)

    def record(self, event: Event) -> None:
        """Keeps the event without telling anybody."""
        line = {"time": self._clock.now().isoformat(timespec="milliseconds"), **msgspec.to_builtins(event)}
        with self._lock:
            self._lines.append(msgspec.json.encode(line) + b"\n")
            if isinstance(event, Warned):
                self.warnings.append(event.message)

    def content(self) -> bytes:
        """All lines so far."""
        with self._lock:
            return b"".join(self._lines)
