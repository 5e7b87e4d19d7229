"""The quick way back gives the very value that the reader gives: of what the emitter writes, and of anything else."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from subprocess import run
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.archive import scan as scanning
from runner.archive.emitter import emit
from runner.archive.reader import read
from runner.archive.scan import scan
from tests.unit.archive.nasty import NASTY, nasty_values
from tests.unit.archive.test_emitter import VALUES, WORDS, shapes

MAPPINGS = st.dictionaries(WORDS, VALUES, max_size=5)
OBJECTS = st.builds(
    lambda before, metadata, fields, after: {**before, "metadata": {**metadata, "managedFields": fields}, **after},
    MAPPINGS,
    MAPPINGS,
    VALUES,
    MAPPINGS,
)

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-0",
        "uid": "0a57af35-b9b8-1635-10b8-fe223c116549",
        "resourceVersion": "346614",
        "creationTimestamp": "2026-11-03T04:10:10Z",
        "labels": {"app": "web", "enabled": "yes", "": "", "a: b": "c: d"},
        "annotations": {"applied": '{"a":"\\u00e9","b":["C:\\\\Users\\U0001F600"]}\n', "note": "one\n\n  two\n"},
        "managedFields": [
            {
                "manager": "kubelet",
                "time": "2026-11-03T04:10:11Z",
                "fieldsV1": {"f:status": {"f:conditions": {".": {}, 'k:{"type":"Ready"}': {"f:status": {}}}}},
            },
            {"manager": "kubectl", "fieldsV1": {'v:"x: y"': {}}},
        ],
        "ownerReferences": [],
    },
    "spec": {
        "containers": [
            {
                "name": "main",
                "args": ["--listen=:8080", "$(MODE)", "0o14", "a |", "a\nb", "x - |"],
                "ports": [{"p": 80}],
            },
            {"name": "é", "script": "#!/bin/sh\ncat |\n  managedFields:\n", "empty": {}, "weight": 1.5},
        ],
        "matrix": [[1, [2, "three"]], [], [{"a": [[{}]]}], "\n\nfour\n\n"],
        "tolerations": [],
        "priority": -7,
        "large": 2**70,
        "managedFields": [{"kept": True}],
    },
    "status": {"phase": None, "ready": False, "text": "  a\n  b\n\n", "small": 1e-7},
}


def outcome(content: bytes, managed_fields: bool = True) -> str:
    """What the reader makes of an object, in a form that tells 1 from 1.0 and True, and one order from another."""
    try:
        value = read(content)
    except ValueError as error:
        return str(error)
    if type(value) is not dict:
        return "line 1, column 1: the document is not an object"
    if not managed_fields and type(value.get("metadata")) is dict:
        value["metadata"].pop("managedFields", None)
    return repr(value)


def scanned(content: bytes, managed_fields: bool = True) -> str:
    """What the scanner makes of it, in the same form."""
    try:
        return repr(scan(content, managed_fields=managed_fields))
    except ValueError as error:
        return str(error)


def at_once(content: bytes, managed_fields: bool = True) -> str:
    """What the scanner makes of it without the reader's help."""
    return repr(scanning._document(content.decode(), managed_fields))


@pytest.mark.parametrize("word", NASTY)
def test_a_nasty_text_comes_back_from_every_place(word: str) -> None:
    """Texts that look like something else are the same texts again, in each place; the reader is seldom asked."""
    value = shapes(word)
    content = emit(value)
    assert scanned(content) == repr(value) == outcome(content)
    if len(word) < 900 and not (word.isspace() and word != "\n"):
        assert at_once(content) == repr(value)


@given(MAPPINGS)
def test_any_object_comes_back(value: dict[str, Any]) -> None:
    """Whatever JSON can hold is scanned with its types and its order."""
    content = emit(value)
    assert scanned(content) == repr(value) == outcome(content)


