"""What is said of volumes and hooks while they are worked on, in plain text. Prints nothing."""

from __future__ import annotations

from runner.model.event import Froze, HookRan, Thawed, VolumeProgress
from runner.report.words import counted, harmless

_MOST_OUTPUT = 12  # lines of a command's output, the last ones: an error stands at the end
_LONGEST_LINE = 200
_ENDS = frozenset(("stored", "adopted", "brought back", "failed"))


def line_of_volume(event: Froze | Thawed | HookRan | VolumeProgress) -> str:
    """The event in plain text: one line, but for a command's output, which stands indented below it."""
    match event:
        case Froze():
            return f"  {harmless(event.group)}: frozen by {counted(event.hooks, 'hook')}"
        case Thawed():
            return f"  {harmless(event.group)}: thawed after {event.seconds:.1f} s"
        case HookRan():
            return "\n".join(_hook(event))
        case VolumeProgress():
            detail = f" ({harmless(event.detail)})" if event.detail else ""
            return f"  volume {harmless(event.volume)}: {event.state}{detail}"


def ended(event: VolumeProgress) -> bool:
    """Whether nothing more will be heard of the volume."""
    return event.state in _ENDS


def _hook(event: HookRan) -> list[str]:
    how = "done" if event.code == 0 else f"exit code {event.code}"
    lines = event.output.strip().splitlines()
    left = len(lines) - _MOST_OUTPUT
    shown = [f"({counted(left, 'line')} before)"] if left > 0 else []
    shown += [_cut(harmless(line)) for line in lines[-_MOST_OUTPUT:]]
    return [f"  {harmless(event.what)}: {how} in {event.seconds:.1f} s", *(f"      {line}".rstrip() for line in shown)]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
