"""Checks a backup that Velero wrote, as far as that goes: Velero records no checksums of what it stores.

So it can be known that all of it is whole, says what its paths say, and is what Velero listed; not that no value in an
object is another than it was. Collects all that is wrong before it raises; repairs nothing.
"""

from __future__ import annotations

from runner.archive.compare import Findings
from runner.archive.layout import velero_key
from runner.archive.velero import read_json
from runner.engine.fetch import Reading
from runner.engine.velero.index import VeleroIndex
from runner.engine.velero.sidecars import RESOURCE_LIST, Sidecars
from runner.engine.velero.velero import VeleroBackup
from runner.errors import BackupDamaged, KeyNotFound
from runner.model.catalog import Committed, Verified


def verify_velero(reading: Reading, committed: Committed, *, deep: bool) -> Verified:
    """What was checked, where all of it holds; BackupDamaged names each thing that does not.

    `deep` also reads each object whole.
    """
    backup, found = VeleroBackup(reading, committed), Findings("keys")
    sidecars = Sidecars(backup)
    sizes = sidecars.sizes()
    for key in sorted(sizes.keys() - {backup.archive, velero_key(RESOURCE_LIST, sidecars.name)}):
        if fault := sidecars.fault(key, sizes[key]):
            found.add("keys", f"{key}: {fault}")
    items, size = _objects(backup, sidecars, found, deep=deep)
    if damages := found.texts():
        raise BackupDamaged(
            f'the backup "{committed.address.name}" is not what Velero wrote',
            damages=damages,
            hint="use another backup for what is damaged here, and find out who or what alters the store",
            location=reading.store.url,
        )
    return Verified(
        name=committed.address.name,
        phase=committed.manifest.phase,
        keys=len(sizes),
        stored=sum(sizes.values()),
        items=items,
        size=size,
        deep=deep,
        form="json",
        proven=False,
    )


def _objects(backup: VeleroBackup, sidecars: Sidecars, found: Findings, *, deep: bool) -> tuple[int, int]:
    """Items and bytes of the archive."""
    try:
        index = VeleroIndex(backup.entries(), lambda text: found.add("entries that no archive of Velero's has", text))
    except (BackupDamaged, KeyNotFound) as error:
        found.add("keys", f"{backup.archive}: {error.message}")
        return 0, 0
    if deep:
        _read_all(index, found)
    items = _compare(index, sidecars, found)
    return items, index.size


def _read_all(index: VeleroIndex, found: Findings) -> None:
    for line in index:
        try:
            read_json(index.content(line))
        except ValueError as error:
            found.add("objects that cannot be read", f"{line.id}: its JSON cannot be read: {error}")


def _compare(index: VeleroIndex, sidecars: Sidecars, found: Findings) -> int:
    """Archive and Velero's list of items, both ways; how many the archive has."""
    try:
        listed = sidecars.resource_list()
    except BackupDamaged as error:
        found.add("keys", f"{velero_key(RESOURCE_LIST, sidecars.name)}: {error.message}")
        listed = None
    missing = {kind: set(names) for kind, names in listed.items()} if listed is not None else {}
    items = 0
    for items, line in enumerate(index, start=1):  # noqa: B007 -- counted
        name = f"{line.namespace}/{line.name}" if line.namespace else line.name
        names = missing.get(f"{line.api_version}/{line.kind}", set())
        if name in names:
            names.discard(name)
        elif listed is not None:
            found.add("items that Velero did not list", f"{line.id}: Velero's list of items does not have it")
    for kind, names in sorted(missing.items()):
        for name in sorted(names):
            found.add("items missing from the archive", f"{kind} {name}: it is missing from the archive")
    return items
