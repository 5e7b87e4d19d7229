"""A backup that is known to be damaged, read item by item: what can be proven is given, what cannot is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runner.archive.index import IndexLine
from runner.engine.stored import Group, StoredObjects
from runner.errors import BackupDamaged
from runner.model.cluster import ItemId
from runner.model.volumes import VolumesRecord


class DamagedObjects:
    """StoredObjects that goes on where an item cannot be had; `damaged` says which, and why."""

    def __init__(self, stored: StoredObjects) -> None:
        self._stored = stored
        self.ref = stored.ref
        self.damaged: dict[ItemId, str] = {}
        self.ledger_lost = ""  # why nothing is known of its volumes

    def groups(self) -> tuple[Group, ...]:
        """See StoredObjects."""
        return self._stored.groups()

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """See StoredObjects."""
        return self._stored.lines(group)

    def volumes(self) -> VolumesRecord:
        """See StoredObjects. Without its ledger, a damaged backup still has its objects."""
        try:
            return self._stored.volumes()
        except BackupDamaged as error:
            self.ledger_lost = error.message
            return VolumesRecord(())

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        """Those that hold. As many at once as possible, then one by one from the first that does not."""
        wanted = list(lines)
        given = 0
        try:
            for pair in self._stored.objects(wanted):
                yield pair
                given += 1
        except BackupDamaged:
            for line in wanted[given:]:
                yield from self._one(line)

    def _one(self, line: IndexLine) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        try:
            pairs = list(self._stored.objects([line]))
        except BackupDamaged as error:
            self.damaged[line.id] = error.message
        else:
            yield from pairs
