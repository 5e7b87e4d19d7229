"""Ports in front of the fake cluster and store that go wrong as somebody decides: before a call, after it, or unseen.

The wrappers know how a fault looks from outside; when one strikes is the business of a `Fate`. Unit tests write it
down as a `Script`, the simulation draws it by a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Protocol

import msgspec

from runner.errors import ClusterError
from runner.model.cluster import ClusterIdentity, Discovery, DiscoveryFailure, ListRequest, Page, Resource
from runner.ports import ClusterReader, StoredObject, UnfinishedUpload, Upload
from tests.fakes.cluster import Call, Verb
from tests.fakes.store import MemoryStore, MemoryUpload

_PIECE = 1000  # bytes; small, so that small objects come in several


class FaultyCluster:
    """A ClusterReader. `strike` is called before each question, and may raise or change the cluster.

    Pages have at most `most_items`, however many were asked for, which an API server may do as well. `alter` may put
    another page in the place of the true one. Groups that are `down` (`x.example.com/v1`) cannot be discovered.
    """

    def __init__(
        self,
        inner: ClusterReader,
        strike: Callable[[Call], None],
        *,
        most_items: int = 0,
        alter: Callable[[Page], Page] = lambda page: page,
        down: Collection[str] = (),
    ) -> None:
        self._inner = inner
        self._strike = strike
        self._most_items = most_items
        self._alter = alter
        self._down = down
        self.refusals: list[type[ClusterError]] = []  # what the cluster itself has refused
        self.pages: list[tuple[int, int]] = []  # items and bytes of each page that it gave
        self._numbers = count(1)

    def identity(self) -> ClusterIdentity:
        """As the port has it."""
        self._begin("identity")
        return self._inner.identity()

    def discover(self) -> Discovery:
        """As the port has it."""
        self._begin("discover")
        whole = self._inner.discover()
        failures = {DiscoveryFailure(group, "no backend answers") for group in self._down}
        return Discovery(
            resources=tuple(one for one in whole.resources if one.api_version not in self._down),
            failures=tuple(sorted({*whole.failures, *failures})),
        )

    def page(self, request: ListRequest) -> Page:
        """As the port has it."""
        self._begin("page", request.resource, request.namespace, request=request)
        if self._most_items:
            request = msgspec.structs.replace(request, limit=min(request.limit, self._most_items))
        try:
            page = self._inner.page(request)
        except ClusterError as error:
            self.refusals.append(type(error))
            raise
        self.pages.append((len(page.items), page.size))
        return self._alter(page)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """As the port has it."""
        self._begin("get", resource, namespace, name)
        return self._inner.get(resource, namespace, name)

    def _begin(
        self,
        verb: Verb,
        resource: Resource | None = None,
        namespace: str = "",
        name: str = "",
        request: ListRequest | None = None,
    ) -> None:
        self._strike(Call(next(self._numbers), verb, resource, namespace, name, request))


class Fate(Protocol):
    """Decides what becomes of each call to a store. Verbs are the names of the ports' methods."""

    def before(self, verb: str, key: str, size: int) -> None:
        """May raise: then the call had no effect. `size` is that of the bytes that are sent."""
        ...

    def after(self, verb: str, key: str) -> None:
        """May raise: then the call had its effect, and the reply is lost."""
        ...

    def kept(self, verb: str, key: str, data: bytes) -> bytes:
        """What the store really keeps of `data`."""
        ...

    def given(self, key: str, data: bytes) -> bytes:
        """What the store really gives of `data`, which it holds."""
        ...


