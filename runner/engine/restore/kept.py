"""Items that planning has prepared, kept for doing: a small restore then reads and prepares each of them once.

What does not fit is read again. Bounded in bytes, so memory does not grow with the backup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple

import msgspec

from runner.actions.restored import Prepared
from runner.archive.index import IndexLine
from runner.model.cluster import ItemId

MOST_BYTES = 32 << 20


class KeptItem(NamedTuple):
    """A prepared item, encoded, with what its index line says that is still needed."""

    item: ItemId
    uid: str  # in the backup
    api_version: str  # in the backup
    kind: str
    content: bytes
    owners: tuple[dict[str, Any], ...]

    @property
    def body(self) -> dict[str, Any]:
        """As it was prepared."""
        return _DECODER.decode(self.content)


@dataclass
class Kept:
    """By type, namespace and name in the backup."""

    room: int = MOST_BYTES
    _items: dict[tuple[str, str, str], KeptItem] = field(default_factory=dict)

    def keep(self, line: IndexLine, prepared: Prepared) -> None:
        """Keeps an item where there is room."""
        if self.room <= 0:
            return
        content = _ENCODER.encode(prepared.body)
        self.room -= len(content)
        kept = KeptItem(prepared.item, line.uid, intern(line.api_version), intern(line.kind), content, prepared.owners)
        self._items[intern(line.resource), intern(line.namespace), line.name] = kept

    def all(self, resource: str, namespace: str, names: Iterable[str]) -> list[tuple[str, KeptItem]] | None:
        """Every one of these items, by name; None where some are not kept."""
        found = []
        for name in names:
            kept = self._items.get((resource, namespace, name))
            if kept is None:
                return None
            found.append((name, kept))
        return found


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(dict[str, Any])
