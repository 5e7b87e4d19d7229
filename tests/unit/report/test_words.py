"""Tests of how counts, sizes, lists of names and text from elsewhere are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.report.words import WIDTH, counted, harmless, listed, listed_within, sized, wrapped


def test_one_is_one_and_none_are_many() -> None:
    """English: 0 items, 1 item, 2 items; a plural of its own where an s will not do."""
    assert [counted(number, "item") for number in (0, 1, 2)] == ["0 items", "1 item", "2 items"]
    assert counted(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (62_669, "61.2 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1024**3, "1.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes_have_binary_units(size: int, words: str) -> None:
    """The largest unit that leaves a number of one to four digits; never 1024.0 of one."""
    assert sized(size) == words


def test_lists_are_folded_by_number_and_by_room() -> None:
    """What is folded is counted; one name is always shown."""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 1) == "a, and 2 more"
    assert listed_within(["aaaa", "bbbb", "cccc"], 12) == "aaaa, bbbb, and 1 more"
    assert listed_within(["a" * 300, "b"], 10) == "a" * 300 + ", and 1 more"


def test_what_steers_a_terminal_is_written_out() -> None:
    """Escape sequences, line breaks, text that runs backwards, and what has no width."""
    assert harmless("a\x1b[2J\r\n\u202eb\u200b\x9bc") == r"a\x1b[2J\r\n\u202eb\u200b\x9bc"
    assert harmless("Größe 50 % 日本") == "Größe 50 % 日本"


@given(st.text())
def test_any_text_becomes_one_line(text: str) -> None:
    """Whatever it holds; and what is harmless already stays as it is."""
    assert harmless(text).isprintable()
    assert harmless(harmless(text)) == harmless(text)


def test_lines_are_wrapped_between_words() -> None:
    """Margins are kept, the first line may have its own, and a long name is never cut in two."""
    lines = wrapped("word " * 40 + "n" * 100, "    ", first="  - ")
    assert lines[0].startswith("  - word")
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(len(line) <= WIDTH for line in lines[:-1])
    assert lines[-1] == "    " + "n" * 100
    assert wrapped("", "    ") == ["    "]
