"""Text becomes values with places; what YAML leaves to chance is found, and nothing brings the process down."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policies.faults import Fault, Mark, decode
from runner.policies.nodes import MAX_ALIASED, MAX_DEPTH
from runner.policies.parse import Document, Place, parse
from runner.policies.paths import dotted

_characters = st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])
_keys = st.text(st.characters(codec="ascii", exclude_categories=["C"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(_characters),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(_keys, values, max_size=4),
    max_leaves=20,
)


def only(text: str) -> Document:
    """The one document that `text` holds."""
    parsed = parse(text, "f.yaml")
    assert parsed.broken is None
    (document,) = parsed.documents
    return document


@given(json_values.filter(lambda value: value is not None))
def test_json_is_read_as_json(value: Any) -> None:
    """JSON is YAML: every JSON value comes back as itself, without a finding."""
    document = only(json.dumps(value, ensure_ascii=False))
    assert document.value == value
    assert document.findings == ()


@given(st.text())
def test_no_text_is_a_crash(text: str) -> None:
    """Whatever the text, the answer is documents and findings, with places that count from 1."""
    parsed = parse(text, "f.yaml")
    found = [finding for document in parsed.documents for finding in document.findings]
    for finding in [*found, *([parsed.broken] if parsed.broken else [])]:
        assert finding.line >= 1
        assert finding.column >= 1


@given(st.text(alphabet="[]{}&*!|>'\"%@`-?:#, \n\tab<0"))
def test_no_text_of_yaml_signs_is_a_crash(text: str) -> None:
    """The same for texts that are nearly all syntax."""
    parse(text, "f.yaml")


def test_every_key_and_value_has_its_place() -> None:
    """Places are those of the file: line and column of each key and each value, over several documents."""
    text = "# first\nspec:\n  names:\n    - shop\n    - 'web'\n---\nspec: {a: [1]}\n"
    first, second = parse(text, "f.yaml").documents
    assert first.place(("spec",), key=True) == Place("f.yaml", Mark(2, 1))
    assert first.place(("spec", "names"), key=True) == Place("f.yaml", Mark(3, 3))
    assert first.place(("spec", "names", 1)) == Place("f.yaml", Mark(5, 7))
    assert second.place(("spec", "a", 0)) == Place("f.yaml", Mark(7, 12))
    assert second.place(("spec", "missing")) == Place("f.yaml", Mark(7, 1))
    assert first.written == {("spec", "names", 0): "shop"}


def test_missing_fields_of_list_items_are_shown_at_the_item() -> None:
    """What is missing from an item of a list has the item's place, since nothing nearer exists."""
    document = only("spec:\n  items:\n    - a: 1\n")
    assert document.place(("spec", "items", 0, "name")) == Place("f.yaml", Mark(3, 7))


def test_merge_keys_are_honoured() -> None:
    """`<<` merges one mapping or several; what is written beside it wins, and that is no duplicate."""
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 5\nd:\n  <<: *b\n"
    document = only(text.replace("y", "w"))
    assert document.value["c"] == {"x": 5, "w": 2, "z": 4}
    assert document.value["d"] == {"w": 3, "z": 4}
    assert document.findings == ()


def test_merging_what_is_no_mapping_is_a_finding() -> None:
    """`<<` of a list of words, or of a word, is a mistake and merges nothing."""
    document = only("a:\n  <<: [b]\n  c: d\n")
    assert document.value == {"a": {"c": "d"}}
    assert [(finding.line, finding.path) for finding in document.findings] == [(2, "a")]


def test_explicit_standard_tags_are_honoured() -> None:
    """`!!str` makes text of anything; a standard tag that fits its value is no finding."""
    document = only("a: !!str no\nb: !!int 5\nc: !!bool true\nd: !!seq []\ne: !!map {}\n")
    assert document.value == {"a": "no", "b": 5, "c": True, "d": [], "e": {}}
    assert document.findings == ()


