"""The objects of a backup that Trysail wrote: its index held compressed by group, its objects by range reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from isal import isal_zlib

from runner.archive.index import IndexLine, decode_line, encode_line
from runner.archive.scan import scan
from runner.engine.extract import Backup, Chosen
from runner.engine.stored import Group
from runner.engine.volumes.record import read_volumes
from runner.errors import BackupDamaged
from runner.model.restore import BackupRef
from runner.model.volumes import VolumesRecord

# Whoever set a Service's node port is known by its managedFields alone; nothing else asks for them.
_WITH_MANAGED_FIELDS = frozenset({"services"})


@dataclass
class _Lines:
    """The index lines of a group: on their way as they are, and compressed once the group is complete."""

    first: IndexLine
    count: int = 0
    open: list[bytes] = field(default_factory=list)
    closed: list[bytes] = field(default_factory=list)  # one stretch of the index each

    def add(self, line: IndexLine) -> None:
        self.count += 1
        self.open.append(encode_line(line))

    def close(self) -> None:
        self.closed.append(isal_zlib.compress(b"".join(self.open), 1))
        self.open = []

    def __iter__(self) -> Iterator[IndexLine]:
        for stretch in self.closed:
            for raw in isal_zlib.decompress(stretch).splitlines():
                yield decode_line(raw)


class TrysailObjects:
    """StoredObjects over a backup of ours. The index is read once and held compressed, some 90 bytes an item."""

    def __init__(self, backup: Backup) -> None:
        self._backup = backup
        manifest = backup.committed.manifest
        self.ref = BackupRef(
            name=manifest.name,
            cluster=manifest.cluster.name,
            policy=manifest.policy_name,
            digest=manifest.digest,
            completed=manifest.completed,
            cluster_uid=manifest.cluster.uid,
        )
        self._lines: dict[tuple[str, str], _Lines] = {}
        self._ends: dict[int, int] | None = None

    def groups(self) -> tuple[Group, ...]:
        """See StoredObjects."""
        self._load()
        return tuple(
            Group(resource, namespace, lines.first.api_version, lines.first.kind, lines.count)
            for (resource, namespace), lines in self._lines.items()
        )

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """See StoredObjects."""
        self._load()
        return iter(self._lines[group.resource, group.namespace])

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        """See StoredObjects. BackupDamaged where an item's content is not what its line says."""
        ends = self._load()
        for line, content in self._backup.contents(Chosen(tuple(lines), ends)):
            try:
                value = scan(content, managed_fields=line.resource in _WITH_MANAGED_FIELDS)
            except ValueError as error:
                raise self._damaged(line, f"its YAML cannot be read: {error}") from error
            if wrong := contradiction(line, value):
                raise self._damaged(line, wrong)
            yield line, value

    def volumes(self) -> VolumesRecord:
        """See StoredObjects. BackupDamaged where the ledger is not what the manifest vouches for."""
        return read_volumes(self._backup)

    def _load(self) -> dict[int, int]:
        """The index, once; where each gzip member of the archive ends."""
        if self._ends is not None:
            return self._ends
        current: _Lines | None = None
        key = ("", "")

        def see(line: IndexLine) -> None:
            nonlocal current, key
            if current is None or (line.resource, line.namespace) != key:
                if current is not None:
                    current.close()
                key = (line.resource, line.namespace)
                current = self._lines.setdefault(key, _Lines(line))
            current.add(line)

        self._ends = self._backup.member_ends(see)
        if current is not None:
            current.close()
        return self._ends

    def _damaged(self, line: IndexLine, what: str) -> BackupDamaged:
        return BackupDamaged(
            f"{line.id} is not what the index says: {what}",
            hint=f"see all that is wrong with: trysail verify {self.ref.name}",
        )


def contradiction(line: IndexLine, value: dict[str, Any]) -> str:
    """How an object differs from what its index line says it is; "" where it does not."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    found = (value.get("apiVersion"), value.get("kind"), metadata.get("name"), metadata.get("namespace") or "")
    return "" if found == (line.api_version, line.kind, line.name, line.namespace) else "it is another object"
