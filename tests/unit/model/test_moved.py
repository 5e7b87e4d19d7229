"""A mover's last word fits into what Kubernetes keeps, whatever is in it."""

from __future__ import annotations

import pytest

from runner.model.moved import LONGEST, Moved, read_moved


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "\x01", '"', "\\"])
def test_a_long_error_is_cut_and_can_still_be_read(letter: str) -> None:
    """Each letter takes up to six bytes in JSON."""
    moved = Moved(snapshot="5" * 64, files=10**9, size=10**15, added=10**15, error=letter * 10_000)
    line = moved.line()
    assert len(line) <= LONGEST
    read = read_moved(line.decode())
    assert read is not None
    assert read.snapshot == moved.snapshot
    assert read.error.endswith("…")
    assert moved.error.startswith(read.error[:-1])


def test_a_short_one_is_whole() -> None:
    """It is read as it was written."""
    moved = Moved(snapshot="5eed", files=1, error="a\nb")
    assert read_moved(moved.line().decode()) == moved


@pytest.mark.parametrize("text", ["", "Killed", "[]", '{"files": "many"}'])
def test_what_is_no_word_of_a_mover_is_none(text: str) -> None:
    """A container that was killed says nothing, or what its runtime says."""
    assert read_moved(text) is None
