"""Files of a folder → objects, each with the place it was read from. Says nothing of what an object has to be.

Takes what `kubectl apply -R -f FOLDER` takes: *.yaml, *.yml and *.json, several documents a file, lists unrolled.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec

from runner.archive.reader import YamlError, read_documents
from runner.errors import FormatError, UsageError

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
# A line that begins so ends a document even within a block scalar, so that cutting here cuts nothing in two.
_BETWEEN = re.compile(rb"^---(?=\s|\Z)", re.MULTILINE)
BETWEEN = b"---"
_CONTENT = re.compile(rb"^[ \t]*[^\s#]", re.MULTILINE)


class WrittenObject(NamedTuple):
    """One object as it is written."""

    origin: str  # file:line
    value: dict[str, Any]
    file: Path | None = None

    @property
    def type(self) -> tuple[str, str]:
        """Its apiVersion and kind."""
        return self.value["apiVersion"], self.value["kind"]

    def error(self, message: str, hint: str) -> FormatError:
        """What is wrong with this object, and where it is."""
        return FormatError(f"{self.origin}: {message}", hint=hint)


def read_folder(folder: Path, *, may_be_empty: bool = False) -> Iterator[WrittenObject]:
    """Every object, in the order of the files' paths. Hidden files and folders are left alone.

    FormatError for a file that cannot be read; UsageError for a folder that cannot, or that has no manifest, unless it
    `may_be_empty`, or missing.
    """
    if may_be_empty and not folder.exists():
        return
    files = sorted(_files(folder))
    if not files and not may_be_empty:
        raise UsageError(f"{folder} has no manifests", hint="a manifest is a file *.yaml, *.yml or *.json")
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise FormatError(f"{file} cannot be read: {error.strerror}", hint="check its owner and mode") from error
        documents = read_json(file, content) if file.suffix == ".json" else _yaml(file, content)
        for line, value in documents:
            if value is not None:
                yield from _objects(file, f"{file}:{line}", value)


def _files(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(path, name)
            if not name.startswith(".") and file.suffix in _SUFFIXES:
                yield file


def _unreadable(error: OSError) -> NoReturn:
    raise UsageError(
        f"the folder {error.filename} cannot be read: {error.strerror}", hint="name a folder of manifests"
    ) from error


def cut(content: bytes) -> list[bytes]:
    """The documents of a YAML file: joined by BETWEEN, they are the file again."""
    return _BETWEEN.split(content)


def _yaml(file: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    start = 0
    for text in cut(content):
        above = content.count(b"\n", 0, start)
        start += len(text) + len(BETWEEN)
        first = _CONTENT.search(text)
        line = above + 1 + (text.count(b"\n", 0, first.start()) if first else 0)
        try:
            for value in read_documents(text):
                yield line, value
        except YamlError as error:
            raise FormatError(
                f"{file}:{above + error.line}:{error.column}: {error.message}",
                hint="read the file as kubectl does: kubectl apply --dry-run=client -f",
            ) from error


def read_json(file: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    """What a JSON file has, with its line."""
    hint = "the file is no JSON; mend it"
    try:
        value = json.loads(content, parse_float=_finite, parse_constant=_finite)
        msgspec.json.encode(value)  # half of a surrogate pair passes the line above, and is no text
    except json.JSONDecodeError as error:
        raise FormatError(f"{file}:{error.lineno}:{error.colno}: {error.msg}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}:1: {error}", hint=hint) from error
    yield 1, value


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        message = f"{word} is no number in JSON"
        raise ValueError(message)
    return number


def list_items(value: dict[str, Any]) -> list[Any] | None:
    """What is in a list (`kubectl get -o yaml`), nothing for what is none; items of a PodList are Pods."""
    kind, items = value["kind"], value.get("items")
    if not kind.endswith("List") or not isinstance(items, list):
        return None
    implied = {} if kind == "List" else {"apiVersion": value["apiVersion"], "kind": kind.removesuffix("List")}
    return [{**implied, **item} if isinstance(item, dict) else item for item in items]


def _objects(file: Path, origin: str, value: Any) -> Iterator[WrittenObject]:
    """The object itself, or what is in a list."""
    if not isinstance(value, dict) or not all(
        isinstance(value.get(field), str) and value[field] for field in ("apiVersion", "kind")
    ):
        raise FormatError(
            f"{origin}: this is no Kubernetes object",
            hint="an object has apiVersion and kind; other YAML may stay in a folder whose name begins with '.'",
        )
    items = list_items(value)
    if items is None:
        yield WrittenObject(origin, value, file)
        return
    for item in items:
        yield from _objects(file, origin, item)
