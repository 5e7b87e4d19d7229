"""What differs between a backup and a cluster, or two backups, as text and as JSON. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from runner.model.cluster import ItemId
from runner.model.restore import FieldChange, ItemChange
from runner.plan.diff import Diff, Side
from runner.report.paint import Paint
from runner.report.words import harmless


def render_diff(diff: Diff, *, names_only: bool = False, color: bool = False) -> str:
    """A line an item, with a line for each field that changed; then what was not looked at, and the counts."""
    paint = Paint(color)
    sections = (
        [harmless(f"Before: {_side(diff.before)}"), harmless(f"After:  {_side(diff.after)}")],
        list(_items(diff, paint, names_only=names_only)),
        [paint.bad(harmless(f"? {gap.what}: not compared: {gap.reason}")) for gap in diff.gaps],
        [paint.bold(_summary(diff))],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def diff_as_json(diff: Diff, *, names_only: bool = False) -> str:
    """For programs. Of a field, `before` or `after` is left out where it is not there."""
    document = {
        "before": diff.before,
        "after": diff.after,
        "counts": {
            "added": len(diff.added),
            "removed": len(diff.removed),
            "changed": len(diff.changed),
            "unchanged": diff.unchanged,
        },
        "added": list(map(_named, diff.added)),
        "removed": list(map(_named, diff.removed)),
        "changed": [_changed(change, names_only=names_only) for change in diff.changed],
        "notCompared": diff.gaps,
        "notes": diff.notes,
    }
    return msgspec.json.format(_ENCODER.encode(document), indent=2).decode()


def _side(side: Side) -> str:
    about = f" ({side.where})" if side.where else ""
    return f"the {side.kind} {side.name}{about}"


def _items(diff: Diff, paint: Paint, *, names_only: bool) -> Iterator[str]:
    """All sorts of differences together, in the order of their items."""
    lines: list[tuple[ItemId, str, ItemChange | None]] = [(item, paint.good("+"), None) for item in diff.added]
    lines += [(item, paint.bad("-"), None) for item in diff.removed]
    lines += [(_id(change), paint.warning("~"), change) for change in diff.changed]
    for item, symbol, change in sorted(lines, key=lambda line: line[0]):
        yield f"{symbol} {harmless(str(item))}"
        if change is not None and not names_only:
            for field in change.fields:
                yield f"    {_field(field, paint)}"


def _field(field: FieldChange, paint: Paint) -> str:
    path = harmless(field.path)
    if field.stored is None:
        return f"{paint.good('+')} {path}: {_value(field.live)}"
    if field.live is None:
        return f"{paint.bad('-')} {path}: {_value(field.stored)}"
    return f"{paint.warning('~')} {path}: {_value(field.stored)} → {_value(field.live)}"


def _value(value: Any) -> str:
    return harmless(json.dumps(value, ensure_ascii=False))


def _summary(diff: Diff) -> str:
    same = f"{diff.unchanged:,} unchanged"
    if diff.same and not diff.gaps:
        return f"No differences. {same.capitalize()}."
    if diff.same:
        return f"No differences in what was compared. {same.capitalize()}."
    return f"{len(diff.added):,} added, {len(diff.removed):,} removed, {len(diff.changed):,} changed, {same}."


def _id(change: ItemChange) -> ItemId:
    plural, _, group = change.resource.partition(".")
    return ItemId(group, plural, change.namespace, change.name)


def _named(item: ItemId) -> dict[str, str]:
    resource = f"{item.plural}.{item.group}" if item.group else item.plural
    return {"resource": resource, "namespace": item.namespace, "name": item.name}


def _changed(change: ItemChange, *, names_only: bool) -> dict[str, Any]:
    named: dict[str, Any] = _named(_id(change))
    if not names_only:
        named["fields"] = [
            {
                "path": field.path,
                **({} if field.stored is None else {"before": field.stored}),
                **({} if field.live is None else {"after": field.live}),
            }
            for field in change.fields
        ]
    return named


_ENCODER = msgspec.json.Encoder()
