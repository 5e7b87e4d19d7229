"""The volumes and hooks of one run: put together from its plan and what is at hand, and what a dead run left thawed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.engine.retry import Retrier
from runner.engine.volumes.freeze import FreezePorts, Freezer
from runner.engine.volumes.frozen_records import left_in
from runner.engine.volumes.run import Protecting, VolumeRun
from runner.model.cluster import Resource
from runner.model.hooks import PlannedHook
from runner.model.inventory import Inventory
from runner.model.plan import Gap, Plan
from runner.model.policy import BackupPolicySpec
from runner.model.volumes import RunTags
from runner.ports import Clock, Cluster, Executor, Observer
from runner.volume_ports import PodExec

PODS = Resource("", "pods", "v1", "Pod", namespaced=True)


@dataclass(frozen=True, slots=True)
class VolumePorts:
    """All that a run touches beside its objects, where its plan keeps volumes or runs hooks."""

    cluster: Cluster
    protecting: Protecting
    exec: PodExec
    holder: str  # this process, as a frozen Pod names it
    alive: Callable[[str], bool | None]  # whether another such process is; None where that cannot be known
    redact: Callable[[str], str]  # takes secrets out of what commands print


@dataclass(frozen=True)
class Protection:
    """What protects the volumes of one run."""

    plan: Plan
    hooks: Sequence[PlannedHook]
    backup: str
    store: str  # where it is to lie, in one word
    spec: BackupPolicySpec
    inventory: Inventory
    ports: VolumePorts
    clock: Clock
    retrier: Retrier
    log: Observer

    def thaw_left(self, executor: Executor) -> list[Gap]:
        """Thaws what a run that was killed has left frozen in this plan's namespaces; what could not be, as gaps."""
        namespaces = {step.namespace for step in self.plan.steps}
        left = [one for one in left_in(self.inventory) if one.namespace in namespaces]
        problems = self._freezing().thaw_left(self._pods()).all(left, executor) if left else ()
        return [Gap(what="a Pod that was left frozen", reason=problem) for problem in problems]

    def run(self, committed: frozenset[str]) -> VolumeRun:
        """The run of the volumes. `committed` has the backups whose snapshots are none of ours to take over."""
        plan = self.plan
        user = (plan.snapshot_location or {}).get("tags", {})
        return VolumeRun(
            volumes=plan.volumes,
            hooks=self.hooks,
            tags=RunTags(plan.cluster.name, plan.policy_name, self.backup, plan.digest, user, self.store),
            spec=self.spec,
            ports=self.ports.protecting,
            freezer=Freezer(self._freezing(), self._pods(), backup=self.backup, policy=plan.policy_name),
            clock=self.clock,
            retrier=self.retrier,
            log=self.log,
            committed=committed,
        )

    def _freezing(self) -> FreezePorts:
        return FreezePorts(
            cluster=self.ports.cluster,
            exec=self.ports.exec,
            clock=self.clock,
            retrier=self.retrier,
            observer=self.log,
            redact=self.ports.redact,
            holder=self.ports.holder,
            alive=self.ports.alive,
        )

    def _pods(self) -> Resource:
        return next((one for one in self.inventory.resources if (one.group, one.plural) == ("", "pods")), PODS)
