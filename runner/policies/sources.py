"""Paths of the command line → the files to read, and their bytes. The only module here that opens anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import Finding
from runner.policies.vocabulary import close_word

MAX_BYTES = 8 * 2**20  # no file of policies is larger
STDIN = "<stdin>"
_DASH = Path("-")
_ENDINGS = {".yaml", ".yml"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file's bytes; `named` where the file itself was given, and not a folder that it lies in."""

    file: str
    data: bytes
    named: bool


def read_sources(paths: Sequence[str | Path]) -> Iterator[Source | Finding]:
    """Every file that `paths` mean, each once; what cannot be read is a finding.

    A folder means its `*.yaml` and `*.yml`, at any depth, sorted; hidden ones are left out. `-` is standard input.
    """
    seen: set[Path] = set()
    # Files before folders: one that is given in both ways counts as named.
    for path in sorted(map(Path, paths), key=Path.is_dir):
        folder = path != _DASH and path.is_dir()
        for file in _in_folder(path, frozenset()) if folder else [path]:
            if isinstance(file, Finding):
                yield file
                continue
            identity = file if file == _DASH else _identity(file)
            if identity not in seen:
                seen.add(identity)
                yield _read(file, named=not folder)


def _in_folder(folder: Path, above: frozenset[Path]) -> Iterator[Path | Finding]:
    """Follows links, since a ConfigMap lies in a pod as links, but never in a circle."""
    identity = _identity(folder)
    if identity in above:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _in_folder(entry, above | {identity})
        elif entry.suffix in _ENDINGS and entry.is_file():
            yield entry


def _identity(path: Path) -> Path:
    # Path.resolve raises on links in a circle, and not the same in every version of Python.
    return Path(os.path.realpath(path))


def _read(path: Path, *, named: bool) -> Source | Finding:
    if path == _DASH:
        return _sized(STDIN, sys.stdin.buffer.read(MAX_BYTES + 1), named=named)
    try:
        with path.open("rb") as file:
            return _sized(str(path), file.read(MAX_BYTES + 1), named=named)
    except OSError as error:
        return _unreadable(path, error)


def _sized(file: str, data: bytes, *, named: bool) -> Source | Finding:
    if len(data) > MAX_BYTES:
        return _about(file, f"larger than {MAX_BYTES // 2**20} MiB", "give the files that hold policies alone")
    return Source(file, data, named)


def _unreadable(path: Path, error: OSError) -> Finding:
    if not isinstance(error, FileNotFoundError):
        return _about(str(path), f"cannot be read: {(error.strerror or 'input/output error').lower()}", "")
    meant = close_word(path.name, _neighbours(path))
    return _about(str(path), "no such file or folder", f"did you mean {path.with_name(meant)}?" if meant else "")


def _neighbours(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def _about(file: str, message: str, hint: str) -> Finding:
    return Finding(file, 0, 0, "", message, hint)