@given(OBJECTS)
def test_an_object_comes_back_without_its_managed_fields(value: dict[str, Any]) -> None:
    """Without managedFields the object is the same but for them, whatever stands around."""
    content = emit(value)
    assert scanned(content) == repr(value)
    del value["metadata"]["managedFields"]
    assert scanned(content, managed_fields=False) == repr(value)


def test_what_the_emitter_writes_needs_no_reader() -> None:
    """Of a usual object everything is understood at once; only managedFields of metadata are left out."""
    content = emit(POD)
    assert at_once(content) == repr(POD)
    assert at_once(content, managed_fields=False).count("managedFields': []") == 1
    value = scan(content, managed_fields=False)
    metadata = {key: below for key, below in POD["metadata"].items() if key != "managedFields"}
    assert repr(value) == repr({**POD, "metadata": metadata})


def test_pyyaml_is_not_loaded_for_it() -> None:
    """A process that only scans what the emitter wrote starts without PyYAML."""
    program = """if True:
        import sys
        from runner.archive.emitter import emit
        from runner.archive.scan import scan
        assert scan(emit({"a": [1]})) == {"a": [1]}
        assert "yaml" not in sys.modules
        assert scan(b"{a: [1]}") == {"a": [1]}
        assert "yaml" in sys.modules
    """
    run([sys.executable, "-c", program], check=True, timeout=60)


def test_values_are_not_shared() -> None:
    """What is remembered is never handed out twice: who changes an object changes no other one."""
    content = emit({"a": {}, "b": [], "c": [{"d": {}}, []]})
    first = scan(content)
    for each in (first["a"], first["c"][0], first["c"][0]["d"]):
        each["x"] = 1
    first["b"].append(1)
    first["c"][1].append(1)
    assert scan(content) == {"a": {}, "b": [], "c": [{"d": {}}, []]}


def test_what_is_remembered_is_bounded() -> None:
    """Ever new lines and keys do not pile up, and are still understood right after the scanner has forgotten."""
    for number in range(0, 20_000, 20):
        value = {f"key-{each}": {"word": f"word-{each}"} for each in range(number, number + 20)}
        assert scan(emit(value)) == value
    assert len(scanning._LINES) <= 8192
    assert len(scanning._LINES._heads) <= 2048


