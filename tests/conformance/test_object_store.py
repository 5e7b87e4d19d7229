"""What `runner.ports.ObjectStore` promises, proven of every store that there is.

One suite: what holds for one store holds for all. Where a test names fewer stores, it says why.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from runner.errors import (
    KeyExists,
    KeyNotFound,
    LocationNotFound,
    StoreDenied,
    StoreError,
)
from runner.ports import ObjectStore, StoredObject, UnfinishedUpload
from tests.conformance.stores import (
    ALL,
    MEMORY,
    MOTO,
    WITH_MISSING_PLACES,
    WITH_READERS,
    WITHOUT_THE_DUMB,
    Shelf,
    Shelved,
)

PART = 5 * 1024 * 1024  # the least that S3 takes
ODD_NAMES = ("a:b", "%2F", "a b", "a+b", "é☃", "Foo", "foo", "a%b?c#d&e=f", ".hidden", "t~x'q\"<>", "y" * 253)


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
    """Parts sent last first, several at a time, one of them twice, make the object that their numbers say."""
    data = _bytes(3 * PART + 1000)
    parts = [
        (number + 1, start, data[start : start + PART])
        for number, start in enumerate(range(0, len(data), PART))
    ]
    upload = store.upload("big")
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda part: upload.part(*part), [*reversed(parts), parts[1]]))
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


def _create(store: ObjectStore, data: bytes) -> None:
    store.create("key", data)


def _upload(store: ObjectStore, data: bytes) -> None:
    upload = store.upload("key")
    upload.part(1, 0, data)
    try:
        upload.complete()
    finally:
        upload.abort()


@pytest.mark.parametrize("shelf", WITHOUT_THE_DUMB, indirect=True)
@pytest.mark.parametrize("write", [_create, _upload])
def test_of_two_writers_one_wins(
    shelf: Shelf, place: str, write: Callable[[ObjectStore, bytes], None]
) -> None:
    """Of writers in the same instant one succeeds, all others get KeyExists, and the bytes are the winner's.

    Not promised by a store without conditional writes.
    """
    writers = [bytes([number]) * 1000 for number in range(4)]
    clients = [shelf.at(place) for _ in writers]
    for client in clients:
        assert _keys(client) == []  # connected
    barrier = Barrier(len(writers))

    def race(client: ObjectStore, data: bytes) -> bytes:
        barrier.wait()
        try:
            write(client, data)
        except KeyExists:
            return b""
        return data

    with ThreadPoolExecutor(len(writers)) as threads:
        winners = [data for data in threads.map(race, clients, writers) if data]
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


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (8, 10, b"89"),
        (10, None, b""),
        (10, 1, b""),
        (50, 3, b""),
        (0, 0, b""),
        (4, 0, b""),
    ],
)
def test_ranges(store: ObjectStore, start: int, length: int | None, expected: bytes) -> None:
    """A range is cut at the object's end; past it, and of length 0, it is empty."""
    store.create("key", b"0123456789")
    assert store.read("key", start, length) == expected


def test_ranges_of_an_empty_object(store: ObjectStore) -> None:
    """An object of no bytes has only empty ranges."""
    store.create("key", b"")
    assert store.read("key", 0, 5) == b""
    assert list(store.stream("key")) == []


def test_a_missing_key_is_an_error_of_its_own(store: ObjectStore) -> None:
    """Every way of reading says KeyNotFound, in a folder that is there and in one that is not."""
    store.create("folder/other", b"")
    for key in ("none", "folder/none", "folder", "folder/other/none"):
        for read in (
            store.read,
            store.stat,
            lambda key: store.read(key, 2, 3),
            lambda key: store.read(key, 0, 0),
        ):
            with pytest.raises(KeyNotFound):
                read(key)
        with pytest.raises(KeyNotFound):
            next(iter(store.stream(key)))


def test_keys_are_sorted_and_filtered(store: ObjectStore) -> None:
    """Order is that of bytes, whatever the store's own, and a prefix need not end at a folder."""
    keys = ["a", "b/a-b", "b/a/b", "b/a/c/d", "b/a0", "b/B", "c/é", "c/z"]
    for key in reversed(keys):
        store.create(key, key.encode())
    assert _keys(store) == sorted(keys, key=str.encode)
    assert _keys(store, "b/") == ["b/B", "b/a-b", "b/a/b", "b/a/c/d", "b/a0"]
    assert _keys(store, "b/a") == ["b/a-b", "b/a/b", "b/a/c/d", "b/a0"]
    assert _keys(store, "b/a/c/d") == ["b/a/c/d"]
    assert _keys(store, "none/") == _keys(store, "a/") == []
    assert list(store.keys("c/z")) == [StoredObject("c/z", 3)]


