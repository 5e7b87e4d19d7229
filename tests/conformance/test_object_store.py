"""What `runner.ports.ObjectStore` promises of writing, proven of every store that there is.

One suite: what holds for one store holds for all. Where a test names fewer stores, it says why. What it promises of
reading and listing is in test_object_store_reading.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from runner.errors import KeyExists, KeyNotFound, StoreError
from runner.ports import ObjectStore, StoredObject, UnfinishedUpload
from tests.conformance.stores import ALL, WITH_CONDITIONAL_COMPLETE, WITH_CONDITIONAL_CREATE, Shelf, Shelved

PART = 5 * 1024 * 1024  # the least that S3 takes


@pytest.fixture(scope="module", params=ALL)
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A store that is up; one after the other."""
    shelved: Shelved = request.param
    with shelved(tmp_path_factory.mktemp("shelf")) as up:
        yield up


@pytest.fixture
def place(shelf: Shelf) -> str:
    """A prefix that no other test has."""
    return shelf.place()


@pytest.fixture
def store(shelf: Shelf, place: str) -> ObjectStore:
    """A client for the test's own place."""
    return shelf.at(place)


def _bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [item.key for item in store.keys(prefix)]


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
def test_what_is_created_comes_back(store: ObjectStore, size: int) -> None:
    """Bytes are the same by read and by stream, and stat and keys know the size; empty objects too."""
    data = _bytes(size)
    store.create("a/b", data)
    assert store.read("a/b") == data
    pieces = list(store.stream("a/b"))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= 1024 * 1024 for piece in pieces)
    assert store.stat("a/b") == StoredObject("a/b", size)
    assert list(store.keys("")) == [StoredObject("a/b", size)]


def test_parts_come_in_any_order_and_at_once(store: ObjectStore) -> None:
    """Parts sent last first, several at a time, and one of them again later, make the object that their numbers say."""
    data = _bytes(3 * PART + 1000)
    parts = [(number + 1, start, data[start : start + PART]) for number, start in enumerate(range(0, len(data), PART))]
    upload = store.upload("big")
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda part: upload.part(*part), reversed(parts)))
    upload.part(*parts[1])
    upload.complete()
    upload.abort()
    assert store.stat("big").size == len(data)
    assert b"".join(store.stream("big")) == data
    assert store.unfinished("") == ()


@pytest.mark.parametrize("parts", [(), (b"",), (b"small",)])
def test_an_upload_may_be_small(store: ObjectStore, parts: tuple[bytes, ...]) -> None:
    """A last part has no least size, and an upload without parts is an empty object."""
    upload = store.upload("small")
    for data in parts:
        upload.part(1, 0, data)
    upload.complete()
    assert store.read("small") == b"".join(parts)
    assert store.unfinished("") == ()


def test_nothing_shows_before_complete(shelf: Shelf, place: str, store: ObjectStore) -> None:
    """Neither this client nor another sees an object whose parts are all there but not yet completed."""
    upload = store.upload("folder/new")
    upload.part(1, 0, b"data")
    for client in (store, shelf.at(place)):
        assert _keys(client) == []
        with pytest.raises(KeyNotFound):
            client.stat("folder/new")
        with pytest.raises(KeyNotFound):
            client.read("folder/new")
    upload.complete()
    assert _keys(shelf.at(place)) == ["folder/new"]


def test_create_leaves_a_taken_key_alone(store: ObjectStore) -> None:
    """The second writer is told so, and the first one's bytes stay."""
    store.create("key", b"first")
    with pytest.raises(KeyExists):
        store.create("key", b"second")
    assert store.read("key") == b"first"
    assert (_keys(store), store.unfinished("")) == (["key"], ())


def test_complete_leaves_a_taken_key_alone(store: ObjectStore) -> None:
    """An upload to a key that was taken meanwhile is refused, and can be aborted without a trace."""
    upload = store.upload("key")
    store.create("key", b"first")
    upload.part(1, 0, b"second")
    with pytest.raises(KeyExists):
        upload.complete()
    upload.abort()
    assert store.read("key") == b"first"
    assert (_keys(store), store.unfinished("")) == (["key"], ())


@pytest.mark.parametrize("shelf", WITH_CONDITIONAL_CREATE, indirect=True)
def test_of_creators_in_one_instant_one_wins(shelf: Shelf, place: str) -> None:
    """One succeeds, all others get KeyExists, and the bytes are the winner's.

    Not promised by a store without conditional writes, as rclone is. Moto has them, but looks and writes in two steps.
    """
    _race(shelf, place, lambda store, data: store.create("key", data))


