"""A spec of Velero's while it is converted, field by field, and Go's words for lengths of time. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from runner.policies.convert_notes import Draft, Fields, Original, Severity
from runner.policies.parse import Value
from runner.policies.paths import FieldPath

_ZERO = re.compile(r"(0+(\.0*)?(h|m|s|ms|us|µs|ns)?)+")
_OURS = re.compile(r"([0-9]{1,5}(h|m|s|ms))+")
_PART = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>h|ms|m|s|us|µs|ns)")
_MILLISECONDS = {
    "h": Fraction(3_600_000),
    "m": Fraction(60_000),
    "s": Fraction(1000),
    "ms": Fraction(1),
    "us": Fraction(1, 1000),
    "µs": Fraction(1, 1000),
    "ns": Fraction(1, 1_000_000),
}


class Spec:
    """One BackupSpec or RestoreSpec of Velero's, by the names of its fields."""

    def __init__(self, original: Original, draft: Draft, at: Fields) -> None:
        self.original = original
        self.draft = draft
        self.at = at

    def path(self, *names: str) -> Fields:
        """Where a field stands in Velero's document."""
        return (*self.at, *names)

    def value(self, *names: str) -> Value:
        """What stands there; None where nothing is said."""
        return self.original.value(*self.path(*names))

    def text(self, *names: str) -> str:
        """The text that stands there; "" where nothing is said."""
        return self.original.text(*self.path(*names))

    def listed(self, *names: str) -> list[Value]:
        """The items that stand there; none where nothing is said."""
        return self.original.listed(*self.path(*names))

    def flag(self, name: str) -> bool | None:
        """The boolean that stands there; None where nothing is said."""
        return self.original.flag(*self.path(name))

    def put(self, name: str, value: Value, origin: str = "") -> None:
        """Writes a field of our spec, from the one of Velero's that is called `origin`, or the same."""
        self.draft.put(("spec", name), value, self.path(origin or name))

    def put_time(self, name: str) -> None:
        """Writes a length of time under its own name, where one is said."""
        value = self.value(name)
        if not is_zero(value):
            self.put(name, duration(value))

    def note(self, severity: Severity, name: str, message: str, instead: str = "") -> None:
        """Says what became of a field; "" means the spec itself."""
        self.original.note(severity, self.path(*([name] if name else [])), message, instead)

    def note_at(self, severity: Severity, path: FieldPath, message: str, instead: str = "") -> None:
        """Says what became of what stands at `path`, from the spec on."""
        self.original.note(severity, (*self.at, *path), message, instead)

    @property
    def every_namespace(self) -> bool:
        """Whether no namespace is left out."""
        return everything(self.listed("includedNamespaces")) and not self.listed("excludedNamespaces")


def everything(included: Sequence[Value]) -> bool:
    """Whether a list of what is included leaves nothing out."""
    return not included or included == ["*"]


def is_zero(value: Value) -> bool:
    """Whether nothing is said; a duration of zero says nothing, and is how Velero's command line writes that."""
    return value is None or (isinstance(value, str) and _ZERO.fullmatch(value) is not None)


def duration(value: Value) -> Value:
    """A duration of Go's as one of ours, to the millisecond above; what is none is left to the check."""
    if not isinstance(value, str) or _OURS.fullmatch(value):
        return value
    parts = list(_PART.finditer(value))
    if not parts or "".join(part[0] for part in parts) != value:
        return value
    rest = ceil(sum(Fraction(part["number"].rstrip(".")) * _MILLISECONDS[part["unit"]] for part in parts))
    text = ""
    for unit in ("h", "m", "s", "ms"):
        number, rest = divmod(rest, int(_MILLISECONDS[unit]))
        text += f"{number}{unit}" if number else ""
    return text
