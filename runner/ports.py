"""Every Protocol that an adapter fulfils, on one page. The comments are the contract.

For all of them: errors are those of `runner.errors` alone, adapters never retry (the engine does, where an error is
`retriable`), calls may come from several threads at once, and nothing is ever logged or printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from runner.model.cluster import ClusterIdentity, Discovery, ListRequest, Page, Resource, Right
from runner.model.entry import Batch, Entry
from runner.model.event import Event

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ClusterReader(Protocol):
    """Reads a cluster. Conformance: tests/conformance/test_cluster_reader.py.

    Errors: ClusterUnreachable, ClusterBusy, Unauthorized, Forbidden, ItemNotFound, BadResponse.
    """

    def identity(self) -> ClusterIdentity:
        """Which cluster this is."""
        ...

    def discover(self) -> Discovery:
        """Every resource served, in its preferred version. A group that is down is a failure inside, not an error."""
        ...

    def page(self, request: ListRequest) -> Page:
        """One page of items. Also raises ContinueExpired and PageTooLarge.

        A namespace that is not there lists as empty, as the API server has it.
        """
        ...

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object as raw JSON, with apiVersion and kind. ItemNotFound where it is not there."""
        ...


class Written(msgspec.Struct, frozen=True):
    """An object as the API server has it after a write."""

    uid: str
    raw: bytes  # JSON, with apiVersion and kind
    warnings: tuple[str, ...] = ()  # what the API server wants people to know


class ClusterWriter(Protocol):
    """Changes a cluster. Conformance: tests/conformance/test_cluster_writer.py.

    Errors: ClusterUnreachable, ClusterBusy (a webhook that does not answer too), Unauthorized, Forbidden, ItemNotFound
    (of the type, or of the namespace that is written into), NamespaceTerminating, Rejected, QuotaExceeded, BadResponse,
    and those named below. Bodies are JSON with apiVersion and kind. With `dry_run` the API server does all but keep
    the change (`dryRun=All`).
    """

    def create(
        self, resource: Resource, namespace: str, body: bytes, *, dry_run: bool = False, strict: bool = False
    ) -> Written:
        """Creates an object: AlreadyExists where its name is taken. `strict` refuses fields that the type lacks."""
        ...

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> Written:
        """Server-side apply with the field manager `trysail`; ApplyConflict, unless `force` takes the fields over.

        A `metadata.uid` in the body is a precondition: WriteConflict where the live object is another, or gone. Without
        it, an object that is not there is created.
        """
        ...

    def merge(self, resource: Resource, namespace: str, name: str, patch: bytes) -> Written:
        """Applies a JSON merge patch. `metadata.uid` in it is a precondition: WriteConflict."""
        ...

    def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Deletes the object of that uid, and leaves what it owns (orphans). WriteConflict where it is another.

        Returns when the API server has taken the wish; finalizers may keep the object for a while. ItemNotFound.
        """
        ...

    def may(self, right: Right) -> bool:
        """Whether we have a right (SelfSubjectAccessReview)."""
        ...


class Cluster(ClusterReader, ClusterWriter, Protocol):
    """A cluster that can be read and changed."""


class StoredObject(msgspec.Struct, frozen=True, order=True):
    """A key in a store and its size in bytes."""

    key: str
    size: int


class UnfinishedUpload(msgspec.Struct, frozen=True, order=True):
    """An upload that was begun and neither completed nor aborted; `id` is the store's own word for it."""

    key: str
    id: str


class Upload(Protocol):
    """One object on its way in parts. Nothing is visible under its key before `complete` returns."""

    def part(self, number: int, offset: int, data: bytes) -> None:
        """Sends part `number` (from 1) that starts at byte `offset`; sending the same part again replaces it.

        Parts come in any order and several at once. All but the last have the same size, at least
        `ObjectStore.min_part_size` bytes.
        """
        ...

    def complete(self) -> None:
        """Makes the object visible, create-only where the store can: KeyExists if the key is taken.

        May be called again after a retriable error: if the first call did succeed, the second returns normally or
        raises KeyExists.
        """
        ...

    def abort(self) -> None:
        """Forgets all parts; may be called at any time, twice, and after `complete` (then it does nothing)."""
        ...


class ObjectStore(Protocol):
    """Keeps bytes under keys. Keys are relative to the location's prefix, with `/` between their parts.

    Conformance: tests/conformance/test_object_store.py. Errors: StoreUnreachable, StoreBusy, StoreDenied, StoreFull,
    LocationNotFound, and those named below.
    """

    url: str  # where this is, for people: s3://bucket/prefix; never with credentials
    min_part_size: int  # bytes; every part of an upload but the last has at least this many
    verifies_uploads: bool  # the store itself checks a checksum of what it is sent, and is known to

    def create(self, key: str, data: bytes) -> None:
        """Stores `data` whole, create-only: KeyExists if the key is taken.

        A store without conditional writes looks first: then two writers in the same instant both pass.
        """
        ...

    def upload(self, key: str) -> Upload:
        """Begins an object that is sent in parts."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (to the end without one; fewer where the object ends). KeyNotFound."""
        ...

    def stream(self, key: str) -> Iterator[bytes]:
        """The whole object in pieces of at most 1 MiB. KeyNotFound comes at the first piece, at the latest."""
        ...

    def stat(self, key: str) -> StoredObject:
        """The key and its size. KeyNotFound."""
        ...

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key starts with `prefix`, sorted by key (bytewise). None is not an error."""
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """The next parts of the keys below `prefix` (which is empty or ends in `/`), sorted, each once, without `/`."""
        ...

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """Uploads under `prefix` that are neither completed nor aborted, as far as the store can tell."""
        ...

    def discard(self, upload: UnfinishedUpload) -> None:
        """Aborts an upload that `unfinished` named; one that is gone already is not an error."""
        ...


class Pending(Protocol[T_co]):
    """Work that was handed to an Executor."""

    def result(self) -> T_co:
        """What the work returned, or raises what it raised; waits until then."""
        ...

    def cancel(self) -> bool:
        """Work that has not begun never will (true); what has begun goes on (false)."""
        ...


class Executor(Protocol):
    """Runs work beside the caller. The real one has threads; the simulation's runs on the caller's own, by a seed."""

    def submit(self, work: Callable[[], T]) -> Pending[T]:
        """Begins `work` as soon as there is a free place."""
        ...


class Renderer(Protocol):
    """Makes entries of an archive from raw objects, perhaps in other processes."""

    def render(self, batch: Batch) -> Pending[tuple[Entry, ...]]:
        """An entry for each object of the batch, in order. What is wrong with an object is said in its entry."""
        ...


class Clock(Protocol):
    """Time, for the engine alone: plans take none."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits; a signal ends it with Cancelled."""
        ...

    def jitter(self) -> float:
        """A number from 0 up to 1, to spread retries."""
        ...


class Observer(Protocol):
    """Is told what the engine does, as it does it; draws progress, writes logs."""

    def notice(self, event: Event) -> None:
        """Called on any thread; must return quickly and must not raise."""
        ...
