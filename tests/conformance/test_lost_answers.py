"""What an object store does when the network loses an answer, proven through a proxy of our own.

The request was carried out, and the client cannot know. Which bytes lie there then is for the engine to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from runner.errors import KeyExists, StoreUnreachable
from runner.ports import ObjectStore
from tests.conformance.lossy_proxy import LossyProxy
from tests.conformance.stores import WITH_ENDPOINTS, Shelf, Shelved


@pytest.fixture(scope="module", params=WITH_ENDPOINTS)
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A real server; one after the other."""
    shelved: Shelved = request.param
    with shelved(tmp_path_factory.mktemp("shelf")) as up:
        yield up


@pytest.fixture
def proxy(shelf: Shelf) -> Iterator[LossyProxy]:
    """In front of the server; loses nothing until it is told to."""
    with LossyProxy(shelf.endpoint) as between:
        yield between


@pytest.fixture
def place(shelf: Shelf) -> str:
    """A prefix that no other test has."""
    return shelf.place()


@pytest.fixture
def store(shelf: Shelf, place: str, proxy: LossyProxy) -> ObjectStore:
    """A client that speaks through the proxy."""
    assert shelf.via
    return shelf.via(proxy.endpoint, place)


def test_create_whose_answer_is_lost(shelf: Shelf, place: str, store: ObjectStore, proxy: LossyProxy) -> None:
    """It is an error that may be retried; the object is there, and the retry says KeyExists."""
    proxy.lose("PUT /")
    with pytest.raises(StoreUnreachable) as caught:
        store.create("key", b"data")
    assert (caught.value.retriable, proxy.lost) == (True, 1)
    with pytest.raises(KeyExists):
        store.create("key", b"data")
    assert shelf.at(place).read("key") == b"data"


def test_complete_whose_answer_is_lost(shelf: Shelf, place: str, store: ObjectStore, proxy: LossyProxy) -> None:
    """It is an error that may be retried; the object is there, the retry says KeyExists, abort does no harm."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    proxy.lose(shelf.completes)
    with pytest.raises(StoreUnreachable):
        upload.complete()
    assert proxy.lost == 1
    assert shelf.at(place).read("key") == b"data"
    with pytest.raises(KeyExists):
        upload.complete()
    upload.abort()
    assert shelf.at(place).read("key") == b"data"
    assert shelf.at(place).unfinished("") == ()


def test_a_part_whose_answer_is_lost_is_sent_again(store: ObjectStore, proxy: LossyProxy) -> None:
    """The second sending replaces the first, whether or not that arrived."""
    upload = store.upload("key")
    proxy.lose("PUT /")
    with pytest.raises(StoreUnreachable):
        upload.part(1, 0, b"data")
    upload.part(1, 0, b"data")
    upload.complete()
    assert (proxy.lost, store.read("key")) == (1, b"data")


def test_abort_whose_answer_is_lost_can_be_repeated(store: ObjectStore, proxy: LossyProxy) -> None:
    """The second abort finds nothing to do, and nothing is left."""
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    proxy.lose("DELETE /")
    with pytest.raises(StoreUnreachable):
        upload.abort()
    upload.abort()
    assert (list(store.keys("")), store.unfinished("")) == ([], ())


@pytest.mark.parametrize("after_head", [False, True])
@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.read("folder/key"),
        lambda store: store.read("folder/key", 1, 2),
        lambda store: list(store.stream("folder/key")),
        lambda store: list(store.keys("")),
        lambda store: store.folders(""),
        lambda store: store.unfinished(""),
    ],
)
def test_an_answer_that_is_cut_off_is_no_answer(
    store: ObjectStore, proxy: LossyProxy, ask: Callable[[ObjectStore], object], after_head: bool
) -> None:
    """Reading and listing never take half an answer, or its mere head, for the whole; the next try gets it."""
    store.create("folder/key", b"data")
    upload = store.upload("folder/unfinished")
    upload.part(1, 0, b"data")
    expected = ask(store)
    assert expected
    proxy.lose("GET /", after_head=after_head)
    with suppress(StoreUnreachable):
        # Microsoft's client asks a second time by itself where a download breaks off.
        assert ask(store) == expected
    assert proxy.lost == 1
    assert ask(store) == expected
    upload.abort()


def test_a_store_that_is_away(shelf: Shelf, place: str) -> None:
    """Nobody listens: StoreUnreachable with a hint, for whatever is asked."""
    assert shelf.via
    with LossyProxy(shelf.endpoint) as closed:
        endpoint = closed.endpoint
    store = shelf.via(endpoint, place)
    for ask in (lambda: store.create("key", b""), lambda: store.stat("key"), lambda: list(store.keys(""))):
        with pytest.raises(StoreUnreachable) as caught:
            ask()
        assert caught.value.hint
