"""From a stored backup to a plan that may be done: planned, its rights asked for, checked with the API server."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from pydantic import TypeAdapter, ValidationError

from runner.engine.restore.dry_run import DryRun
from runner.engine.restore.plan import PlannedRestore, plan_restore, sealed_restore
from runner.engine.restore.rights import Rights
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.errors import FormatError, PlanStale
from runner.model.location import LocationSpec
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import RestorePlan
from runner.model.restore_policy import RestorePolicy
from runner.plan.restore_stale import already_done, restore_policy_reasons, restore_stale_reasons
from runner.ports import Cluster, Executor


@dataclass(frozen=True)
class Rechecked:
    """What is left to do of a saved plan, and how many items an earlier run has done."""

    planned: PlannedRestore
    already: int


def make_restore_plan(
    stored: StoredObjects,
    resolved: ResolvedRestore,
    location: LocationSpec,
    cluster: Cluster,
    executor: Executor,
    retrier: Retrier,
    *,
    server_dry_run: bool = False,
) -> PlannedRestore:
    """Everything that can be known before anything is touched. `location` is where the backup lies."""
    planned = plan_restore(stored, resolved, location, cluster, retrier)
    plan, facts = planned.plan, planned.facts
    missing = Rights(cluster, executor, retrier).missing(plan)
    if missing:
        plan = sealed_restore(msgspec.structs.replace(plan, gaps=(*plan.gaps, *missing)))
    plan = DryRun(facts, cluster, executor, retrier).checked(plan, everything=server_dry_run)
    return PlannedRestore(plan, facts)


def recheck_restore(
    saved: RestorePlan,
    current: ResolvedRestore | None,
    stored: StoredObjects,
    cluster: Cluster,
    executor: Executor,
    retrier: Retrier,
) -> Rechecked:
    """What is left of the saved plan, if it may still be done. `current` is its policy as it is in git now."""
    resolved = restore_of(saved)
    reasons = restore_policy_reasons(saved, current) if current is not None else ()
    if not reasons:
        assert resolved.location is not None, "a plan has its location"
        now = make_restore_plan(
            stored, resolved, resolved.location, cluster, executor, retrier, server_dry_run=saved.server_dry_run
        )
        reasons = restore_stale_reasons(saved, now.plan)
        if not reasons:
            return Rechecked(now, already_done(saved, now.plan))
    raise PlanStale(
        "the saved plan does not fit any more",
        reasons=reasons,
        hint="make a new one: trysail restore … --plan --out plan.json",
    )


def restore_of(plan: RestorePlan) -> ResolvedRestore:
    """The policy and location that a plan embeds."""
    try:
        policy = RestorePolicy.model_validate(plan.policy)
        location = _LOCATION.validate_python(plan.location)
    except ValidationError as error:
        raise FormatError(
            f"the plan embeds a policy that is not understood: {error.errors()[0]['msg']}", hint="make the plan anew"
        ) from error
    return ResolvedRestore(policy=policy, location=location, location_name="", file="")


_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)
