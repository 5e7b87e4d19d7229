"""Columns of text for people, as kubectl has them. Cells are harmless already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(rows: Sequence[Sequence[str]], *, right: frozenset[str] = frozenset()) -> Iterator[str]:
    """Columns as wide as they need, two spaces apart; the first row names them, those of `right` are set to the right.

    No rows, no lines.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, rows[0], strict=True)
        ]
        yield "  ".join(cells).rstrip()


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Each two spaces further in."""
    for line in lines:
        yield f"  {line}"
