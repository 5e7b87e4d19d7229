"""The objects of a stored backup, whoever wrote it: what restore and diff read. One implementation a layout.

Groups come in the backup's own order; memory does not hold the objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from runner.archive.index import IndexLine
from runner.model.restore import BackupRef
from runner.model.volumes import VolumesRecord


class Group(msgspec.Struct, frozen=True, order=True):
    """The items of one type in one namespace ("" for the cluster)."""

    resource: str  # deployments.apps
    namespace: str
    api_version: str
    kind: str
    count: int


class StoredObjects(Protocol):
    """A backup that objects are taken out of. Errors: BackupDamaged, StoreError's."""

    ref: BackupRef

    def groups(self) -> tuple[Group, ...]:
        """What is in it, in its order; each type and namespace once."""
        ...

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """What the index says of the items of a group, in order."""
        ...

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        """The objects of some lines, which come in the backup's order; each proven against its digest first."""
        ...

    def volumes(self) -> VolumesRecord:
        """The ledger of its volumes; empty where it has none."""
        ...
