"""Shows what the engine does while it does it: bars on a terminal, plain lines elsewhere, JSON lines when asked.

All of it goes to standard error; standard output is for results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import click
import msgspec

from runner.cli.volume_lines import ended, line_of_volume
from runner.errors import BackupDamaged, PlanStale, PolicyError, TrysailError
from runner.model.event import (
    Event,
    Finished,
    Froze,
    HookRan,
    ItemFailed,
    KeyStored,
    Missing,
    PhaseBegun,
    Progress,
    RestoreFinished,
    RestoreStarted,
    Retrying,
    Started,
    StepRestored,
    StepStored,
    Thawed,
    VolumeProgress,
    Warned,
)
from runner.ports import Observer


@contextmanager
def observer(log_format: str) -> Iterator[Observer]:
    """The observer that fits where we run."""
    if log_format != "json" and sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield lines(log_format)


def lines(log_format: str) -> Observer:
    """An observer that prints a line for each thing: plain, or JSON."""
    return JsonLines() if log_format == "json" else PlainLines()


def problem_line(error: TrysailError, **more: str) -> str:
    """An error as a JSON line, with all that its text would say; `more` are words about where it happened."""
    content = {"event": "error", **more, "message": error.message, "hint": error.hint, "context": error.context}
    parts: tuple[object, ...] = ()
    if isinstance(error, PolicyError):
        parts = error.findings
    elif isinstance(error, PlanStale):
        parts = error.reasons
    elif isinstance(error, BackupDamaged):
        parts = error.damages
    return _json_line({**content, "parts": parts, "exitCode": error.exit_code})


class JsonLines:
    """One JSON object a line, with its time."""

    def notice(self, event: Event) -> None:
        """Prints all but progress."""
        if not isinstance(event, Progress):
            click.echo(_json_line(msgspec.to_builtins(event)), err=True)


class PlainLines:
    """One line for each thing that a person reading a CI log wants to know."""

    def notice(self, event: Event) -> None:
        """Prints what `line_of` has to say."""
        line = line_of(event)
        if line is not None:
            click.echo(line, err=True)


class _Bars:
    """A bar for the items, and one for volumes where there are any; lines that need reading stay above them."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._volumes: Any = None
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._lock = Lock()  # volumes are told of on many threads

    def notice(self, event: Event) -> None:
        """Moves the bar, or prints above it."""
        match event:
            case Started() | RestoreStarted():
                self._task = self._progress.add_task("collecting", total=event.items, unit="items")
            case Progress() if self._task is not None:
                self._progress.update(self._task, completed=event.items)
            case PhaseBegun() if self._task is not None:
                self._progress.update(self._task, description=event.name)
            case Warned() | Missing() | Retrying() | ItemFailed():
                self._print(event)
            case HookRan() if event.code:
                self._print(event)
            case VolumeProgress():
                self._count(event)
            case Finished() | RestoreFinished() if self._task is not None:
                self._progress.update(self._task, completed=event.items, description="done")
            case _:
                pass

    def _print(self, event: Event) -> None:
        self._progress.console.print(line_of(event), markup=False, highlight=False)

    def _count(self, event: VolumeProgress) -> None:
        with self._lock:
            self._begun.add(event.volume)
            if ended(event):
                self._ended.add(event.volume)
            if self._volumes is None:
                self._volumes = self._progress.add_task("volumes", total=0, unit="volumes")
            self._progress.update(self._volumes, total=len(self._begun), completed=len(self._ended))


@contextmanager
def _bars() -> Iterator[_Bars]:
    from rich.console import Console  # noqa: PLC0415 -- only terminals need it
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress)


def line_of(event: Event) -> str | None:
    """The event in plain text, one line but for a command's output; or None where nobody needs it."""
    match event:
        case PhaseBegun():
            return f"{event.name} …"
        case Retrying():
            return f"  retrying {event.what} in {event.wait:.1f} s (attempt {event.attempt} failed: {event.reason})"
        case Warned():
            return f"Warning: {event.message}"
        case RestoreStarted() | StepRestored() | ItemFailed() | RestoreFinished():
            return _line_of_restore(event)
        case Froze() | Thawed() | HookRan() | VolumeProgress():
            return line_of_volume(event)
        case Progress():
            return None
        case _:
            return _line_of_backup(event)


def _line_of_backup(event: Started | StepStored | Missing | KeyStored | Finished) -> str:
    match event:
        case Started():
            return f"{event.backup}: policy {event.policy}, cluster {event.cluster}, {event.items} items planned"
        case StepStored():
            planned = "" if event.items == event.planned else f" (planned {event.planned})"
            return f"  {_where(event)}: {event.items}{planned}"
        case Missing():
            return f"Missing: {event.what}: {event.reason}"
        case KeyStored():
            return f"  {event.key}: {event.size} bytes, sha256 {event.sha256}"
        case Finished():
            return f"{event.backup}: {event.phase}, {event.items} items in {event.seconds:.1f} s"


def _line_of_restore(event: RestoreStarted | StepRestored | ItemFailed | RestoreFinished) -> str:
    match event:
        case RestoreStarted():
            return f"restoring {event.backup} into {event.cluster}: {event.items} items planned"
        case StepRestored():
            return f"  {_where(event)}: {event.items} {_DONE[event.action]}"
        case ItemFailed():
            return f"Failed: {event.what}: {event.reason}"
        case RestoreFinished():
            failed = f", {event.failed} failed" if event.failed else ""
            return f"{event.backup}: {event.items} items restored{failed} in {event.seconds:.1f} s"


def _where(event: StepStored | StepRestored) -> str:
    return f"{event.resource} in {event.namespace}" if event.namespace else event.resource


_DONE = {"create": "to create", "update": "to update", "recreate": "to delete and create anew"}


def _json_line(content: dict[str, Any]) -> str:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return msgspec.json.encode({"time": time, **content}).decode()
