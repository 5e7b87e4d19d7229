"""The Renderer that needs nothing: it works on the caller's own thread, when the result is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.archive.emitter import Emitter
from runner.archive.render import render
from runner.model.entry import Batch, Entry


@dataclass(frozen=True, slots=True)
class RenderHere:
    """For runs that are too small to be worth a process, and for tests."""

    emitter: Emitter = field(default_factory=Emitter)

    def render(self, batch: Batch) -> _Later:
        """The batch's entries, when they are asked for."""
        return _Later(self.emitter, batch)


@dataclass(frozen=True, slots=True)
class _Later:
    emitter: Emitter
    batch: Batch

    def result(self) -> tuple[Entry, ...]:
        return render(self.batch, self.emitter)

    def cancel(self) -> bool:
        return True
