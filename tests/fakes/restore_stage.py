"""A backup made of a fake cluster by the engine itself, and restores of it into another: for tests of restore."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from runner.engine.catalog import LATEST, Scope, resolve
from runner.engine.execute import Ports, execute
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.engine.planning import make_plan
from runner.engine.restore.plan import PlannedRestore
from runner.engine.restore.planning import make_restore_plan
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.waits import NO_CONTROLLERS, Patience
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.model.location import FilesystemLocation
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import RestorePlan
from runner.model.restore_policy import RestorePolicy
from runner.model.restored import RestoreResult
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore
from tests.unit.plan.build import policy

LOCATION = FilesystemLocation(provider="filesystem", path="backups")
BACKUP = "b1"


def restore_policy(**spec: Any) -> ResolvedRestore:
    """A RestorePolicy with these fields, as YAML has them."""
    document = {
        "apiVersion": "trysail.dev/v1alpha1",
        "kind": "RestorePolicy",
        "metadata": {"name": "try"},
        "spec": spec,
    }
    return ResolvedRestore(RestorePolicy.model_validate(document), None, "", "")


class RestoreStage:
    """`objects` lie in the backup; `target` is the cluster that is restored into, empty at first."""

    def __init__(self, *objects: dict[str, Any], target: FakeCluster | None = None, **selection: Any) -> None:
        self.store = MemoryStore()
        self.source = FakeCluster(*objects)
        self.target = target or FakeCluster()
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.executor = SimulatedExecutor()  # one for all, as a process has: no work may wait for other work of it
        self.back_up(**selection)

    def back_up(self, name: str = BACKUP, **selection: Any) -> None:
        """Makes the backup of what the source holds now."""
        executor, retrier = SimulatedExecutor(), Retrier(self.clock, RecordingObserver())
        planned = make_plan(policy(**selection), self.source, executor, retrier)
        ports = Ports(self.source, self.store, executor, self.clock, RecordingObserver())
        execute(planned.plan, name, ports, planned.inventory)

    def stored(self, order: Random | None = None, name: str = LATEST) -> StoredObjects:
        """A backup, the newest without a name, opened."""
        executor = self.executor if order is None else SimulatedExecutor(order)
        reading = Reading(self.store, executor, Retrier(self.clock, self.observer))
        return open_stored(reading, resolve(reading, name, Scope()).backup)

    def planned(self, *, server_dry_run: bool = False, backup: str = LATEST, **spec: Any) -> PlannedRestore:
        """The plan as of now."""
        retrier = Retrier(self.clock, self.observer)
        return make_restore_plan(
            self.stored(name=backup),
            restore_policy(**spec),
            LOCATION,
            self.target,
            self.executor,
            retrier,
            server_dry_run=server_dry_run,
        )

    def plan(self, **spec: Any) -> RestorePlan:
        """The plan alone."""
        return self.planned(**spec).plan

    def restore(
        self,
        *,
        planned: PlannedRestore | None = None,
        order: Random | None = None,
        patience: Patience = NO_CONTROLLERS,
        touched: Callable[[str], None] = lambda _: None,
        **spec: Any,
    ) -> RestoreResult:
        """Plans, and does it."""
        made = planned or self.planned(**spec)
        executor = SimulatedExecutor(order, touched=touched)
        ports = RestorePorts(self.target, executor, self.clock, self.observer)
        return restore(made.plan, made.facts, ports, patience=patience)

    def live(self, type_name: str, namespace: str, name: str) -> dict[str, Any]:
        """An object of the target. ItemNotFound."""
        return self.target.found(type_name, namespace, name)


def fates(plan: RestorePlan) -> dict[str, str]:
    """What becomes of each item: `shop/configmaps/web` -> `create`."""
    found: dict[str, str] = {}
    for step in plan.steps:
        where = f"{step.namespace}/" if step.namespace else ""
        found |= {f"{where}{step.resource}/{name}": step.action for name in step.names}
    return found
