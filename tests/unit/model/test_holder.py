"""Names of processes, as text and back."""

from __future__ import annotations

import pytest

from runner.model.holder import Holder, read_holder


@pytest.mark.parametrize(
    "holder", [Holder("laptop", "3f1c-9", "pid:[4026531836]", 4711, "123456"), Holder("", "", "", 1, "")]
)
def test_a_holder_is_read_back(holder: Holder) -> None:
    """Also where the machine tells nothing."""
    assert read_holder(str(holder)) == holder


def test_it_is_one_word_for_each_field() -> None:
    """A host's name with a slash does not make another."""
    assert str(Holder("a/b", "boot", "", 7, "9")) == "a_b/boot/-/7/9"


@pytest.mark.parametrize("text", ["", "a/b/c/d/e", "a/b/c/7", "a/b/c/7/9/x", "a/b/c/-7/9", "a/b/c/²/9"])
def test_anything_else_is_no_holder(text: str) -> None:
    """Nothing is made of it."""
    assert read_holder(text) is None
