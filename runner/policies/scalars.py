"""Plain scalars of YAML: what Kubernetes reads in an unquoted word. Pure; knows no documents.

The source of the rules is what `kubectl label --local -f - -o json` answers (sigs.k8s.io/yaml over go-yaml v2): YAML
1.1's booleans, numbers of both YAML versions, underscores in numbers, but no sexagesimals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHOWN = 60  # characters of a text in a message, at most

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"))

_INTEGER = re.compile(
    r"[-+]?(0[bB]_*[01][01_]*|0[oO]_*[0-7][0-7_]*|0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*|[1-9][0-9_]*)"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"(?P<sign>[-+]?)\.(?P<word>inf|Inf|INF|nan|NaN|NAN)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")


@dataclass(frozen=True, slots=True)
class Date:
    """A word that some readers of YAML take for a date and others for text."""

    text: str


Scalar = str | bool | int | float | None | Date


def read_plain(text: str) -> Scalar:
    """What an unquoted `text` means: text, a boolean, a number, null, or a Date that readers disagree about."""
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", "").lower())
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if (special := _SPECIAL.fullmatch(text)) is not None:
        return float(special["sign"] + special["word"])
    if _DATE.fullmatch(text):
        return Date(text)
    return text


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


def _integer(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * (int(digits, 8) if digits.startswith("0") else _decimal(digits))


def _decimal(digits: str) -> int | float:
    # Python refuses to read thousands of digits as an integer; no field of ours wants one.
    return int(digits) if len(digits) <= 20 else float(digits)