# Texts that the emitter would not have written, and some that only look so; each lacks its last newline.
ODD = (
    "{a: b}", "a: {b: c}", "a: [b, c]", "a: b # comment", "a: !!str 1", "a: 'b'", 'a: "b" c', 'a: "b": c', "a: |",
    "a:", " a: b", "  a: b", "a:  b", "a: b ", "a : b", "a: b: c", "a: -", "a: - b", "a: ? b", ": b", "a:b", "- a",
    "a", "1: a", "yes: a", "~: a", "<<: {a: b}", "a: yes", "a: True", "a: ~", "a: tRue", "a: 010", "a: 0x1F", "a: -0",
    "a: +1", "a: 1_000", "a: 1e3", "a: 1.5e3", "a: 01.5", "a: .5", "a: 1.", "a: .inf", "a: 1.0e+999", "a: 1:30",
    "a: 2001-01-01", "a: y", 'a: "\\x41"', 'a: "\\/"', 'a: "\\ud83d\\ude00"', 'a: "\\ud83d"', 'a: "\\U0000D83D"',
    'a: "\\U00110000"', 'a: "\\U0001F600\\\\U0001F600"', 'a: "\\\\ud83d"', 'a: "\\e"', 'a: "b\tc"', 'a: "b\x7fc"',
    'a: "b\u2028c"', "a: b\u2028c", "a: b\u200bc", "\ufeffa: b", "a: b\0", "\ta: b", "a:\tb", "a: b\tc", "a: @b",
    "a: `b", "a: %b", "%YAML 1.1", 'a: "b', '"a: b', "a: []]", "a: {}{}", "a: [ ]", "# comment\na: b",
    "a: &x b\nc: *x", "a: 'b\n  c'", 'a: "b\n  c"', "a: >\n  b\n  c", "a: |\n   b\n   c", "a: |1\n  b",
    "a: |\n  b\n\nc: d", "a: |-\n\n  b", "a: |+\n  b\nc: d", "a: |2\n  b", "a: |\n  b  ", "a: |\n  \tb",
    "a: |\n   b\n  c", "a: |2-\n     b\n  c", "a:\n  b: |\n   c", "a:\n- |\n b", "a: b\n  c", "a: b\n  - c",
    "a:\nb: c", "a:\n  b:\nc: d", "a:\n  - b", "a:\n- b\n - c", "a:\n-", "a:\n- - b\n   - c",
    "a:\n- - b\n- c\n  d: e", "a:\n- b: c\n- d\n  e: f", "a:\n- b: c\n   d: e", "a:\n- b:\n  - c\n    d: e",
    "a:\n    b: c", "a:\n b: c", "a: b\n c: d", "a: b\na: c", "a:\n  b: c\n  b:\n    d: e",
    "a: 1\nb:\n- a: 1\n  a: 2", '"a": b\na: c', "a: b\n\nc: d", "? a\n: b", "a: b\n- c", "a:\n- b\nc",
    "a: b\r\nc: d\r", "metadata:\n  managedFields:\n  name: a", "metadata:\n  managedFields: a",
    "metadata:\n  managedFields: {}", "metadata:\n  managedFields:\n    a: b",
    "metadata:\n  managedFields:\n  - a\n  managedFields:\n  - b",
    "metadata:\n  managedFields:\n  - a: |\n      b\n  note: |\n    c",
    'metadata:\n  managedFields:\n  - "a\n  name: b"', "metadata:\n  managedFields:\n  - [a\n  name: b]",
    "metadata:\n  managedFields:\n  - a: {\n  name: b }", "metadata:\n  managedFields:\n  - &a b\n  name: *a",
    "metadata:\n  name: |\n    managedFields:\n    - a\n  managedFields:\n  - b",
    "metadata:\n- a: b\n  managedFields:\n  - c", "metadata: a\n  managedFields:\n  - c",
    "data: |\n  managedFields:\n  - a\nmetadata:\n  managedFields:\n  name: a", "data: |\n  managedFields:\n  - a",
    "spec:\n  managedFields:\n  - a\nmetadata:\n  managedFields:\n  - b",
    "metadata:\n  b: c\nspec:\n  managedFields:\n  - a", "metadata:\n  managedFields:\n  - a",
    "metadata:\n  managedFields:\n  - a\nmetadata:\n  managedFields:\n  - b",
    "items:\n- metadata:\n    managedFields:\n    - a\n  managedFields:\n  - b",
)  # fmt: skip


def odd() -> Iterator[bytes]:
    """The texts above, and some that need care to write."""
    yield from (f"{text}\n".encode() for text in ODD)
    yield b""
    yield b"\n"
    yield b"\n\n"
    yield b"null\n"
    yield b"{}\n"
    yield b"a: b"
    yield b"a: |\n  b"
    yield b"a: |-\n  b\n\n"
    yield b"a: |+\n  b\n\n\n"
    yield b"a: |+\n\n\n"
    yield b"a: |+\n  b\n  \n\nc: d\n"
    yield b"a: 1\n---\nb: 2\n"
    yield b"---\na: 1\n"
    yield b"a: 1\n...\n"
    yield b"%YAML 1.1\n---\na: 1\n"
    yield b"a: \xff\n"
    yield "a: é\n".encode("utf-16")
    yield "a: é\n".encode("latin-1")
    yield b"a: " + b"9" * 298 + b"\n"
    yield b"a: -" + b"9" * 298 + b"\n"
    yield b"a: " + b"9" * 299 + b"\n"
    yield b"a: " + b"9" * 400 + b"\n"
    yield b"k" * 1001 + b": a\n"
    yield b"k" * 1025 + b": a\n"
    yield b"a:\n- " + b"k" * 1025 + b": a\n"
    yield b'"' + b"k" * 1100 + b'": a\n'
    yield b"a:\n" + b"- " * 205 + b"b\n"
    yield b"a:\n- " + b"- " * 205 + b"b: c\n"
    yield b"".join(b"  " * depth + b"a:\n" for depth in range(199)) + b"  " * 199 + b"a: b\n"
    yield b"".join(b"  " * depth + b"a:\n" for depth in range(205)) + b"  " * 205 + b"a: b\n"


