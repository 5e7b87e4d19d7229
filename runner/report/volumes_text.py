"""The ledger of volumes and the hooks of a plan as lines of text, in the shapes of the rest of it. Prints nothing.

Everything that came from elsewhere goes through `harmless`; lines are at most 80 wide where names allow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.model.hooks import PlannedHook
from runner.model.plan import Plan
from runner.model.volumes import PlannedVolume
from runner.report.hooks_outline import HereCommand, HookedPods, here_commands, hooked_pods, in_seconds, spoken
from runner.report.paint import Paint
from runner.report.volumes_outline import VolumeGroup, VolumeLine, about, by_namespace, made, volume_groups
from runner.report.words import WIDTH, counted, harmless, listed_within, wrapped

# Beyond so many lines of kept volumes, larger groups are a line a namespace.
_MOST_KEPT = 100
LARGE = 10
_MOST_SKIPPED = 10  # lines of a rule
_MOST_HOOKED = 50  # Pods, or workloads


def kept_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    """Each volume whose data will be kept: how, by which rule, its size, class, driver and the provider's word."""
    groups = volume_groups(volume for volume in plan.volumes if volume.keeps)
    long = is_long(groups)
    for place, group in enumerate(groups):
        if place:
            yield ""
        # tfcmt lists what stands before `will be created`, where nothing follows.
        yield f"  # {paint.bold(harmless(made(group)))} will be created"
        yield from map(paint.faint, wrapped(f"({harmless(about(group))})", "  # "))
        if long and len(group.lines) > LARGE:
            yield from summed_up(group, paint.good("+"), paint)
        else:
            yield from _kept_rows(group, paint)
    if long:
        yield ""
        yield from wrapped("Summed up: -o json has every volume, with its handle and its rule.", "  # ")


def is_long(groups: Sequence[VolumeGroup]) -> bool:
    """Whether larger groups are better summed up than read in full."""
    return sum(len(group.lines) for group in groups) > _MOST_KEPT


def skipped_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    """What a rule leaves out, counted and named."""
    groups = volume_groups(volume for volume in plan.volumes if volume.method == "skip")
    if not groups:
        return
    yield paint.bold("Volumes left out:")
    yield ""
    for group in groups:
        yield from left_out_volumes(group, paint)


def left_out_volumes(group: VolumeGroup, paint: Paint) -> Iterator[str]:
    """One rule with the volumes that it leaves out, the first of them by name."""
    first, *rest = wrapped(harmless(f"{counted(group.count, 'volume')} ({group.why})"), " " * 4)
    yield f"  {paint.faint('-')} {first.lstrip()}"
    yield from rest
    shown = group.lines[:_MOST_SKIPPED]
    for row in aligned([(line.name, line.first.capacity, line.first.source) for line in shown]):
        yield paint.faint(f"      {row}")
    if len(group.lines) > len(shown):
        yield paint.faint(f"      and {sum(len(line.volumes) for line in group.lines[_MOST_SKIPPED:])} more")


def uncovered_lines(volumes: Iterable[PlannedVolume], symbol: str, paint: Paint) -> Iterator[str]:
    """Every volume that nothing protects by its reason, an empty line before each: no claim is ever folded away."""
    for group in volume_groups(volumes):
        yield ""
        yield from map(paint.faint, wrapped(f"({harmless(group.why)})", "  # "))
        cells = [(line.name, line.first.capacity, line.first.storage_class, line.first.source) for line in group.lines]
        yield from (f"  {symbol} {row}" for row in aligned(cells))


def summed_up(group: VolumeGroup, symbol: str, paint: Paint) -> Iterator[str]:
    """A line a namespace, with as many names as it has room for."""
    found = by_namespace(group)
    rows = aligned([(str(row.count), row.namespace, row.capacity) for row in found])
    for row, text in zip(found, rows, strict=True):
        room = WIDTH - len(f"  + {text}  , and {row.count} more")
        names = listed_within([harmless(name) for name in row.names], room)
        yield f"  {symbol} {text}  {paint.faint(names)}"


def uncovered_rows(group: VolumeGroup, symbol: str) -> Iterator[str]:
    """A row for each volume: name, size, class, driver."""
    cells = [(line.name, line.first.capacity, line.first.storage_class, line.first.source) for line in group.lines]
    yield from (f"  {symbol} {row}" for row in aligned(cells))


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Cells made harmless, those below each other equally wide; columns without a word are left out."""
    harmless_rows = [tuple(map(harmless, row)) for row in rows]
    columns = [column for column in zip(*harmless_rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        yield _joined(row, widths)


def hook_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    """Every command that will be run: in which container or where, before what or after it, and why."""
    pods = hooked_pods(plan)
    if pods:
        count = sum(len(found.pods) for found in pods)
        yield f"  # {paint.bold('commands')} will be run in {counted(count, 'Pod')}, around their snapshots"
        for found in pods[:_MOST_HOOKED]:
            yield from _hooked(found, paint)
        if len(pods) > _MOST_HOOKED:
            rest = sum(len(found.pods) for found in pods[_MOST_HOOKED:])
            yield from wrapped(f"and in {counted(rest, 'more Pod')}: -o json has every command", "    ")
    here = here_commands(plan)
    if here:
        if pods:
            yield ""
        yield f"  # {paint.bold('commands')} will be run on this machine"
        for command in here:
            yield from _here(command, paint)


def _kept_rows(group: VolumeGroup, paint: Paint) -> Iterator[str]:
    """A row a volume; what all have in common stands above them, and a handle that is too long below its row."""
    symbol = paint.good("+")
    rows = list(aligned([_cells(group, line) for line in group.lines]))
    width = max(map(len, rows))
    for line, row in zip(group.lines, rows, strict=True):
        handle = harmless(line.handle)
        if handle and len(f"  + {row:<{width}}  {handle}") <= WIDTH:
            yield f"  {symbol} {row:<{width}}  {paint.faint(handle)}"
        else:
            yield f"  {symbol} {row}"
            if handle:
                yield paint.faint(f"      {handle}")


def _hooked(found: HookedPods, paint: Paint) -> Iterator[str]:
    yield f"  {paint.warning('>')} {harmless(found.name)}"
    for hook in found.hooks:
        yield from _hook(hook, paint)


def _hook(hook: PlannedHook, paint: Paint) -> Iterator[str]:
    word = "before" if hook.when == "pre" else "after "
    yield from wrapped(harmless(spoken(hook.command)), " " * 14, first=f"      {word}  ")
    limits = f"in container {hook.container}, {in_seconds(hook.timeout)} at most, onError: {hook.on_error} ({hook.why})"
    yield from map(paint.faint, wrapped(harmless(limits), " " * 14))


def _here(command: HereCommand, paint: Paint) -> Iterator[str]:
    yield f"  {paint.warning('>')} {command.when}"
    yield from wrapped(harmless(command.command), " " * 6)
    yield paint.faint(f"      {command.timeout} at most, onError: {command.on_error}")


def _cells(group: VolumeGroup, line: VolumeLine) -> tuple[str, ...]:
    volume = line.first
    cells = [line.name, volume.capacity]
    if not group.storage_class:
        cells.append(volume.storage_class)
    if not group.source:
        cells.append(volume.source)
    return tuple(cells)


def _joined(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
