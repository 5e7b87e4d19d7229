"""Opens a backup that was found, by whoever wrote it and in whatever layout."""

from __future__ import annotations

from runner.engine.extract import Backup
from runner.engine.fetch import Reading
from runner.engine.stored import StoredObjects
from runner.engine.stored_trysail import TrysailObjects
from runner.engine.velero.objects import OwnObjects, VeleroObjects
from runner.engine.velero.velero import VeleroBackup
from runner.model.catalog import Committed


def open_backup(reading: Reading, committed: Committed) -> Backup | VeleroBackup:
    """The backup, to take things out of."""
    return VeleroBackup(reading, committed) if committed.by_velero else Backup(reading, committed)


def open_stored(reading: Reading, committed: Committed) -> StoredObjects:
    """The backup's objects, as restore and diff read them."""
    if committed.by_velero:
        return VeleroObjects(VeleroBackup(reading, committed))
    backup = Backup(reading, committed)
    return OwnObjects(backup) if committed.layout == "velero" else TrysailObjects(backup)
