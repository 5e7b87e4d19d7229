"""`extends`: JSON merge patch (RFC 7386) over documents, which keeps the place of every value that survives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from runner.actions.merge_patch import merge_patch
from runner.errors import Finding
from runner.policies.identity import IDENTITY
from runner.policies.parse import Document, Value
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import shown
from runner.policies.vocabulary import close_word

_EXTENDS = "extends"
_SPEC = "spec"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Extended:
    """A document with its bases merged in, without `extends` and without null; `document` is what comes of it."""

    document: Document
    findings: tuple[Finding, ...] = ()
    dangling: tuple[Finding, ...] = ()  # a base that nothing is named like
    complete: bool = True  # false where a base is not to be had
    emptied: frozenset[FieldPath] = frozenset()  # fields that are missing because their null was a mistake


def extended(document: Document, policies: Mapping[str, Document]) -> Extended:
    """`document` merged onto the policy that it extends, which is merged onto its own base first.

    `policies` are those of the same set, by name. A base that is missing, a circle, and a null that takes nothing
    away are findings; those of the bases themselves are left to whoever extends those.
    """
    line = [document]
    circle: tuple[Finding, ...] = ()
    dangling: tuple[Finding, ...] = ()
    while (name := _base_name(line[-1])) is not None:
        base = policies.get(name)
        if base is None or any(base is descendant for descendant in line):
            # What the bases themselves lack is said of them alone.
            circle = (_circle(line),) if base is document else ()
            dangling = (_dangling(document, name, policies),) if base is None and len(line) == 1 else ()
            break
        line.append(base)
    merged = _cleaned(line[-1], None)
    for patch in reversed(line[:-1]):
        merged = _onto(merged, patch)
    value = dict(merged.document.value)
    if _base_name(document) is not None:
        del value[_EXTENDS]
    return Extended(
        replace(merged.document, value=value),
        (*circle, *merged.findings),
        dangling,
        complete=_base_name(line[-1]) is None,
        emptied=merged.emptied,
    )


def without_null(document: Document) -> Extended:
    """`document`, which extends nothing, without its empty fields; each is a finding."""
    return _cleaned(document, None)


def _base_name(document: Document) -> str | None:
    name = document.value.get(_EXTENDS)
    return name if isinstance(name, str) else None


def _circle(line: list[Document]) -> Finding:
    names = " → ".join(shown(str(_base_name(document))) for document in line)
    return _at_extends(line[0], f"extends itself, by way of {names}", "one of them must stand alone")


def _dangling(document: Document, name: str, policies: Mapping[str, Document]) -> Finding:
    meant = close_word(name, policies)
    hint = f"did you mean {meant}?" if meant else "give the file that has it too"
    return _at_extends(document, f'no BackupPolicy is named "{shown(name)}"', hint)


def _at_extends(document: Document, message: str, hint: str) -> Finding:
    place = document.place((_EXTENDS,))
    return Finding(place.file, place.mark.line, place.mark.column, _EXTENDS, message, hint)


def _onto(base: Extended, patch: Document) -> Extended:
    """`patch` merged onto `base`: the spec is merged, everything else is the patch's own."""
    below = base.document
    cleaned = _cleaned(patch, below.value.get(_SPEC))
    value = dict(cleaned.document.value)
    if _SPEC in value:
        value[_SPEC] = merge_patch(below.value.get(_SPEC), value[_SPEC])
    overridden = {path for path in patch.values if not isinstance(_at(patch.value, path), dict)}
    merged = replace(
        patch,
        value=value,
        keys={**_surviving(below.keys, overridden), **patch.keys},
        values={**_surviving(below.values, overridden), **patch.values},
        written={**_surviving(below.written, overridden), **patch.written},
    )
    return Extended(merged, cleaned.findings, emptied=(base.emptied - patch.values.keys()) | cleaned.emptied)


def _surviving(places: Mapping[FieldPath, T], overridden: set[FieldPath]) -> dict[FieldPath, T]:
    """Those of a base's spec that the patch does not put something else in place of."""
    return {
        path: place
        for path, place in places.items()
        if path[:1] == (_SPEC,) and not any(path[:length] in overridden for length in range(1, len(path) + 1))
    }


def _cleaned(document: Document, base_spec: Value) -> Extended:
    """`document` without each null that takes nothing away from a base."""
    findings: list[Finding] = []
    emptied: set[FieldPath] = set()

    def clean(value: Value, path: FieldPath, base: Value) -> Value:
        if isinstance(value, list):
            return [clean(item, (*path, index), None) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        result: dict[str, Value] = {}
        for name, field in value.items():
            at = (*path, name)
            below = base.get(name) if isinstance(base, dict) else None
            if field is not None:
                result[name] = clean(field, at, below)
            elif below is not None and path:
                result[name] = None
            else:
                emptied.add(at)
                if at in IDENTITY:
                    continue
                findings.append(_empty(document, at))
        return result

    value = clean(document.value, (), {_SPEC: base_spec})
    return Extended(replace(document, value=value), tuple(findings), emptied=frozenset(emptied))


def _empty(document: Document, path: FieldPath) -> Finding:
    place = document.place(path, key=True)
    if _base_name(document) is not None and path[0] == _SPEC and len(path) > 1:
        message, hint = "null takes nothing away: the base has no such field", "take the field out"
    else:
        message, hint = "is empty", "write a value, or take the field out"
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)


def _at(value: Value, path: FieldPath) -> Value:
    for part in path:
        value = value[part]
    return value
