"""Reads the stored form of a manifest back, and accepts no other bytes than those that were written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from runner.archive.records import check_format
from runner.errors import BackupDamaged
from runner.model.canonical import canonical, digest, readable
from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, PARTIALLY_FAILED, Manifest


def read_manifest(raw: bytes, source: str) -> Manifest:
    """The manifest. `source` names it for people: its key.

    BackupDamaged where one bit differs from what was written. FormatError where it is whole, and of a major format
    that this version does not know: what the digest covers is the same in every format, so that the two can be told
    apart. Fields of a newer minor format are passed over.
    """
    document = _document(raw, source)
    stated = document.get("digest")
    if stated != digest(canonical({**document, "digest": ""})):
        raise _damaged("its content does not fit its own digest", source)
    # The digest is that of the values: spaces and the order of keys are not in it.
    if raw != readable(document):
        raise _damaged("its bytes are not those that were written, though its values are", source)
    check_format(raw, source, "Backup", MANIFEST_FORMAT)
    try:
        manifest = msgspec.convert(document, Manifest)
        times = [datetime.fromisoformat(manifest.started), datetime.fromisoformat(manifest.completed)]
    except ValueError as error:  # msgspec's own is one
        raise _damaged(str(error), source) from error
    if any(time.tzinfo is None for time in times) or manifest.phase not in {COMPLETED, PARTIALLY_FAILED}:
        raise _damaged("a time without its zone, or an unknown phase", source)
    return manifest


def _document(raw: bytes, source: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(f"it is no JSON: {error}", source) from error
    if not isinstance(document, dict):
        raise _damaged("it is no JSON object", source)
    return document


def _damaged(what: str, source: str) -> BackupDamaged:
    return BackupDamaged(
        f"the manifest is damaged: {what}",
        hint="it was altered or cut after it was written: use another backup, and find out who writes to the store",
        key=source,
    )
