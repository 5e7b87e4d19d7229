"""The Renderer that needs nothing: it works on the caller's own thread, when the result is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from runner.model.entry import Batch, Entry

if TYPE_CHECKING:
    from runner.archive.emitter import Emitter


class RenderHere:
    """For runs that are too small to be worth a process, and for tests."""

    @cached_property
    def emitter(self) -> Emitter:
        """Made when it is needed: its patterns take a while, and a run with processes of its own needs none."""
        from runner.archive.emitter import Emitter  # noqa: PLC0415

        return Emitter()

    def render(self, batch: Batch) -> _Later:
        """The batch's entries, when they are asked for."""
        return _Later(self, batch)


class _Later:
    def __init__(self, here: RenderHere, batch: Batch) -> None:
        self._here, self._batch = here, batch

    def result(self) -> tuple[Entry, ...]:
        from runner.archive.render import render  # noqa: PLC0415 -- as above

        return render(self._batch, self._here.emitter)

    def cancel(self) -> bool:
        return True
