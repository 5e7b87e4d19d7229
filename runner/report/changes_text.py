"""What changed since the last backup, as lines of text beside a plan. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runner.model.cluster import ItemId
from runner.plan.changes import Changes, Dropped, FieldChange
from runner.report.paint import Paint
from runner.report.words import counted, harmless

_MOST_NAMED = 10  # items of each sort of change
_LONGEST_VALUE = 200  # characters of a field's value


def changes_lines(changes: Changes, paint: Paint) -> Iterator[str]:
    """The section as lines; `No changes since …` first where a run would store the very same once more."""
    if changes.nothing:
        # tfcmt looks for a line that starts so.
        yield f"No changes since {harmless(changes.backup)}: {counted(changes.unchanged, 'item')} as stored then."
        if changes.being_deleted:
            yield ""
            yield from _being_deleted(changes, paint)
    else:
        yield paint.bold(f"Changes since {harmless(changes.backup)}:")
        yield ""
        yield from _sort(paint.good("+"), "added", changes.added)
        yield from _sort(paint.warning("~"), "changed", changes.changed)
        yield from _sort(paint.warning("±"), "replaced by another of the same name", changes.replaced)
        yield from _sort(paint.bad("-"), "gone, or not selected any more", changes.removed)
        yield from _being_deleted(changes, paint)
        if changes.unknown:
            yield f"  {paint.bad('?')} {changes.unknown} in what cannot be read now"
        yield f"    {changes.unchanged} unchanged"
    if changes.policy:
        yield ""
        yield paint.bold(f"The policy is not the one of {harmless(changes.backup)}:")
        yield ""
        for field in changes.policy:
            yield from _field(field, paint)
    if changes.dropped:
        yield ""
        yield from _dropped(changes, paint)


def value_text(value: Any) -> str:
    """A field's value in one line of JSON; long ones are cut."""
    text = json.dumps(value, ensure_ascii=False)
    return harmless(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…")


def why_dropped(dropped: Dropped) -> str:
    """The rule that leaves it out, or that there is nothing left to leave out."""
    return dropped.why or "nothing that is selected is left of it"


def _being_deleted(changes: Changes, paint: Paint) -> Iterator[str]:
    return _sort(paint.faint("-"), "being deleted now, which a run leaves out", changes.being_deleted)


def _sort(symbol: str, what: str, items: tuple[ItemId, ...]) -> Iterator[str]:
    if not items:
        return
    yield f"  {symbol} {len(items)} {what}"
    for item in items[:_MOST_NAMED]:
        yield f"        {harmless(str(item))}"
    if len(items) > _MOST_NAMED:
        yield f"        and {len(items) - _MOST_NAMED} more"


def _field(field: FieldChange, paint: Paint) -> Iterator[str]:
    path = harmless(field.path)
    if field.was is None:
        yield f"  {paint.good('+')} {path}: {value_text(field.now)}"
    elif field.now is None:
        yield f"  {paint.bad('-')} {path}: {value_text(field.was)}"
    else:
        yield f"  {paint.warning('~')} {path}: {value_text(field.was)} -> {value_text(field.now)}"


def _dropped(changes: Changes, paint: Paint) -> Iterator[str]:
    if changes.shrinks:
        yield paint.warning(f"Less is covered than in {harmless(changes.backup)}. Stored then, not planned now:")
    else:
        yield f"Stored in {harmless(changes.backup)}, and not planned now:"
    yield ""
    for dropped in changes.dropped:
        what = f"{dropped.what}, {counted(dropped.items, 'item')}: {why_dropped(dropped)}"
        yield f"  {paint.warning('!') if dropped.why else ' '} {harmless(what)}"
