"""YAML means here what it means to kubectl; bombs, twins and broken documents are errors that say where."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.archive.reader import YamlError, read, read_documents
from tests.unit.archive.kubectl_json import alike, read_by_kubectl

# Words without quotes, on which readers differ.
WORDS = """
    y Y yes Yes YES yEs n N no No NO nO on On ON oN off Off OFF true True TRUE tRue false False FALSE
    ~ ~~ null Null NULL nUll nil None = <<< 0 00 000 -0 +0 1 -1 +1 08 010 0_8 0_1 0777 -017 01777777777777777777777
    0777777777777777777777777 0o14 0O14 -0o17 0o8 0o 0o_7 0x1F 0X1f -0x1F +0x1f 0x 0xg 0x_1 0x1_ 0x1FFFFFFFFFFFFFFFFF
    0b11 0B11 -0b11 +0b11 0b12 0b 0b_1 1_000 1__0 1_ _1 -_1 +_ + -x -- +-1 --1 1- 1-1 1+1 1,000
    4294967296 9223372036854775807 9223372036854775808 -9223372036854775808 18446744073709551615
    18446744073709551616 +18446744073709551615 -9223372036854775809 123456789012345678901234567890
    1.0 0.10 .5 5. -.5 +.5 00.5 007.5 09.5 1._5 1_.5 .5_0 ._5 .5_ .5__0 .5_0e1 .5e1_0 .5_e1 0.1.2 .1.2 1.2.3 10.0.0.1
    1e3 1E3 1e+3 1.e3 1.5e 1e 0e0 0e .e3 .1e3 -1e3 12e03 9e307 1e400 -1e999 1e-999 .5e999 1e3e3 0x1p-2 0x.5 .0x1 1p3
    . .. -. +. .nan1 inf -inf +Inf nan NaN Infinity .Infinity 1d 1f 0a 5Gi 100m 25% 1h30m
    1:30 1:30.5 190:20:30 0:0 2001-01-01 2001-1-1 2001-01-01T00:00:00Z 2001-01-01t00:00:00z 1٣ ٣ é a#b a:b
