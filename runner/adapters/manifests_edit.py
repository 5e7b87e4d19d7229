"""Changes one object in a file of manifests, and leaves the others as they are written.

A file is replaced in one step: whoever reads it has the old one or the new one. Comments go only with the document that
is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from runner.adapters.manifests_files import BETWEEN, cut, list_items, read_json
from runner.archive.emitter import emit
from runner.archive.layout import safe_part
from runner.archive.reader import YamlError, read_documents
from runner.errors import ClusterError, FormatError
from runner.model.cluster import ItemId

Object = dict[str, Any]

# An object in, what is to stand in its place out: itself, another one, or nothing.
Edit = Callable[[Object], Object | None]


def new_file(folder: Path, item: ItemId) -> Path:
    """Where an object is written that is in no file yet."""
    plural = f"{item.plural}.{item.group}" if item.group else item.plural
    name = safe_part(item.name, room=len("%2E.yaml"))
    if name.startswith("."):  # such files are left alone
        name = f"%2E{name[1:]}"
    return folder / safe_part(item.namespace or "cluster") / safe_part(plural) / f"{name}.yaml"


def add(file: Path, value: Object) -> None:
    """Writes a new object; after what the file may have already."""
    try:
        before = file.read_bytes()
    except FileNotFoundError:
        before = b""
    except OSError as error:
        raise _unwritable(file, error) from error
    if before and not before.endswith(b"\n"):
        before += b"\n"
    _replace(file, before + BETWEEN + b"\n" + _yaml(value) if before else _yaml(value))


def change(file: Path, edit: Edit) -> None:
    """Puts every object of a file through `edit`. The file goes with its last object."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unwritable(file, error) from error
    edited = _edited_json(file, content, edit) if file.suffix == ".json" else _edited_yaml(file, content, edit)
    if edited is None:
        with suppress(FileNotFoundError):
            _unlink(file)
    elif edited != content:
        _replace(file, edited)


def _edited_json(file: Path, content: bytes, edit: Edit) -> bytes | None:
    ((_, value),) = read_json(file, content)
    edited = _edited(value, edit)
    if edited is None:
        return None
    return content if edited is value else json.dumps(edited, indent=2, ensure_ascii=False).encode() + b"\n"


def _edited_yaml(file: Path, content: bytes, edit: Edit) -> bytes | None:
    kept: list[bytes] = []
    some = False
    for text in cut(content):
        try:
            before = [value for value in read_documents(text) if value is not None]
        except YamlError as error:
            raise FormatError(f"{file} has been changed, and cannot be read: {error.message}") from error
        after = [edited for value in before if (edited := _edited(value, edit)) is not None]
        some = some or bool(after)
        if len(after) == len(before) and all(new is old for new, old in zip(after, before, strict=True)):
            kept.append(text)
        elif after:
            kept.append((b"\n" if kept else b"") + (BETWEEN + b"\n").join(_yaml(value) for value in after))
    return BETWEEN.join(kept) if some else None


def _edited(value: Any, edit: Edit) -> Any:
    """`value` itself where nothing in it is changed; nothing, where nothing is left of it."""
    if not isinstance(value, dict) or not all(isinstance(value.get(one), str) for one in ("apiVersion", "kind")):
        return value
    items = list_items(value)
    if items is None:
        return edit(value)
    after = [edited for item in items if (edited := _edited(item, edit)) is not None]
    if len(after) == len(items) and all(new is old for new, old in zip(after, items, strict=True)):
        return value
    return {**value, "items": after} if after else None


def _yaml(value: Object) -> bytes:
    try:
        return emit(value)
    except ValueError as error:
        raise ClusterError(f"an object cannot be written as YAML: {error}") from error


def _replace(file: Path, content: bytes) -> None:
    # A link stays one: what it leads to is replaced. A name that begins with a dot is read by nobody.
    file = file.resolve()
    new = file.with_name(f".{file.name[:200]}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.replace(file)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise _unwritable(file, error) from error


def _unlink(file: Path) -> None:
    try:
        file.unlink()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> ClusterError:
    return ClusterError(f"{file} cannot be written: {error.strerror}", hint="check owner, mode and free space")
