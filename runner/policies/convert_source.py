"""Paths → the documents of Velero's in them, with the place of every field; everything else is told apart.

Lists, as `kubectl get -o yaml` and `velero install --dry-run -o yaml` print them, are taken apart: whatever is in one
that is not converted is ignored, as in a folder. What the documents mean is not this module's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from runner.errors import Finding
from runner.model.document import API_VERSION
from runner.policies.faults import Fault, decode
from runner.policies.load import Ignored
from runner.policies.parse import Document, Place, Value, fault_finding, parse
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import shown
from runner.policies.sources import STDIN, Source, read_sources

VELERO = "velero.io/v1"
KINDS = ("Backup", "Schedule", "Restore", "BackupStorageLocation", "VolumeSnapshotLocation")
CONFIG_MAP = "ConfigMap"  # taken along where one of the above names it: it holds rules
# Where a spec names a ConfigMap, from the spec on, by the kind of the document.
_NAMING = {
    "Backup": ("spec", "resourcePolicy"),
    "Schedule": ("spec", "template", "resourcePolicy"),
    "Restore": ("spec", "resourceModifier"),
}
_GROUP = "velero.io/"
_OURS = API_VERSION.partition("/")[0] + "/"
T = TypeVar("T")

_IN_ITEM = re.compile(r"items\[(?P<index>[0-9]+)\]\.?(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VeleroDocument:
    """A document of Velero's, or a ConfigMap that one names. `namespace` is "" where the document does not say."""

    kind: str
    namespace: str
    name: str
    document: Document

    @property
    def what(self) -> str:
        """`Schedule velero/nightly`."""
        return f"{self.kind} {shown(f'{self.namespace}/{self.name}' if self.namespace else self.name)}"

    @property
    def place(self) -> str:
        """`FILE:LINE`."""
        return f"{self.document.start.file}:{self.document.start.mark.line}"


@dataclass(frozen=True, slots=True)
class Collected:
    """What the paths hold, in the order read. With findings, `documents` are not all."""

    documents: tuple[VeleroDocument, ...]
    ignored: tuple[Ignored, ...]
    findings: tuple[Finding, ...]


def collect_velero(paths: Sequence[str | Path]) -> Collected:
    """The documents to convert in files, in folders (`*.yaml`, `*.yml`, at any depth) and on standard input (`-`).

    A file that is named must hold such documents only, or lists; in folders, in lists and on standard input, others
    are ignored. Every mistake of all files is found; nothing else is opened.
    """
    sorting = _Sorting()
    for source in read_sources(paths):
        if isinstance(source, Finding):
            sorting.findings.append(source)
        else:
            sorting.take(source)
    sorting.sort_maps()
    if not sorting.findings and not sorting.documents:
        hint = f"converted are {', '.join(KINDS[:-1])} and {KINDS[-1]} of {VELERO}"
        sorting.findings += [Finding(str(path), 0, 0, "", "holds nothing to convert", hint) for path in paths]
    return Collected(tuple(sorting.documents), tuple(sorting.ignored), tuple(sorted(set(sorting.findings))))


