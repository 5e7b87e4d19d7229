"""One document → its model, or every mistake in it: pydantic's errors with their places. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from runner.errors import Finding
from runner.model.filters import field_conflicts
from runner.model.policy import BackupPolicy
from runner.model.restore_policy import RestorePolicy
from runner.model.snapshot_location import VolumeSnapshotLocation
from runner.policies.explain import Mistake, Words, explain
from runner.policies.fields import locate
from runner.policies.identity import IDENTITY
from runner.policies.parse import Document, Value
from runner.policies.paths import FieldPath, dotted
from runner.policies.vocabulary import meant_provider

M = TypeVar("M", bound=BaseModel)

_PROVIDERS = ("filesystem", "s3", "azure")
_SNAPSHOT_PROVIDERS = ("aws",)


@dataclass(frozen=True, slots=True)
class Held(Generic[M]):
    """A model, or why there is none."""

    model: M | None
    findings: tuple[Finding, ...]


def hold(
    kind: type[M], document: Document, *, emptied: frozenset[FieldPath] = frozenset(), partial: bool = False
) -> Held[M]:
    """Checks `document` against `kind`.

    What follows from a field in `emptied`, which has been complained of, is not said too: that it is missing, or that
    nothing is left of what it stood in. Of a `partial` document, no field is missing.
    """
    value = deepcopy(document.value)
    model, mistakes = _validated(kind, document, value)
    if _providers_repaired(value, mistakes):
        # pydantic looks no further where the provider is wrong; with the one that was meant, it does.
        mistakes += [mistake for mistake in _validated(kind, document, value)[1] if mistake not in mistakes]
    mistakes = [
        mistake
        for mistake in mistakes
        if not (partial and mistake.type == "missing") and not _follows(mistake, emptied)
    ]
    templates = _templates(document.value, ())
    told = [(at, words) for at, words in _told(mistakes) if at.path not in templates]
    told += [(_Spot(path), _TEMPLATE) for path in templates]
    told += _conflicts(kind, document.value)
    return Held(None if told else model, tuple(_finding(document, at, words) for at, words in told))


@dataclass(frozen=True, slots=True)
class _Spot:
    """What a finding points at: a value, or its key."""

    path: FieldPath
    key: bool = False


_COMMANDS = (("exec",), ("command",))  # names of fields; of hooks, `exec` is what has the command
_TEMPLATE = Words(
    "nothing is put in place of ${…} or {{…}} here: documents are no templates",
    "write the value out; `extends` shares what policies have in common",
)


def _validated(kind: type[M], document: Document, value: Value) -> tuple[M | None, list[Mistake]]:
    try:
        # By alias alone: the models also answer to Python's names, which YAML is not to learn.
        return kind.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, list(_mistakes(error, kind, document, value))


def _mistakes(error: ValidationError, kind: type[BaseModel], document: Document, value: Value) -> Iterator[Mistake]:
    providers = _providers(kind, value)
    for details in error.errors(include_url=False):
        located = locate(kind, details["loc"])
        if details["type"] == "too_short" and _at(value, located.path):
            # pydantic counts only the items that are right; each wrong one is a mistake of its own.
            continue
        if details["type"] == "conflict" or located.path in IDENTITY:
            # Conflicts are found by _conflicts, beside other mistakes too; identity.py speaks of the rest.
            continue
        context = details.get("ctx", {})
        if details["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            located = replace(located, path=(*located.path, "provider"))
        elif context.get("field"):
            located = replace(located, path=(*located.path, context["field"]))
        yield Mistake(
            model=kind,
            located=located,
            type=details["type"],
            value=details["input"],
            written=document.written.get(located.path),
            details=context,
            providers=providers,
            of_key=details["loc"][-1:] == ("[key]",),
        )


def _follows(mistake: Mistake, emptied: frozenset[FieldPath]) -> bool:
    path = mistake.located.path
    return mistake.type in {"missing", "mistake"} and any(field[: len(path)] == path for field in emptied)


def _told(mistakes: list[Mistake]) -> Iterator[tuple[_Spot, Words]]:
    """What is said of each, without the missing fields that are there under a wrong name."""
    explained = [(mistake, explain(mistake)) for mistake in mistakes]
    misspelt = {(*mistake.located.path[:-1], words.meant) for mistake, words in explained if words.meant}
    for mistake, words in explained:
        if mistake.type != "missing" or mistake.located.path not in misspelt:
            yield _Spot(mistake.located.path, mistake.of_key or mistake.type == "extra_forbidden"), words


def _conflicts(kind: type[BaseModel], value: Value) -> list[tuple[_Spot, Words]]:
    spec = value.get("spec")
    if kind not in {BackupPolicy, RestorePolicy} or not isinstance(spec, dict):
        return []
    found = [error.context or {} for error in field_conflicts(spec)]
    return [(_Spot(("spec", each["field"]), key=True), Words(each["message"], each["hint"])) for each in found]


def _templates(value: Value, path: FieldPath) -> list[FieldPath]:
    """Where somebody expects a text to be filled in. A command's arguments are its own affair, and so are patches."""
    if path == ("spec", "resourceModifiers") or (path[-1:] in _COMMANDS and not isinstance(value, dict)):
        return []
    if isinstance(value, str):
        return [path] if "${" in value or "{{" in value else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, part in parts for found in _templates(part, (*path, name))]


def _providers(kind: type[BaseModel], value: Value) -> frozenset[str]:
    """The stores that the document means, all of them where it does not say; and whose snapshots, where it has any."""
    if kind is VolumeSnapshotLocation:
        return frozenset(_SNAPSHOT_PROVIDERS)
    spec = value.get("spec")
    inline = spec.get("storageLocation") if isinstance(spec, dict) else None
    named = [part.get("provider") for part in (spec, inline) if isinstance(part, dict)]
    stores = frozenset(name for name in named if name in _PROVIDERS) or frozenset(_PROVIDERS)
    snapshots = isinstance(spec, dict) and isinstance(spec.get("snapshotLocation"), dict)
    return stores | (frozenset(_SNAPSHOT_PROVIDERS) if snapshots else frozenset())


def _providers_repaired(value: Value, mistakes: list[Mistake]) -> bool:
    """Puts the provider that was meant in the place of a wrong one, in `value`."""
    repaired = False
    for mistake in mistakes:
        meant = meant_provider(str(mistake.details["tag"]), _PROVIDERS) if mistake.type == "union_tag_invalid" else ""
        if meant:
            _at(value, mistake.located.path[:-1])["provider"] = meant
            repaired = True
    return repaired


def _at(value: Value, path: FieldPath) -> Value:
    for part in path:
        value = value[part]
    return value


def _finding(document: Document, spot: _Spot, words: Words) -> Finding:
    place = document.place(spot.path, key=spot.key)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(spot.path), words.message, words.hint)
