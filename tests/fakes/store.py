"""An object store in memory: what every other one is measured by, and the simulation's.

Strict where real stores are lenient: an upload whose parts do not fit together is a mistake of its caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Lock

from runner.errors import KeyExists, KeyNotFound, StoreError
from runner.ports import StoredObject, UnfinishedUpload

_PIECE = 1024 * 1024


class MemoryStore:
    """An `ObjectStore` whose content is `objects`, by key."""

    def __init__(self, *, min_part_size: int = 1, verifies_uploads: bool = True) -> None:
        self.url = "memory:"
        self.min_part_size = min_part_size
        self.verifies_uploads = verifies_uploads
        self.objects: dict[str, bytes] = {}
        self._uploads: dict[str, MemoryUpload] = {}
        self._ids = count(1)
        self._lock = Lock()

    def create(self, key: str, data: bytes) -> None:
        """As the port has it."""
        with self._lock:
            if key in self.objects:
                raise KeyExists("The key exists already", key=key)
            self.objects[key] = bytes(data)

    def upload(self, key: str) -> MemoryUpload:
        """As the port has it; the upload is unfinished from here on."""
        with self._lock:
            upload = MemoryUpload(self, key, f"upload-{next(self._ids)}")
            self._uploads[upload.id] = upload
            return upload

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """As the port has it."""
        data = self._object(key)
        return data[start:] if length is None else data[start : start + length]

    def stream(self, key: str) -> Iterator[bytes]:
        """As the port has it."""
        data = self._object(key)
        for start in range(0, len(data), _PIECE):
            yield data[start : start + _PIECE]

    def stat(self, key: str) -> StoredObject:
        """As the port has it."""
        return StoredObject(key, len(self._object(key)))

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """As the port has it; a picture of the moment of the call."""
        with self._lock:
            found = [StoredObject(key, len(data)) for key, data in self.objects.items() if key.startswith(prefix)]
        return iter(sorted(found))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """As the port has it."""
        below = [item.key.removeprefix(prefix) for item in self.keys(prefix)]
        return tuple(sorted({rest.split("/")[0] for rest in below if "/" in rest}))

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """As the port has it."""
        with self._lock:
            found = [UnfinishedUpload(upload.key, upload.id) for upload in self._uploads.values()]
        return tuple(sorted(upload for upload in found if upload.key.startswith(prefix)))

    def discard(self, upload: UnfinishedUpload) -> None:
        """As the port has it."""
        self.end(upload.id)

    def is_going_on(self, upload_id: str) -> bool:
        """Whether the upload is neither completed nor gone."""
        with self._lock:
            return upload_id in self._uploads

    def end(self, upload_id: str) -> None:
        """Forgets an upload; it may be gone already."""
        with self._lock:
            self._uploads.pop(upload_id, None)

    def _object(self, key: str) -> bytes:
        with self._lock:
            if key not in self.objects:
                raise KeyNotFound("There is no such key", key=key)
            return self.objects[key]


class MemoryUpload:
    """An `Upload` that insists on parts that fit together."""

    def __init__(self, store: MemoryStore, key: str, upload_id: str) -> None:
        self.key = key
        self.id = upload_id
        self._store = store
        self._parts: dict[int, tuple[int, bytes]] = {}
        self._completed = False

    def part(self, number: int, offset: int, data: bytes) -> None:
        """As the port has it."""
        self._must_go_on()
        self._parts[number] = (offset, bytes(data))

    def complete(self) -> None:
        """As the port has it."""
        if self._completed:
            return
        self._must_go_on()
        self._store.create(self.key, self._whole())
        self._completed = True
        self._store.end(self.id)

    def abort(self) -> None:
        """As the port has it."""
        self._store.end(self.id)

    def _must_go_on(self) -> None:
        if self._completed or not self._store.is_going_on(self.id):
            raise StoreError("The upload is gone", key=self.key)

    def _whole(self) -> bytes:
        whole = b""
        for place, (number, (offset, data)) in enumerate(sorted(self._parts.items()), start=1):
            assert (number, offset) == (place, len(whole)), f"part {number} of {self.key} at {offset}: not next"
            is_last = place == len(self._parts)
            assert is_last or len(data) >= self._store.min_part_size, f"part {number} of {self.key} is too small"
            assert is_last or len(data) == len(self._parts[1][1]), f"part {number} of {self.key}: another size"
            whole += data
        return whole
