"""`extends`: RFC 7386 to the letter, and places that survive it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.merge_patch import merge_patch
from runner.policies.faults import Mark
from runner.policies.merge import extended
from runner.policies.parse import Document, Place, parse

names = st.sampled_from("abcd")
scalars = st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])
documents = st.recursive(
    scalars | st.lists(scalars, max_size=2), lambda values: st.dictionaries(names, values, max_size=3)
)
patches = st.recursive(
    st.none() | scalars | st.lists(scalars, max_size=2), lambda values: st.dictionaries(names, values, max_size=3)
)

# RFC 7386, appendix A, without its rows of null outside of objects.
RFC_7386: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_examples_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    """Every example of RFC 7386 gives what the RFC says."""
    assert merge_patch(target, patch) == result


@given(documents, patches)
def test_merging_twice_is_merging_once(target: Any, patch: Any) -> None:
    """A patch that is applied again changes nothing."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(documents)
def test_an_empty_patch_changes_no_mapping(target: Any) -> None:
    """`{}` leaves a mapping as it is."""
    expected = target if isinstance(target, dict) else {}
    assert merge_patch(target, {}) == expected


@given(documents, documents)
def test_a_patch_without_null_wins_everywhere(target: Any, patch: Any) -> None:
    """Each scalar and list of the patch is in the result, at its own path."""
    merged = merge_patch(target, patch)
    for path, value in leaves(patch):
        assert at(merged, path) == value


@given(documents, patches)
def test_null_takes_away(target: Any, patch: Any) -> None:
    """No field that the patch sets to null is left, and the result holds no null."""
    merged = merge_patch(target, patch)
    if merged is not None:
        assert all(value is not None for _, value in leaves(merged))


@given(documents, patches)
def test_neither_side_is_changed(target: Any, patch: Any) -> None:
    """Merging makes something new."""
    before = repr((target, patch))
    merge_patch(target, patch)
    assert repr((target, patch)) == before


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every scalar and list of `value`, with its path."""
    if not isinstance(value, dict):
        return [(path, value)]
    return [leaf for name, field in value.items() for leaf in leaves(field, (*path, name))]


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What stands at `path`."""
    for name in path:
        value = value[name]
    return value


def policies(**texts: str) -> dict[str, Document]:
    """Documents by name, each from a file of that name."""
    return {name: parse(text, name).documents[0] for name, text in texts.items()}


def test_only_the_spec_is_inherited() -> None:
    """Name and labels are the policy's own, and `extends` is gone from the result."""
    known = policies(
        base="kind: P\nmetadata: {name: base, labels: {a: b}}\nspec: {x: 1, z: {p: q}}",
        shop="kind: P\nmetadata: {name: shop}\nextends: base\nspec: {y: 2, z: {r: s}}",
    )
    merged = extended(known["shop"], known).document.value
    assert merged == {
        "kind": "P",
        "metadata": {"name": "shop"},
        "spec": {"x": 1, "z": {"p": "q", "r": "s"}, "y": 2},
    }


def test_places_are_those_of_who_wrote_it() -> None:
    """A value of the base is at the base's place, one that the policy gives at the policy's."""
    known = policies(
        base="spec:\n  kept: a\n  changed: [b, c]\n",
        shop="extends: base\nspec:\n  changed:\n    - 'd'\n",
    )
    merged = extended(known["shop"], known).document
    assert merged.place(("spec", "kept")) == Place("base", Mark(2, 9))
    assert merged.place(("spec", "changed", 0)) == Place("shop", Mark(4, 7))
    assert ("spec", "changed", 1) not in merged.values
    assert ("spec", "changed", 0) not in merged.written


@given(st.lists(st.dictionaries(names, patches.filter(lambda value: value is not None), max_size=3), min_size=1))
def test_a_line_of_bases_is_merged_from_its_root(specs: list[dict[str, Any]]) -> None:
    """However long the line, the result is each patch applied in turn, the farthest base first."""
    known = {
        str(number): parse(
            repr({"extends": str(number - 1), "spec": spec} if number else {"spec": spec}).replace("None", "null"),
            str(number),
        ).documents[0]
        for number, spec in enumerate(specs)
    }
    expected: Any = {}
    for spec in specs:
        expected = merge_patch(expected, spec)
    assert extended(known[str(len(specs) - 1)], known).document.value["spec"] == expected


def test_null_that_takes_nothing_away_is_a_finding() -> None:
    """A null is either somebody's wish to take a field of the base away, or a value that was forgotten."""
    known = policies(base="spec: {x: 1}", shop="extends: base\nspec:\n  x: null\n  y:\nmetadata: {labels: }")
    result = extended(known["shop"], known)
    assert [(finding.line, finding.path) for finding in result.findings] == [(4, "spec.y"), (5, "metadata.labels")]
    assert result.document.value["spec"] == {}
