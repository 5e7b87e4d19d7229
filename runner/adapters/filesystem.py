"""Objects as files below one folder: a key is a path, an upload is a hidden file beside its target.

Owns how a file comes into place whole, durable and create-only, and what the system's errors mean here.
Must not know what is stored under which key. Links below the folder are not followed when it is listed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from threading import Lock

from runner.errors import (
    KeyExists,
    KeyNotFound,
    LocationNotFound,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnreachable,
)
from runner.ports import StoredObject, UnfinishedUpload

_PIECE = 1024 * 1024
_PARTIAL = re.compile(r"\.(?P<name>[^/]+)\.[0-9a-f]{16}\.partial", re.DOTALL)
_NAME_BYTES = 229  # of a file's name in that of its partial file, which Linux limits to 255 bytes
_RESERVATION = "0" * 16
_RACES = 10

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
# A share whose server is away. EIO is not here: a disk that fails gets no better by asking again.
_AWAY = {
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENOTCONN,
}
_BUSY = {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOLCK, errno.ENOMEM}
_MEANINGS: tuple[tuple[type[StoreError], set[int], str], ...] = (
    (StoreFull, _FULL, "free some space, or raise the quota or the limit on a file's size"),
    (StoreDenied, _DENIED, "give this user the right to read and write in the location's folder"),
    (StoreUnreachable, _AWAY, "is the share that the location's folder is on still mounted?"),
    (StoreBusy, _BUSY, ""),
)
# What a filesystem without hard links (FAT, some shares) answers to link(2).
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# What a filesystem answers to fsync of a folder when it has no such thing.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES}


class FilesystemStore:
    """An `ObjectStore` in a folder, which is made by the first write and lists as empty before that.

    Files have mode 0600 and folders 0700: archives hold Secrets. A folder without a file in it is no folder here.
    """

    def __init__(self, root: Path) -> None:
        """`root` may be relative to the working directory of this moment."""
        self._root = root.absolute()
        self.url = str(self._root)
        self.min_part_size = 1
        self.verifies_uploads = False

    def __repr__(self) -> str:
        return f"FilesystemStore({self.url!r})"

    def create(self, key: str, data: bytes) -> None:
        """Writes a partial file, and gives it its name when it is whole and on the disk."""
        upload = self.upload(key)
        try:
            upload.part(1, 0, data)
            upload.complete()
        finally:
            upload.abort()

    def upload(self, key: str) -> _FileUpload:
        """Makes nothing yet: the first part makes the partial file."""
        return _FileUpload(self._root, self._path(key))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Reads a range of a file."""
        path = self._path(key)
        with _mapped(path, missing=KeyNotFound), path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def stream(self, key: str) -> Iterator[bytes]:
        """Keeps the file open until the last piece is taken, or the iterator is closed."""
        path = self._path(key)
        with _mapped(path, missing=KeyNotFound), path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def stat(self, key: str) -> StoredObject:
        """Only files are objects: a folder is KeyNotFound."""
        path = self._path(key)
        with _mapped(path, missing=KeyNotFound):
            found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise KeyNotFound(f"{path} is not a file", path=str(path))
        return StoredObject(key, found.st_size)

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """Looks only below the folder that `prefix` is in, and has the whole answer in memory."""
        found = []
        for key in self._files(prefix.rpartition("/")[0]):
            if key.startswith(prefix) and not _partial(key):
                with suppress(KeyNotFound):  # gone since its name was read
                    found.append(self.stat(key))
        return iter(sorted(found))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Leaves out folders that hold no object, as a store without folders would."""
        names, _ = self._entries(prefix.removesuffix("/"))
        return tuple(sorted(name for name in names if any(not _partial(key) for key in self._files(prefix + name))))

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """The key of a name so long that its partial file could not hold it is cut."""
        found = []
        for path in self._files(prefix.rpartition("/")[0]):
            if partial := _partial(path):
                key = path.removesuffix(partial[0]) + partial["name"]
                found.append(UnfinishedUpload(key, partial[0]))
        return tuple(sorted(upload for upload in found if upload.key.startswith(prefix)))

    def discard(self, upload: UnfinishedUpload) -> None:
        """Removes the partial file; its upload, if it still runs, fails."""
        if "/" in upload.id or not _partial(upload.id):
            raise StoreError(f"{upload.id!r} is not the name of an unfinished upload", key=upload.key)
        _remove(self._path(upload.key).with_name(upload.id), self._root)

    def _path(self, key: str) -> Path:
        """Where `key` lies. One key has one path: what would have two, or lie elsewhere, is refused."""
        if not key or _partial(key):
            raise StoreError(f"{key!r} cannot be a key: it is empty, or named as an unfinished upload", key=key)
        return self._folder(key)

    def _folder(self, key: str) -> Path:
        parts = key.split("/") if key else []
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise StoreError(f"{key!r} cannot be a path: a part of it is empty, '.' or '..'", key=key)
        return self._root.joinpath(*parts)

    def _files(self, folder: str) -> Iterator[str]:
        """Every file below `folder`, partial ones included, by its path below the root; unsorted."""
        start = f"{folder}/" if folder else ""
        folders, files = self._entries(folder)
        yield from (start + name for name in files)
        for name in folders:
            yield from self._files(start + name)

    def _entries(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of folders and of files in `folder`; none where it is not there, or not a folder."""
        path = self._folder(folder)
        try:
            with _mapped(path, missing=KeyNotFound), os.scandir(path) as found:
                entries = list(found)
                folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                return folders, [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except KeyNotFound:
            if path == self._root and path.exists():
                raise _not_a_folder(path) from None
            return [], []


class _FileUpload:
    """An `Upload`: parts go to their places in a partial file, which `complete` then gives its name."""

    def __init__(self, root: Path, target: Path) -> None:
        self._root = root
        self._target = target
        self._partial = target.with_name(_partial_name(target.name, secrets.token_hex(8)))
        self._lock = Lock()
        self._ends: dict[int, int] = {}  # part's number → where it ends
        self._begun = self._placed = self._aborted = False

    def part(self, number: int, offset: int, data: bytes) -> None:
        """Writes to the part's place."""
        with _mapped(self._target):
            with self._lock:
                self._begin()
                self._ends[number] = offset + len(data)
            # Opened for each part: a descriptor shared with abort could be another file's by now.
            with _opened(self._partial, os.O_WRONLY) as file:
                rest = memoryview(data)
                while rest:
                    written = os.pwrite(file, rest, offset)
                    offset, rest = offset + written, rest[written:]

    def complete(self) -> None:
        """Returns when the file has its name and both are on the disk."""
        with self._lock, _mapped(self._target):
            if not self._placed:
                self._begin()
                with _opened(self._partial, os.O_WRONLY) as file:
                    os.ftruncate(file, max(self._ends.values(), default=0))
                    os.fsync(file)
                _place(self._partial, self._target)
                self._placed = True
            self._partial.unlink(missing_ok=True)
            _sync_folder(self._target.parent)

    def abort(self) -> None:
        """Removes the partial file, and the folders that were made for it."""
        with self._lock:
            self._aborted = True
            if self._begun and not self._placed:
                _remove(self._partial, self._root)

    def _begin(self) -> None:
        """Makes the partial file, once; the lock is held."""
        if self._aborted:
            raise StoreError("The upload was aborted", path=str(self._target))
        if not self._begun:
            _make_file(self._partial)
            self._begun = True


def _place(partial: Path, target: Path) -> None:
    """Gives the file its name, in one step that nobody sees half done; KeyExists if the name is taken."""
    try:
        target.hardlink_to(partial)
    except FileExistsError as error:
        # A share may lose the answer to a link that was made, and ask its server again by itself.
        if not target.samefile(partial):
            raise _taken(target) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _place_by_rename(partial, target)


def _place_by_rename(partial: Path, target: Path) -> None:
    """A rename would replace the target: only who has made the reservation beside it may look and rename."""
    reservation = target.with_name(_partial_name(target.name, _RESERVATION))
    try:
        _make_file(reservation)
    except FileExistsError as error:
        hint = f"if none is at work any more, remove {reservation}"
        raise StoreBusy(f"Another writer is putting {target} in place", hint=hint, path=str(target)) from error
    try:
        if os.path.lexists(target):
            raise _taken(target)
        partial.rename(target)
    finally:
        reservation.unlink(missing_ok=True)


def _taken(target: Path) -> StoreError:
    if target.is_dir():
        return StoreError(f"{target} is a folder, where a file is to be written", path=str(target))
    return KeyExists(f"{target} exists already", path=str(target))


def _partial_name(name: str, mark: str) -> str:
    return f".{os.fsencode(name)[:_NAME_BYTES].decode(errors='ignore')}.{mark}.partial"


def _partial(path: str) -> re.Match[str] | None:
    """A match with the `name` that is meant, if `path` is that of a partial file."""
    return _PARTIAL.fullmatch(path.rpartition("/")[2])


def _make_file(path: Path) -> None:
    """Makes an empty file, and the folders that it needs. FileExistsError."""
    # An abort elsewhere may remove the folder, which is empty, before the file is in it.
    for _ in range(_RACES):
        with suppress(FileNotFoundError):
            _make_folder(path.parent)
            with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
                return
    raise FileNotFoundError(errno.ENOENT, "the folder cannot be made")


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise _not_a_folder(folder) from None
    _sync_folder(folder.parent)


def _remove(partial: Path, root: Path) -> None:
    """Removes a partial file and the folders, up to the root, that are empty without it."""
    with _mapped(partial):
        partial.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, gone already, or not ours to remove: an empty folder is in nobody's way
        for folder in takewhile(root.__ne__, partial.parents):
            folder.rmdir()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    """Makes the names in `folder` last through a power cut, where the filesystem can."""
    try:
        with _opened(folder, os.O_RDONLY) as file:
            os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _not_a_folder(path: Path) -> LocationNotFound:
    hint = "correct the location's path"
    return LocationNotFound(f"{path} is a file, where a folder is needed", hint=hint, path=str(path))


@contextmanager
def _mapped(path: Path, missing: type[StoreError] = StoreError) -> Iterator[None]:
    """Turns what the system says of `path` into errors of ours; `missing` is raised where nothing is there."""
    try:
        yield
    except OSError as error:
        raise _translated(error, path, missing) from error


def _translated(error: OSError, path: Path, missing: type[StoreError]) -> StoreError:
    reason = error.strerror or type(error).__name__
    if error.errno in _MISSING:
        return missing(f"{path} is not there: {reason}", path=str(path))
    for kind, numbers, hint in _MEANINGS:
        if error.errno in numbers:
            return kind(f"{path} cannot be accessed: {reason}", hint=hint, path=str(path))
    return StoreError(f"{path} cannot be accessed: {reason}", path=str(path))
