"""Text of one file → documents: plain values, with the place of every key and value. Pure; knows no kinds.

Values are read as Kubernetes reads them. What YAML leaves to chance (a key twice, a tag, a word that is a boolean to
some) is a Finding here; whether a value is the right one is not this module's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.errors import Finding
from runner.policies.faults import Fault, Mark
from runner.policies.nodes import Node, Tree, compose
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import Scalar, read_plain, spoken

Value = Any  # dict, list, or a Scalar

_SEQUENCE = "tag:yaml.org,2002:seq"
_MAPPING = "tag:yaml.org,2002:map"
_STRING = "tag:yaml.org,2002:str"
_READ_AS = {
    "tag:yaml.org,2002:bool": "a boolean",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:null": "nothing",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key or a value stands."""

    file: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. Where `whole` is false, only its top-level scalars could be read."""

    value: Value
    start: Place
    keys: Mapping[FieldPath, Place]
    values: Mapping[FieldPath, Place]
    written: Mapping[FieldPath, str]  # unquoted words as they stand in the file
    findings: tuple[Finding, ...]
    whole: bool = True

    def place(self, path: FieldPath, *, key: bool = False) -> Place:
        """Where the value at `path` begins, or its key; the nearest that exists above where there is no such field."""
        for length in range(len(path), 0, -1):
            at = path[:length]
            # A missing field is best shown at the key of what it is missing from.
            places = (self.keys, self.values) if key or length < len(path) else (self.values, self.keys)
            for known in places:
                if at in known:
                    return known[at]
        return self.start


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The documents of a file, without the empty ones, up to the mistake that ends it, if one does."""

    documents: tuple[Document, ...]
    broken: Finding | None = None


def parse(text: str, file: str) -> ParsedFile:
    """Reads `text`, which `file` names in places and findings; never raises."""
    stream = compose(text)
    documents = tuple(_document(tree, file) for tree in stream.trees if tree.root is not None or tree.fault is not None)
    return ParsedFile(documents, fault_finding(stream.fault, file) if stream.fault is not None else None)


def fault_finding(fault: Fault, file: str) -> Finding:
    """A fault of the text itself, as a finding without a field."""
    return Finding(file, fault.mark.line, fault.mark.column, "", fault.message, fault.hint)


def _document(tree: Tree, file: str) -> Document:
    reading = _Reading(file)
    start = Place(file, tree.root.mark if tree.root is not None else tree.mark)
    if tree.fault is not None:
        return Document(_identity(tree.root), start, {}, {}, {}, (fault_finding(tree.fault, file),), whole=False)
    assert tree.root is not None
    value = reading.value(tree.root, ())
    return Document(value, start, reading.keys, reading.values, reading.written, tuple(reading.findings))


def _identity(root: Node | None) -> dict[str, str]:
    """The top-level scalars of a document that is not to be read further: enough to know whose it is."""
    pairs = root.pairs if root is not None else []
    return {key.text: value.text for key, value in pairs if key.kind == "scalar" and value.kind == "scalar"}


@dataclass(slots=True)
class _Reading:
    """Turns nodes into values, and notes places and mistakes on the way."""

    file: str
    keys: dict[FieldPath, Place] = field(default_factory=dict)
    values: dict[FieldPath, Place] = field(default_factory=dict)
    written: dict[FieldPath, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def value(self, node: Node, path: FieldPath) -> Value:
        self.values[path] = Place(self.file, node.mark)
        if node.kind == "scalar":
            return self._scalar(node, path)
        if node.tag not in ("", "!", _MAPPING if node.kind == "mapping" else _SEQUENCE):
            self._unknown_tag(node, path)
        if node.kind == "sequence":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._mapping(node, path)

    def _scalar(self, node: Node, path: FieldPath) -> Scalar:
        if node.plain:
            self.written[path] = node.text
            return read_plain(node.text)
        if node.tag in _READ_AS:
            read = read_plain(node.text)
            if spoken(read) == _READ_AS[node.tag]:
                return read
        if node.tag not in ("", "!", _STRING):
            self._unknown_tag(node, path)
        return node.text

    def _mapping(self, node: Node, path: FieldPath) -> dict[str, Value]:
        result: dict[str, Value] = {}
        merged: list[Node] = []
        for key, value in node.pairs:
            if key.kind != "scalar":
                self._blame(key, path, "a key must be text", "quote text with braces; documents are no templates")
                continue
            if key.plain and key.text == "<<":
                merged.append(value)
                continue
            at = (*path, key.text)
            if at in self.keys:
                first = self.keys[at].mark
                self._blame(key, at, f"the key is given twice; first at line {first.line}", "keep one of them")
                continue
            self.keys[at] = Place(self.file, key.mark)
            if key.plain and not isinstance(read_plain(key.text), str):
                self._blame(
                    key, at, f"a key must be text, but YAML reads this as {spoken(read_plain(key.text))}", "quote it"
                )
            result[key.text] = self.value(value, at)
        for source in merged:
            self._merge(source, path, result)
        return result

    def _merge(self, source: Node, path: FieldPath, result: dict[str, Value]) -> None:
        """YAML's own merge key `<<`: what is written beside it wins, as does the first of several sources."""
        for mapping in source.items if source.kind == "sequence" else [source]:
            if mapping.kind != "mapping":
                self._blame(mapping, path, "<< merges mappings alone", "name one with an alias, as in `<<: *base`")
                continue
            pairs = [pair for pair in mapping.pairs if pair[0].text not in result]
            result.update(self._mapping(Node("mapping", mapping.mark, pairs=pairs), path))

    def _unknown_tag(self, node: Node, path: FieldPath) -> None:
        self._blame(node, path, "tags have no meaning here", "quote text that begins with !")

    def _blame(self, node: Node, path: FieldPath, message: str, hint: str) -> None:
        self.findings.append(Finding(self.file, node.mark.line, node.mark.column, dotted(path), message, hint))
