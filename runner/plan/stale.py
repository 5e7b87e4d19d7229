"""Whether a saved plan still fits: what forbids it, and what is merely different. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

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
    volumes = sorted(_resting(saved, gone) - set(now.rests_on))
    return (
        *(f"type {name} is not served any more" for name in types),
        *(f"namespace {name} is gone" for name in gone),
        *(f"{name} is gone, or not selected any more" for name in volumes),
        *(f"persistentvolumes/{name} is another one now" for name in _replaced(saved, now)),
        *_bound_elsewhere(saved, now),
    )


def policy_reasons(saved: Plan, resolved: ResolvedPolicy) -> tuple[str, ...]:
    """Whether the plan was made from another state of the policy or its location."""
    reasons = []
    if saved.policy != document(resolved.policy):
        reasons.append(f"the policy {saved.policy_name} has changed since")
    if saved.location != document(resolved.location):
        reasons.append("the storage location has changed since")
    snapshots = None if resolved.snapshot_location is None else document(resolved.snapshot_location)
    if saved.snapshot_location != snapshots:
        reasons.append("the snapshot location has changed since")
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
    found += _of_volumes(saved, now)
    known = {gap.what for gap in saved.gaps}
    found += [f"{gap.what} cannot be read any more: {gap.reason}" for gap in now.gaps if gap.what not in known]
    return tuple(found)


def _resting(saved: Plan, gone: Sequence[str]) -> set[str]:
    """What the plan rests on, but for volumes of namespaces that are gone: those are named already."""
    volumes = tuple(volume for volume in saved.volumes if volume.namespace not in gone)
    return set(msgspec.structs.replace(saved, volumes=volumes).rests_on)


def _replaced(saved: Plan, now: Plan) -> list[str]:
    """PersistentVolumes that are there under their names, and are others: their data is not what was planned."""
    before = {volume.volume: volume.uid for volume in saved.volumes if volume.volume and volume.uid}
    after = {volume.volume: volume.uid for volume in now.volumes if volume.volume and volume.uid}
    return sorted(name for name, uid in before.items() if after.get(name, uid) != uid)


def _bound_elsewhere(saved: Plan, now: Plan) -> list[str]:
    """Claims with another volume than the one that would be kept in their name."""
    after = {volume.claim: volume.volume or "no volume" for volume in now.volumes if volume.claim}
    return [
        f"persistentvolumeclaims/{volume.claim} has {after[volume.claim]} now, and had {volume.volume}"
        for volume in saved.volumes
        if volume.keeps and after.get(volume.claim, volume.volume) != volume.volume
    ]


def _of_volumes(saved: Plan, now: Plan) -> list[str]:
    """The ledger's differences. Volumes within Pods come and go with them."""
    before = {volume.name: volume for volume in saved.volumes if not volume.pod}
    after = {volume.name: volume for volume in now.volumes if not volume.pod}
    found = [f"volume {name} is new since the plan, and not stored" for name in after if name not in before]
    for name, volume in before.items():
        other = after.get(name)
        if other is None:
            continue
        if other.method != volume.method:
            found.append(f"volume {name} would be {other.method} now, and was planned as {volume.method}: {other.why}")
        elif other.snapshot_class != volume.snapshot_class:
            found.append(
                f"volume {name} would be snapshotted by class {other.snapshot_class} now, and was planned with "
                f"{volume.snapshot_class}"
            )
        if other.capacity != volume.capacity:
            found.append(f"volume {name} has {other.capacity} now, and had {volume.capacity} when it was planned")
    return found


def _words(step: Step) -> str:
    return f"{step.resource} in {step.namespace}" if step.namespace else step.resource
