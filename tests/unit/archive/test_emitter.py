"""What the emitter writes reads back to the same value, in each kind of reader; and it looks as kubectl's does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.archive.emitter import Emitter, emit
from runner.archive.reader import read
from tests.unit.archive.kubectl_json import alike, read_by_kubectl
from tests.unit.archive.nasty import NASTY, nasty_values

WORDS = st.sampled_from(NASTY) | st.text() | st.text("yn01eox_.:-+# \n\t'\"{}[]|>~é\u2028", max_size=12)
NUMBERS = st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(WORDS, below, max_size=4),
    max_leaves=20,
)


class CoreLoader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2's core schema says (https://yaml.org/spec/1.2.2/#1032-tag-resolution)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own shape


for tag, pattern in {
    "null": r"null|Null|NULL|~|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), None)


def reread(text: bytes) -> list[str]:
    """What each reader makes of the text, in a form that tells 1 from 1.0 and True, and one order from another."""
    return [
        repr(value)
        for value in (
            read(text),
            yaml.load(text, yaml.CSafeLoader),
            yaml.load(text, yaml.SafeLoader),
            yaml.load(text, CoreLoader),
        )
    ]


def shapes(word: str) -> dict[str, Any]:
    """A text in every place where one can stand."""
    return {
        "value": word,
        "list": [word, [word, [word]], {word: word, "z": [word]}],
        word: {word: [{"k": word}]},
        "last": 1,
    }


@pytest.mark.parametrize("word", NASTY)
def test_a_nasty_text_comes_back_from_every_place(word: str) -> None:
    """Texts that look like something else are the same texts again: as values, in lists, as keys, at the root."""
    value = shapes(word)
    text = emit(value)
    assert reread(text) == [repr(value)] * 4
    assert reread(emit(word)) == [repr(word)] * 4


@given(VALUES)
def test_any_value_comes_back(value: Any) -> None:
    """Whatever JSON can hold is read back with its types and its order, by each reader."""
    text = emit(value)
    assert reread(text) == [repr(value)] * 4
    assert text.endswith(b"\n")
    assert text.count(b"\r") == 0


@given(st.lists(VALUES, max_size=5))
def test_what_is_remembered_changes_nothing(values: list[Any]) -> None:
    """An emitter that has written other documents writes each as a new one does, twice."""
    emitter = Emitter()
    for value in [*values, *values]:
        assert emitter.document(value) == emit(value)


def test_what_is_remembered_is_bounded() -> None:
    """Ever new words and keys do not pile up, and are still written right after the emitter has forgotten."""
    emitter = Emitter()
    for number in range(20_000):
        value = {f"key-{number}": f"word-{number}", "yes": "no"}
        assert emitter.document(value) == f'key-{number}: word-{number}\n"yes": "no"\n'.encode()
    assert len(emitter._words) <= 8192
    assert len(emitter._root.heads) <= 1024


def test_a_pod_looks_as_kubectl_prints_it() -> None:
    """The layout of kubectl: keys in their order, lists as far left as their key, few words quoted."""
    pod = {
        "metadata": {
            "name": "web-0",
            "namespace": "shop",
            "uid": "0a57af35-b9b8-1635-10b8-fe223c116549",
            "resourceVersion": "346614",
            "creationTimestamp": "2026-11-03T04:10:10Z",
            "labels": {"app": "web", "enabled": "yes"},
            "annotations": {},
            "managedFields": [
                {
                    "manager": "kubelet",
                    "fieldsV1": {"f:status": {"f:conditions": {".": {}, 'k:{"type":"Ready"}': {"f:status": {}}}}},
                }
            ],
        },
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example.com/shop/web:1.25",
                    "args": ["--listen=:8080", "$(MODE)", "0o14"],
                    "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "500m", "memory": "1.5Gi"}},
                }
            ],
            "tolerations": [],
            "priority": 0,
            "enableServiceLinks": True,
        },
        "status": {"podIP": "10.244.0.5", "conditions": [{"type": "Ready", "lastProbeTime": None, "weight": 1.0}]},
    }
    expected = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  uid: 0a57af35-b9b8-1635-10b8-fe223c116549
  resourceVersion: "346614"
  creationTimestamp: "2026-11-03T04:10:10Z"
  labels:
    app: web
    enabled: "yes"
  annotations: {}
  managedFields:
  - manager: kubelet
    fieldsV1:
      f:status:
        f:conditions:
          .: {}
          k:{"type":"Ready"}:
            f:status: {}
spec:
  containers:
  - name: main
    image: registry.example.com/shop/web:1.25
    args:
    - --listen=:8080
    - $(MODE)
    - "0o14"
    ports:
    - containerPort: 8080
      protocol: TCP
    resources:
      limits:
        cpu: 500m
        memory: 1.5Gi
  tolerations: []
  priority: 0
  enableServiceLinks: true
status:
  podIP: 10.244.0.5
  conditions:
  - type: Ready
    lastProbeTime: null
    weight: 1.0
"""
    assert Emitter().object(json.dumps(pod).encode(), "v1", "Pod").decode() == expected


