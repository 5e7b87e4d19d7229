"""Takes things out of a backup that Velero wrote: its objects, its archive as it is, what is recorded beside them.

Its archive is one gzip stream without an index, so it is fetched and unpacked whole, once, into a spool. It has no
digests either: what is read is held against its own paths alone. Hostile archives are BackupDamaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from runner.archive.index import IndexLine
from runner.archive.layout import ARCHIVE, VELERO, VELERO_BACKUP
from runner.archive.stream import TarEntry, Unpacked, entries
from runner.engine.extract import Chosen
from runner.engine.fetch import Passing, Reading
from runner.engine.velero.index import VeleroIndex
from runner.errors import BackupDamaged, KeyNotFound
from runner.model.catalog import Committed
from runner.model.manifest import StoredKey
from runner.plan.lookup import Lookup

# Objects and their copies by version, with tar's padding, are some 10 to 60 times smaller packed.
_LARGEST_RATIO = 250
_ALWAYS_ALLOWED = 64 << 20


@dataclass
class VeleroBackup:
    """A backup of Velero's that is read from; what engine.extract.Backup is to ours."""

    reading: Reading
    committed: Committed
    form: str = "json"  # of its items
    _index: VeleroIndex | None = None

    def index(self) -> Iterator[IndexLine]:
        """A line an item, in the order of a backup of ours."""
        return iter(self.opened())

    def choose(self, lookup: Lookup) -> Chosen:
        """The items that are meant; errors are those of `Lookup.chosen`."""
        for line in self.index():
            lookup.see(line)
        return Chosen(lookup.chosen(), {})

    def contents(self, chosen: Chosen) -> Iterator[tuple[IndexLine, bytes]]:
        """Each item's JSON as Velero stored it."""
        return self.contents_of(chosen.lines)

    def contents_of(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, bytes]]:
        """The same, of some lines of the index, in any order."""
        index = self.opened()
        for line in lines:
            content = index.content(line)
            if hashlib.sha256(content).hexdigest() != line.sha256:
                raise self.damaged(f"the JSON of {line.id} is not what was unpacked: look at the disk")
            yield line, content

    def manifest(self) -> bytes:
        """Velero's own record, as it is stored."""
        return self.reading.document(self.key(VELERO_BACKUP))

    def download(self, write: Callable[[bytes], object]) -> StoredKey:
        """Gives the archive to `write`, piece by piece. BackupDamaged, at the end, where it is not a whole tar."""
        with self._damage():
            passing = Passing(self._written(write))
            for _ in entries(unpacked(passing, self.archive_size())):
                pass
            return passing.drained()

    def opened(self) -> VeleroIndex:
        """What is in the archive. BackupDamaged where it holds what Velero does not write."""
        if self._index is None:
            with self._damage():
                self._index = VeleroIndex(self.entries(), _refuse)
        return self._index

    def entries(self) -> Iterator[TarEntry]:
        """Those of the archive, with their content. BackupDamaged where it cannot be read on; KeyNotFound."""
        return entries(unpacked(self._pieces(), self.archive_size()), keep=True)

    def archive_size(self) -> int:
        """Bytes of the archive in the store. KeyNotFound."""
        key = self.key(self.archive)
        return self.reading.retrier.call(f"looking at {key}", partial(self.reading.store.stat, key)).size

    @property
    def archive(self) -> str:
        """What the archive's key is called."""
        return VELERO.key(ARCHIVE, self.committed.address.name)

    def key(self, name: str) -> str:
        """Where one of the backup's keys lies."""
        return VELERO.prefix(*self.committed.address) + name

    def damaged(self, what: str) -> BackupDamaged:
        """The error that says what is wrong with the archive."""
        return BackupDamaged(
            f"{self.archive} is no archive of Velero's, or is damaged: {what}",
            hint=f"see all that is wrong with: trysail verify {self.committed.address.name}",
            key=self.key(self.archive),
        )

    def _pieces(self) -> Iterator[bytes]:
        return self.reading.pieces(self.key(self.archive), 0, self.archive_size())

    def _written(self, write: Callable[[bytes], object]) -> Iterator[bytes]:
        for piece in self._pieces():
            write(piece)
            yield piece

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (BackupDamaged, KeyNotFound) as error:
            raise self.damaged(error.message) from error


def unpacked(pieces: Iterable[bytes], size: int) -> Unpacked:
    """The content of a gzip stream of `size` bytes. BackupDamaged once it grows as no archive of Velero's does."""
    limit = _ALWAYS_ALLOWED + _LARGEST_RATIO * size
    return Unpacked(pieces, limit=limit, said_by=f"{_LARGEST_RATIO} times its size, as no archive of Velero's does")


def _refuse(fault: str) -> None:
    raise BackupDamaged(fault)
