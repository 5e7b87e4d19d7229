"""How the two values of a field are shown: as they are, cut where they are long, as digests where they are secret."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from runner.model.restore import FieldChange

SECRET_FIELDS: Final = frozenset({("data",), ("stringData",)})
LAST_APPLIED: Final = ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")

_LONGEST: Final = 200  # characters
_BEFORE: Final = 40  # characters that are shown before the first one that differs
_DIGITS: Final = 12


def changed(path: str, *, live: Any, stored: Any) -> FieldChange:
    """A field whose values differ. Of long ones, the part is shown in which they begin to."""
    first, second = _text(live), _text(stored)
    if len(first) <= _LONGEST and len(second) <= _LONGEST:
        return FieldChange(path, live=live, stored=stored)
    begin = 0 if live is None or stored is None else max(_common(first, second) - _BEFORE, 0)
    return FieldChange(path, live=_cut(live, first, begin), stored=_cut(stored, second, begin))


def digested(value: Any) -> Any:
    """In place of a secret: the first digits of its SHA-256. Nothing stays nothing."""
    if value is None:
        return None
    return f"sha256:{hashlib.sha256(_text(value).encode()).hexdigest()[:_DIGITS]}"


def _text(value: Any) -> str:
    """A string as it is; all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _cut(value: Any, text: str, begin: int) -> Any:
    if len(text) <= _LONGEST:
        return value
    begin = min(begin, len(text) - _LONGEST)
    end = begin + _LONGEST
    shown = f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
    return f"{shown} ({len(text):,} characters)"


def _common(first: str, second: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