def test_text_of_several_lines_stays_readable() -> None:
    """Files in a ConfigMap are literal blocks; what a block would not keep, or an editor would spoil, is quoted."""
    data = {
        "nginx.conf": "server {\n  listen 80;\n\n  # all\n}\n",
        "no-newline": "a\nb",
        "three-newlines": "a\n\n\n",
        "indented": "  a\nb\n",
        "Makefile": "all:\n\techo y\n",
        "trailing": "a \nb\n",
        "windows": "a\r\nb\r\n",
        "one": "a\n",
        "list": ["a\nb\n"],
    }
    expected = """\
data:
  nginx.conf: |
    server {
      listen 80;

      # all
    }
  no-newline: |-
    a
    b
  three-newlines: |+
    a


  indented: |2
      a
    b
  Makefile: |
    all:
    \techo y
  trailing: "a \\nb\\n"
  windows: "a\\r\\nb\\r\\n"
  one: |
    a
  list:
  - |
    a
    b
"""
    assert emit({"data": data}).decode() == expected
    assert reread(expected.encode()) == [repr({"data": data})] * 4


def test_lists_in_lists_and_long_keys() -> None:
    """Lists of lists are compact, and a key that is too long for a simple one is written with `?`."""
    assert emit([["a", ["b"]], [], {"k": [[1], [{}]]}]) == b"- - a\n  - - b\n- []\n- k:\n  - - 1\n  - - {}\n"
    key = "k" * 1001
    assert emit([{key: [1], "b": 2}]).decode() == f"- ? {key}\n  :\n  - 1\n  b: 2\n"


@pytest.mark.parametrize(
    ("json_text", "yaml_text"),
    [
        ("1.0", "1.0"), ("1e3", "1000.0"), ("0.1", "0.1"), ("1e16", "1.0e+16"),
        ("1.5e300", "1.5e+300"), ("1e-7", "1.0e-07"),
        ("-0.0", "-0.0"), ("0", "0"), ("-7", "-7"), ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"), ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("100000000000000000000.0", "1.0e+20"),
    ],
)  # fmt: skip
def test_numbers_keep_their_value_and_kind(json_text: str, yaml_text: str) -> None:
    """Integers of any size keep every digit; a float stays a float for each reader, PyYAML's narrow one included."""
    text = Emitter().object(f'{{"v":{json_text}}}'.encode(), "v1", "T")
    assert text == f"apiVersion: v1\nkind: T\nv: {yaml_text}\n".encode()
    assert reread(text) == [repr({"apiVersion": "v1", "kind": "T", "v": json.loads(json_text)})] * 4


def test_an_object_gets_the_type_of_its_list() -> None:
    """Items of a list get apiVersion and kind in front; an object with its own keeps them, and its order."""
    emitter = Emitter()
    assert (
        emitter.object(b'{"metadata":{"name":"a"}}', "v1", "Pod")
        == b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"
    )
    assert (
        emitter.object(b'{"spec":{},"kind":"W","apiVersion":"x/v1"}', "v1", "Pod")
        == b"spec: {}\nkind: W\napiVersion: x/v1\n"
    )
    assert emitter.object(b'{"kind":"W"}', "x/v1", "Pod") == b"apiVersion: x/v1\nkind: W\n"
    items = msgspec.json.decode(b'{"items":[{"data":{"a":"1"}}]}', type=dict[str, list[msgspec.Raw]])["items"]
    assert emitter.object(items[0], "v1", "ConfigMap") == b'apiVersion: v1\nkind: ConfigMap\ndata:\n  a: "1"\n'


SECRET = "hunter2-secret"  # what no message may show


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")}, {"a": float("inf")}, [float("-inf")], {"a": f"{SECRET}\ud800"},
        {"a": f"{SECRET}\n\udfff"}, {f"{SECRET}\ud800": 1},
        {1: SECRET}, {None: SECRET}, {"a": (SECRET,)}, [SECRET.encode()], {"a": {SECRET}}, float("nan"), object(),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    """Such values are errors, never another value, and the message does not give away what they held."""
    with pytest.raises(ValueError, match=r"JSON|surrogate|string") as caught:
        emit(value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_nesting_has_an_end(opening: str) -> None:
    """What is written can be read; deeper nesting is an error, however deep, and not a crash."""
    closing = "}" if opening == '{"a":' else "]"
    for depth in (199, 150):
        raw = opening * depth + "1" + closing * depth
        assert reread(emit(json.loads(raw)))[0] == repr(json.loads(raw))
    for depth in (300, 100_000):
        raw = opening * depth + "1" + closing * depth
        with pytest.raises(ValueError, match="nested too deeply"):
            Emitter().object(b'{"spec":' + raw.encode() + b"}", "v1", "T")


def test_malformed_json_is_an_error() -> None:
    """A broken object is told apart from one that cannot be written."""
    for raw in (b"", b'{"a":', b'{"a":"\\ud800"}', b'{"a":"\xff"}'):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            Emitter().object(raw, "v1", "T")


@pytest.mark.real
def test_kubectl_reads_the_same_values(tmp_path: Path) -> None:
    """Kubernetes' own reader takes thousands of nasty values, in every place, for what they are."""
    values = [*map(shapes, NASTY), *nasty_values(6000)]
    objects: list[Any] = [
        {
            "apiVersion": "example.com/v1",
            "kind": "Probe",
            "metadata": {"name": f"p-{number}"},
            "spec": {"v": value, "z": 1},
        }
        for number, value in enumerate(values)
    ]
    text = b"".join(b"---\n" + emit(each) for each in objects)
    seen = read_by_kubectl(text, tmp_path)
    assert len(seen) == len(objects)
    assert [each["spec"] for each, spec in zip(objects, seen, strict=True) if not alike(spec, each["spec"])] == []
