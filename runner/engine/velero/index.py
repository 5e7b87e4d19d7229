"""The index that Velero's archives lack: made in one pass, with the objects in a spool to be read in any order.

Memory holds a name and a place for each item, not the items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.archive.index import IndexLine, decode_line, encode_line
from runner.archive.stream import TarEntry, shown
from runner.archive.velero import Folder, Place, index_line, place
from runner.engine.spool import Spool
from runner.engine.stored import Group
from runner.plan.order import step_key


class _Line(NamedTuple):
    """An index line in the spool. Sorts by the item's name."""

    name: str
    place: int
    size: int


@dataclass
class _Kept:
    """The items of a folder in one namespace."""

    api_version: str
    size: int = 0  # bytes of their JSON
    lines: list[_Line] = field(default_factory=list)


class VeleroIndex:
    """What is in an archive of Velero's; in the order in which a backup of ours would have it."""

    def __init__(self, entries: Iterable[TarEntry], fault: Callable[[str], None]) -> None:
        """Takes `entries`, which come with their content, to their end; `fault` is told what is wrong with one."""
        self._spool = Spool()
        self._fault = fault
        self._kept: dict[Folder, dict[str, _Kept]] = {}
        self._kinds: dict[Folder, str] = {}
        self._seen: set[int] = set()  # hashes of the paths
        for entry in entries:
            self._take(entry)
        self._choose()

    def groups(self) -> tuple[Group, ...]:
        """Each type and namespace, in order."""
        found = [
            Group(folder.resource, namespace, kept.api_version, self._kinds[folder], len(kept.lines))
            for folder, namespaces in self._kept.items()
            for namespace, kept in namespaces.items()
        ]
        return tuple(sorted(found, key=lambda group: step_key(group.resource, group.namespace)))

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """The items of a group, by name. The line's offset is a place in the spool."""
        folder = self._folders[group.resource]
        for line in self._kept[folder][group.namespace].lines:
            yield decode_line(self._spool.read(line.place, line.size))

    @property
    def size(self) -> int:
        """Bytes of JSON."""
        return sum(kept.size for namespaces in self._kept.values() for kept in namespaces.values())

    def content(self, line: IndexLine) -> bytes:
        """The JSON of an item."""
        return self._spool.read(line.offset, line.size)

    def __iter__(self) -> Iterator[IndexLine]:
        """Every item."""
        for group in self.groups():
            yield from self.lines(group)

    def _take(self, entry: TarEntry) -> None:
        try:
            if entry.fault:
                raise ValueError(entry.fault)  # noqa: TRY301 -- all faults are told in one place
            found = place(entry.path)
            if found is not None and self._wanted(found, entry.path):
                self._keep(entry, found)
        except ValueError as error:
            self._fault(f"{shown(entry.path)} in the archive: {error}")

    def _wanted(self, found: Place, path: str) -> bool:
        if hash(path) in self._seen:
            raise ValueError("the archive has it more than once")
        self._seen.add(hash(path))
        # A copy by version is of no use where there is one without.
        plain = Folder(found.folder.resource, "", preferred=False)
        return found.folder == plain or plain not in self._kept

    def _keep(self, entry: TarEntry, found: Place) -> None:
        line = index_line(entry, found, self._spool.add(entry.content or b""))
        if self._kinds.setdefault(found.folder, line.kind) != line.kind:
            raise ValueError("the object in it is of another kind than others of its type")
        encoded = encode_line(line)
        namespaces = self._kept.setdefault(found.folder, {})
        kept = namespaces.setdefault(found.namespace, _Kept(line.api_version))
        kept.size += line.size
        kept.lines.append(_Line(found.name, self._spool.add(encoded), len(encoded)))

    def _choose(self) -> None:
        """Of the folders of a type one is kept, and its items are sorted."""
        self._folders: dict[str, Folder] = {}
        for folder in sorted(self._kept, key=lambda folder: folder.rank):
            self._folders[folder.resource] = folder
        self._kept = {folder: self._kept[folder] for folder in self._folders.values()}
        for namespaces in self._kept.values():
            for kept in namespaces.values():
                kept.lines.sort()
        self._seen.clear()
