"""Owns the quick way back from what `emitter` wrote: a scanner of exactly that text, some ten times as fast as YAML.

It never guesses. A line that the emitter would not have written, and a line where it would not have put it, gives the
whole text to `reader`, which knows all of YAML; so the value is always the reader's.

Lines repeat from object to object (`kind: Pod`, `  namespace: shop`), so what a line means is remembered by its text.
Of a rank, which is where a line stands: the mapping of depth d has rank 2d, a sequence whose dashes are as far left
2d + 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from math import isinf
from typing import Any, Final, final

import msgspec

from runner.archive.emitter import (
    _DEPTH,
    _ESCAPED,
    _RESERVED,
    _SIMPLE_KEY,
    _is_literal,
    _is_plain,
    _is_plain_ascii,
)

_REMEMBERED_LINES: Final = 8192  # of at most _LINE characters: some 3 MiB
_REMEMBERED_HEADS: Final = 2048
_LINE: Final = 96
_RANKS: Final = 2 * _DEPTH + 4

_SCALAR, _EMPTY, _OPEN, _BLOCK = range(4)
_KIND: Final = 3  # the bits of `how` that hold one of these
_DASH: Final = 4  # what each dash before the key adds to it

_Entry = tuple[int, int, str | None, Any]
"""What a line means: its rank, how (dashes and kind), its key if it has one, and the value.