""".split()  # noqa: SIM905  # as readable as words can be

# As keys these are null, or beyond 64 bits, where kubectl gives up or rounds.
NO_KEYS = frozenset(
    """
    ~ null Null NULL 9223372036854775808 18446744073709551615 18446744073709551616 +18446744073709551615
    -9223372036854775809 123456789012345678901234567890 01777777777777777777777
    """.split()  # noqa: SIM905  # as above
)

# Whole documents, each the value of `spec`.
SPECS = {
    "keys of other types": "{1: a, yes: b, 1.5: c, 0x10: d, 1_0: e, 2001-01-01: f, '': g, -0: h, .5: i}",
    "keys of large numbers": "{1000000.0: a, 123456789.123: b, 1e-5: c, 3.4e39: d, 16777217.0: e, 1e3: f}",
    "merge": "{a: &x {p: 1}, b: {<<: *x, p: 2}}",
    "a merge replaces the keys above it": "{a: &x {p: 1}, c: {p: 2, <<: *x}}",
    "merge of several": "{d: {<<: [{q: 1}, {q: 2, r: 3}]}}",
    "a merge key in quotes": '{"<<": {a: 1}}',
    "<< as a value": "{a: <<}",
    "tags": "{a: !!str 1, b: !!int '3', c: !!float 1, d: !!bool 'yes', e: !!null '', f: !!str }",
    "tags that change nothing": "{a: ! 12, b: !!str ~, c: !!timestamp 2001-01-01, d: !!map x}",
    "more tags": "{a: !!binary aGVsbG8=, b: !foo bar, c: !foo {x: y}, d: !!int 0x1F, e: !!float 1e3}",
    "collections with tags": "{a: !!set {b, c}, b: !!omap [b: 1], c: !!map {}, d: !!seq [], e: !!str {a: b}}",
    "aliases": "{a: &x [1, {b: 2}], c: *x, d: [*x, *x], e: &s text, f: *s, *s : g}",
    "an anchor that is set again": "{a: &x 1, b: *x, c: &x 2, d: *x}",
    "quotes": "{a: 'y', b: \"1\", c: \"\\x41\\u00e9\\U0001f600\\n\\e\\_\\N\\L\", d: 'it''s', e: ''}",
    "nothing": "{a: , b: ~, c: '~', d: [], e: {}}",
    "flow in several lines": "{a: [1,\n    2, 3],\n  b: 'x\n    y',\n  c: x\n    y}",
    "blocks": "\n  a: |\n    x\n     y\n\n  b: >-\n    one\n    two\n\n    three\n  c: |+\n    z\n\n",
    "an indentation indicator": "\n  d: |2\n     indented\n",
    "lists as far left as their key": "\n  a:\n  - b: 1\n    c:\n    - 2\n  -\n  - - 3\n    - 4\n",
    "comments": " # one\n  a: b # two\n  # three\n  c: d#e\n",
    "explicit keys": "\n  ? a\n  : b\n  ? |\n    long\n  : c\n",
    "unicode": "{é: 日本, b: 'a\u2028b\u0085c', c: \ufeffx}",
}  # fmt: skip
HEAD = "apiVersion: example.com/v1\nkind: Probe\nmetadata:\n  name: a\nspec: "


@pytest.mark.real
def test_kubectl_reads_the_same(tmp_path: Path) -> None:
    """Every word and every document means to kubectl what it means here."""
    keys = [word for word in WORDS if word not in NO_KEYS]
    specs = [*(f"{{v: [{word}]}}" for word in WORDS), *(f"\n  {key}: v" for key in keys), *SPECS.values()]
    text = "\n---\n".join(HEAD + spec for spec in specs).encode()
    seen = read_by_kubectl(text, tmp_path)
    here = [document["spec"] for document in read_documents(text) if isinstance(document, dict)]
    assert len(here) == len(seen) == len(specs)
    assert [
        (spec, kubectl, ours) for spec, kubectl, ours in zip(specs, seen, here, strict=True) if not alike(kubectl, ours)
    ] == []


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: {c: 2, d: 3, c: 4}", 'the key "c" is there twice', 2, 17),
        ("1: a\n'1': b", 'the key "1" is there twice', 2, 1),
        ("yes: a\ntrue: b", 'the key "true" is there twice', 2, 1),
        ("a: b\n~: c", "a key must be a string", 2, 1),
        ("a: b\n? [c]\n: d", "a key must be a string", 2, 3),
        ("a: b\n? {c: d}\n: d", "a key must be a string", 2, 3),
        ("a: b\n18446744073709551615: c", "a key must be a string", 2, 1),
        ("a: *x", "no anchor is named x", 1, 4),
        ("a: &x [*x]", "contains itself", 1, 8),
        ("a: &x {b: *x}", "contains itself", 1, 11),
        ("<<: 5", "<< takes a mapping", 1, 5),
        ("<<: [{a: 1}, 2]", "<< takes a mapping", 1, 5),
        ("a: .inf", "infinity", 1, 4),
        ("a: [-.Inf]", "infinity", 1, 5),
        ("a: .NaN", "NaN", 1, 4),
        ("a: !!int secret", "not what its tag says: int", 1, 4),
        ("a: !!null secret", "not what its tag says: null", 1, 4),
        ("a: !!binary /w==", "!!binary", 1, 4),
        ("a: !!binary a", "!!binary", 1, 4),
        ("a: [", "did not find expected node content", 2, 1),
        ("a: b: c", "mapping values are not allowed", 1, 5),
        ("a: b\nc", "could not find expected ':'", 3, 1),
        ("a: 'secret", "unexpected end of stream", 1, 11),
        ("a: b\n\tc: d", "a tab character that violates indentation", 2, 1),
        ("a: @secret", "cannot start any token", 1, 4),
        ("a: b\nc: d\x01", "control characters", 2, 5),
        ("a: !x!y z", "undefined tag handle", 1, 4),
        ("%YAML 2.0\n---\na: b", "incompatible YAML document", 1, 1),
    ],
)  # fmt: skip
def test_an_error_says_where(text: str, message: str, line: int, column: int) -> None:
    """Broken documents are YamlErrors with the place and the reason, and without what the values hold."""
    with pytest.raises(YamlError) as caught:
        list(read_documents(text.encode()))
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "secret" not in str(caught.value)


def test_bytes_that_are_no_text_are_an_error() -> None:
    """Bytes that are not UTF-8 are an error on their line; UTF-16 with its mark is read, as libyaml does."""
    with pytest.raises(YamlError, match="line 2, column 4: invalid leading UTF-8 octet"):
        read(b"a: b\nc: \xff")
    assert read("é: y".encode("utf-16")) == {"é": True}


def test_documents_come_one_by_one() -> None:
    """Empty documents are passed over, `...` ends one, and an error stops only what comes after it."""
    assert list(read_documents(b"")) == []
    assert list(read_documents(b"# nothing\n---\n---\n~\n")) == []
    assert list(read_documents(b"a: 1\n--- # two\nb: 2\n...\n---\n- c\n--- d\n")) == [{"a": 1}, {"b": 2}, ["c"], "d"]
    documents = read_documents(b"a: 1\n---\nb: [\n")
    assert next(documents) == {"a": 1}
    with pytest.raises(YamlError):
        next(documents)


def test_an_item_is_one_document() -> None:
    """An item of an archive is exactly one document, be it `null`."""
    assert read(b"null\n") is None
    for text, number in ((b"", 0), (b"a: 1\n---\nb: 2\n", 2)):
        with pytest.raises(YamlError, match=f"here are {number} documents"):
            read(text)


def test_large_integers_keep_their_digits() -> None:
    """Integers beyond 64 bits, which kubectl rounds, are exact, and a float stays a float."""
    for number in (2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**200):
        assert read(f"v: {number}".encode()) == {"v": number}
    assert type(read(b"1.0")) is float
    assert math.copysign(1, float(str(read(b"-0.0")))) == -1


def laughs(levels: int) -> bytes:
    """The billion laughs: each level repeats the one before nine times."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "bomb",
    [
        laughs(10),
        b"a: &a {"
        + b", ".join(b"k%d: v" % n for n in range(1000))
        + b"}\nb: {<<: ["
        + b", ".join([b"*a"] * 1000)
        + b"]}",
        b"a: &a " + b"x" * 1_000_000 + b"\nb: [" + b", ".join([b"*a"] * 2000) + b"]",
        b"a: &a {" + b", ".join(b"k%d: v" % n for n in range(1000)) + b"}\nb: [" + b", ".join([b"*a"] * 1000) + b"]",
    ],
    ids=["laughs", "merges", "long text", "wide"],
)
def test_a_bomb_is_refused_before_it_goes_off(bomb: bytes) -> None:
    """Aliases that repeat too much are an error, and little memory is taken on the way to it."""
    tracemalloc.start()
    try:
        with pytest.raises(YamlError, match="aliases repeat more than they may"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()


def test_what_aliases_repeat_are_copies() -> None:
    """What aliases repeat can be changed in one place alone, and each document counts for itself."""
    value: Any = read(b"a: &x {b: [1]}\nc: *x\nd: {<<: *x}")
    value["c"]["b"].append(2)
    value["d"]["b"].append(3)
    assert value == {"a": {"b": [1]}, "c": {"b": [1, 2]}, "d": {"b": [1, 3]}}
    text = b"a: &x [1, 2, 3]\nb: *x\n"
    assert len(list(read_documents(b"---\n".join([text] * 3), aliased_nodes=4))) == 3
    with pytest.raises(YamlError, match=r"line 2, column 4: aliases repeat"):
        list(read_documents(text, aliased_nodes=3))
    with pytest.raises(YamlError, match="no anchor is named x"):
        list(read_documents(text + b"---\nc: *x"))


def test_a_large_list_without_aliases_is_no_bomb() -> None:
    """What somebody has written out in full is read, however many nodes it has."""
    assert list(read_documents(json.dumps(list(range(10_000))).encode(), aliased_nodes=10)) == [list(range(10_000))]


@pytest.mark.parametrize("text", [b"[" * 100_000, b"{a: " * 100_000, b"- " * 100_000 + b"a"])
def test_endless_nesting_is_an_error(text: bytes) -> None:
    """Too deep a document is an error like any other, and does not bring the process down."""
    with pytest.raises(YamlError, match=r"nested too deeply|did not find expected"):
        read(text)


@given(st.text("ab01:-[]{}#&*!|>'\"%@`,?<~. \n\t\r\u2028\x00", max_size=30) | st.binary(max_size=30))
def test_whatever_comes_the_answer_is_a_value_or_a_yaml_error(text: str | bytes) -> None:
    """No input gets past the error class; and where PyYAML's own loader fails to parse, so does this."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        list(read_documents(raw))
    except YamlError:
        return
    list(yaml.parse(raw, yaml.CSafeLoader))
