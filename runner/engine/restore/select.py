"""Which items of a backup a restore takes: the filters of a policy, put to the backup as if it were a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runner.archive.index import IndexLine
from runner.engine.backup_as_cluster import BackupAsCluster, RightHere
from runner.engine.collect import collect
from runner.engine.retry import Retrier
from runner.engine.stored import Group, StoredObjects
from runner.model.cluster import Resource
from runner.model.filters import Filters
from runner.model.plan import LeftOut, Step
from runner.plan.backup import left_out_of, steps_of
from runner.plan.findings import empty_includes
from runner.plan.picture import look
from runner.plan.relations import relate
from runner.plan.selection import Selection


@dataclass(frozen=True)
class Selected:
    """The items that are meant: steps as in a backup's plan, and what the filters leave out."""

    stored: StoredObjects
    selection: Selection
    types: dict[str, Resource]  # those of the backup by name, with the short names that filters may use
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...]
    empty_includes: tuple[str, ...]
    _groups: dict[tuple[str, str], Group] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._groups.update({(group.resource, group.namespace): group for group in self.stored.groups()})

    def lines(self, step: Step) -> Iterator[IndexLine]:
        """The index lines of a step's items, in the backup's order."""
        group = self.group(step.resource, step.namespace)
        if group is None:
            return
        resource = self.types[step.resource]
        names = None if step.names is None else frozenset(step.names)
        for line in self.stored.lines(group):
            if names is not None:
                if line.name in names:
                    yield line
            elif self.selection.item(resource, line.namespace, line.name, line.labels).taken:
                yield line

    def group(self, resource: str, namespace: str) -> Group | None:
        """All items of a type in a namespace of the backup, selected or not; None where there are none."""
        return self._groups.get((resource, namespace))


def select(
    stored: StoredObjects,
    filters: Filters,
    retrier: Retrier,
    *,
    known: Iterable[Resource] = (),
    allow_empty: bool = False,
) -> Selected:
    """The items of a backup that `filters` take, with what is related to them. `known` are the target's types."""
    selection = Selection(filters)
    inventory = collect(BackupAsCluster(stored, known), RightHere(), retrier, selection)
    picture = relate(look(selection, inventory))
    steps = steps_of(picture)
    left_out = tuple(left for left in left_out_of(picture) if not left.why.startswith("being deleted"))
    return Selected(
        stored=stored,
        selection=selection,
        types={resource.name: resource for resource in inventory.resources},
        steps=steps,
        left_out=left_out,
        empty_includes=() if allow_empty else empty_includes(picture, steps),
    )
