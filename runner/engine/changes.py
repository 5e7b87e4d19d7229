"""Plans, and compares the plan with the last backup of its policy and cluster. The comparison stands beside the plan.

Where the store cannot be read, the plan is made all the same, and a note says why nothing is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runner.archive.layout import INDEX, LAYOUTS
from runner.archive.stream import Unpacked, index_lines
from runner.engine.catalog import Scope, list_backups
from runner.engine.fetch import Reading
from runner.engine.planning import Planned, make_plan
from runner.engine.retry import Retrier
from runner.errors import BackupDamaged, SecretError, StoreError
from runner.model.catalog import Committed
from runner.model.cluster import ItemId
from runner.model.policy_set import ResolvedPolicy
from runner.plan.changes import Changes, LastBackup, compare, selected_rows
from runner.plan.selection import Selection
from runner.ports import ClusterReader, Executor, ObjectStore


@dataclass(frozen=True, slots=True)
class Compared:
    """A plan, and what it would store otherwise than the last backup; or a note on why that is not known."""

    planned: Planned
    changes: Changes | None
    note: str


def plan_and_compare(
    resolved: ResolvedPolicy,
    cluster: ClusterReader,
    open_store: Callable[[], ObjectStore],
    executor: Executor,
    retrier: Retrier,
) -> Compared:
    """The plan is the one that `make_plan` makes; only more is read for the comparison's sake."""
    try:
        reading = Reading(open_store(), executor, retrier)
        last = _last_backup(reading, resolved, cluster)
    except (StoreError, SecretError) as error:
        planned = make_plan(resolved, cluster, executor, retrier)
        return Compared(planned, None, f"Not compared with the last backup: {error.message}.")
    planned = make_plan(resolved, cluster, executor, retrier, rows=last is not None)
    if last is None:
        return Compared(planned, None, "No earlier backup of this policy and cluster.")
    rows = selected_rows(planned.plan, Selection(resolved.policy.spec), planned.inventory)
    assert rows is not None, "rows were asked for"
    earlier = LastBackup(last.manifest.name, last.manifest.policy, _items(reading, last))
    try:
        return Compared(planned, compare(planned.plan, rows, earlier), "")
    except (StoreError, BackupDamaged) as error:
        return Compared(planned, None, f"Not compared with {last.manifest.name}: {error.message}.")


def _last_backup(reading: Reading, resolved: ResolvedPolicy, cluster: ClusterReader) -> Committed | None:
    name = resolved.policy.spec.cluster_name
    if name is None:
        name = reading.retrier.call("cluster's identity", cluster.identity).uid
    if not name:
        return None
    scope = Scope(cluster=name, policies=(resolved.policy.metadata.name,))
    return next((one for one in list_backups(reading, scope).committed if not one.by_velero), None)


def _items(reading: Reading, backup: Committed) -> Iterator[tuple[ItemId, str, str]]:
    key = LAYOUTS[backup.layout].prefix(*backup.address) + INDEX
    for line in index_lines(Unpacked(reading.pieces(key, 0, backup.manifest.keys[INDEX].size))):
        yield line.id, line.uid, line.resource_version