@pytest.mark.parametrize("content", [pytest.param(each, id=str(number)) for number, each in enumerate(odd())])
def test_odd_text_is_what_the_reader_makes_of_it(content: bytes) -> None:
    """Text that the emitter would not have written gives the reader's value, or its very error, and never a guess."""
    assert scanned(content) == outcome(content)
    # A second time, with all lines remembered, and among lines that were seen in other places.
    assert scanned(content) == outcome(content)
    assert scanned(content, managed_fields=False) == unmanaged(content)


def unmanaged(content: bytes) -> str:
    """What is expected without managedFields: where only they are broken, either the error or the rest."""
    expected = outcome(content, managed_fields=False)
    found = scanned(content, managed_fields=False)
    if found == expected or not expected.startswith("line "):
        return expected
    # The lines below managedFields are passed over, so the object is that without them, or it is wrong.
    lines = content.decode().split("\n")
    at = lines.index("  managedFields:")
    end = next(i for i in range(at + 1, len(lines)) if not lines[i].startswith(("  - ", "    ")))
    return outcome("\n".join([*lines[:at], "  managedFields: []", *lines[end:]]).encode(), managed_fields=False)


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Texts of the emitter with a few lines or characters changed."""
    chance = random.Random(seed)
    texts = [emit(POD).decode()]
    texts += [emit(shapes(word)).decode() for word in NASTY if len(word) < 200]
    texts += [
        emit({"metadata": {"managedFields": [value], "a": value}, "b": value}).decode()
        for value in nasty_values(300, seed)
    ]
    alphabet = "ab 01-:#|\"'[]{}\n\t\\>+&*!?%,~.éu\u2028"
    for _ in range(count):
        lines = chance.choice([texts[0], chance.choice(texts)]).split("\n")
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(lines))
            line = lines[at]
            where = chance.randrange(len(line) + 1)
            match chance.randrange(10):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(chance.randrange(len(lines) + 1), line)
                case 2:
                    lines[at] = " " * chance.choice((1, 2, 2, 4)) + line
                case 3:
                    lines[at] = line[chance.choice((1, 2, 2, 4)) :]
                case 4:
                    lines[at] = line[:where] + chance.choice(alphabet) + line[where:]
                case 5:
                    lines[at] = line[:where] + line[where + 1 :]
                case 6:
                    lines[at] = line[:where] + chance.choice(alphabet) + line[where + 1 :]
                case 7:
                    lines[at] = line + chance.choice((" ", ":", "\t", ' "', " |", ": |", ": |2-", "  # a", " []", ": "))
                case 8:
                    other = chance.choice(texts).split("\n")
                    lines[at:at] = other[: chance.randrange(4)]
                case _:
                    first = line[: len(line) - len(line.lstrip(" "))]
                    lines[at] = first + chance.choice(("- ", "- - ", "? ", "", "&a ", "'", '"')) + line[len(first) :]
            lines = lines or [""]
        yield "\n".join(lines).encode()


def same(content: bytes) -> None:
    """Holds the scanner against the reader."""
    assert scanned(content) == outcome(content), content
    assert scanned(content, managed_fields=False) == unmanaged(content), content


def test_changed_text_is_never_taken_for_another_value() -> None:
    """Lines and characters that were lost, doubled, moved or changed give the reader's value, or its error."""
    for content in mutations(seed=11, count=1000):
        same(content)
