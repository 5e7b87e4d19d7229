"""Holds an archive against its index, both ways, while both stream past.

Owns what may differ between the two; must not know stores, manifests or what is done about a difference. Memory holds
what has not met its counterpart yet (nothing, in a whole backup), and some 75 bytes an item to find what comes twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

from runner.archive.index import IndexLine
from runner.archive.layout import ARCHIVE, INDEX, TRYSAIL, Layout
from runner.archive.stream import TarEntry, shown
from runner.errors import BackupDamaged

SHOWN_OF_A_KIND = 10  # findings that are written out; of further ones there is only the count
_WAITING = 10_000  # lines or entries without a counterpart, at most


class Findings:
    """What is wrong, by kind; many of one kind are counted."""

    def __init__(self, first: str = "") -> None:
        """Findings of the kind `first` come first, the others in the order they were found."""
        self._texts: dict[str, list[str]] = {first: []}
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, text: str) -> None:
        """`kind` is what they have in common, as `items whose content differs`."""
        self._counts[kind] += 1
        texts = self._texts.setdefault(kind, [])
        if len(texts) < SHOWN_OF_A_KIND:
            texts.append(text)

    def texts(self) -> tuple[str, ...]:
        """Every finding; a kind that has too many ends in `and 312 more items whose content differs`."""
        found: list[str] = []
        for kind, texts in self._texts.items():
            found += texts
            if self._counts[kind] > len(texts):
                found.append(f"and {self._counts[kind] - len(texts):,} more {kind}")
        return tuple(found)


@dataclass
class Compared:
    """What the index has, counted."""

    items: int = 0
    size: int = 0  # bytes of YAML
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)  # items by resource and namespace
    whole: bool = True  # both came to their end


def compare(
    lines: Iterator[IndexLine],
    entries: Iterator[TarEntry],
    found: Findings,
    *,
    most_items: int,
    read: Callable[[bytes], object] | None = None,
    layout: Layout = TRYSAIL,
) -> Compared:
    """Takes both to their ends, and tells `found` each difference.

    No more than `most_items` lines are read. With `read`, which makes an object of YAML or raises ValueError, entries
    come with their content, and what is in it is held against the index too.
    """
    return _Comparison(found, most_items, read, layout).run(lines, entries)


class _Side(Enum):
    GOING = "going"
    ENDED = "ended"
    BROKEN = "broken"  # it could not be read to its end


class _Comparison:
    def __init__(
        self, found: Findings, most_items: int, read: Callable[[bytes], object] | None, layout: Layout
    ) -> None:
        self.found, self.most_items, self.read, self.layout = found, most_items, read, layout
        self.compared = Compared()
        self.index, self.archive = _Side.GOING, _Side.GOING
        self.lines: dict[str, tuple[int, IndexLine]] = {}  # by path: those that no entry was met for yet
        self.entries: dict[str, tuple[int, TarEntry]] = {}  # by path: those that no line was met for yet
        self.seen: set[int] = set()  # hashes of the lines' paths
        self.last = (0, 0)  # numbers of the line and the entry that met last
        self.unmet = 0  # lines whose entry may be in the part of the archive that was not read

    def run(self, lines: Iterator[IndexLine], entries: Iterator[TarEntry]) -> Compared:
        for number in count(1):
            if self.index is _Side.GOING:
                self._next_line(number, lines)
            if self.archive is _Side.GOING:
                self._next_entry(number, entries)
            if self.index is not _Side.GOING and self.archive is not _Side.GOING:
                break
            if max(len(self.lines), len(self.entries)) > _WAITING:
                self.index = self.archive = _Side.BROKEN
                self._fault("index and archive have too little in common: they were not read further")
                break
        self._left_alone()
        self.compared.whole = self.index is self.archive is _Side.ENDED
        return self.compared

    def _next_line(self, number: int, lines: Iterator[IndexLine]) -> None:
        try:
            line = next(lines, None)
        except BackupDamaged as error:
            self.index = _Side.BROKEN
            self._fault(f"{INDEX}: {error.message}")
            return
        if line is None:
            self.index = _Side.ENDED
        elif number > self.most_items:
            self.index = _Side.BROKEN
            self._fault(f"{INDEX}: it has more than the {self.most_items:,} items of the manifest")
        else:
            self._line(number, line)

    def _next_entry(self, number: int, entries: Iterator[TarEntry]) -> None:
        try:
            entry = next(entries, None)
        except BackupDamaged as error:
            self.archive = _Side.BROKEN
            self._fault(f"{ARCHIVE}: {error.message}")
            return
        if entry is None:
            self.archive = _Side.ENDED
        elif entry.fault:
            text = f"{shown(entry.path)} in the archive: {entry.fault}"
            self.found.add("entries that no archive of Trysail has", text)
        elif entry.path not in self.layout.unindexed:
            self._entry(number, entry)

    def _line(self, number: int, line: IndexLine) -> None:
        self.compared.items += 1
        self.compared.size += line.size
        self.compared.steps[line.resource, line.namespace] += 1
        try:
            path = self.layout.item_path(line.resource, line.namespace, line.name)
        except ValueError as error:
            self.found.add("items that no archive of Trysail has", f"{line.id}: {error}")
            return
        if hash(path) in self.seen:
            self.found.add("items that the index has twice", f"{line.id}: the index has it more than once")
            return
        self.seen.add(hash(path))
        if path in self.entries:
            self._meet(number, line, *self.entries.pop(path))
        elif self.archive is _Side.GOING:
            self.lines[path] = number, line
        else:
            self._missing(line)

    def _entry(self, number: int, entry: TarEntry) -> None:
        path = entry.path
        if path in self.lines:
            self._meet(*self.lines.pop(path), number, entry)
        elif path in self.entries or hash(path) in self.seen:
            self.found.add("items that the archive has twice", f"{shown(path)}: the archive has it more than once")
        elif self.index is not _Side.GOING:
            self._surplus(path)
        else:
            self.entries[path] = number, entry

    def _meet(self, line_number: int, line: IndexLine, entry_number: int, entry: TarEntry) -> None:
        """A line and its entry."""
        if line_number < self.last[0] or entry_number < self.last[1]:
            self.found.add("items out of order", f"{line.id}: index and archive have it in another order")
        self.last = line_number, entry_number
        if (line.size, line.sha256) != (entry.size, entry.sha256):
            self.found.add("items with another content", f"{line.id}: its YAML is not what the index recorded")
        elif self.read is not None and (wrong := _misread(line, entry.content or b"", self.read)):
            self.found.add("items that are another object", f"{line.id}: {wrong}")
        if (line.member, line.offset) != (entry.member, entry.offset):
            self.found.add("items in another place", f"{line.id}: it is not where the index says")

    def _left_alone(self) -> None:
        """What met no counterpart."""
        for _, line in self.lines.values():
            self._missing(line)
        for path in self.entries:
            self._surplus(path)
        if self.unmet:
            self._fault(f"{ARCHIVE}: items that are not in the part that can be read: {self.unmet:,}")

    def _missing(self, line: IndexLine) -> None:
        if self.archive is _Side.BROKEN:
            self.unmet += 1
        else:
            self.found.add("items missing from the archive", f"{line.id}: it is missing from the archive")

    def _surplus(self, path: str) -> None:
        if self.index is _Side.ENDED:  # a broken one may have had it
            self.found.add("entries that the index lacks", f"{shown(path)} in the archive: the index has no such item")

    def _fault(self, what: str) -> None:
        self.found.add("faults", what)


def _misread(line: IndexLine, content: bytes, read: Callable[[bytes], object]) -> str:
    """How the object in the YAML differs from what the index says of it; "" where it does not."""
    try:
        document = read(content)
    except ValueError as error:
        return f"its YAML cannot be read: {error}"
    top = document if isinstance(document, dict) else {}
    metadata = top.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    pairs = {
        "apiVersion": (top.get("apiVersion"), line.api_version),
        "kind": (top.get("kind"), line.kind),
        "name": (metadata.get("name"), line.name),
        "namespace": (metadata.get("namespace") or "", line.namespace),
        "uid": (metadata.get("uid") or "", line.uid),
        "resourceVersion": (metadata.get("resourceVersion") or "", line.resource_version),
        "labels": (metadata.get("labels") or {}, line.labels),
    }
    wrong = [name for name, (found, recorded) in pairs.items() if found != recorded]
    return f"the object in its YAML has another {', '.join(wrong)} than the index says" if wrong else ""
