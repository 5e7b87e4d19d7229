"""Sends bytes to a key as they come, in parts and several at once, and proves that they arrived."""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from runner.engine.retry import Retrier, RetryLimits
from runner.errors import KeyExists, StoreError, UploadDamaged
from runner.model.event import KeyStored, Warned
from runner.model.manifest import StoredKey
from runner.ports import Executor, ObjectStore, Pending, Upload

PARTS_UNDER_WAY = 2  # parts that are held in memory beside the one that fills
# Nobody waits long for what is only taken back: about a second, or what a throttling store asks for.
CLEANING = RetryLimits(attempts=3, longest_server_wait=5.0)
# The smallest part that S3 takes. 10,000 parts, its most, make 50 GB of compressed YAML.
PART_BYTES = 5 << 20


@dataclass
class Sender:
    """Stores whole objects and streams under one backup's prefix."""

    store: ObjectStore
    executor: Executor
    retrier: Retrier
    prefix: str
    part_bytes: int = PART_BYTES

    def put(self, key: str, data: bytes) -> StoredKey:
        """Stores a small object, create-only, and proves it."""
        full = self.prefix + key
        stored = stored_key(data)
        try:
            self.retrier.call(f"upload of {key}", partial(self.store.create, full, data))
        except KeyExists:
            # A reply that was lost is answered by a retry with "exists": if the bytes are ours, so is the object.
            if self.digest_of(full) != stored:
                raise
        else:
            self.prove(full, stored)
        self._tell(key, stored)
        return stored

    def stream(self, key: str) -> Stream:
        """Begins an object of unknown size."""
        return Stream(self, key)

    def prove(self, full_key: str, expected: StoredKey) -> None:
        """Reads the object back and compares, where the store is not known to have checked what it was sent."""
        if self.store.verifies_uploads:
            return
        found = self.digest_of(full_key)
        if found != expected:
            raise UploadDamaged(
                f"the store holds {found.size} bytes with another digest than the {expected.size} that were sent",
                hint="the store, or something on the way to it, alters data: do not trust it with backups",
                key=full_key,
            )

    def digest_of(self, full_key: str) -> StoredKey:
        """Size and digest of what the store gives back."""

        def read() -> StoredKey:
            digest, size = hashlib.sha256(), 0
            for piece in self.store.stream(full_key):
                digest.update(piece)
                size += len(piece)
            return StoredKey(size=size, sha256=digest.hexdigest())

        return self.retrier.call(f"reading back {full_key}", read)

    def sweep(self) -> None:
        """Takes back uploads of ours that nobody knows of: the answer to their beginning was lost."""
        retrier = replace(self.retrier, limits=CLEANING)
        try:
            for orphan in retrier.call("looking for orphans", partial(self.store.unfinished, self.prefix)):
                retrier.call(f"taking back {orphan.key}", partial(self.store.discard, orphan))
        except StoreError as error:
            message = f"unfinished uploads may be left in the store: {error.message}"
            self.retrier.observer.notice(Warned(message=message))

    def _tell(self, key: str, stored: StoredKey) -> None:
        self.retrier.observer.notice(KeyStored(key=key, size=stored.size, sha256=stored.sha256))


def stored_key(data: bytes) -> StoredKey:
    """What a manifest says of a key with this content."""
    return StoredKey(size=len(data), sha256=hashlib.sha256(data).hexdigest())


@dataclass
class Stream:
    """An object on its way. Nothing is visible before `finish`; `abort` leaves nothing behind."""

    sender: Sender
    key: str
    _buffer: bytearray = field(default_factory=bytearray)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _size: int = 0
    _parts: int = 0
    _upload: Upload | None = None
    _pending: deque[Pending[None]] = field(default_factory=deque)
    _aborting: bool = False

    def write(self, data: bytes) -> None:
        """Takes the next bytes; sends a part whenever one is full."""
        self._digest.update(data)
        self._buffer += data
        size = max(self.sender.part_bytes, self.sender.store.min_part_size)
        while len(self._buffer) >= size:
            part = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._send(part)

    def finish(self) -> StoredKey:
        """Sends the rest, makes the object visible, and proves it."""
        if self._upload is None:
            # The whole fits in one part: no need of an upload in parts.
            return self.sender.put(self.key, bytes(self._buffer))
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        self._wait_for_all_but(0)
        stored = StoredKey(size=self._size, sha256=self._digest.hexdigest())
        full = self.sender.prefix + self.key
        try:
            self.sender.retrier.call(f"completion of {self.key}", self._upload.complete)
        except KeyExists:
            if self.sender.digest_of(full) != stored:
                raise
        else:
            self.sender.prove(full, stored)
        self._upload = None
        self.sender.retrier.observer.notice(KeyStored(key=self.key, size=stored.size, sha256=stored.sha256))
        return stored

    def abort(self) -> None:
        """Takes back what was sent and is not visible. Where even that fails, the next run reports what is left.

        May be called again, as when a signal has ended it.
        """
        retrier = replace(self.sender.retrier, limits=CLEANING)
        self._aborting = True
        self._pending = deque(pending for pending in self._pending if not pending.cancel())
        # A part that arrives after the abort would leave a dangling upload on S3 (AbortMultipartUpload's reference).
        while self._pending:
            with suppress(StoreError):  # of a part that nobody wants any more
                self._pending[0].result()
            self._pending.popleft()
        if self._upload is None:
            return
        retrier = replace(self.sender.retrier, limits=CLEANING)
        try:
            retrier.call(f"abort of {self.key}", self._upload.abort)
        except StoreError as error:
            message = f"an unfinished upload of {self.key} may be left in the store: {error.message}"
            retrier.observer.notice(Warned(message=message))
        self._upload = None

    def _send(self, part: bytes) -> None:
        retrier = self.sender.retrier
        if self._upload is None:
            full = self.sender.prefix + self.key
            self._upload = retrier.call(f"upload of {self.key}", partial(self.sender.store.upload, full))
        self._wait_for_all_but(PARTS_UNDER_WAY - 1)
        self._parts += 1
        work = partial(self._part, self._upload, self._parts, self._size, part)
        self._size += len(part)
        sending = partial(retrier.call, f"part {self._parts} of {self.key}", work)
        self._pending.append(self.sender.executor.submit(sending))

    def _part(self, upload: Upload, number: int, offset: int, data: bytes) -> None:
        if self._aborting:  # which waits for this: no attempt after the one that is being made
            raise StoreError(f"the upload of {self.key} is being taken back")
        upload.part(number, offset, data)

    def _wait_for_all_but(self, number: int) -> None:
        while len(self._pending) > number:
            # Taken out once it has ended and not before: a signal may come meanwhile, and abort waits for it then.
            self._pending[0].result()
            self._pending.popleft()
