"""Turns items into the bytes of an archive and of its index, as they come: nothing is kept but the open members.

A gzip member ends with the first item that fills it to 1 MiB: a cut by content, so that the same items give the same
bytes however they arrived. Any tar reads the members as one stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from isal import isal_zlib

from runner.archive import tar
from runner.archive.index import IndexLine, encode_line
from runner.model.cluster import Resource
from runner.model.entry import Entry
from runner.model.inventory import Row

MEMBER_BYTES = 1 << 20  # of tar, before compression
_LEVEL = 2  # of isal: 1,800 MiB/s, and level 3 is slower than zlib-ng
_GZIP = 31  # window bits that ask for a gzip header; isal writes no time into it


class Members:
    """A stream that is cut into gzip members."""

    def __init__(self) -> None:
        self.start = 0  # where the open member will start in the compressed stream
        self.filled = 0  # bytes in the open member, uncompressed
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Appends to the open member."""
        self._parts.append(part)
        self.filled += len(part)

    def cut(self) -> bytes:
        """Ends the open member and returns it compressed; empty where nothing was added."""
        if not self._parts:
            return b""
        member: bytes = isal_zlib.compress(b"".join(self._parts), _LEVEL, _GZIP)
        self._parts.clear()
        self.filled = 0
        self.start += len(member)
        return member


@dataclass
class ArchiveWriter:
    """`add` items; each call returns what of archive and index is ready to be sent; `finish` returns the rest."""

    member_bytes: int = MEMBER_BYTES
    items: int = 0
    size: int = 0  # bytes of YAML
    _archive: Members = field(default_factory=Members)
    _index: Members = field(default_factory=Members)

    def add(self, resource: Resource, row: Row, entry: Entry) -> tuple[bytes, bytes]:
        """Appends the item that `row` tells of; (archive bytes, index bytes), either often empty."""
        line = IndexLine(
            resource=resource.name,
            namespace=row.namespace,
            name=row.name,
            api_version=resource.api_version,
            kind=resource.kind,
            uid=row.uid,
            resource_version=row.resource_version,
            labels=row.labels,
            sha256=entry.sha256,
            size=entry.size,
            member=self._archive.start,
            offset=self._archive.filled + entry.lead,
        )
        self._archive.add(entry.content)
        self._index.add(encode_line(line))
        self.items += 1
        self.size += entry.size
        archive = self._archive.cut() if self._archive.filled >= self.member_bytes else b""
        index = self._index.cut() if self._index.filled >= self.member_bytes else b""
        return archive, index

    def lead(self, entry: Entry) -> None:
        """Puts an entry that is no item before all items."""
        self._archive.add(entry.content)

    def finish(self) -> tuple[bytes, bytes]:
        """The open members and the archive's end. An empty index is an empty gzip stream."""
        ending = Members()
        ending.add(tar.END)
        index = self._index.cut()
        if self.items == 0:
            index = isal_zlib.compress(b"", _LEVEL, _GZIP)
        return self._archive.cut() + ending.cut(), index
