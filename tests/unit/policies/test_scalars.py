"""What an unquoted word means, held against what kubectl answered."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policies.scalars import Date, Scalar, read_plain, shown, spoken

# Recorded from kubectl 1.37: `label --local -f - -o json x=y` with each word unquoted in a list.
KUBECTL: dict[str, Scalar] = {
    **dict.fromkeys(("yes", "on", "y", "Y", "Yes", "true", "True", "TRUE"), True),
    **dict.fromkeys(("no", "off", "n", "N", "NO", "false"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~"), None),
    "1": 1, "+1": 1, "-1": -1, "-0": 0, "08": 8, "0999": 999, "010": 8, "0777": 511, "0o14": 12, "0O7": 7,
    "0x1F": 31, "0X1F": 31, "-0x1": -1, "0x_1": 1, "0b11": 3, "+0b1": 1, "0B1": 1, "1_000": 1000, "1__0": 10, "1_": 1,
    "1.0": 1.0, "1.": 1.0, "5.": 5.0, ".5": 0.5, "+.5": 0.5, "0.1_0": 0.1, "1e3": 1000.0, "1E3": 1000.0, "1e+3": 1000.0,
    "99999999999999999999": 99999999999999999999, "18446744073709551615": 18446744073709551615,
    **{word: word for word in (
        "tRue", "nan", "inf", "12:30", "12:30:45", "=", "1.2.3", "--", "0x", "0o", "0b", "_1", "0o8", "1,000", ".e1",
        "1e", "._1", "1:2", "shop", "a-b",
    )},
}  # fmt: skip


@pytest.mark.parametrize("word", KUBECTL)
def test_words_are_read_as_kubectl_reads_them(word: str) -> None:
    """Booleans, numbers and nulls are what Kubernetes takes them for, and nothing else is."""
    read = read_plain(word)
    assert read == KUBECTL[word]
    assert isinstance(read, bool) == isinstance(KUBECTL[word], bool)
    assert isinstance(read, str) == isinstance(KUBECTL[word], str)


@pytest.mark.parametrize("word", [".inf", "-.Inf", "+.INF", ".NaN"])
def test_infinities_are_numbers(word: str) -> None:
    """JSON has none of these, so that kubectl refuses them; they are numbers here, so that no text field takes them."""
    read = read_plain(word)
    assert isinstance(read, float)
    assert not math.isfinite(read)


@pytest.mark.parametrize("word", ["2024-01-01", "2024-1-1", "2024-01-01T10:00:00Z", "2024-01-01 10:00:00"])
def test_dates_are_told_apart(word: str) -> None:
    """Readers of YAML disagree about dates, so that they are neither text nor anything else."""
    assert read_plain(word) == Date(word)
    assert spoken(read_plain(word)) == "a date"


@pytest.mark.parametrize(("digits", "kind"), [(20, "a number"), (299, "a number"), (310, "text"), (10_000, "text")])
def test_no_number_is_too_long_to_read(digits: int, kind: str) -> None:
    """Digits beyond what a double holds are text, as Go has it, and no crash of Python's own conversion."""
    assert spoken(read_plain("9" * digits)) == kind


@given(st.text())
def test_any_text_can_be_read_and_shown(text: str) -> None:
    """No text is a crash, and what is shown of it is one short line that steers no terminal."""
    read_plain(text)
    assert shown(text).isprintable()
    assert len(shown(text)) <= 61
