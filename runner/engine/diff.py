"""Holds a backup against another one: indexes first, and objects only where their digests differ.

Memory holds what differs, a few MiB of objects that are being compared, and what StoredObjects keeps. A backup against
a cluster is diff_live.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.actions.drift import differences
from runner.archive.index import IndexLine
from runner.engine.stored import Group, StoredObjects
from runner.errors import ItemNotFound
from runner.model.cluster import ItemId
from runner.model.plan import Gap
from runner.model.restore import BackupRef, FieldChange, ItemChange
from runner.plan.diff import Diff, Side, joined

BATCH_BYTES = 4 << 20  # of YAML: objects that are read and compared at once

GroupKey = tuple[str, str]  # resource and namespace


def diff_backups(
    before: StoredObjects, after: StoredObjects, *, namespace: str | None = None, batch_bytes: int = BATCH_BYTES
) -> Diff:
    """What differs between two backups; with `namespace`, in that one alone. ItemNotFound where neither has it."""
    found = Found()
    pairs = _Pairs(before, after, found, batch_bytes)
    olds, news = Lines(before, namespace), Lines(after, namespace)
    if namespace is not None and not olds.groups and not news.groups:
        raise ItemNotFound(f"neither backup holds anything in namespace {namespace}")
    for key in dict.fromkeys((*olds.groups, *news.groups)):
        for old, new in joined(olds.of(key), news.of(key)):
            if old is None:
                assert new is not None
                found.added.append(new.line.id)
            elif new is None:
                found.removed.append(old.line.id)
            elif old.line.sha256 == new.line.sha256:
                found.unchanged += 1
            else:
                pairs.add(old, new)
    pairs.compare()
    return found.diff(side(before.ref), side(after.ref))


def side(ref: BackupRef) -> Side:
    """A backup as one of the two that are compared."""
    return Side("backup", ref.name, f"policy {ref.policy} of cluster {ref.cluster}", ref.completed)


class Placed(NamedTuple):
    """A line of an index, and where it stands in its backup."""

    place: tuple[int, int]
    line: IndexLine

    @property
    def name(self) -> str:
        """The item's name."""
        return self.line.name


class Lines:
    """What the index of a backup has, by type and namespace."""

    def __init__(self, stored: StoredObjects, namespace: str | None) -> None:
        """With `namespace`, of that one alone."""
        self._stored = stored
        self.groups: dict[GroupKey, tuple[int, Group]] = {
            (group.resource, group.namespace): (number, group)
            for number, group in enumerate(stored.groups())
            if namespace is None or group.namespace == namespace
        }

    def of(self, key: GroupKey) -> Iterator[Placed]:
        """The lines of one type and namespace, in their order; none where the backup holds no such items."""
        if key in self.groups:
            number, group = self.groups[key]
            for place, line in enumerate(self._stored.lines(group)):
                yield Placed((number, place), line)


@dataclass
class Found:
    """What was found so far."""

    added: list[ItemId] = field(default_factory=list)
    removed: list[ItemId] = field(default_factory=list)
    changed: list[ItemChange] = field(default_factory=list)
    unchanged: int = 0
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compared(self, line: IndexLine, fields: tuple[FieldChange, ...]) -> None:
        """An item that both sides have, and what differs in it."""
        if fields:
            self.changed.append(ItemChange(line.resource, line.namespace, line.name, fields))
        else:
            self.unchanged += 1

    def diff(self, before: Side, after: Side) -> Diff:
        """All of it, sorted."""
        return Diff(
            before=before,
            after=after,
            added=tuple(sorted(self.added)),
            removed=tuple(sorted(self.removed)),
            changed=tuple(sorted(self.changed, key=_id)),
            unchanged=self.unchanged,
            gaps=tuple(self.gaps),
            notes=tuple(self.notes),
        )


def in_order(batch: list[Placed]) -> list[IndexLine]:
    """The lines in the order of their backup, as its objects are read."""
    return [placed.line for placed in sorted(batch, key=lambda placed: placed.place)]


class _Pairs:
    """Items that both backups have and whose digests differ."""

    def __init__(self, before: StoredObjects, after: StoredObjects, found: Found, batch_bytes: int) -> None:
        self._before, self._after, self._found, self._batch_bytes = before, after, found, batch_bytes
        self._olds: list[Placed] = []
        self._news: list[Placed] = []
        self._size = 0

    def add(self, old: Placed, new: Placed) -> None:
        self._olds.append(old)
        self._news.append(new)
        self._size += old.line.size + new.line.size
        if self._size >= self._batch_bytes:
            self.compare()

    def compare(self) -> None:
        """Reads those that were added since the last call, and compares them."""
        olds = {line.id: value for line, value in self._before.objects(in_order(self._olds))}
        for line, value in self._after.objects(in_order(self._news)):
            self._found.compared(line, differences(line.id, live=value, stored=olds[line.id]))
        self._olds, self._news, self._size = [], [], 0


def _id(change: ItemChange) -> ItemId:
    plural, _, group = change.resource.partition(".")
    return ItemId(group, plural, change.namespace, change.name)
