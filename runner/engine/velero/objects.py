"""The objects of backups in Velero's layout: those that Velero wrote, and those that Trysail wrote as Velero would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runner.archive.index import IndexLine
from runner.archive.velero import read_json
from runner.engine.extract import Chosen
from runner.engine.stored import Group
from runner.engine.stored_trysail import TrysailObjects, contradiction
from runner.engine.velero.velero import VeleroBackup
from runner.errors import BackupDamaged
from runner.model.restore import BackupRef
from runner.model.volumes import VolumesRecord

# As in a backup of ours: whoever set a Service's node port is known by its managedFields alone.
_WITH_MANAGED_FIELDS = frozenset({"services"})


class VeleroObjects:
    """StoredObjects over a backup that Velero wrote."""

    def __init__(self, backup: VeleroBackup) -> None:
        self._backup = backup
        manifest = backup.committed.manifest
        self.ref = BackupRef(
            name=manifest.name,
            cluster=manifest.cluster.name,
            policy=manifest.policy_name,
            digest=manifest.digest,
            completed=manifest.completed,
        )

    def groups(self) -> tuple[Group, ...]:
        """See StoredObjects."""
        return self._backup.opened().groups()

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """See StoredObjects."""
        return self._backup.opened().lines(group)

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        """See StoredObjects. There is no digest to prove them against but that of what was unpacked."""
        return _values(self._backup.contents_of(lines), self.ref.name)

    def volumes(self) -> VolumesRecord:
        """See StoredObjects. What Velero has recorded of snapshots is shown, and not restored from."""
        return VolumesRecord(())


class OwnObjects(TrysailObjects):
    """StoredObjects over a backup of ours in Velero's layout: JSON where our own layout has YAML."""

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        """See StoredObjects. BackupDamaged where an item's content is not what its line says."""
        chosen = Chosen(tuple(lines), self._load())
        return _values(self._backup.contents(chosen), self.ref.name)


def _values(contents: Iterable[tuple[IndexLine, bytes]], backup: str) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
    for line, content in contents:
        try:
            value = read_json(content)
        except ValueError as error:
            raise _damaged(line, f"its JSON cannot be read: {error}", backup) from error
        if not isinstance(value, dict) or (wrong := contradiction(line, value)):
            raise _damaged(line, wrong if isinstance(value, dict) else "it is no object", backup)
        if line.resource not in _WITH_MANAGED_FIELDS:
            value["metadata"].pop("managedFields", None)
        yield line, value


def _damaged(line: IndexLine, what: str, backup: str) -> BackupDamaged:
    return BackupDamaged(
        f"{line.id} is not what the index says: {what}",
        hint=f"see all that is wrong with: trysail verify {backup}",
    )
