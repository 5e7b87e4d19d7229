"""What is said of a conversion, and the documents at both its ends: Velero's, which is read, and ours, which is made.

Nothing here knows a field of either. Values of Velero's are never repeated unless who converts a field says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, TypeVar

from pydantic import BaseModel

from runner.errors import Finding
from runner.policies.holds import hold
from runner.policies.parse import Document, Value
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import spoken

# As Go's strconv.ParseBool, with which Velero's plugins read their configuration.
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))

Fields = tuple[str, ...]  # a path of names alone: nothing here looks into lists

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


class Severity(IntEnum):
    """What a note means to whoever goes on with the converted documents; the gravest first."""

    CHANGES = 0  # left behind, and other things are backed up, or they are kept otherwise
    TO_DO = 1  # left behind, and to be had in another way
    OTHERWISE = 2  # converted, but not to the same words
    NO_MEANING = 3  # left behind, and nothing is lost


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What became of one field of Velero's, and what to do."""

    severity: Severity
    file: str
    line: int  # from 1
    column: int  # from 1
    path: str  # the field's path in Velero's document
    message: str
    instead: str = ""


@dataclass(slots=True)
class Original:
    """One document of Velero's while it is converted. Each field that is looked at counts as known."""

    document: Document
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _known: set[Fields] = field(default_factory=set)

    def value(self, *path: str) -> Value:
        """What stands there; None where nothing is said: missing, null or empty, as Go writes what is unset."""
        self._known.add(path)
        value = _at(self.document.value, path)
        return None if value is None or value in ("", [], {}) else value

    def text(self, *path: str) -> str:
        """The text that stands there; "" where nothing is said, and where a mistake is."""
        value = self.value(*path)
        if value is None or isinstance(value, str):
            return value or ""
        self.mistake(path, f"must be text, not {spoken(value)}", "quote it" if not _nests(value) else "")
        return ""

    def listed(self, *path: str) -> list[Value]:
        """The items that stand there; none where nothing is said, and where a mistake is."""
        value = self.value(*path)
        if value is None or isinstance(value, list):
            return value or []
        self.mistake(path, f"must be a list, not {spoken(value)}", "put it in brackets")
        return []

    def mapping(self, *path: str) -> dict[str, Value]:
        """The fields that stand there; none where nothing is said, and where a mistake is."""
        value = self.value(*path)
        if value is None or isinstance(value, dict):
            return value or {}
        self.mistake(path, f"must be a mapping of fields, not {spoken(value)}")
        return {}

    def flag(self, *path: str) -> bool | None:
        """The boolean that stands there, as YAML or, as in a `config`, as text; None where nothing is said."""
        value = self.value(*path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _TRUE | _FALSE:
            return value in _TRUE
        self.mistake(path, f"must be true or false, not {spoken(value)}")
        return None

    def unknown(self, *path: str) -> list[Fields]:
        """The fields directly below `path` that say something and were never looked at."""
        fields = _at(self.document.value, path)
        below = [(*path, name) for name in fields] if isinstance(fields, dict) else []
        return [at for at in below if at not in self._known and self.value(*at) is not None]

    def note(self, severity: Severity, path: FieldPath, message: str, instead: str = "") -> None:
        """Says what became of the field at `path`."""
        place = self.document.place(path, key=True)
        self.notes.append(
            Note(severity, place.file, place.mark.line, place.mark.column, dotted(path), message, instead)
        )

    def mistake(self, path: FieldPath, message: str, hint: str = "") -> None:
        """Says that the field at `path` cannot be converted, so that nothing can be."""
        place = self.document.place(path)
        self.findings.append(Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint))


@dataclass(slots=True)
class Draft:
    """A document of ours while it is made, and which field of Velero's each part of it is."""

    original: Original
    value: dict[str, Any]
    origins: dict[FieldPath, FieldPath] = field(default_factory=dict)

    def put(self, path: Fields, value: Value, origin: Fields) -> None:
        """Writes `value` at `path`, from the field `origin`."""
        here = self.value
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value
        self.origins[path] = origin

    def findings(self, kind: type[M]) -> Iterator[Finding]:
        """Why nothing comes of the conversion, said of Velero's document: its mistakes, and what is none of `kind`."""
        yield from self.original.findings
        unplaced = Document(self.value, self.original.document.start, {}, {}, {}, ())
        if hold(kind, unplaced).findings:
            said = [found.path for found in self.original.findings]
            for found in hold(kind, self._placed(unplaced)).findings:
                path = self._origin(found.path)
                # What is missing here because it was a mistake there is not said twice.
                if not any(path.startswith(other) or other.startswith(path) for other in said):
                    yield replace(found, path=path)

    def _placed(self, document: Document) -> Document:
        source = self.original.document
        return replace(
            document,
            keys=self._moved(source.keys),
            values=self._moved(source.values),
            written=self._moved(source.written),
        )

    def _moved(self, places: Mapping[FieldPath, T]) -> dict[FieldPath, T]:
        return {
            (*path, *known[len(origin) :]): place
            for path, origin in self.origins.items()
            for known, place in places.items()
            if known[: len(origin)] == origin
        }

    def _origin(self, path: str) -> str:
        """The path in Velero's document that `path` in ours comes from."""
        for ours in sorted(self.origins, key=len, reverse=True):
            if path == dotted(ours) or path.startswith((f"{dotted(ours)}.", f"{dotted(ours)}[")):
                return dotted(self.origins[ours]) + path.removeprefix(dotted(ours))
        return path


def _at(value: Value, path: Fields) -> Value:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _nests(value: Value) -> bool:
    return isinstance(value, (dict, list))
