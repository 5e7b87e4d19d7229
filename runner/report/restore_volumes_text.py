"""What becomes of volumes' data in a restore, and what is run in Pods then, as lines of text. Prints nothing.

Everything that came from elsewhere goes through `harmless`; lines are at most 80 wide where names allow it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from runner.model.restore import RestorePlan
from runner.report.columns import table
from runner.report.hooks_outline import restored_hooks
from runner.report.paint import Paint
from runner.report.restore_volumes import SYMBOLS, FateGroup, claim_name, fate_about, fate_groups, fate_said
from runner.report.words import WIDTH, harmless, wrapped

# Beyond so many claims, larger groups are a line a namespace; what cannot be brought back is always named.
_MOST_NAMED = 100
_LARGE = 10


def volume_lines(plan: RestorePlan, paint: Paint) -> Iterator[str]:
    """Each claim with what becomes of its data, and why."""
    groups = fate_groups(plan)
    long = len(plan.volumes) > _MOST_NAMED
    for place, group in enumerate(groups):
        if place:
            yield ""
        yield f"  # {_painted(group, fate_said(group), paint)}"
        about = fate_about(group)
        if about:
            yield from map(paint.faint, wrapped(f"({harmless(about)})", "  # "))
        if long and group.fate != "refuse" and len(group.volumes) > _LARGE:
            yield from _summed_up(group, paint)
        else:
            yield from _rows(group, paint)
    if long:
        yield ""
        yield from wrapped("Summed up: -o json has every volume, with its snapshot.", "  # ")


def restored_hook_lines(plan: RestorePlan, paint: Paint) -> Iterator[str]:
    """Every command that is run in Pods once they are back."""
    hooks = restored_hooks(plan)
    if not hooks:
        return
    yield f"  # {paint.bold('commands')} will be run in Pods that come back"
    for hook in hooks:
        yield from wrapped(harmless(f"{hook.pods} (hook {hook.name})"), " " * 4, first=f"  {paint.warning('>')} ")
        yield from wrapped(harmless(hook.command), " " * 6)
        where = f"in container {hook.container}" if hook.container else "in the first container"
        yield from map(paint.faint, wrapped(harmless(f"{where}, {hook.limits}"), " " * 6))


def _rows(group: FateGroup, paint: Paint) -> Iterator[str]:
    symbol = _painted(group, SYMBOLS[group.fate], paint)
    cells = [(harmless(claim_name(volume)), harmless(volume.capacity)) for volume in group.volumes]
    for volume, text in zip(group.volumes, table(cells), strict=True):
        snapshot = harmless(volume.snapshot) if group.fate == "restore" else ""
        if not snapshot:
            yield f"  {symbol} {text}"
        elif len(f"  + {text}  {snapshot}") <= WIDTH:
            yield f"  {symbol} {text}  {paint.faint(snapshot)}"
        else:
            yield f"  {symbol} {text}"
            yield paint.faint(f"      {snapshot}")


def _summed_up(group: FateGroup, paint: Paint) -> Iterator[str]:
    counts = Counter(volume.namespace for volume in group.volumes)
    digits = max(len(str(count)) for count in counts.values())
    for namespace, count in sorted(counts.items()):
        row = f"{count:>{digits}}  in namespace {harmless(namespace)}"
        yield f"  {_painted(group, SYMBOLS[group.fate], paint)} {row}"


def _painted(group: FateGroup, text: str, paint: Paint) -> str:
    return {"restore": paint.good, "refuse": paint.bad, "empty": paint.warning, "leave": paint.faint}[group.fate](text)
