"""A file of nobody's: what does not fit into memory is put down in it and read back in any order.

It has no name, so that nobody else can open it and nothing is left of it, however the process ends.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import UsageError

_WRITTEN_AT_ONCE = 1 << 20


class Spool:
    """Append, then read. It is closed with the last reference to it."""

    def __init__(self) -> None:
        with _room():
            self._file, path = tempfile.mkstemp(prefix="trysail-")  # readable by us alone
            weakref.finalize(self, os.close, self._file)
            os.unlink(path)  # noqa: PTH108 -- a path of the system's, straight from the call before
        self._end = 0
        self._waiting = bytearray()

    def add(self, data: bytes) -> int:
        """Where the data lies from now on."""
        place = self._end
        self._end += len(data)
        self._waiting += data
        if len(self._waiting) >= _WRITTEN_AT_ONCE:
            self._write()
        return place

    def read(self, place: int, size: int) -> bytes:
        """What lies there."""
        if self._waiting:
            self._write()
        with _room():
            return os.pread(self._file, size, place)

    def _write(self) -> None:
        with _room(), memoryview(bytes(self._waiting)) as rest:
            done = 0
            while done < len(rest):
                done += os.write(self._file, rest[done:])
        self._waiting.clear()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the folder for temporary files cannot be used: {error.strerror}",
            hint="the backup is unpacked there while it is read: give it room, or name another folder with TMPDIR",
            folder=tempfile.gettempdir(),
        ) from error
