"""Buckets with backups of Velero's, and what is found in them, for tests of reading them."""

from __future__ import annotations

from typing import Any

from runner.engine.catalog import Scope, resolve
from runner.engine.open_stored import open_backup, open_stored
from runner.engine.velero.velero import VeleroBackup
from runner.engine.verify import verify
from runner.errors import BackupDamaged
from runner.model.catalog import Committed
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import reading
from tests.fakes.velero_backup import VeleroBackupFiles

ALL = Scope()
NAME = VeleroBackupFiles.name
ARCHIVE = f"backups/{NAME}/{NAME}.tar.gz"


def bucket(*backups: VeleroBackupFiles) -> MemoryStore:
    """A store with these backups."""
    store = MemoryStore()
    for backup in backups:
        backup.put(store)
    return store


def named(store: MemoryStore, word: str = NAME, scope: Scope = ALL) -> Committed:
    """The backup that a word leads to."""
    return resolve(reading(store), word, scope).backup


def opened_backup(backup: VeleroBackupFiles) -> VeleroBackup:
    """A backup, stored and opened."""
    store = bucket(backup)
    opened = open_backup(reading(store), named(store, backup.name))
    assert isinstance(opened, VeleroBackup)
    return opened


def damages(store: MemoryStore, *, deep: bool = False) -> tuple[str, ...]:
    """What is wrong."""
    try:
        verify(reading(store), named(store), deep=deep)
    except BackupDamaged as error:
        return error.damages
    return ()


def values(backup: VeleroBackupFiles) -> dict[str, dict[str, Any]]:
    """Every object, by its id."""
    store = bucket(backup)
    objects = open_stored(reading(store), named(store, backup.name))
    return {str(line.id): value for group in objects.groups() for line, value in objects.objects(objects.lines(group))}
