"""Reading nested fields of an object that nobody has checked: what is missing, null or of another type reads as empty.

What is returned is the object's own, not a copy, so that a rule can change it in place; an empty answer is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_BRANCHES = (dict, list)


def part(value: Any, *path: str) -> dict[str, Any]:
    """The mapping at a path."""
    found = _at(value, path)
    return found if isinstance(found, dict) else {}


def parts(value: Any, *path: str) -> list[dict[str, Any]]:
    """The mappings in the list at a path."""
    found = _at(value, path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def text(value: Any, *path: str) -> str:
    """The text at a path."""
    found = _at(value, path)
    return found if isinstance(found, str) else ""


def drop(mapping: dict[str, Any], *keys: str) -> None:
    """Take keys out of a mapping; those that are not there are no matter."""
    for key in keys:
        mapping.pop(key, None)


def drop_from(owner: dict[str, Any], field: str, *keys: str) -> None:
    """Take keys out of the mapping at a field, and the field with them where nothing is left of it."""
    found = owner.get(field)
    if isinstance(found, dict):
        drop(found, *keys)
    if not found:
        owner.pop(field, None)


def keep_where(owner: dict[str, Any], field: str, keep: Callable[[Any], bool]) -> None:
    """Leave in the list at a field what `keep` says, and take the field away where nothing is left of it."""
    found = owner.get(field)
    if isinstance(found, list):
        found = [entry for entry in found if keep(entry)]
        owner[field] = found
    if not found:
        owner.pop(field, None)


def copied(value: Any) -> Any:
    """A copy of JSON that shares nothing that can change; twice as fast as copy.deepcopy, which looks for cycles."""
    # Leaves are told apart before they cost a call: most of an object is texts.
    if isinstance(value, dict):
        return {key: copied(entry) if isinstance(entry, _BRANCHES) else entry for key, entry in value.items()}
    if isinstance(value, list):
        return [copied(entry) if isinstance(entry, _BRANCHES) else entry for entry in value]
    return value


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
