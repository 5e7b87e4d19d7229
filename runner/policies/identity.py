"""Whose a document is: one of ours by apiVersion and kind, a slip of one, or somebody else's."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from pydantic import BaseModel

from runner.errors import Finding
from runner.model.document import API_VERSION
from runner.model.location import BackupStorageLocation
from runner.model.policy import BackupPolicy
from runner.model.restore_policy import RestorePolicy
from runner.model.snapshot_location import VolumeSnapshotLocation
from runner.policies.parse import Document
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import shown, spoken
from runner.policies.vocabulary import close_word, kind_to_come

KINDS: dict[str, type[BaseModel]] = {
    "BackupPolicy": BackupPolicy,
    "BackupStorageLocation": BackupStorageLocation,
    "RestorePolicy": RestorePolicy,
    "VolumeSnapshotLocation": VolumeSnapshotLocation,
}
IDENTITY: frozenset[FieldPath] = frozenset((("apiVersion",), ("kind",)))  # what is checked here, and nowhere else
_GROUP = API_VERSION.partition("/")[0]
_SLIP = 0.8  # similarity from which a group is a slip of ours


@dataclass(frozen=True, slots=True)
class Identity:
    """What a document says it is. `kind` is "" where it is none of ours, even with slips repaired."""

    ours: bool
    kind: str
    findings: tuple[Finding, ...]
    what: str  # Deployment/web, for people


def identify(document: Document) -> Identity:
    """Reads apiVersion and kind. The findings of a document that is not ours say why, for who named its file."""
    if not isinstance(document.value, dict):
        message = f"a document must be a mapping of apiVersion, kind, metadata and spec, not {spoken(document.value)}"
        return Identity(ours=False, kind="", findings=(_finding(document, (), message, ""),), what="no document")
    api_version, kind = document.value.get("apiVersion"), document.value.get("kind")
    what = _what(document)
    if not _is_ours(api_version, kind):
        return Identity(ours=False, kind="", findings=(_foreign(document, api_version, what),), what=what)
    findings: list[Finding] = []
    if api_version != API_VERSION:
        findings.append(_wrong_version(document, api_version))
    meant = kind if isinstance(kind, str) and kind in KINDS else close_word(str(kind), KINDS)
    if meant != kind:
        findings.append(_wrong_kind(document, kind, meant))
    return Identity(ours=True, kind=meant, findings=tuple(findings), what=what)


def _is_ours(api_version: object, kind: object) -> bool:
    if isinstance(api_version, str) and "/" in api_version:
        group = api_version.partition("/")[0]
        return SequenceMatcher(None, group, _GROUP).ratio() >= _SLIP
    # Without a group, the kind alone tells.
    return isinstance(kind, str) and kind in KINDS


def _wrong_version(document: Document, api_version: object) -> Finding:
    if api_version is None:
        return _finding(document, ("apiVersion",), "is missing", f"write apiVersion: {API_VERSION}")
    message = f'"{shown(str(api_version))}" is not known'
    return _finding(document, ("apiVersion",), message, f"did you mean {API_VERSION}?")


def _wrong_kind(document: Document, kind: object, meant: str) -> Finding:
    if kind is None:
        return _finding(document, ("kind",), "is missing", f"one of {', '.join(KINDS)}")
    message = f'"{shown(str(kind))}" is not known'
    if kind_to_come(str(kind)):
        return _finding(document, ("kind",), f"{kind} is not supported in this version", "take the document out")
    return _finding(document, ("kind",), message, f"did you mean {meant}?" if meant else f"one of {', '.join(KINDS)}")


def _foreign(document: Document, api_version: object, what: str) -> Finding:
    if api_version is None:
        return _finding(document, ("apiVersion",), "is missing", f"write apiVersion: {API_VERSION}")
    if str(api_version).startswith("velero.io/"):
        *kinds, last = KINDS
        hint = f"this is a document of Velero; here it is apiVersion: {API_VERSION}, kind: {', '.join(kinds)} or {last}"
    else:
        hint = "give the folder instead of the file, and documents of other kinds are ignored"
    return _finding(document, ("apiVersion",), f"{what} is no document of {_GROUP}", hint)


def _what(document: Document) -> str:
    """`Deployment/web`, as far as the document says so."""
    metadata = document.value.get("metadata")
    kind, name = document.value.get("kind"), metadata.get("name") if isinstance(metadata, dict) else None
    said = [shown(part) for part in (kind, name) if isinstance(part, str) and part]
    return "/".join(said) if isinstance(kind, str) and kind else "this"


def _finding(document: Document, path: FieldPath, message: str, hint: str) -> Finding:
    place = document.place(path)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)
