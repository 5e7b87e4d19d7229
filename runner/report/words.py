"""How counts, sizes and lists of names are written for people, and how text from elsewhere is made harmless."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

WIDTH = 80  # columns of a terminal that nobody has widened

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_KILO = 1024


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 item`, `2 items`; `plural` where an s will not do."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def sized(size: int) -> str:
    """Bytes as `812 B`, `61.2 KiB`, `3.4 GiB`."""
    if size < _KILO:
        return f"{size} B"
    scaled = float(size)
    for unit in _UNITS:
        scaled /= _KILO
        # 1023.95 would be rounded to 1024.0 of the smaller unit.
        if scaled < _KILO - 0.05 or unit == _UNITS[-1]:
            break
    return f"{scaled:.1f} {unit}"


def listed(names: Sequence[str], most: int) -> str:
    """`a, b`, or `a, b, and 7 more` where there are more than `most`."""
    if len(names) <= most:
        return ", ".join(names)
    return ", ".join([*names[:most], f"and {len(names) - most} more"])


def listed_within(names: Sequence[str], room: int) -> str:
    """As many of the names as fit into about `room` characters, at least one; and how many more there are."""
    most, length = 0, 0
    for name in names:
        length += len(name) + len(", ")
        if length > room:
            break
        most += 1
    return listed(names, max(most, 1))


def wrapped(text: str, margin: str, *, first: str | None = None) -> list[str]:
    """`text` in lines of at most WIDTH columns that begin with `margin`, the first one with `first` where it is given.

    Names are never broken: a longer one has a line of its own. There is one line at least, be it empty.
    """
    begin = margin if first is None else first
    lines = wrap(
        text, WIDTH, initial_indent=begin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return lines or [begin]


def harmless(text: str) -> str:
    r"""`text` in one line, with what would steer a terminal or hide itself written out: `\x1b`, `\u202e`.

    Names of RBAC objects may hold anything but `/` and `%`, and an API server's error is whatever it likes to say.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