@pytest.mark.parametrize("shelf", WITH_CONDITIONAL_COMPLETE, indirect=True)
def test_of_uploads_in_one_instant_one_wins(shelf: Shelf, place: str) -> None:
    """The same for uploads that complete together.

    SeaweedFS looks and completes in two steps: of four at once it lets several pass.
    """

    def upload(store: ObjectStore, data: bytes) -> None:
        upload = store.upload("key")
        upload.part(1, 0, data)
        try:
            upload.complete()
        finally:
            upload.abort()

    _race(shelf, place, upload)


def _race(shelf: Shelf, place: str, write: Callable[[ObjectStore, bytes], None]) -> None:
    writers = [bytes([number]) * 1000 for number in range(4)]
    clients = [shelf.at(place) for _ in writers]
    for client in clients:
        assert _keys(client) == []  # connected
    barrier = Barrier(len(writers))

    def run(client: ObjectStore, data: bytes) -> bytes:
        barrier.wait()
        try:
            write(client, data)
        except KeyExists:
            return b""
        return data

    with ThreadPoolExecutor(len(writers)) as threads:
        winners = [data for data in threads.map(run, clients, writers) if data]
    assert winners == [clients[0].read("key")]


def test_two_uploads_to_one_key_do_not_mix(shelf: Shelf, place: str) -> None:
    """Parts with the same number, of two uploads to one key, stay apart."""
    first, second = (shelf.at(place).upload("key") for _ in range(2))
    first.part(1, 0, b"first")
    second.part(1, 0, b"second")
    first.complete()
    assert shelf.at(place).read("key") == b"first"
    with pytest.raises(KeyExists):
        second.complete()
    second.abort()
    assert shelf.at(place).read("key") == b"first"


def test_abort_leaves_nothing(store: ObjectStore) -> None:
    """After abort, once or twice, there is neither an object nor an unfinished upload nor a folder."""
    upload = store.upload("folder/key")
    upload.part(1, 0, b"data")
    upload.abort()
    upload.abort()
    assert (_keys(store), store.unfinished("")) == ([], ())
    store.create("folder/key", b"other")
    assert store.read("folder/key") == b"other"


def test_abort_before_anything_was_sent(store: ObjectStore) -> None:
    """An upload that has not sent a part can be aborted."""
    store.upload("key").abort()
    assert (_keys(store), store.unfinished("")) == ([], ())


def test_abort_after_complete_does_nothing(store: ObjectStore) -> None:
    """What is completed stays."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    upload.complete()
    upload.abort()
    upload.abort()
    assert store.read("key") == b"data"


def test_an_aborted_upload_cannot_go_on(store: ObjectStore) -> None:
    """Neither a late part nor complete brings an aborted upload back."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    upload.abort()
    with pytest.raises(StoreError):
        upload.part(2, 4, b"more")
    with pytest.raises(StoreError):
        upload.complete()
    assert (_keys(store), store.unfinished("")) == ([], ())


def test_complete_twice(store: ObjectStore) -> None:
    """A second complete, as after a lost answer, returns or says KeyExists, and changes nothing."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    upload.complete()
    with suppress(KeyExists):
        upload.complete()
    assert store.read("key") == b"data"


def test_unfinished_uploads_are_found_and_discarded(shelf: Shelf, place: str, store: ObjectStore) -> None:
    """What a dead run left is seen by another client, under its prefix alone, and can be removed, twice."""
    for key in ("runs/one", "runs/two", "other"):
        upload = store.upload(key)
        upload.part(1, 0, b"data")
    later = shelf.at(place)
    assert [left.key for left in later.unfinished("")] == ["other", "runs/one", "runs/two"]
    left = later.unfinished("runs/")
    assert [upload.key for upload in left] == ["runs/one", "runs/two"]
    for upload_left in left:
        later.discard(upload_left)
        later.discard(upload_left)
    assert [upload.key for upload in later.unfinished("")] == ["other"]
    assert _keys(later) == []


def test_discarding_leaves_objects_alone(store: ObjectStore) -> None:
    """An upload that was completed since it was seen is not harmed."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    seen: tuple[UnfinishedUpload, ...] = store.unfinished("")
    upload.complete()
    for one in seen:
        store.discard(one)
    assert store.read("key") == b"data"
