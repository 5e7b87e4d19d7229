"""An observer that remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runner.model.event import Event

E = TypeVar("E")


class RecordingObserver:
    """An Observer whose `events` are all that it was told. `touched` is called before each, and may raise."""

    def __init__(self, touched: Callable[[str], None] = lambda _: None) -> None:
        self.events: list[Event] = []
        self._touched = touched

    def notice(self, event: Event) -> None:
        """Remembers it."""
        self._touched("notice")
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Those events that are of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