The value of an empty container is its type, that of a block its indentation.
"""
_Place = tuple[int, int, str | None, int]
"""Rank, dashes (as in `how`), key, and the indentation of a block that would follow."""

_is_pair: Final = re.compile(
    r"""( *+)((?:-[ ])*+)("[^"\\]*+(?:\\.[^"\\]*+)*+"|[^" ][^:]*+(?::(?=[^ ])[^:]*+)*+):(?:[ ](.+))?"""
).fullmatch
_is_item: Final = re.compile(r"( *+)((?:-[ ])++)(.+)").fullmatch
_is_integer: Final = re.compile(r"0|-?[1-9][0-9]{0,297}").fullmatch  # the reader has longer ones for floats
_is_float: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:e[-+][0-9]+)?").fullmatch
_header: Final = re.compile(r" (\|2?[-+]?)\n").search
_surrogate: Final = re.compile(r"\\u[dD][89a-fA-F]").search
_LONG_ESCAPE: Final = re.compile(r"(\\[^U])|\\U((?:000[1-9A-F]|0010)[0-9A-F]{4})")

_decode_string: Final = msgspec.json.Decoder(str).decode

_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_EMPTIES: Final[dict[str, type]] = {"{}": dict, "[]": list}
_HEADERS: Final = frozenset({"|", "|-", "|+", "|2", "|2-", "|2+"})
_MANAGED_FIELDS: Final = "  managedFields:"
_IN_MANAGED_FIELDS: Final = 3  # the rank of the dashes below


def scan(content: bytes, *, managed_fields: bool = True) -> dict[str, Any]:
    """Reads one stored object, and gives what `reader.read` gives; threads may do so at once.

    Without `managed_fields` the object has no `metadata.managedFields`; their lines are passed over, and of what is
    wrong with them only that is found which the emitter would not have written in any line.

    Raises YamlError, a ValueError, as `reader.read` does, and where the document is not a mapping.
    """
    try:
        value = _document(content.decode(), managed_fields)
    except (_Unlike, UnicodeDecodeError):
        value = _read(content)
    if not managed_fields:
        metadata = value.get("metadata")
        if type(metadata) is dict:
            metadata.pop("managedFields", None)
    return value


def _read(content: bytes) -> dict[str, Any]:
    from runner.archive.reader import YamlError, read  # noqa: PLC0415 -- PyYAML takes its time, and few texts need it

    value = read(content)
    if type(value) is not dict:
        raise YamlError("the document is not an object")
    return value


@final
class _Unlike(Exception):
    """The text is not as the emitter writes it."""


def _document(text: str, managed_fields: bool) -> dict[str, Any]:
    if text[-1:] != "\n":
        raise _Unlike
    blocks: Iterator[str] = iter(())
    if "|" in text:
        text, blocks = _without_blocks(text)
    lines = text[:-1].split("\n")
    if not managed_fields:
        _pass_over_managed_fields(lines)
    return _mapping(lines, blocks)


def _mapping(lines: list[str], blocks: Iterator[str]) -> dict[str, Any]:  # noqa: C901, PLR0912 -- see below
    """Puts the lines together. By rank, `open_at` has the containers that a line may add to, up to the rank `top`.

    All steps are here because a call for each took a quarter more time.
    """
    root: dict[str, Any] = {}
    open_at: list[Any] = [None] * _RANKS
    open_at[0] = owner = root
    awaited: Any = None  # the key of `owner`, which has the rank `owned`, whose value begins in the next line
    top = owned = 0
    for rank, how, key, value in map(_entry, lines):
        if rank > top:
            # Only what the line before has promised may lie deeper: a mapping two ranks on, or a sequence one.
            if top >= 0 or not owned < rank <= owned + 2:
                raise _Unlike
            open_at[owned + 1] = None
            open_at[rank] = owner[awaited] = [] if rank & 1 else {}
        container = open_at[rank]
        if container is None:
            raise _Unlike
        if not how:  # by far most lines
            if key in container:
                raise _Unlike
            container[key] = value
            top = rank
            continue
        at = rank
        if how > _KIND:
            if how > _DASH + _KIND:
                container, at = _innermost(open_at, rank, how)
            if key is None:
                container.append(_fresh(how & _KIND, value, blocks))
                top = at
                continue
            at += 1
            container.append({})
            open_at[at] = container = container[-1]
        elif key in container:
            raise _Unlike
        kind = how & _KIND
        if kind == _OPEN:
            owner, awaited, owned, top = container, key, at, -1
        else:
            container[key] = _fresh(kind, value, blocks) if kind else value
            top = at
    if top < 0:
        raise _Unlike
    return root


def _innermost(open_at: list[Any], rank: int, how: int) -> tuple[list[Any], int]:
    """Opens a sequence for each dash but the first; gives the last of them and its rank."""
    sequence: list[Any] = open_at[rank]
    for _ in range(how // _DASH - 1):
        inner: list[Any] = []
        sequence.append(inner)
        open_at[rank + 1] = None
        rank += 2
        open_at[rank] = sequence = inner
    return sequence, rank


def _fresh(kind: int, value: Any, blocks: Iterator[str]) -> Any:
    if kind == _SCALAR:
        return value
    return value() if kind == _EMPTY else next(blocks)


def _without_blocks(text: str) -> tuple[str, Iterator[str]]:
    """Takes the literal blocks out; their headers stay."""
    pieces: list[str] = []
    blocks: list[str] = []
    start = at = 0
    while header := _header(text, at):
        _, how, _, value = _entry(text[text.rfind("\n", 0, header.start()) + 1 : header.end() - 1])
        at = header.end()
        if how & _KIND != _BLOCK:  # words may end like this too
            continue
        indent: str = value
        end = _block_end(len(indent))(text, at - 1)
        pieces.append(text[start:at])
        start = at = end.start() + 1 if end else len(text)
        blocks.append(_block(text[header.end() : at], indent, header[1]))
    pieces.append(text[start:])
    return "".join(pieces), iter(blocks)


@cache
def _block_end(indent: int) -> Callable[[str, int], re.Match[str] | None]:
    """Finds the newline before the first line that is neither empty nor indented so far."""
    return re.compile(rf"\n(?! {{{indent}}}|\n)").search


def _block(body: str, indent: str, header: str) -> str:
    text = f"\n{body}".replace("\n" + indent, "\n")[1:]
    lines = text.rstrip("\n")
    end = header[-1]
    value = text if end == "+" else lines if end == "-" else lines + "\n"
    if not lines or ("2" in header) != (lines[0] in " \n") or not _is_literal(value):
        raise _Unlike
    return value


def _pass_over_managed_fields(lines: list[str]) -> None:
    """Empties the managedFields of metadata, once each of their lines was seen to be one that the emitter writes.

    So nothing in them, as a quotation without its end, can reach beyond their lines.
    """
    if _MANAGED_FIELDS not in lines:
        return
    at = lines.index(_MANAGED_FIELDS)
    if next((line for line in reversed(lines[:at]) if line[:1] != " "), "") != "metadata:":
        return  # they are a field of something else
    end = at + 1
    for rank, how, _, _ in map(_entry, lines[end:]):
        if rank < _IN_MANAGED_FIELDS:
            break
        if how & _KIND == _BLOCK:  # its text was taken out, and would be taken for that of a later one
            raise _Unlike
        end += 1
    lines[at:end] = [_MANAGED_FIELDS + " []"]


@final
class _Lines(dict[str, _Entry]):
    """What lines mean, by their text. Threads may share it: what is missing, or was cleared, is only made again."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        self._heads: dict[str, _Place] = {}  # by what stands before a line's first `: `

    def __missing__(self, line: str) -> _Entry:
        head, colon, word = line.partition(": ")
        place = self._heads.get(head) if colon else None
        if place is None:
            entry = self._whole(line)
        else:
            rank, how, key, indent = place
            kind, value = _word(word, indent)
            entry = (rank, how | kind, key, value)
        if len(line) <= _LINE:
            if len(self) >= _REMEMBERED_LINES:
                self.clear()
            self[line] = entry
        return entry

    def _whole(self, line: str) -> _Entry:
        match = _is_pair(line)
        if match is None:
            if (match := _is_item(line)) is None:
                raise _Unlike
            return _understood(_place(match[1], match[2], None), match[3])
        indent, dashes, text, word = match.groups()
        place = _head(indent, dashes, text)
        head = line[: match.end(3)]
        if len(head) <= _LINE:
            if len(self._heads) >= _REMEMBERED_HEADS:
                self._heads.clear()
            self._heads[head] = place
        if word is None:
            rank, how, key, _ = place
            return rank, how | _OPEN, key, None
        return _understood(place, word)


def _head(indent: str, dashes: str, text: str) -> _Place:
    if len(text) > _SIMPLE_KEY:
        raise _Unlike
    if text[0] == '"':
        key = _unquoted(text)
    elif _is_plain(text) and text.lower() not in _RESERVED:
        key = text
    else:
        raise _Unlike
    return _place(indent, dashes, key)


def _place(indent: str, dashes: str, key: str | None) -> _Place:
    columns = len(indent) + len(dashes)
    if len(indent) & 1 or columns > 2 * _DEPTH:
        raise _Unlike
    rank = len(indent) + (dashes != "")
    # The text of a block lies two columns right of its key, or of its dash.
    return rank, len(dashes) * (_DASH // 2), key, columns if key is None else columns + 2


def _understood(place: _Place, word: str) -> _Entry:
    rank, how, key, indent = place
    kind, value = _word(word, indent)
    return rank, how | kind, key, value


def _word(word: str, indent: int) -> tuple[int, Any]:
    """Gives kind and value of what stands behind a key or a dash; a block would be indented so far."""
    if word[:1] == '"':
        return _SCALAR, _unquoted(word)
    if _is_plain_ascii(word):
        if len(word) > 5 or word.lower() not in _RESERVED:
            return _SCALAR, word
        if word in _CONSTANTS:
            return _SCALAR, _CONSTANTS[word]
    elif _is_integer(word):
        return _SCALAR, int(word)
    elif word in _EMPTIES:
        return _EMPTY, _EMPTIES[word]
    elif word in _HEADERS:
        return _BLOCK, " " * indent
    elif _is_float(word) and not isinf(number := float(word)):
        return _SCALAR, number
    elif not word.isascii() and _is_plain(word):
        return _SCALAR, word
    raise _Unlike


def _unquoted(text: str) -> str:
    """Reads a string in quotes, which is one of JSON if its long escapes (capital U) are taken out."""
    if text[-1] != '"' or not (text.isprintable() if text.isascii() else not _ESCAPED.search(text)):
        raise _Unlike
    if "\\" in text:
        if _surrogate(text):
            raise _Unlike
        if "\\U" in text:
            text = _LONG_ESCAPE.sub(_character, text)
    try:
        return _decode_string(text)
    except msgspec.DecodeError as error:
        raise _Unlike from error


def _character(match: re.Match[str]) -> str:
    return match[1] or chr(int(match[2], 16))


_LINES: Final = _Lines()
_entry: Final = _LINES.__getitem__
