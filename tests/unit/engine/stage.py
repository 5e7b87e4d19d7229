"""A small cluster, a store and a run between them, for tests of execute."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from runner.archive.layout import MANIFEST
from runner.engine.execute import Limits, Ports, execute
from runner.engine.planning import Planned, make_plan
from runner.engine.retry import Retrier
from runner.engine.sources import ListLimits
from runner.errors import (
    TrysailError,
)
from runner.model.cluster import Page
from runner.model.result import Result
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyCluster, FaultyStore, Script
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore
from tests.simulation.stored import Stored, stored_backup
from tests.unit.plan.build import policy

ROOT = "demo/daily/"
# So small that a few objects make several pages, members and parts.
SMALL = Limits(lists=ListLimits(page_bytes=600, first_items=1), part_bytes=300, member_bytes=400)


class Stage:
    """A cluster with a few objects, a store, and what a run needs."""

    def __init__(self, *objects: dict[str, Any], store: MemoryStore | None = None, **spec: Any) -> None:
        shown = objects or (*(config_map("shop", f"c{n}", text="x" * 90 * n) for n in range(5)), secret())
        self.cluster = FakeCluster(*shown, serves=["configmaps", "secrets", "persistentvolumes"])
        self.store = store or MemoryStore()
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.spec = {"includedNamespaces": ["shop"], **spec}

    def planned(self) -> Planned:
        """The plan as of now."""
        retrier = Retrier(SimulatedClock(), RecordingObserver())
        return make_plan(policy(**self.spec), self.cluster, SimulatedExecutor(), retrier)

    def run(
        self,
        name: str = "b1",
        *,
        script: Script | None = None,
        strike: Callable[[Call], None] | None = None,
        alter: Callable[[Page], Page] = lambda page: page,
        limits: Limits = SMALL,
        order: Random | None = None,
        planned: Planned | None = None,
    ) -> Result:
        """Plans, and executes with faults."""
        planned = planned or self.planned()
        ports = Ports(
            FaultyCluster(self.cluster, strike or (lambda _: None), alter=alter),
            FaultyStore(self.store, script or Script()),
            SimulatedExecutor(order, fatal=(Killed,)),
            self.clock,
            self.observer,
        )
        return execute(planned.plan, name, ports, planned.inventory, limits)

    def stored(self, name: str = "b1") -> Stored:
        """The backup, every byte checked by other means than the engine's."""
        return stored_backup(self.store.objects, f"{ROOT}{name}/")

    def committed(self) -> list[str]:
        """Names of the backups that can be seen."""
        return sorted(key.split("/")[2] for key in self.store.objects if key.endswith(f"/{MANIFEST}"))


def secret() -> dict[str, Any]:
    """With a value that may be in the archive alone."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "shop"},
        "data": {"password": "aHVudGVyMi0x"},
    }


def names(stored: Stored, resource: str = "configmaps") -> list[str]:
    """Those of one type's objects."""
    return [key.name for key in stored.objects if key.resource == resource]


def fail(name: str, error: TrysailError) -> Callable[[Call], None]:
    """Every question about one type fails."""

    def strike(call: Call) -> None:
        if call.resource is not None and call.resource.name == name:
            raise error

    return strike


class Killed(BaseException):
    """The process is gone."""
