"""Reads archive and index forward, in bounded memory, and trusts nothing of what it reads.

Owns gzip members, tar entries and index lines as they come; must not know what ought to be in them, and writes no
file. What cannot be read on from raises BackupDamaged; an entry that no archive of ours has is returned with a fault.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from isal import isal_zlib

from runner.archive.index import IndexLine, decode_line
from runner.archive.tar import BLOCK, END, MODE, VELERO_MODE
from runner.archive.tar import header as own_header
from runner.errors import BackupDamaged

ITEM_BYTES = 64 << 20  # etcd takes objects of 1.5 MiB, and its YAML is a few times its JSON at most
LINE_BYTES = 8 << 20  # of the index: labels are part of the object, names are short

_GZIP_ERROR = cast("type[Exception]", isal_zlib.error)  # isal's stub calls the class an instance
_GZIP = 31  # window bits that ask for a gzip header, and for its checksum to be held
_FEED = 1 << 16  # compressed bytes that are given to the decompressor at once
_CHUNK = 1 << 20  # bytes that it gives back at once, at most: a bomb goes off in these
_PAX_BYTES = 1 << 16
_VELERO_DIGITS = b"%07o" % VELERO_MODE
_LONGEST_SHOWN = 300

_NO_CONTENT = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
}


class Unpacked:
    """The content of gzip members that follow each other. `member` and `offset` say where the next byte stands."""

    def __init__(
        self, pieces: Iterable[bytes], *, start: int = 0, limit: int | None = None, said_by: str = "the manifest says"
    ) -> None:
        """`start` is where the first piece lies in its object; more content than `limit` bytes is an error."""
        self.member = start
        self.offset = 0  # within the member, uncompressed
        self._slices = _slices(pieces)
        self._feed = b""
        self._place = start  # compressed bytes that are done with
        self._inflate: isal_zlib.Decompress | None = None
        self._chunk = b""
        self._used = 0  # of the chunk
        self._left = limit
        self._said_by = said_by

    def at_end(self) -> bool:
        """Whether there is no further byte; where there is one, `member` and `offset` are its own."""
        return not self._available()

    def take(self, size: int) -> bytes:
        """Up to `size` bytes, all of one member; none at the end alone."""
        if size <= 0 or not self._available():
            return b""
        taken = self._chunk[self._used : self._used + size]
        self._used += len(taken)
        self.offset += len(taken)
        return taken

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer where the content ends."""
        parts = []
        while size and (part := self.take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def seek(self, member: int, offset: int) -> None:
        """Goes forward to a place; BackupDamaged where no member starts there, or it is behind or outside."""
        while self.member < member and not self.at_end():
            self.take(_CHUNK if self.member < member else 0)
        while self.member == member and self.offset < offset and self.take(offset - self.offset):
            pass
        if (self.member, self.offset) != (member, offset):
            raise BackupDamaged(f"the archive has nothing at offset {offset} of a gzip member at byte {member}")

    def _available(self) -> bool:
        while self._used >= len(self._chunk):
            if not self._feed:
                self._feed = next(self._slices, b"")
            if self._inflate is None:
                if not self._feed:
                    return False
                self._inflate = isal_zlib.decompressobj(_GZIP)
                self.member, self.offset = self._place, 0
            self._unpack()
        return True

    def _unpack(self) -> None:
        """The next chunk of the open member, which may be empty."""
        fed, inflate = self._feed, self._inflate
        assert inflate is not None
        try:
            chunk = inflate.decompress(fed, _CHUNK)
        except _GZIP_ERROR as error:
            what = "is altered" if self.offset else "is no gzip, or is altered"
            raise BackupDamaged(f"the gzip member at byte {self.member} {what}: {error}") from error
        if inflate.eof:
            self._feed, self._inflate = inflate.unused_data, None
        else:
            self._feed = inflate.unconsumed_tail
            if not fed and not chunk:
                raise BackupDamaged(f"the gzip member at byte {self.member} is cut off")
        self._place += len(fed) - len(self._feed)
        self._chunk, self._used = chunk, 0
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise BackupDamaged(f"it unpacks to more than {self._said_by}: it was not read further")


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A tar entry. `member` and `offset` say where its content starts, as an index line does."""

    path: str
    size: int
    sha256: str
    member: int
    offset: int
    content: bytes | None = None  # only where it was asked for
    fault: str = ""  # why no archive of ours has such an entry; then the rest means nothing


def entries(unpacked: Unpacked, *, keep: bool = False) -> Iterator[TarEntry]:
    """Every entry of a tar that ends as it should and is followed by nothing. With `keep`, contents are returned."""
    path = ""  # of a PAX header, for the entry after it
    while True:
        block = unpacked.read(BLOCK)
        if block == END[:BLOCK]:
            break
        header = _header(block)
        if header.kind == tarfile.XHDTYPE and not path:
            path = _pax_path(unpacked, header)
            continue
        yield _entry(unpacked, header, path or header.path, keep=keep)
        path = ""
    if path or unpacked.read(BLOCK) != END[BLOCK:]:
        raise BackupDamaged("the tar has no proper end")
    if not unpacked.at_end():
        raise BackupDamaged("bytes follow the end of the tar")


def index_lines(unpacked: Unpacked) -> Iterator[IndexLine]:
    """Every line of an index."""
    rest = b""
    while part := unpacked.take(_CHUNK):
        *whole, rest = (rest + part).split(b"\n")
        for raw in whole:
            yield _line(raw)
        if len(rest) > LINE_BYTES:
            raise BackupDamaged("the index has a line that is too long to be one of ours")
    if rest:
        raise BackupDamaged("the index ends in the middle of a line")


def shown(path: str) -> str:
    """A path that may be as long as it likes, for a message."""
    return path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}…"


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # The decompressor copies what it has not used yet at each step: small slices keep that cheap.
    for piece in pieces:
        for begin in range(0, len(piece), _FEED):
            yield piece[begin : begin + _FEED]


class _Header(NamedTuple):
    path: str
    size: int
    kind: bytes  # tar's type of the entry


def _header(block: bytes) -> _Header:
    if len(block) < BLOCK:
        raise BackupDamaged("the tar is cut off: it has no end")
    return _own_header(block) or _any_header(block)


def _own_header(block: bytes) -> _Header | None:
    """A header that is ours to the byte, in a quarter of the time that reading any takes."""
    name, digits = block[:100].rstrip(b"\0"), block[124:135]
    if not name.isascii() or not digits.isdigit() or b"8" in digits or b"9" in digits:
        return None
    path, size = name.decode("ascii"), int(digits, 8)
    mode = VELERO_MODE if block[100:107] == _VELERO_DIGITS else MODE
    return _Header(path, size, tarfile.REGTYPE) if block == own_header(path, size, mode) else None


def _any_header(block: bytes) -> _Header:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise BackupDamaged(f"the tar has a header that is not understood: {error}") from error
    if header.size < 0:
        raise BackupDamaged("the tar has an entry of a negative size")
    return _Header(header.name, header.size, header.type)


def _pax_path(unpacked: Unpacked, header: _Header) -> str:
    """The path that a PAX header gives to the next entry: one record, `<length> path=<path>` and a newline."""
    if header.size > _PAX_BYTES:
        raise BackupDamaged("the tar has a PAX header that is too long to be one of ours")
    padded = -(-header.size // BLOCK) * BLOCK
    record = unpacked.read(padded)[: header.size]
    length, _, rest = record.partition(b" ")
    if length != str(header.size).encode() or not rest.startswith(b"path=") or not rest.endswith(b"\n"):
        raise BackupDamaged("the tar has a PAX header that says more than a path, or is cut off")
    return rest[len(b"path=") : -1].decode("utf-8", "surrogateescape")


def _entry(unpacked: Unpacked, header: _Header, path: str, *, keep: bool) -> TarEntry:
    fault = _path_fault(path)
    if header.kind in _NO_CONTENT:
        return TarEntry(path, 0, "", unpacked.member, unpacked.offset, fault=f"it is {_NO_CONTENT[header.kind]}")
    if header.kind not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
        fault = f"it is of tar's type {header.kind!r}"
    elif keep and header.size > ITEM_BYTES:
        fault = f"it is larger than {ITEM_BYTES >> 20} MiB, which no object is"
    if header.size and unpacked.at_end():
        raise BackupDamaged(f"the tar is cut off: {shown(path)} has no content")
    member, offset = unpacked.member, unpacked.offset
    digest, parts, left = hashlib.sha256(), [], header.size
    while left and (part := unpacked.take(left)):
        digest.update(part)
        left -= len(part)
        if keep and not fault:
            parts.append(part)
    if left:
        raise BackupDamaged(f"the tar is cut off in the middle of {shown(path)}")
    if unpacked.member != member:
        fault = fault or "it lies in several gzip members"
    padding = -header.size % BLOCK
    if len(unpacked.read(padding)) < padding:
        raise BackupDamaged(f"the tar is cut off after {shown(path)}")
    content = b"".join(parts) if keep and not fault else None
    return TarEntry(path, header.size, digest.hexdigest(), member, offset, content, fault)


def _path_fault(path: str) -> str:
    if path.startswith("/"):
        return "its path is absolute"
    if ".." in path.split("/"):
        return "its path leads out of the folder it is unpacked in"
    return ""


def _line(raw: bytes) -> IndexLine:
    line = decode_line(raw)
    if min(line.size, line.member, line.offset) < 0:
        raise BackupDamaged(f"the index has a negative number at {line.id}")
    return line
