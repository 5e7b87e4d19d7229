"""Takes things out of a backup of ours: its index, single items by range reads, its plan, its archive as it is.

Items are held against the index before they are given away, the plan against the manifest. Index and archive are too
large for that: they are given on as they come, and the error comes at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from runner.archive.index import IndexLine
from runner.archive.layout import ARCHIVE, INDEX, LAYOUTS, MANIFEST, PLAN, Layout
from runner.archive.records import read_plan
from runner.archive.stream import ITEM_BYTES, Unpacked, index_lines
from runner.engine.fetch import Passing, Reading
from runner.errors import BackupDamaged, FormatError, KeyNotFound
from runner.model.catalog import Committed
from runner.model.manifest import StoredKey
from runner.model.plan import Plan
from runner.plan.lookup import Lookup

JOINED_BYTES = 8 << 20  # compressed: members that follow each other are read as one range up to this


@dataclass(frozen=True, slots=True)
class Chosen:
    """Items of an archive, in its order, and where each of its gzip members ends."""

    lines: tuple[IndexLine, ...]
    member_ends: dict[int, int]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is read from."""

    reading: Reading
    committed: Committed

    @property
    def layout(self) -> Layout:
        """Where its keys lie."""
        return LAYOUTS[self.committed.layout]

    @property
    def form(self) -> str:
        """What an item is written in."""
        return self.layout.form

    @property
    def archive(self) -> str:
        """What the archive's key is called."""
        return self.layout.key(ARCHIVE, self.committed.address.name)

    def index(self) -> Iterator[IndexLine]:
        """Every line of the index. That it is whole is known only at the end: BackupDamaged."""
        recorded = self._recorded(INDEX)
        with self._damage(INDEX):
            passing = Passing(self.reading.pieces(self._key(INDEX), 0, recorded.size))
            yield from index_lines(Unpacked(passing))
            _agree(passing.drained(), recorded)

    def choose(self, lookup: Lookup) -> Chosen:
        """The items that are meant; errors are those of `Lookup.chosen`."""
        ends = self.member_ends(lookup.see)
        return Chosen(lookup.chosen(), ends)

    def member_ends(self, see: Callable[[IndexLine], object]) -> dict[int, int]:
        """Where each gzip member of the archive ends, by where it starts. `see` is shown every line on the way."""
        starts = [0]
        for line in self.index():
            see(line)
            if line.member != starts[-1]:
                starts.append(line.member)
        ends = [*starts[1:], self._recorded(self.archive).size]
        if any(start >= end for start, end in zip(starts, ends, strict=True)):
            raise self._damaged(INDEX, "the places that it records do not follow each other")
        return dict(zip(starts, ends, strict=True))

    def contents(self, chosen: Chosen) -> Iterator[tuple[IndexLine, bytes]]:
        """Each item's YAML or JSON as it was stored, by range reads of the members that hold them."""
        for run in _runs(chosen):
            with self._damage(self.archive):
                pieces = self.reading.pieces(self._key(self.archive), run.start, run.stop)
                unpacked = Unpacked(pieces, start=run.start)
                for line in run.lines:
                    yield line, _content(unpacked, line)

    def plan(self) -> Plan:
        """The plan that was run."""
        recorded = self._recorded(PLAN)
        with self._damage(PLAN):
            raw = self.reading.document(self._key(PLAN))
            _agree(Passing([raw]).drained(), recorded)
            try:
                return read_plan(raw, PLAN)
            except (FormatError, ValueError, RecursionError) as error:
                raise BackupDamaged(str(error)) from error

    def manifest(self) -> bytes:
        """The manifest as it is stored, which was checked before."""
        return self.reading.document(self._key(MANIFEST))

    def download(self, write: Callable[[bytes], object]) -> StoredKey:
        """Gives the archive to `write`, piece by piece. BackupDamaged, at the end, where it is not what was stored."""
        recorded = self._recorded(self.archive)
        with self._damage(self.archive):
            key = self._key(self.archive)
            found = self.reading.retrier.call(f"looking at {key}", partial(self.reading.store.stat, key))
            if found.size != recorded.size:
                raise BackupDamaged(f"it has {found.size:,} bytes, and {recorded.size:,} were recorded")
            passing = Passing(self.reading.pieces(key, 0, recorded.size))
            for piece in passing:
                write(piece)
            _agree(passing.drained(), recorded)
        return recorded

    def _key(self, name: str) -> str:
        return self.layout.prefix(*self.committed.address) + name

    def _recorded(self, name: str) -> StoredKey:
        recorded = self.committed.manifest.keys.get(name)
        if recorded is None:
            raise self._damaged(MANIFEST, f"it does not have {name}")
        return recorded

    @contextmanager
    def _damage(self, name: str) -> Iterator[None]:
        """Says of which key something is said."""
        try:
            yield
        except (BackupDamaged, KeyNotFound) as error:
            raise self._damaged(name, error.message) from error

    def _damaged(self, name: str, what: str) -> BackupDamaged:
        return BackupDamaged(
            f"{name} is not what was recorded: {what}",
            hint=f"see all that is wrong with: trysail verify {self.committed.address.name}",
            key=self._key(name),
        )


@dataclass
class _Run:
    """Members that follow each other, and what is wanted of them."""

    start: int
    stop: int
    lines: list[IndexLine] = field(default_factory=list)


def _runs(chosen: Chosen) -> Iterator[_Run]:
    run: _Run | None = None
    for line in chosen.lines:
        end = chosen.member_ends[line.member]
        if run is None or line.member > run.stop or (end > run.stop and end - run.start > JOINED_BYTES):
            if run is not None:
                yield run
            run = _Run(line.member, end)
        run.stop = end
        run.lines.append(line)
    if run is not None:
        yield run


def _content(unpacked: Unpacked, line: IndexLine) -> bytes:
    if line.size > ITEM_BYTES:
        raise BackupDamaged(f"{line.id} is said to have {line.size:,} bytes, which no object has")
    unpacked.seek(line.member, line.offset)
    content = unpacked.read(line.size)
    if hashlib.sha256(content).hexdigest() != line.sha256:
        raise BackupDamaged(f"the YAML of {line.id} is not what the index recorded")
    return content


def _agree(found: StoredKey, recorded: StoredKey) -> None:
    if found != recorded:
        raise BackupDamaged("its SHA-256 is not the one that was recorded")
