"""Turns raw JSON objects into whole entries of an archive: YAML or JSON, its tar header and padding, its digest. Pure.

The costly part of a backup, and one that needs nothing but its input: so it may run in other processes.
"""

from __future__ import annotations

import hashlib

import msgspec

from runner.archive import tar
from runner.archive.emitter import Emitter
from runner.archive.layout import LAYOUTS
from runner.model.entry import Batch, Entry

_decode = msgspec.json.Decoder().decode


def render(batch: Batch, emitter: Emitter) -> tuple[Entry, ...]:
    """An entry for each object, in order. The emitter's memory of what repeats is the only thing that outlives it."""
    resource, layout = batch.resource, LAYOUTS[batch.layout]
    written = emitter.object if layout.form == "yaml" else json_object
    entries = []
    for (namespace, name), raw in zip(batch.ids, batch.items, strict=True):
        try:
            path = layout.item_path(resource.name, namespace, name)
            text = written(raw, resource.api_version, resource.kind)
        except ValueError as error:  # msgspec's DecodeError and UnicodeError are ValueErrors too
            entries.append(Entry(b"", fault=f"it cannot be written as {layout.form.upper()}: {error}"))
            continue
        entries.append(entry_of(path, text, layout.mode))
    return tuple(entries)


def entry_of(path: str, content: bytes, mode: int = tar.MODE) -> Entry:
    """The entry of a file in the archive."""
    header = tar.header(path, len(content), mode)
    whole = b"".join((header, content, tar.padding(len(content))))
    return Entry(whole, len(header), len(content), hashlib.sha256(content).hexdigest())


def json_object(raw: bytes | msgspec.Raw, api_version: str, kind: str) -> bytes:
    """An object of a list page as compact JSON, every value written as the API server wrote it.

    Items of a list lack `apiVersion` and `kind`: the given ones are put first. ValueError where it is no object.
    """
    try:
        value = _decode(raw)
    except RecursionError as error:
        raise ValueError("the value is nested too deeply") from error
    if type(value) is not dict:
        raise ValueError("it is no JSON object")
    compact = msgspec.json.format(bytes(raw), indent=-1)
    if "apiVersion" in value and "kind" in value:
        return compact
    lacking = {"apiVersion": api_version, "kind": kind}
    head = msgspec.json.encode({name: text for name, text in lacking.items() if name not in value})
    return head if len(compact) == 2 else head[:-1] + b"," + compact[1:]
