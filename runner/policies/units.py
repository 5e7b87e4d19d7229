"""What was meant by a time or a size whose unit is missing, or is written as nobody here takes it. Pure."""

from __future__ import annotations

import re
from typing import Final

_TIME: Final = re.compile(r"([0-9]{1,5})(?:\.([0-9]))? ?([a-z]*)")
_SECONDS: Final = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_SIZE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?:([kmgtpe])(i?)b?)?", re.IGNORECASE)


def meant_time(text: str) -> str:
    """`4 hours` is 4h, `1.5h` is 1h30m, `30` is 30s; "" where nothing can be guessed, and for no time at all."""
    if not (found := _TIME.fullmatch(text.strip().lower())) or found[3] not in _SECONDS:
        return ""
    unit = _SECONDS[found[3]]
    if found[2] and unit == 1:
        return ""
    rest = int(found[1]) * unit + int(found[2] or 0) * unit // 10
    words = []
    for letter, seconds in (("h", 3600), ("m", 60), ("s", 1)):
        if found[3] == "" and letter != "s":  # a bare number is of seconds, and stays as it was written
            continue
        count, rest = divmod(rest, seconds)
        words.append(f"{count}{letter}" if count else "")
    return "".join(words)


def meant_range(text: str) -> str:
    """`10GB,1TB` is 10G,1T; of one size alone a range from there on, in Gi where no unit stands; "" for no guess."""
    ends = [_meant_size(end.strip()) for end in text.split(",")]
    if None in ends or not any(ends):
        return ""
    return ",".join(end or "" for end in ends) if len(ends) > 1 else f"{ends[0]},"


def _meant_size(text: str) -> str | None:
    """None for no guess."""
    if not text:
        return ""
    if not (found := _SIZE.fullmatch(text)):
        return None
    unit = f"{found[2].upper()}{found[3].lower()}" if found[2] else "Gi"
    return f"{found[1]}{unit}"
