"""Lines of a plan of a restore: what becomes of items of one type, by name, and which of their fields differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.model.restore import Action, FieldChange
from runner.report.paint import Paint
from runner.report.restore_outline import SYMBOLS, Line, fields_differ, value_text
from runner.report.words import WIDTH, counted, harmless, listed, wrapped

_MOST_NAMES = 3  # of many
_MOST_OWNED = 3  # fields in conflict of an item, without --diff


def flowed(parts: Sequence[str], margin: str) -> Iterator[str]:
    """The parts with commas between them, in lines of at most WIDTH columns; no part is broken."""
    line = margin
    for place, part in enumerate(parts):
        text = part if place == len(parts) - 1 else f"{part},"
        if line != margin and len(line) + 1 + len(text) > WIDTH:
            yield line
            line = margin
        line += text if line == margin else f" {text}"
    if line != margin:
        yield line


@dataclass(frozen=True, slots=True)
class Lines:
    """How lines are written. Items that are there already are named all with `every_name`, else the first ones."""

    paint: Paint
    digits: int  # of the largest number of items
    diff: bool
    every_name: bool

    def symbol(self, action: Action) -> str:
        """The symbol in its column."""
        paint = {
            "create": self.paint.good,
            "update": self.paint.warning,
            "skip": self.paint.faint,
        }.get(action, self.paint.bad)
        symbol = SYMBOLS[action]
        return " " * (3 - len(symbol)) + paint(symbol)

    def of(self, line: Line) -> Iterator[str]:
        """The number and the type, names, reasons, and what differs."""
        head = f"{len(line.names):>{self.digits}}  {harmless(line.resource)}"
        margin = " " * (self.digits + 6)
        reasons = [f"({harmless(line.why)})"] if line.why else []
        if line.unverifiable:
            reasons.append(f"(unverifiable: {harmless(line.unverifiable)})")
        detailed = bool(line.fields)
        if not detailed:
            reasons.insert(0, self._names(line))
        together = " ".join(reasons)
        symbol = self.symbol(line.action)
        if len(f"    {head}  {together}") <= WIDTH:
            yield f"{symbol} {head}  {self.paint.faint(together)}".rstrip()
        else:
            yield f"{symbol} {head}"
            for part in [together] if len(margin + together) <= WIDTH else reasons:
                yield from map(self.paint.faint, wrapped(part, margin))
        if detailed:
            yield from self._items(line, margin)

    def _names(self, line: Line) -> str:
        every = self.every_name and line.action != "create"
        return listed([harmless(name) for name in line.names], len(line.names) if every else _MOST_NAMES)

    def _items(self, line: Line, margin: str) -> Iterator[str]:
        names = line.names if self.every_name else line.names[:_MOST_NAMES]
        one_by_one = self.diff or line.action == "conflict"
        parts = []
        for name in names:
            fields = line.fields.get(name, ())
            number = f" ({fields_differ(fields)})" if fields else ""
            if fields and one_by_one:
                yield f"{margin}{harmless(name)}{number}"
                yield from self._fields(fields, f"{margin}  ")
            else:
                parts.append(f"{harmless(name)}{number}")
        if len(names) < len(line.names):
            parts.append(f"and {len(line.names) - len(names)} more")
        yield from flowed(parts, margin)

    def _fields(self, fields: Sequence[FieldChange], margin: str) -> Iterator[str]:
        if self.diff:
            for field in fields:
                yield from self._field(field, margin)
            return
        owned = [field for field in fields if field.owner]
        for field in owned[:_MOST_OWNED]:
            yield f"{margin}{harmless(field.path)} belongs to {harmless(field.owner)}"
        if len(owned) > _MOST_OWNED:
            yield f"{margin}and {counted(len(owned) - _MOST_OWNED, 'more field')} of others"

    def _field(self, field: FieldChange, margin: str) -> Iterator[str]:
        """`~ spec.replicas: 2 -> 3`, from what is live to what is stored; below each other where that is too long."""
        path = harmless(field.path)
        owner = f" (belongs to {harmless(field.owner)})" if field.owner else ""
        live, stored = harmless(value_text(field.live)), harmless(value_text(field.stored))
        if field.live is None:
            symbol, values = self.paint.good("+"), [stored]
        elif field.stored is None:
            symbol, values = self.paint.bad("-"), [live]
        else:
            symbol, values = self.paint.warning("~"), [live, f"-> {stored}"]
        whole = f"{path}: {' '.join(values)}{owner}"
        if len(margin) + 2 + len(whole) <= WIDTH:
            yield f"{margin}{symbol} {whole}"
            return
        yield f"{margin}{symbol} {path}:{owner}"
        yield from (f"{margin}    {value}" for value in values)
