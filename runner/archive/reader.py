"""Owns how YAML is read: what people wrote as manifests, and what `emitter` wrote. Knows no type of Kubernetes.

libyaml parses; what its words mean is decided here, and it is what kubectl 1.37 makes of them (sigs.k8s.io/yaml,
which is goyaml.v2, and then JSON): `yes`, `on` and `y` are booleans, `010` and `0o10` are 8, `1e3` and `1_000` are
numbers, `1:30` and `2001-01-01` are strings, keys become strings, unknown tags are passed over, and `<<` puts its
keys where it stands, so that they replace those above it.

It says no where kubectl is silent: to a key that is there twice, and to `!!binary` that is no text. Numbers keep more
than kubectl leaves of them: integers beyond 64 bits are exact, and `1.0` is a float. A document after `...`, which
kubectl drops, is read.
"""

from __future__ import annotations

import binascii
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterator
from math import isinf
from typing import Any, Final, final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

ALIASED_NODES: Final = 1_000_000
"""How many nodes the aliases of one document may add; each KiB of text counts as one more."""

_TAG: Final = "tag:yaml.org,2002:"
_CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_NUMERIC: Final = frozenset("+-.0123456789")
_INFINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER: Final = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)|0|[1-9][0-9]*)"
)
_BASES: Final = {"hex": 16, "binary": 2, "octal": 8}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FRACTION: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")


@final
class YamlError(ValueError):
    """YAML that cannot be read; `line` and `column` count from 1. The message may hold a key, and never a value."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def read_documents(text: bytes, aliased_nodes: int = ALIASED_NODES) -> Iterator[object]:
    """Reads the documents of a stream as they come; empty ones are passed over, as kubectl does.

    A document is made of dict, list, str, int, float, bool and None. What an alias repeats is a copy, and is made
    only where there is room for it. Raises YamlError.
    """
    return (value for value in _documents(text, aliased_nodes) if value is not None)


def read(text: bytes) -> object:
    """Reads the one document of an item in an archive. Raises YamlError, also where there is none or are several."""
    documents = list(_documents(text, ALIASED_NODES))
    if len(documents) != 1:
        raise YamlError(f"here are {len(documents)} documents, and one is wanted")
    return documents[0]


def _documents(text: bytes, aliased_nodes: int) -> Iterator[object]:
    try:
        events = yaml.parse(text, yaml.CSafeLoader)
        for event in events:
            if type(event) is DocumentStartEvent:
                yield _Document(events.__next__, aliased_nodes).node(next(events))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(message, *((mark.line + 1, mark.column + 1) if mark else ())) from error
    except ReaderError as error:
        before = text[: error.position]
        raise YamlError(error.reason, before.count(b"\n") + 1, len(before) - before.rfind(b"\n")) from error
    except RecursionError as error:
        raise YamlError("the document is nested too deeply") from error


@final
class _Document:
    """Builds the value of one document from its events."""

    def __init__(self, event: Callable[[], Event], aliased_nodes: int) -> None:
        self._event = event
        self._nodes = 0
        self._room = aliased_nodes
        # None while the anchored node is still open.
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def node(self, event: Any) -> Any:
        """Gives the value that begins with this event. One frame of the stack for each depth, so all is in here."""
        kind = type(event)
        if kind is AliasEvent:
            return self._aliased(event)
        before = self._nodes
        self._nodes += 1
        anchor: str | None = event.anchor
        value: Any
        if kind is ScalarEvent:
            value = _scalar(event)
            self._nodes += len(event.value) >> 10
        else:
            if anchor is not None:
                self._anchors[anchor] = None
            if kind is SequenceStartEvent:
                value = []
                while type(below := self._event()) is not SequenceEndEvent:
                    value.append(self.node(below))
            else:
                value = {}
                own = set()
                while type(below := self._event()) is not MappingEndEvent:
                    if type(below) is ScalarEvent and below.value == "<<" and below.implicit[0]:
                        self._merge(value)
                        continue
                    key = _key(self.node(below), below)
                    if key in own:
                        raise _error(f'the key "{key}" is there twice', below)
                    own.add(key)
                    value[key] = self.node(self._event())
        if anchor is not None:
            self._anchors[anchor] = (value, self._nodes - before)
        return value

    def _merge(self, mapping: dict[str, Any]) -> None:
        event = self._event()
        source = self.node(event)
        for each in reversed(source if type(source) is list else [source]):
            if type(each) is not dict:
                raise _error("<< takes a mapping, or a sequence of mappings", event)
            mapping.update(each)

    def _aliased(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise _error(f"no anchor is named {event.anchor}", event)
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _error(f"what {event.anchor} names contains itself", event)
        value, nodes = anchored
        self._nodes += nodes
        self._room -= nodes
        if self._room < 0:
            raise _error("aliases repeat more than they may: the document would not fit into memory", event)
        return _copy(value)


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(below) for key, below in value.items()}
    if type(value) is list:
        return [_copy(below) for below in value]
    return value


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if event.tag is None:
        if not event.implicit[0]:
            return text
        value = _word(text)
        if value is text and _INFINITE.fullmatch(text):
            raise _error("infinity and NaN are no numbers in JSON", event)
        return value
    if event.tag == _TAG + "binary":
        try:
            return b64decode(text).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _error("!!binary holds no text", event) from error
    wanted = {"bool": bool, "int": int, "float": float, "null": type(None)}.get(event.tag.removeprefix(_TAG))
    if wanted is None:
        return text
    value = _word(text)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise _error(f"this is not what its tag says: {event.tag.removeprefix(_TAG)}", event)
    return value


def _word(text: str) -> Any:
    """Gives what a word without quotes means, or the very same string."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return _number(text) if text[0] in _NUMERIC else text


def _number(text: str) -> int | float | str:
    if text[0] == ".":
        return _float(text, text) if _FRACTION.fullmatch(text) else text
    plain = text.replace("_", "")
    match = _INTEGER.fullmatch(plain)
    base = _BASES[match.lastgroup] if match and match.lastgroup else 10
    if match and (base != 10 or len(plain) < 300):  # beyond, a float is infinite, and so no number
        number = int(plain if base == 10 else plain[0].strip("0") + match[match.lastgroup or 0], base)
        if base == 10 or -(1 << 63) <= number < (1 << 63 if plain[0] in "+-" else 1 << 64):
            return number
    return _float(plain, text) if _FLOAT.fullmatch(plain) else text


def _float(plain: str, text: str) -> float | str:
    number = float(plain)
    return text if isinf(number) else number


def _key(value: Any, event: Any) -> str:
    """Gives the string that a key becomes."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return str(value)
    if kind is float:
        return _single(value)
    raise _error("a key must be a string; put it in quotes", event)


def _single(number: float) -> str:
    """Writes a number as Go writes a float32 in its shortest form (strconv.FormatFloat(x, 'g', -1, 32))."""
    single = struct.pack("f", number)
    (rounded,) = struct.unpack("f", single)
    if isinf(rounded):
        return "-.inf" if number < 0 else ".inf"
    for digits in range(9):
        text = f"{rounded:.{digits}e}"
        if struct.pack("f", float(text)) == single:
            break
    exponent = int(text.partition("e")[2])
    return text if exponent < -4 or exponent > 5 else f"{float(text):.{max(digits - exponent, 0)}f}"


def _error(message: str, event: Event) -> YamlError:
    mark = event.start_mark
    return YamlError(message, mark.line + 1, mark.column + 1) if mark else YamlError(message)