@pytest.mark.parametrize("shelf", [MEMORY, MOTO], indirect=True)
def test_more_keys_than_a_page(store: ObjectStore) -> None:
    """A listing that S3 gives in pages of 1,000 is whole. On the quickest store that has pages."""
    keys = [f"many/{number:05}" for number in range(1005)]
    for key in keys:
        store.create(key, b"")
    assert _keys(store) == keys


def test_folders(store: ObjectStore) -> None:
    """The next parts of keys, each once, sorted, at the root and below; objects themselves are none."""
    for key in ("top", "x/one", "x-y/one", "b/two/three", "b/two/four", "b/five/six", "b/seven"):
        store.create(key, b"")
    assert store.folders("") == ("b", "x", "x-y")
    assert store.folders("b/") == ("five", "two")
    assert store.folders("b/two/") == store.folders("none/") == ()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(store: ObjectStore, name: str) -> None:
    """A name with what URLs, XML or file systems treat specially comes back the same, by both ways of writing."""
    store.create(f"o/{name}/{name}", b"created")
    upload = store.upload(f"p/{name}")
    upload.part(1, 0, b"uploaded")
    [left] = store.unfinished("p/")
    assert left.key == f"p/{name}" or (len(name) == 253 and left.key.startswith("p/yyy"))
    upload.complete()
    assert (store.read(f"o/{name}/{name}"), store.read(f"p/{name}", 2, 3)) == (b"created", b"loa")
    assert _keys(store) == [f"o/{name}/{name}", f"p/{name}"]
    assert store.folders("o/") == (name,)


def test_names_that_differ_in_case_are_two(store: ObjectStore) -> None:
    """`Foo` beside `foo`."""
    store.create("Foo", b"1")
    store.create("foo", b"2")
    assert (store.read("Foo"), store.read("foo")) == (b"1", b"2")


def test_places_do_not_see_each_other(shelf: Shelf) -> None:
    """Keys are relative to the location's prefix, and one that only begins alike is another's."""
    store, beside = shelf.at("twin"), shelf.at("twin-too")
    store.create("key", b"1")
    beside.create("key", b"2")
    assert (_keys(store), _keys(beside), store.read("key")) == (["key"], ["key"], b"1")


def test_an_empty_place(store: ObjectStore) -> None:
    """Where nothing was ever written there is nothing, which is no error."""
    assert (_keys(store), _keys(store, "a/b/"), store.folders(""), store.unfinished("")) == ([], [], (), ())


@pytest.mark.parametrize("shelf", WITH_MISSING_PLACES, indirect=True)
def test_a_missing_place(shelf: Shelf) -> None:
    """A bucket, container or folder that is not there is named as such, whatever is asked of it. Memory has none."""
    assert shelf.missing
    store = shelf.missing()
    upload = store.upload("key")
    asked: list[Callable[[], object]] = [
        lambda: store.create("key", b"data"),
        lambda: upload.part(1, 0, b"data"),
        lambda: list(store.keys("")),
        lambda: store.folders(""),
        lambda: store.unfinished(""),
    ]
    for ask in asked:
        with pytest.raises(LocationNotFound) as caught:
            ask()
        assert caught.value.hint
    upload.abort()


@pytest.mark.parametrize("shelf", WITH_READERS, indirect=True)
def test_credentials_that_may_only_read(shelf: Shelf, place: str, store: ObjectStore) -> None:
    """Reading works, each way of writing is StoreDenied, and nothing is left of the attempt."""
    store.create("key", b"data")
    assert shelf.reader
    reader = shelf.reader(place)
    assert (reader.read("key"), _keys(reader), reader.folders("")) == (b"data", ["key"], ())
    with pytest.raises(StoreDenied) as caught:
        reader.create("new", b"data")
    assert caught.value.hint
    upload = reader.upload("new")
    with pytest.raises(StoreDenied):
        upload.part(1, 0, b"data")
    upload.abort()
    assert (_keys(store), store.unfinished("")) == (["key"], ())
