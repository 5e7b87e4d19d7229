"""A run that writes in Velero's layout, and what comes of it, for tests of that layout."""

from __future__ import annotations

import gzip
import json
from typing import Any

from runner.engine.catalog import Scope, resolve
from runner.engine.open_stored import open_stored
from runner.model.catalog import Committed
from tests.fakes.stored_backup import reading
from tests.unit.engine.stage import Stage

SPEC: dict[str, Any] = {"archive": {"layout": "velero"}}
ALL = Scope()
ROOT = "backups/b1/"


def staged(**more: Any) -> Stage:
    """A stage whose policy asks for Velero's layout."""
    return Stage(**{**SPEC, **more})


def keys_of(stage: Stage, name: str = "b1") -> dict[str, bytes]:
    """What lies in the folder of a backup."""
    prefix = f"backups/{name}/"
    return {key.removeprefix(prefix): data for key, data in stage.store.objects.items() if key.startswith(prefix)}


def parsed(raw: bytes) -> Any:
    """The JSON of a key, packed or not."""
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def named(stage: Stage, word: str = "b1", scope: Scope = ALL) -> Committed:
    """The backup that a word leads to."""
    return resolve(reading(stage.store), word, scope).backup


def values(stage: Stage) -> dict[str, Any]:
    """Every object, by its id."""
    objects = open_stored(reading(stage.store), named(stage))
    return {str(line.id): value for group in objects.groups() for line, value in objects.objects(objects.lines(group))}
