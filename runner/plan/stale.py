"""Whether a saved plan still fits: what forbids it, and what is merely different. Pure."""

from __future__ import annotations

from runner.model.canonical import document
from runner.model.inventory import Inventory
from runner.model.plan import Plan, Step
from runner.model.policy_set import ResolvedPolicy


def stale_reasons(saved: Plan, now: Plan, inventory: Inventory) -> tuple[str, ...]:
    """Each thing that forbids running `saved`. `now` is the plan that the same policy would get from `inventory`."""
    if saved.cluster.uid != inventory.cluster.uid:
        return (
            f"it was made for the cluster with UID {saved.cluster.uid or '(unknown)'}, this one is "
            f"{inventory.cluster.uid or '(unknown)'}",
        )
    served = {resource.name for resource in inventory.resources}
    namespaces = {row.name for row in inventory.namespaces}
    types = sorted({step.resource for step in saved.steps} - served)
    gone = sorted({step.namespace for step in saved.steps if step.namespace} - namespaces)
    volumes = sorted(set(saved.volumes) - set(now.volumes))
    return (
        *(f"type {name} is not served any more" for name in types),
        *(f"namespace {name} is gone" for name in gone),
        *(f"{name} is gone, or not selected any more" for name in volumes if name.split("/")[1] not in gone),
    )


def policy_reasons(saved: Plan, resolved: ResolvedPolicy) -> tuple[str, ...]:
    """Whether the plan was made from another state of the policy or its location."""
    reasons = []
    if saved.policy != document(resolved.policy):
        reasons.append(f"the policy {saved.policy_name} has changed since")
    if saved.location != document(resolved.location):
        reasons.append("the storage location has changed since")
    return tuple(reasons)


def differences(saved: Plan, now: Plan) -> tuple[str, ...]:
    """What a plan made now would say otherwise: worth reading, no reason to stop."""
    before = {(step.resource, step.namespace): step for step in saved.steps}
    after = {(step.resource, step.namespace): step for step in now.steps}
    found = [
        *(f"{_words(step)}: new since the plan, not stored" for key, step in after.items() if key not in before),
        *(f"{_words(step)}: nothing of it is left" for key, step in before.items() if key not in after),
    ]
    for key, step in before.items():
        other = after.get(key)
        if other is not None and other.count != step.count:
            found.append(f"{_words(step)}: {other.count} items now, {step.count} when it was planned")
    known = {gap.what for gap in saved.gaps}
    found += [f"{gap.what} cannot be read any more: {gap.reason}" for gap in now.gaps if gap.what not in known]
    return tuple(found)


def _words(step: Step) -> str:
    return f"{step.resource} in {step.namespace}" if step.namespace else step.resource