def test_an_alias_stands_where_it_is_written() -> None:
    """The place of an alias is its own, so that a mistake points at the field that uses it."""
    document = only("a: &x no\nb: *x\n")
    assert document.place(("b",)) == Place("f.yaml", Mark(2, 4))
    assert document.value == {"a": False, "b": False}


def test_aliases_may_be_used_within_reason() -> None:
    """Up to the limit, aliases are expanded; one beyond it, the document is refused."""
    items = ", ".join("x" for _ in range(99))
    uses = MAX_ALIASED // 100
    fine = f"a: &a [{items}]\nb: [{', '.join('*a' for _ in range(uses))}]\n"
    assert only(fine).value["b"][-1] == ["x"] * 99
    assert only(fine).whole
    assert not only(fine.replace("b: [", "b: [*a, ")).whole


def test_exponential_aliases_cost_nothing() -> None:
    """A billion laughs is refused in the time of reading it, and what the document calls itself is still known."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 50))
    started = time.process_time()
    document = only(f"kind: BackupPolicy\nl0: &l0 [x, x]\n{levels}")
    assert time.process_time() - started < 2
    assert document.value == {"kind": "BackupPolicy"}
    assert not document.whole


def test_aliases_cannot_nest_beyond_the_limit() -> None:
    """Depth is counted through aliases too: chained anchors cannot exhaust the stack."""
    step = MAX_DEPTH - 10
    chain = f"a0: &a0 {'[' * step}{']' * step}\n" + "".join(
        f"a{n}: &a{n} {'[' * step}*a{n - 1}{']' * step}\n" for n in range(1, 15)
    )
    document = only(chain)
    assert [finding.message for finding in document.findings] == [f"nested deeper than {MAX_DEPTH} levels"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_bottomless_text_is_refused(opening: str) -> None:
    """Text that opens half a million levels is a finding; PyYAML's own composer ends the process on it."""
    started = time.process_time()
    parsed = parse(opening * 500_000, "f.yaml")
    assert time.process_time() - started < 2
    messages = [finding.message for document in parsed.documents for finding in document.findings]
    messages += [parsed.broken.message] if parsed.broken is not None else []
    assert f"nested deeper than {MAX_DEPTH} levels" in messages


def test_documents_before_a_fault_are_kept() -> None:
    """A fault ends the file, and what stood before it is still read."""
    parsed = parse("a: 1\n---\nb: [\n", "f.yaml")
    assert [document.value for document in parsed.documents] == [{"a": 1}]
    assert parsed.broken is not None
    assert parsed.broken.line == 4


def test_empty_documents_are_no_documents() -> None:
    """Separators without anything between them, and comments, are passed over, as kubectl does."""
    assert parse("---\n# nothing\n---\n---\na: 1\n---\n", "f.yaml").documents[0].value == {"a": 1}
    assert len(parse("---\n# nothing\n---\n---\na: 1\n---\n", "f.yaml").documents) == 1


def test_byte_order_mark_is_no_content() -> None:
    """A file as Windows writes it is read, and its columns do not count the mark."""
    assert decode(b"\xef\xbb\xbfa: 1") == "a: 1"
    assert decode(b"\xef\xbb\xbfab\n\xff") == Fault(Mark(2, 1), "not UTF-8", "save the file as UTF-8")


def test_utf16_is_refused() -> None:
    """Kubernetes' own tools take UTF-8 alone."""
    assert isinstance(decode("a: 1".encode("utf-16")), Fault)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", "includedNamespaces", 0), "spec.includedNamespaces[0]"),
        (("metadata", "labels", "example.com/team"), 'metadata.labels["example.com/team"]'),
        (
            ("spec", "credential", "accessKeyId", "secretKeyRef", "name"),
            "spec.credential.accessKeyId.secretKeyRef.name",
        ),
        (("spec", "credential", "AKIA123", "env"), "spec.credential"),
    ],
)
def test_paths_are_shown_as_people_write_them(path: tuple[str | int, ...], text: str) -> None:
    """Dots and brackets; below a credential, a key that is no field of ours is never shown."""
    assert dotted(path) == text
