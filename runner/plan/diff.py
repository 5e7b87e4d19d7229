"""What differs between a backup and a cluster, or two backups: the noun, and how both sides are joined. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol, TypeVar

import msgspec

from runner.model.cluster import ItemId, Resource
from runner.model.inventory import Row
from runner.model.plan import Gap
from runner.model.restore import ItemChange
from runner.plan.selection import ClusterScope, Selection


class Side(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One of the two that are held against each other."""

    kind: Literal["backup", "cluster"]
    name: str  # of the backup; of the cluster, its context
    where: str = ""  # its cluster and policy, or the server's address
    completed: str = ""  # of a backup: ISO 8601, UTC


class Diff(msgspec.Struct, frozen=True, rename="camel"):
    """What it takes to get from `before` to `after`. Everything is sorted as ItemIds are.

    In a FieldChange of `changed`, `stored` is the value before and `live` the one after, in two backups as well.
    """

    before: Side
    after: Side
    added: tuple[ItemId, ...]  # in `after` alone
    removed: tuple[ItemId, ...]  # in `before` alone
    changed: tuple[ItemChange, ...]
    unchanged: int
    gaps: tuple[Gap, ...] = ()  # what could not be looked at, and is in none of the others
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing that was looked at differs."""
        return not (self.added or self.removed or self.changed)


class Named(Protocol):
    """An item of one type and namespace."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


B = TypeVar("B", bound=Named)
A = TypeVar("A", bound=Named)


def joined(
    before: Iterable[B], after: Iterable[A], *, set_aside: Callable[[A], A] = lambda one: one
) -> Iterator[tuple[B | None, A | None]]:
    """Items of the same name together, and those of one side with None.

    Both sides are meant to be in the order of their names: then memory holds only what one side has alone. What is out
    of order finds its counterpart too; it waits for it as `set_aside` leaves it.
    """
    lefts, rights = iter(before), iter(after)
    waiting_left: dict[str, B] = {}
    waiting_right: dict[str, A] = {}
    left, right = next(lefts, None), next(rights, None)
    while left is not None or right is not None:
        if left is not None and right is not None and left.name == right.name:
            yield left, right
            left, right = next(lefts, None), next(rights, None)
        elif left is not None and (right is None or left.name < right.name):
            if left.name in waiting_right:
                yield left, waiting_right.pop(left.name)
            else:
                waiting_left[left.name] = left
            left = next(lefts, None)
        elif right is not None:
            if right.name in waiting_left:
                yield waiting_left.pop(right.name), right
            else:
                waiting_right[right.name] = set_aside(right)
            right = next(rights, None)
    for left in waiting_left.values():
        yield left, None
    for right in waiting_right.values():
        yield None, right


def is_addition(selection: Selection | None, resource: Resource, row: Row) -> bool:
    """Whether a live item that the backup lacks is one that the backup's policy would store.

    `row` is of a type that the backup holds items of, in a namespace where it does. Of cluster-scoped items that are
    taken where something selected is related to them, nobody can tell. Without a `selection` all count.
    """
    if row.terminating:
        return False
    if selection is None:
        return True
    if (resource.group, resource.plural) == ("", "namespaces"):
        return selection.namespace(row).taken
    if not resource.namespaced and selection.scope is ClusterScope.RELATED:
        return False
    return selection.item(resource, row.namespace, row.name, row.labels).taken


def served_as(resource: Resource, api_version: str) -> Resource:
    """The type in the version that `api_version` (`apps/v1`) names, where that is served; else as it is preferred."""
    version = api_version.rpartition("/")[2]
    if version in resource.other_versions:
        return msgspec.structs.replace(resource, version=version)
    return resource
