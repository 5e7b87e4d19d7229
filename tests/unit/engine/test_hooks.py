"""What is shown of a command: its end, cut, without secrets and without what steers terminals."""

from __future__ import annotations

import pytest

from runner.adapters.commands import Tail
from runner.engine.hooks import OUTPUT_BYTES, READ_BYTES, complaint, shown
from runner.model.redact import redacted
from runner.volume_ports import Ended


def plain(text: str) -> str:
    """Redacts nothing."""
    return text


def test_short_output_is_shown_whole() -> None:
    """Line breaks and tabs stay, whichever system made them."""
    assert shown(Ended(0, "a\tb\r\nc\rd\n"), plain) == "a\tb\nc\nd\n"


def test_long_output_is_cut_to_its_end() -> None:
    """4 KiB of it, marked."""
    text = shown(Ended(0, "é" * OUTPUT_BYTES), plain)
    assert text == "…" + "é" * (OUTPUT_BYTES // 2)


def test_output_that_was_cut_begins_with_a_line() -> None:
    """Half a line may hold half a secret, which nobody would recognise."""
    assert shown(Ended(0, "unter2 is the password\nnext\nlast", cut=True), plain) == "…next\nlast"
    assert shown(Ended(0, "one line only", cut=True), plain) == "…one line only"


def test_secrets_are_taken_out_before_it_is_cut() -> None:
    """A secret over the edge of what is shown is whole where it is looked for."""
    secret = "s3cret-" * 20
    text = shown(
        Ended(0, "x" * (OUTPUT_BYTES - 50) + secret + "y" * (OUTPUT_BYTES - 60)), lambda t: redacted(t, [secret])
    )
    assert "cret" not in text
    assert "***" in text


@pytest.mark.parametrize("end", ["", "\n"])
def test_half_a_secret_at_the_beginning_of_one_long_line_is_not_shown(end: str) -> None:
    """Those that follow are taken out, and the line is short then: its beginning is no part of what is shown still."""
    secret = "SuperSecretValue0123456789"
    line = f"{secret},".encode() * 400 + end.encode()
    tail = Tail(READ_BYTES)
    tail.add(line)
    text = shown(tail.ended(0), lambda t: redacted(t, [secret]))
    assert text.startswith("…")
    assert not set(text) & set("0123456789")


@pytest.mark.parametrize("steering", ["\x1b[31m", "\x1b[2J", "\x07", "\x00", "\x9b", "\x1b"])
def test_what_steers_a_terminal_is_taken_out(steering: str) -> None:
    """The output is a command's, and people read it on theirs."""
    assert shown(Ended(0, f"a{steering}b"), plain) == "ab"


def test_a_complaint_has_the_last_line() -> None:
    """It most often says why; a long one is cut."""
    assert complaint("it", 0, "fine") == ""
    assert complaint("it", 3, "") == "it ended with exit code 3"
    assert complaint("it", 3, "a\n  why\n\n") == "it ended with exit code 3: why"
    assert complaint("it", 3, "w" * 500) == f"it ended with exit code 3: {'w' * 200}…"
