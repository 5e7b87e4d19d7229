"""Where a field stands in an object: `spec.containers[name=web].image`. Paths become text, and the text paths again."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple


class Keyed(NamedTuple):
    """An element of a list that is a map by key: its keys, with their values."""

    keys: tuple[tuple[str, Any], ...]


class Member(NamedTuple):
    """An element of a list that is a set."""

    value: Any


Path = tuple[str | int | Keyed | Member, ...]
"""Fields by name, and elements of lists: by key, by value, or by number."""

_PLAIN_FIELD: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_PLAIN_VALUE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "null"})  # these are not what they would be as JSON
_KEY: Final = re.compile(r"([A-Za-z_$][A-Za-z0-9_$-]*)=")
_JSON: Final = json.JSONDecoder()


def path_text(path: Path) -> str:
    """The path as people read it; no two paths have the same text."""
    text = "".join(map(_step_text, path))
    return text.removeprefix(".")


def parse_path(text: str) -> Path:
    """The path that `path_text` wrote. ValueError where it wrote no such text."""
    steps: list[str | int | Keyed | Member] = []
    place = 0
    while place < len(text):
        if text[place] == "[":
            step, place = _bracket(text, place + 1)
        else:
            match = _PLAIN_FIELD.match(text, place + (text[place] == "."))
            if match is None:
                raise _none(text)
            step, place = match.group(), match.end()
        steps.append(step)
    return tuple(steps)


def _step_text(step: str | int | Keyed | Member) -> str:
    match step:
        case str():
            return f".{step}" if _PLAIN_FIELD.fullmatch(step) else f"[{_compact(step)}]"
        case int():
            return f"[{step}]"
        case Keyed(keys):
            return f"[{','.join(f'{name}={_value_text(value)}' for name, value in keys)}]"
        case Member(value):
            return f"[={_value_text(value)}]"


def _value_text(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value) and value not in _WORDS:
        return value
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _bracket(text: str, place: int) -> tuple[str | int | Keyed | Member, int]:
    """What stands in brackets, from behind the first one on; and where the text goes on."""
    step: str | int | Keyed | Member
    if text.startswith("=", place):
        value, place = _value(text, place + 1)
        step = Member(value)
    elif _KEY.match(text, place):
        keys = []
        while match := _KEY.match(text, place):
            value, place = _value(text, match.end())
            keys.append((match[1], value))
            place += text.startswith(",", place)
        step = Keyed(tuple(keys))
    else:
        step, place = _value(text, place)
    if not isinstance(step, str | int | tuple) or not text.startswith("]", place):
        raise _none(text)
    return step, place + 1


def _value(text: str, place: int) -> tuple[Any, int]:
    match = _PLAIN_VALUE.match(text, place)
    if match is not None and match.group() not in _WORDS:
        return match.group(), match.end()
    try:
        return _JSON.raw_decode(text, place)
    except ValueError as error:
        raise _none(text) from error


def _none(text: str) -> ValueError:
    return ValueError(f"no path of a field: {text}")
