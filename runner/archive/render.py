"""Turns raw JSON objects into whole entries of an archive: YAML, its tar header and padding, its digest. Pure.

The costly part of a backup, and one that needs nothing but its input: so it may run in other processes.
"""

from __future__ import annotations

import hashlib

from runner.archive import tar
from runner.archive.emitter import Emitter
from runner.archive.layout import item_path
from runner.model.entry import Batch, Entry


def render(batch: Batch, emitter: Emitter) -> tuple[Entry, ...]:
    """An entry for each object, in order. The emitter's memory of what repeats is the only thing that outlives it."""
    resource = batch.resource
    entries = []
    for (namespace, name), raw in zip(batch.ids, batch.items, strict=True):
        try:
            yaml = emitter.object(raw, resource.api_version, resource.kind)
        except ValueError as error:  # msgspec's DecodeError and UnicodeError are ValueErrors too
            entries.append(Entry(b"", fault=f"it cannot be written as YAML: {error}"))
            continue
        entries.append(entry_of(item_path(resource.name, namespace, name), yaml))
    return tuple(entries)


def entry_of(path: str, yaml: bytes) -> Entry:
    """The entry of a file in the archive."""
    header = tar.header(path, len(yaml))
    content = b"".join((header, yaml, tar.padding(len(yaml))))
    return Entry(content, len(header), len(yaml), hashlib.sha256(yaml).hexdigest())
