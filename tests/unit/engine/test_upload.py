"""Bytes reach the store whole or not at all, and lost replies are recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

import pytest

from runner.errors import (
    KeyExists,
    StoreBusy,
    StoreFull,
    StoreUnreachable,
    UploadDamaged,
)
from runner.model.event import KeyStored, Retrying
from tests.fakes.faulty import Script
from tests.fakes.store import MemoryStore
from tests.unit.engine.desk import LOST, Desk, doubting, filled, flipped, stored

# whole objects


def test_a_small_object_is_created_and_told() -> None:
    """One call, the digest of its bytes, one event."""
    desk = Desk()
    assert desk.sender.put("plan.json", b"plan") == stored(b"plan")
    assert desk.inner.objects == {"prod/daily/b1/plan.json": b"plan"}
    assert desk.script.calls == [("create", "prod/daily/b1/plan.json")]
    assert desk.observer.events == [KeyStored(key="plan.json", size=4, sha256=hashlib.sha256(b"plan").hexdigest())]


def test_a_lost_reply_is_recognised() -> None:
    """The retry meets the key: its bytes are ours, so the object is."""
    for store in (MemoryStore(), doubting()):
        desk = Desk(Script(after={"create": [LOST]}), store)
        assert desk.sender.put("plan.json", b"plan") == stored(b"plan")
        assert desk.verbs() == ["create", "create"]


def test_a_key_of_somebody_else_is_not_ours() -> None:
    """Other bytes lie there: KeyExists, and they stay."""
    desk = Desk()
    desk.inner.create("prod/daily/b1/plan.json", b"other")
    with pytest.raises(KeyExists):
        desk.sender.put("plan.json", b"plan")
    assert desk.inner.objects["prod/daily/b1/plan.json"] == b"other"
    assert not desk.observer.of(KeyStored)


def test_what_is_retriable_is_retried_and_what_is_not_is_raised() -> None:
    """A busy store is asked again, a full one is not."""
    desk = Desk(Script(before={"create": [StoreBusy("503"), UploadDamaged("checksum"), None, StoreFull("full")]}))
    desk.sender.put("a", b"a")
    with pytest.raises(StoreFull):
        desk.sender.put("b", b"b")
    assert len(desk.observer.of(Retrying)) == 2


@pytest.mark.parametrize("spoil", [flipped, lambda data: data[:-1], lambda data: data + b"!"])
def test_a_store_that_keeps_other_bytes_is_found_out(spoil: Callable[[bytes], bytes]) -> None:
    """Where the store does not check, the bytes are read back: a bit, a cut, an addition are found."""
    desk = Desk(Script(keeps=lambda _, data: spoil(data)), doubting())
    with pytest.raises(UploadDamaged) as damaged:
        desk.sender.put("plan.json", b"plan")
    assert damaged.value.context == {"key": "prod/daily/b1/plan.json"}
    assert not desk.observer.of(KeyStored)


def test_a_store_that_gives_other_bytes_is_found_out() -> None:
    """Reading back is the only proof there is: if it fails, nothing is proven."""
    desk = Desk(Script(gives=lambda _, data: flipped(data)), doubting())
    with pytest.raises(UploadDamaged):
        desk.sender.put("plan.json", b"plan")


def test_a_store_that_checks_is_not_read_back() -> None:
    """The proof costs no transfer where the store has checked."""
    for store, reads in ((MemoryStore(), 0), (doubting(), 1)):
        desk = Desk(store=store)
        desk.sender.put("plan.json", b"plan")
        assert [verb for verb, _ in desk.script.calls].count("stream") == reads


def test_reading_back_is_retried_from_its_start() -> None:
    """A connection that breaks in the middle costs a retry, and the digest is of the whole."""
    desk = Desk(Script(before={"piece": [None, StoreUnreachable("reset")]}), doubting())
    data = bytes(2500)
    assert desk.sender.put("plan.json", data) == stored(data)


# parts


def test_what_fits_in_one_part_is_no_upload() -> None:
    """A stream that stays small is created whole; an empty one too."""
    for data in (b"123456789", b""):
        desk = Desk()
        stream = desk.sender.stream("x.gz")
        stream.write(data)
        assert stream.finish() == stored(data)
        assert desk.verbs() == ["create"]


def test_parts_have_one_size_but_for_the_last() -> None:
    """However the bytes come, they are cut alike, and the whole is what was written."""
    data = bytes(range(47))
    for piece in (1, 7, 10, 47):
        parts: list[bytes] = []

        def keep(key: str, part: bytes, parts: list[bytes] = parts) -> bytes:
            parts.append(part)
            return part

        desk = Desk(Script(keeps=keep), order=Random(piece))
        stream = desk.sender.stream("x.gz")
        for start in range(0, len(data), piece):
            stream.write(data[start : start + piece])
        assert stream.finish() == stored(data)
        assert desk.inner.objects["prod/daily/b1/x.gz"] == data
        assert sorted(map(len, parts)) == [7, 10, 10, 10, 10]


def test_the_store_may_want_larger_parts() -> None:
    """The store's smallest part counts, where it is larger than ours."""
    desk = Desk(store=MemoryStore(min_part_size=20))
    filled(desk).finish()
    assert desk.verbs() == ["upload", "part", "part", "complete"]


