"""Plain scalars of YAML: what an unquoted word means here, and how a value is spoken of. Pure; knows no documents.

Words are read as manifests are (runner.archive.reader), which is as Kubernetes reads them. Two kinds are held apart,
so that no field takes them for text in silence: dates, about which readers disagree, and infinities.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from runner.archive.reader import read

_SHOWN = 60  # characters of a text in a message, at most

_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_INFINITE = re.compile(r"(?P<sign>[-+]?)\.(?P<word>inf|Inf|INF|nan|NaN|NAN)")
# All that is not text to Kubernetes is among these: nothing, words of few letters, and what begins like a number.
_NOT_SURELY_TEXT = re.compile(r"|~|[A-Za-z]{1,5}|(?=.*[0-9])[-+.0-9][-+.0-9A-Za-z_]*")


@dataclass(frozen=True, slots=True)
class Date:
    """A word that some readers of YAML take for a date and others for text."""

    text: str


Scalar = str | bool | int | float | None | Date


@lru_cache(maxsize=1024)
def read_plain(text: str) -> Scalar:
    """What an unquoted `text` means: text, a boolean, a number, null, or a Date."""
    if _DATE.fullmatch(text):
        return Date(text)
    if special := _INFINITE.fullmatch(text):
        return float(special["sign"] + special["word"])
    if not _NOT_SURELY_TEXT.fullmatch(text):
        return text
    if not text:
        return None
    words = read(f"[{text}]".encode())
    assert isinstance(words, list)
    word: Scalar = words[0]
    return word


def spoken(value: object) -> str:
    """What kind of value this is, for a message: "a boolean", "a list"."""
    for kind, words in _SPOKEN:
        if isinstance(value, kind):
            return words
    return "a value"


def shown(text: str) -> str:
    """`text` as it may stand in a message: one line, not for ever long."""
    line = "".join(character if character.isprintable() else "�" for character in text)
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


# bool is an int to Python, so it stands first.
_SPOKEN: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (Date, "a date"),
    (list, "a list"),
    (dict, "a mapping"),
    (type(None), "nothing"),
)
