"""Bytes reach the store whole or not at all, lost replies are recognised, and nothing is left lying about."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from random import Random

import pytest

from runner.engine.retry import Retrier
from runner.engine.upload import CLEANING, Sender, Stream
from runner.errors import (
    Cancelled,
    KeyExists,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnreachable,
    UploadDamaged,
)
from runner.model.event import KeyStored, Retrying, Warned
from runner.model.manifest import StoredKey
from tests.fakes.clock import SimulatedClock
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyStore, Script
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore

LOST = StoreUnreachable("reset before the answer")


class Desk:
    """A sender with all that it needs, in front of a store that fails as a script says."""

    def __init__(
        self,
        script: Script | None = None,
        store: MemoryStore | None = None,
        order: Random | None = None,
        touched: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.script = script or Script()
        self.inner = store or MemoryStore()
        self.store = FaultyStore(self.inner, self.script)
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.executor = SimulatedExecutor(order, touched=touched)
        retrier = Retrier(self.clock, self.observer)
        self.sender = Sender(self.store, self.executor, retrier, "prod/daily/b1/", part_bytes=10)

    def verbs(self) -> list[str]:
        """The calls to the store, without those that read."""
        return [verb for verb, _ in self.script.calls if verb not in {"stream", "piece"}]

    def warnings(self) -> list[str]:
        """What people are told."""
        return [event.message for event in self.observer.of(Warned)]


def stored(data: bytes) -> StoredKey:
    """What a manifest says of these bytes."""
    return StoredKey(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def filled(desk: Desk, data: bytes = b"0123456789abcdefghijABCDE") -> Stream:
    """A stream that was given 25 bytes: two parts and a half."""
    stream = desk.sender.stream("x.gz")
    stream.write(data)
    return stream


def flipped(data: bytes) -> bytes:
    """One bit is another."""
    return bytes([data[0] ^ 1]) + data[1:]


def doubting() -> MemoryStore:
    """A store that does not check what it is sent."""
    return MemoryStore(verifies_uploads=False)


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


# taking back


def test_abort_leaves_nothing() -> None:
    """Whatever was under way: afterwards no upload is unfinished, and no part came late."""
    for seed in range(30):
        desk = Desk(order=Random(seed))
        filled(desk).abort()
        desk.executor.leave()
        assert not desk.inner.unfinished("")
        assert not desk.inner.objects
        assert desk.store.late == 0


def test_abort_of_nothing_does_nothing() -> None:
    """A stream that has sent nothing asks the store nothing; abort may be called twice."""
    desk = Desk()
    stream = desk.sender.stream("x.gz")
    stream.write(b"1")
    stream.abort()
    stream.abort()
    assert desk.script.calls == []


def test_a_sweep_finds_an_upload_whose_beginning_was_cancelled() -> None:
    """The signal came while the store began it: its id is not known, and yet it is taken back."""
    desk = Desk(Script(after={"upload": [Cancelled("SIGINT")]}))
    stream = desk.sender.stream("x.gz")
    with pytest.raises(Cancelled):
        stream.write(bytes(10))
    stream.abort()
    assert desk.inner.unfinished("")
    desk.sender.sweep()
    assert not desk.inner.unfinished("")


def test_a_sweep_leaves_what_other_runs_have_begun() -> None:
    """All uploads under this backup's prefix are taken back, and no others."""
    desk = Desk()
    for key in ("prod/daily/b1/x.gz", "prod/daily/b1/index.jsonl.gz", "prod/daily/b10/x.gz", "prod/daily/b2/x.gz"):
        desk.inner.upload(key)
    desk.sender.sweep()
    assert [left.key for left in desk.inner.unfinished("")] == ["prod/daily/b10/x.gz", "prod/daily/b2/x.gz"]


def test_a_sweep_that_fails_is_told() -> None:
    """It is tried again, not for long, and is no error."""
    desk = Desk(Script(before={"unfinished": [StoreBusy("503")]}))
    desk.inner.upload("prod/daily/b1/x.gz")
    desk.sender.sweep()
    assert not desk.inner.unfinished("")
    for verb in ("unfinished", "discard"):
        desk = Desk(Script(before={verb: [StoreUnreachable("gone")] * 99}))
        desk.inner.upload("prod/daily/b1/x.gz")
        desk.sender.sweep()
        assert desk.warnings() == ["unfinished uploads may be left in the store: gone"]
        assert desk.clock.passed < 5


def test_abort_is_tried_again_and_not_for_long() -> None:
    """One busy answer does not leave an upload; a store that is gone is not waited for."""
    desk = Desk(Script(before={"abort": [StoreBusy("503", retry_after=600.0)]}))
    filled(desk).abort()
    assert not desk.inner.unfinished("")
    assert desk.clock.passed < 10
    desk = Desk(Script(before={"abort": [StoreUnreachable("gone")] * 99}))
    filled(desk).abort()
    assert desk.verbs().count("abort") == CLEANING.attempts
    assert desk.clock.passed < 5


def test_an_abort_that_fails_is_told() -> None:
    """People learn that something may be left; the error that led to the abort is not hidden by another."""
    for error in (StoreDenied("no right to abort"), StoreError("upload is gone")):
        desk = Desk(Script(before={"abort": [error]}))
        filled(desk).abort()
        (warning,) = desk.warnings()
        assert "unfinished upload of x.gz may be left" in warning
        assert error.message in warning


def signal_at(number: int) -> Callable[[str], None]:
    """A signal, when the main thread waits for the n-th time."""
    waits = count(1)

    def touched(what: str) -> None:
        if what == "result" and next(waits) == number:
            raise Cancelled("SIGINT")

    return touched


def test_a_part_that_was_waited_for_when_the_signal_came_is_waited_for_again() -> None:
    """Its thread goes on: were it forgotten, it would send its part after the abort."""
    for seed in range(30):
        desk = Desk(order=Random(seed), touched=signal_at(seed % 10 + 1))
        stream = desk.sender.stream("x.gz")
        with pytest.raises(Cancelled):
            stream.write(bytes(200))
        stream.abort()
        desk.executor.leave()
        assert desk.store.late == 0
        assert not desk.inner.unfinished("")


def test_a_failed_part_does_not_keep_the_abort_from_its_work() -> None:
    """Parts that fail while they are waited for are of no interest any more."""
    for seed in range(20):
        desk = Desk(Script(before={"part": [StoreDenied("no")] * 9}), order=Random(seed))
        stream = desk.sender.stream("x.gz")
        try:
            for _ in range(5):
                stream.write(bytes(10))
        except StoreDenied:
            pass
        stream.abort()
        assert not desk.inner.unfinished("")