def test_few_parts_are_under_way() -> None:
    """Writing waits for parts that were sent before, so that memory is bounded."""
    desk = Desk()
    stream = desk.sender.stream("x.gz")
    for _ in range(50):
        stream.write(bytes(10))
    assert desk.executor.most_waiting == 2


def test_nothing_is_visible_before_the_end() -> None:
    """A stream under way is an unfinished upload and no key."""
    desk = Desk()
    stream = filled(desk)
    assert not desk.inner.objects
    assert len(desk.inner.unfinished("")) == 1
    stream.finish()
    assert list(desk.inner.objects) == ["prod/daily/b1/x.gz"]
    assert not desk.inner.unfinished("")


def test_lost_replies_of_an_upload() -> None:
    """To its beginning, to parts, to its completion: the object is whole, and a sweep takes the other uploads back."""
    script = Script(after={"upload": [LOST, LOST], "part": [LOST, None, LOST], "complete": [LOST, LOST]})
    desk = Desk(script)
    assert filled(desk).finish() == stored(b"0123456789abcdefghijABCDE")
    assert len(desk.store.begun) == 3
    desk.sender.sweep()
    assert not desk.inner.unfinished("")
    assert not desk.warnings()


def test_an_object_of_the_same_bytes_is_ours() -> None:
    """Another run of the same name may have stored them; a sweep takes our own upload back."""
    desk = Desk()
    stream = filled(desk)
    desk.inner.create("prod/daily/b1/x.gz", b"0123456789abcdefghijABCDE")
    stream.finish()
    desk.sender.sweep()
    assert not desk.inner.unfinished("")


def test_an_object_of_other_bytes_is_not_ours() -> None:
    """KeyExists; the caller aborts, and the other one's object stays."""
    desk = Desk()
    stream = filled(desk)
    desk.inner.create("prod/daily/b1/x.gz", b"other")
    with pytest.raises(KeyExists):
        stream.finish()
    stream.abort()
    assert not desk.inner.unfinished("")
    assert desk.inner.objects == {"prod/daily/b1/x.gz": b"other"}


def test_an_upload_is_proven_by_reading_back() -> None:
    """A flipped bit in a part is found where the store does not check."""
    desk = Desk(Script(keeps=lambda _, data: flipped(data)), doubting())
    with pytest.raises(UploadDamaged):
        filled(desk).finish()


def test_a_part_that_fails_for_good_ends_the_stream() -> None:
    """At the latest when the stream is finished; the abort takes the other parts back."""
    desk = Desk(Script(before={"part": [None, StoreFull("full")]}))
    stream = filled(desk)
    with pytest.raises(StoreFull):
        stream.finish()
    stream.abort()
    assert not desk.inner.unfinished("")
    assert not desk.inner.objects
