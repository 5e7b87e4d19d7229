"""Whatever ends an upload early, nothing of it is left lying about; and where something is, people are told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

import pytest

from runner.engine.upload import CLEANING
from runner.errors import (
    Cancelled,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreUnreachable,
)
from tests.fakes.faulty import Script
from tests.unit.engine.desk import Desk, filled


def test_abort_leaves_nothing() -> None:
    """Whatever was under way: afterwards no upload is unfinished, and no part came late."""
    for seed in range(30):
        desk = Desk(order=Random(seed))
        filled(desk).abort()
        desk.executor.leave()
        assert not desk.inner.unfinished("")
        assert not desk.inner.objects
        assert desk.store.late == 0


def test_abort_does_not_wait_for_retries() -> None:
    """A part that is being tried again when the signal comes is not tried once more."""
    for seed in range(30):
        desk = Desk(Script(before={"part": [StoreBusy("503", retry_after=60.0)] * 99}), order=Random(seed))
        stream = desk.sender.stream("x.gz")
        stream.write(bytes(10))
        before = desk.verbs().count("part")
        stream.abort()
        desk.executor.leave()
        assert desk.verbs().count("part") == before
        assert not desk.inner.unfinished("")


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
