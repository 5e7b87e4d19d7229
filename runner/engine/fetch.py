"""Reads keys of a store: whole, or in pieces that are asked for ahead; retried, counted and hashed as they pass."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from runner.engine.retry import Retrier
from runner.errors import BackupDamaged
from runner.model.manifest import StoredKey
from runner.ports import Executor, ObjectStore, Pending, StoredObject

PIECE_BYTES = 4 << 20  # one request each: a broken connection costs no more than this
PIECES_AHEAD = 2
DOCUMENT_BYTES = 64 << 20  # no manifest and no plan is larger; what is, is not read into memory


@dataclass(frozen=True, slots=True)
class Reading:
    """A store, and what is needed to read from it well."""

    store: ObjectStore
    executor: Executor
    retrier: Retrier

    def keys(self, prefix: str) -> list[StoredObject]:
        """Every key under `prefix` with its size, sorted."""
        return self.retrier.call(f"listing {prefix or self.store.url}", lambda: list(self.store.keys(prefix)))

    def document(self, key: str) -> bytes:
        """All of a small key. KeyNotFound; BackupDamaged where it is too large to be one of ours."""
        raw = self._range(key, 0, DOCUMENT_BYTES + 1)
        if len(raw) > DOCUMENT_BYTES:
            raise BackupDamaged(f"{key} is larger than {DOCUMENT_BYTES >> 20} MiB: Trysail did not write it")
        return raw

    def pieces(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of 4 MiB; two are asked for ahead of the one in use.

        KeyNotFound; BackupDamaged where the object ends before `stop`.
        """
        begins = iter(range(start, stop, PIECE_BYTES))
        pending: deque[tuple[int, int, Pending[bytes]]] = deque()
        try:
            while True:
                for begin in islice(begins, PIECES_AHEAD + 1 - len(pending)):
                    length = min(PIECE_BYTES, stop - begin)
                    work = partial(self._range, key, begin, length)
                    pending.append((begin, length, self.executor.submit(work)))
                if not pending:
                    return
                begin, length, piece = pending.popleft()
                data = piece.result()
                if len(data) != length:
                    raise BackupDamaged(f"{key} ends after {begin + len(data)} bytes, where {stop} were expected")
                yield data
        finally:
            for _, _, piece in pending:
                piece.cancel()

    def _range(self, key: str, start: int, length: int) -> bytes:
        return self.retrier.call(f"reading {key}", partial(self.store.read, key, start, length))


class Passing:
    """Pieces that are hashed as somebody takes them; what nobody takes is hashed by `drained`."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._digest = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def drained(self) -> StoredKey:
        """Size and SHA-256 of the whole, once the rest has passed too."""
        for _ in self:
            pass
        return StoredKey(size=self._size, sha256=self._digest.hexdigest())
