"""From a policy and a cluster to a plan, and from a saved plan back to a cluster that it may be run on."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from runner.engine.collect import collect
from runner.engine.retry import Retrier
from runner.errors import FormatError, PlanStale, UsageError
from runner.model.hooks import PlannedHook
from runner.model.inventory import Inventory
from runner.model.location import LocationSpec
from runner.model.plan import Plan
from runner.model.policy import BackupPolicy
from runner.model.policy_set import ResolvedPolicy
from runner.model.snapshot_location import SnapshotLocationSpec
from runner.plan.backup import plan_backup
from runner.plan.hooks_now import hooks_now
from runner.plan.selection import Selection
from runner.plan.stale import differences, policy_reasons, stale_reasons
from runner.ports import ClusterReader, Executor


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what it rests on, and what has changed where it was made earlier."""

    plan: Plan
    inventory: Inventory
    differences: tuple[str, ...] = ()
    hooks: tuple[PlannedHook, ...] | None = None  # those of a saved plan, with the Pods of now


def make_plan(
    resolved: ResolvedPolicy, cluster: ClusterReader, executor: Executor, retrier: Retrier, *, rows: bool = False
) -> Planned:
    """Looks at the cluster and decides. With `rows` the inventory names every item; the plan is the same."""
    inventory = collect(cluster, executor, retrier, Selection(resolved.policy.spec), rows=rows)
    return Planned(plan_from(resolved, inventory), inventory)


def plan_from(resolved: ResolvedPolicy, inventory: Inventory) -> Plan:
    """The plan of a policy for a cluster that can be named."""
    if not inventory.cluster.uid and resolved.policy.spec.cluster_name is None:
        raise UsageError(
            "the cluster has no name: the UID of the namespace kube-system may not be read",
            hint="set spec.clusterName in the policy, or grant get on the namespace kube-system",
        )
    return plan_backup(resolved, inventory)


def recheck(
    saved: Plan,
    current: ResolvedPolicy | None,
    cluster: ClusterReader,
    executor: Executor,
    retrier: Retrier,
) -> Planned:
    """The saved plan, if it may still be run. `current` is the policy as it is in git now, where it is at hand."""
    resolved = resolved_of(saved)
    reasons = policy_reasons(saved, current) if current is not None else ()
    if not reasons:
        now = make_plan(resolved, cluster, executor, retrier)
        reasons = stale_reasons(saved, now.plan, now.inventory)
        if not reasons:
            hooks = hooks_now(saved.hooks, now.plan.hooks, now.inventory)
            reasons = hooks.stale
        if not reasons:
            changed = (*differences(saved, now.plan), *hooks.differences)
            return Planned(saved, now.inventory, changed, hooks.hooks)
    raise PlanStale(
        "the saved plan does not fit any more", reasons=reasons, hint="make a new one: trysail plan --out plan.json"
    )


def resolved_of(plan: Plan) -> ResolvedPolicy:
    """The policy and location that a plan embeds."""
    try:
        policy = BackupPolicy.model_validate(plan.policy)
        location = _LOCATION.validate_python(plan.location)
        snapshots = plan.snapshot_location
        snapshot_location = None if snapshots is None else SnapshotLocationSpec.model_validate(snapshots)
    except ValidationError as error:
        raise FormatError(
            f"the plan embeds a policy that is not understood: {error.errors()[0]['msg']}", hint="make the plan anew"
        ) from error
    return ResolvedPolicy(policy, location, location_name="", file="", snapshot_location=snapshot_location)


_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)
