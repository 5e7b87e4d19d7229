"""What `runner.ports.ObjectStore` promises of reading, listing, names and places, proven of every store there is.

One suite: what holds for one store holds for all. Where a test names fewer stores, it says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from runner.errors import KeyNotFound, LocationNotFound, StoreDenied
from runner.ports import ObjectStore, StoredObject
from tests.conformance.stores import ALL, MEMORY, MOTO, WITH_MISSING_PLACES, WITH_READERS, Shelf, Shelved

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


def _keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [item.key for item in store.keys(prefix)]


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


@pytest.mark.slow
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


@pytest.mark.slow
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
