"""Owns how a JSON value is written as YAML; knows nothing of files and archives, nor what the fields mean.

The text is block style, laid out as `kubectl get -o yaml` does, and three kinds of reader take it back to the very
same value: PyYAML (YAML 1.1), Kubernetes' own (sigs.k8s.io/yaml, which is goyaml.v2) and those of YAML 1.2. Where
they disagree about a bare word (`y`, `08`, `1e3`, `0o14`, `1:30`), the word is quoted.

This is the hot path of a backup: the order of the branches, the text prepared for each depth and what is
remembered are there for speed, and were measured. An Emitter belongs to one thread.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import Any, Final, final

import msgspec

_REMEMBERED_WORDS: Final = 8192  # of at most _WORD characters: some 2 MiB
_REMEMBERED_KEYS: Final = 1024  # at each depth, of at most _KEY characters
_KEY: Final = 128
_DEPTH: Final = 200  # of indentation; deeper values would not fit on the stack of those who read them
_WORD: Final = 48  # characters; longer strings seldom repeat
_SIMPLE_KEY: Final = 1000  # readers look 1,024 characters ahead for the colon of a key without `? `

_FLAT: Final = ' !"$-9;-~'  # ASCII that means nothing inside a plain word: neither control characters nor # and :
_SEEN: Final = (
    "\u00a1-\u00ac\u00ae-\u05ff\u0620-\u180d\u180f-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff"
    "\ue000-\ufdff\ufe10-\ufefe\uff00-\uffef\U00010000-\U0001fffd\U00020000-\U0002fffd"
)  # what is not ASCII, can be seen and does not break a line


def _plain(flat: str, letters: str) -> re.Pattern[str]:
    """Matches words that every reader takes for strings, those of `_RESERVED` aside.

    Each branch begins with the characters that it needs, by which the engine passes over it quickly.
    """
    rest = rf"[{flat}]*+(?:(?::(?=[^ ])|(?<![ ])\#)[{flat}]*+)*+(?<![ ])"
    return re.compile(
        rf"""
        [A-Za-z_/(${letters}]{rest}
        | -  -?[A-Za-z]{rest}                                                                  # a flag
        | [0-9][0-9]*+(?:\.[0-9]++)*+[acdf-nq-wyzACDF-NQ-WYZ/%]{rest}                           # 5Gi, 25%, 10.0.0.0/8
        | [0-9][0-9]*+(?:\.[0-9]++){{2,}}                                                      # 10.0.0.1
        | [0-9][0-9a-f]{{7}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}                              # a UID
        | \.
        """,
        re.VERBOSE,
    )


_is_plain_ascii: Final = _plain(_FLAT, "").fullmatch
_is_plain: Final = _plain(_FLAT + _SEEN, _SEEN).fullmatch
_RESERVED: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # in lower case
_ESCAPED: Final = re.compile(f"[^\x20-\x7e{_SEEN}]")
# A literal block has no escapes: so nothing that a reader refuses, normalises or takes for the end of a line.
_UNFIT: Final = bytes([*range(9), *range(11, 32), 127])
_unfit: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]").search

_decode: Final = msgspec.json.Decoder().decode


def emit(value: object) -> bytes:
    """Writes one value (dict with str keys, list, str, int, float, bool, None) as a YAML document in UTF-8.

    Keys keep their order. Numbers keep their value: integers of any size are written as they are, a float keeps its
    point (`1.0` comes back as a float) and has the fewest digits that give the same double.

    Raises ValueError for what JSON does not have (NaN, infinities, halves of surrogate pairs, other types, keys that
    are not strings) and for nesting deeper than 200 steps of indentation. The message never shows the value.
    """
    return Emitter().document(value)


@final
class Emitter:
    """Writes many documents and remembers the words and keys that repeat; what it remembers is bounded."""

    __slots__ = ("_root", "_words")

    def __init__(self) -> None:
        self._root = _Level("")
        self._words: dict[str, str] = {}

    def object(self, raw: bytes | msgspec.Raw, api_version: str, kind: str) -> bytes:
        """Writes one object of a list page, given as its JSON, as a YAML document in UTF-8.

        Items of a list lack `apiVersion` and `kind`: the given ones are put first. An item that has its own keeps
        them. Raises msgspec.DecodeError where the JSON is malformed, else as `emit` does.
        """
        try:
            value = _decode(raw)
        except RecursionError as error:
            raise ValueError("the value is nested too deeply") from error
        if type(value) is dict and ("kind" not in value or "apiVersion" not in value):
            value = {"apiVersion": api_version, "kind": kind, **value}
        return self.document(value)

    def document(self, value: Any) -> bytes:
        """Writes one decoded value, as `emit` does."""
        lines: list[str] = []
        if value and type(value) is dict:
            self._mapping(value, self._root, lines)
        elif value and type(value) is list:
            self._sequence(value, self._root, lines)
        else:
            lines.append("\n" + (_quoted(value) if type(value) is str else _scalar(value)[1:]))
        lines.append("\n")
        return "".join(lines)[1:].encode()

    def _mapping(self, mapping: dict[str, Any], level: _Level, lines: list[str]) -> None:
        heads = level.heads
        words = self._words
        for key, value in mapping.items():
            kind = type(value)
            if kind is str:
                lines.append(heads[key])
                lines.append(words.get(value) or self._string(value, level))
            elif kind is dict:
                if value:
                    lines.append(heads[key])
                    self._mapping(value, level.down or level.deeper(), lines)
                else:
                    lines.append(heads[key] + " {}")
            elif kind is int:
                lines.append(f"{heads[key]} {value}")
            elif kind is list and value:
                lines.append(heads[key])
                self._sequence(value, level, lines)
            else:
                lines.append(heads[key] + _scalar(value))

    def _sequence(self, sequence: list[Any], level: _Level, lines: list[str]) -> None:
        dash = level.dash
        words = self._words
        for value in sequence:
            kind = type(value)
            if kind is str:
                lines.append(dash + (words.get(value) or self._string(value, level)))
            elif value and (kind is dict or kind is list):
                first = len(lines)
                if kind is dict:
                    self._mapping(value, level.down or level.deeper(), lines)
                else:
                    self._sequence(value, level.down or level.deeper(), lines)
                lines[first] = f"{dash} {lines[first][len(dash) + 1 :]}"
            else:
                lines.append(dash + _scalar(value))

    def _string(self, value: str, level: _Level) -> str:
        """Gives a space and the text of a string that is not remembered."""
        if _is_plain_ascii(value):
            reserved = len(value) < 6 and value.lower() in _RESERVED  # the length first: it is quicker
            text = f' "{value}"' if reserved else " " + value
        elif "\n" in value and _is_literal(value):
            return _literal(value, level.indent + "  ")
        elif not value.isascii() and _is_plain(value):
            text = " " + value
        else:
            text = " " + _quoted(value)
        if len(value) <= _WORD:
            words = self._words
            if len(words) >= _REMEMBERED_WORDS:
                words.clear()
            words[value] = text
        return text


@final
class _Level:
    """What all lines at one depth have in common."""

    __slots__ = ("dash", "down", "heads", "indent")

    def __init__(self, indent: str) -> None:
        self.indent = indent
        self.dash = f"\n{indent}-"
        self.heads = _Heads(indent)
        self.down: _Level | None = None

    def deeper(self) -> _Level:
        """Gives the next depth."""
        if self.down is None:
            if len(self.indent) >= 2 * _DEPTH:
                raise ValueError("the value is nested too deeply")
            self.down = _Level(self.indent + "  ")
        return self.down


@final
class _Heads(dict[str, str]):
    """By key, the line that it begins: newline, indentation, key, colon."""

    __slots__ = ("indent",)

    def __init__(self, indent: str) -> None:
        self.indent = indent

    def __missing__(self, key: str) -> str:
        if type(key) is not str:
            raise ValueError("a key is not a string")
        plain = _is_plain(key) and key.lower() not in _RESERVED
        text = key if plain else _quoted(key)
        if len(text) > _SIMPLE_KEY:
            return f"\n{self.indent}? {text}\n{self.indent}:"
        head = f"\n{self.indent}{text}:"
        if len(text) <= _KEY:
            if len(self) >= _REMEMBERED_KEYS:
                self.clear()
            self[key] = head
        return head


def _scalar(value: object) -> str:
    """Gives a space and what is neither a string nor a container with something in it."""
    if value is True:
        return " true"
    if value is False:
        return " false"
    if value is None:
        return " null"
    kind = type(value)
    if kind is int:
        return f" {value}"
    if kind is float:
        text = repr(value)
        if "n" in text:  # nan, inf
            raise ValueError("NaN and infinity are no numbers in JSON")
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")  # YAML 1.1 takes 1e+16 for a string
        return " " + text
    if kind is dict:
        return " {}"
    if kind is list:
        return " []"
    raise ValueError(f"{kind.__name__} is no type of JSON")


def _is_literal(value: str) -> bool:
    """Says whether a literal block gives the text back; spaces at the end of a line are taken away by editors."""
    if value.isascii():
        text = value.encode()
        if len(text.translate(None, _UNFIT)) != len(text):
            return False
    elif _unfit(value):
        return False
    tabs = "\t" in value and ("\t\n" in value or value[0] == "\t" or value[-1] == "\t")
    return not (tabs or " \n" in value or value[-1] == " " or value.isspace())


def _literal(value: str, indent: str) -> str:
    """Gives a space and a literal block; the value has passed `_is_literal`."""
    body = value.rstrip("\n")
    end = len(value) - len(body)
    header = ("|2" if value[0] in " \n" else "|") + ("-", "", "+")[min(end, 2)]
    lines = body.replace("\n", "\n" + indent)
    if "\n\n" in value:
        lines = lines.replace(indent + "\n", "\n")
    first = "\n" if body[0] == "\n" else "\n" + indent
    return f" {header}{first}{lines}" + "\n" * (end - 1)


def _quoted(value: str) -> str:
    text = encode_basestring(value)
    return text if text.isascii() and "\x7f" not in text else _ESCAPED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("a string holds half of a surrogate pair, which is no character")
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