@dataclass(slots=True)
class _Sorting:
    """Sorts what the files hold: what is converted, what is not, and mistakes."""

    documents: list[VeleroDocument] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    maps: list[tuple[Document, bool]] = field(default_factory=list)  # ConfigMaps, and whether their file was named

    def take(self, source: Source) -> None:
        text = decode(source.data)
        if isinstance(text, Fault):
            self._broken(source, fault_finding(text, source.file))
            return
        parsed = parse(text, source.file)
        for document in parsed.documents:
            self._take_document(document, strict=source.named and source.file != STDIN)
        if parsed.broken is not None:
            self._broken(source, parsed.broken)
        elif not parsed.documents and source.named:
            self.findings.append(Finding(source.file, 0, 0, "", "holds no document", "is it the right file?"))

    def _take_document(self, document: Document, *, strict: bool) -> None:
        kind, is_list = _kind(document), _is_list(document)
        if not document.whole:
            if strict or is_list or kind in KINDS:
                self.findings += document.findings
            else:
                self._ignore(document)
        elif is_list:
            self._take_list(document)
        elif kind in KINDS:
            self._take_velero(kind, document)
        elif _is_map(document):
            self.maps.append((document, strict))
        elif strict:
            self.findings.append(_foreign(document))
        else:
            self._ignore(document)

    def sort_maps(self) -> None:
        """Takes the ConfigMaps that a document names; the others are as anybody's."""
        named = {_named_map(each) for each in self.documents} - {""}
        for document, strict in self.maps:
            name = _mapping(_mapping(document.value).get("metadata")).get("name")
            if isinstance(name, str) and name in named:
                self._take_velero(CONFIG_MAP, document)
            elif strict:
                self.findings.append(_foreign(document))
            else:
                self._ignore(document)

    def _take_list(self, document: Document) -> None:
        """The mistakes of an item are its own; those of the list itself count where something of it is converted."""
        before = len(self.documents)
        for item in _items(document):
            self._take_document(item, strict=False)
        if len(self.documents) > before:
            self.findings += [found for found in document.findings if not _IN_ITEM.fullmatch(found.path)]

    def _take_velero(self, kind: str, document: Document) -> None:
        self.findings += document.findings
        metadata = document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            self.findings.append(_finding(document, ("metadata", "name"), "is missing", "what is it to be called?"))
            return
        self.documents.append(VeleroDocument(kind, namespace if isinstance(namespace, str) else "", name, document))

    def _ignore(self, document: Document) -> None:
        kind = document.value.get("kind") if isinstance(document.value, dict) else None
        what = shown(kind) if isinstance(kind, str) and kind else "no object"
        self.ignored.append(Ignored(document.start.file, document.start.mark.line, what))

    def _broken(self, source: Source, finding: Finding) -> None:
        """A file that cannot be read to its end: a mistake, unless a folder holds it and it has nothing of Velero's."""
        if source.named or b"velero" in source.data:
            self.findings.append(finding)
        else:
            self.ignored.append(Ignored(source.file, finding.line, "no YAML"))


def _is_map(document: Document) -> bool:
    value = _mapping(document.value)
    return (value.get("apiVersion"), value.get("kind")) == ("v1", CONFIG_MAP)


def _mapping(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _named_map(document: VeleroDocument) -> str:
    """The ConfigMap that a document names; "" for none."""
    value = document.document.value
    for part in (*_NAMING.get(document.kind, ("",)), "name"):
        value = _mapping(value).get(part)
    return value if isinstance(value, str) else ""


def _kind(document: Document) -> str:
    """The kind, if the document is of Velero's group and version; "" if not."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) and value.get("apiVersion") == VELERO else None
    return kind if isinstance(kind, str) else ""


def _is_list(document: Document) -> bool:
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.endswith("List"):
        return False
    return isinstance(value.get("items"), list) or not document.whole


def _items(document: Document) -> Iterator[Document]:
    """The items as documents of their own. Those of a typed list, as an API server sends it, say no kind."""
    kind = document.value["kind"].removesuffix("List")
    typed = {"apiVersion": document.value.get("apiVersion"), "kind": kind} if kind else {}
    keys, values, written = _by_item(document.keys), _by_item(document.values), _by_item(document.written)
    for index, value in enumerate(document.value["items"]):
        yield Document(
            {**typed, **value} if isinstance(value, dict) else value,
            document.values["items", index],
            keys.get(index, {}),
            values.get(index, {}),
            written.get(index, {}),
            tuple(
                replace(found, path=match["rest"])
                for found in document.findings
                if (match := _IN_ITEM.fullmatch(found.path)) and int(match["index"]) == index
            ),
        )


def _by_item(places: Mapping[FieldPath, T]) -> dict[int, dict[FieldPath, T]]:
    parts: dict[int, dict[FieldPath, T]] = {}
    for path, place in places.items():
        if path[:1] == ("items",) and len(path) > 1 and isinstance(path[1], int):
            parts.setdefault(path[1], {})[path[2:]] = place
    return parts


def _foreign(document: Document) -> Finding:
    value = document.value
    api_version = value.get("apiVersion") if isinstance(value, dict) else None
    kind = value.get("kind") if isinstance(value, dict) else None
    what = shown(kind) if isinstance(kind, str) and kind else "this"
    if isinstance(api_version, str) and api_version.startswith(_OURS):
        return _finding(document, ("apiVersion",), f"{what} is a document of {_OURS[:-1]} already", "leave it as it is")
    if isinstance(api_version, str) and api_version.startswith(_GROUP):
        hint = f"converted are {', '.join(KINDS[:-1])} and {KINDS[-1]} of {VELERO}"
        return _finding(document, ("kind",), f"{what} has nothing that could be converted", hint)
    hint = "give the folder instead of the file, and documents of other kinds are ignored"
    return _finding(document, ("apiVersion",), f"{what} is no document of Velero's", hint)


def _finding(document: Document, path: FieldPath, message: str, hint: str) -> Finding:
    place: Place = document.place(path)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)