class FaultyStore:
    """An ObjectStore. `begun` has the ids of all uploads that were begun through it, heard of or not.

    `late` counts parts that came after their upload was aborted: on S3 such a part may live on and cost money.
    """

    def __init__(self, inner: MemoryStore, fate: Fate) -> None:
        self.url = inner.url
        self.min_part_size = inner.min_part_size
        self.verifies_uploads = inner.verifies_uploads
        self.begun: set[str] = set()
        self.late = 0
        self.inner = inner
        self.fate = fate

    def create(self, key: str, data: bytes) -> None:
        """As the port has it."""
        self.fate.before("create", key, len(data))
        self.inner.create(key, self.fate.kept("create", key, data))
        self.fate.after("create", key)

    def upload(self, key: str) -> Upload:
        """As the port has it."""
        self.fate.before("upload", key, 0)
        upload = self.inner.upload(key)
        self.begun.add(upload.id)
        self.fate.after("upload", key)
        return FaultyUpload(self, upload)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """As the port has it."""
        self.fate.before("read", key, 0)
        return self.fate.given(key, self.inner.read(key, start, length))

    def stream(self, key: str) -> Iterator[bytes]:
        """As the port has it; each piece may fail."""
        self.fate.before("stream", key, 0)
        data = self.fate.given(key, b"".join(self.inner.stream(key)))
        for start in range(0, len(data), _PIECE):
            self.fate.before("piece", key, 0)
            yield data[start : start + _PIECE]

    def stat(self, key: str) -> StoredObject:
        """As the port has it."""
        self.fate.before("stat", key, 0)
        return self.inner.stat(key)

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """As the port has it."""
        self.fate.before("keys", prefix, 0)
        return self.inner.keys(prefix)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """As the port has it."""
        self.fate.before("folders", prefix, 0)
        return self.inner.folders(prefix)

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """As the port has it."""
        self.fate.before("unfinished", prefix, 0)
        return self.inner.unfinished(prefix)

    def discard(self, upload: UnfinishedUpload) -> None:
        """As the port has it."""
        self.fate.before("discard", upload.key, 0)
        self.inner.discard(upload)
        self.fate.after("discard", upload.key)


class FaultyUpload:
    """An Upload."""

    def __init__(self, store: FaultyStore, inner: MemoryUpload) -> None:
        self._store = store
        self._fate = store.fate
        self._inner = inner
        self._aborted = False

    def part(self, number: int, offset: int, data: bytes) -> None:
        """As the port has it."""
        self._fate.before("part", self._inner.key, len(data))
        self._store.late += self._aborted
        self._inner.part(number, offset, self._fate.kept("part", self._inner.key, data))
        self._fate.after("part", self._inner.key)

    def complete(self) -> None:
        """As the port has it."""
        self._fate.before("complete", self._inner.key, 0)
        self._inner.complete()
        self._fate.after("complete", self._inner.key)

    def abort(self) -> None:
        """As the port has it."""
        self._fate.before("abort", self._inner.key, 0)
        self._aborted = True
        self._inner.abort()
        self._fate.after("abort", self._inner.key)


Errors = Mapping[str, Sequence[BaseException | None]]


class Script:
    """A Fate that is written down: for each verb, what becomes of its calls in turn; None, and all further, go well.

    `keeps` and `gives` say what the store makes of the bytes. `calls` has every verb and key in order.
    """

    def __init__(
        self,
        before: Errors | None = None,
        after: Errors | None = None,
        keeps: Callable[[str, bytes], bytes] = lambda _, data: data,
        gives: Callable[[str, bytes], bytes] = lambda _, data: data,
    ) -> None:
        self.calls: list[tuple[str, str]] = []
        self._before = {verb: list(errors) for verb, errors in (before or {}).items()}
        self._after = {verb: list(errors) for verb, errors in (after or {}).items()}
        self._keeps = keeps
        self._gives = gives

    def before(self, verb: str, key: str, size: int) -> None:
        """As it is written."""
        self.calls.append((verb, key))
        _raise_next(self._before, verb)

    def after(self, verb: str, key: str) -> None:
        """As it is written."""
        _raise_next(self._after, verb)

    def kept(self, verb: str, key: str, data: bytes) -> bytes:
        """As it is written."""
        return self._keeps(key, data)

    def given(self, key: str, data: bytes) -> bytes:
        """As it is written."""
        return self._gives(key, data)


def _raise_next(errors: dict[str, list[BaseException | None]], verb: str) -> None:
    if errors.get(verb):
        error = errors[verb].pop(0)
        if error is not None:
            raise error
