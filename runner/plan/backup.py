"""Decides what a backup will hold: policy and inventory in, plan out. Pure and byte-deterministic."""

from __future__ import annotations

from collections import Counter

import msgspec

from runner.archive.layout import layout_of
from runner.model.canonical import canonical, digest, document
from runner.model.inventory import Inventory
from runner.model.location import location_url
from runner.model.plan import PLAN_FORMAT, LeftOut, Plan, PlannedCluster, Step
from runner.model.policy_set import ResolvedPolicy
from runner.model.volumes import PlannedVolume
from runner.plan.findings import empty_includes, gaps, warnings_of
from runner.plan.hooks import Hooks, planned_hooks
from runner.plan.labels import as_query
from runner.plan.needs import NAMESPACES
from runner.plan.order import step_key
from runner.plan.picture import Picked, Picture, look
from runner.plan.relations import relate
from runner.plan.selection import ClusterScope, Selection
from runner.plan.volumes import ledger


def plan_backup(resolved: ResolvedPolicy, inventory: Inventory) -> Plan:
    """The plan of a policy for what an inventory saw. The same two give the same bytes."""
    spec = resolved.policy.spec
    picture = relate(look(Selection(spec), inventory))
    cluster = PlannedCluster(name=spec.cluster_name or inventory.cluster.uid, uid=inventory.cluster.uid)
    steps = steps_of(picture)
    policy = document(resolved.policy)
    layout = layout_of(policy)
    prefix = layout.prefix(cluster.name, resolved.policy.metadata.name, "{backup}")
    hooks = planned_hooks(picture, spec)
    seen = ledger(picture, resolved)
    volumes = _unfrozen(seen.volumes, hooks)
    plan = Plan(
        format_version=PLAN_FORMAT,
        kind="BackupPlan",
        digest="",
        cluster=cluster,
        policy_name=resolved.policy.metadata.name,
        policy=policy,
        location=document(resolved.location),
        keys=f"{location_url(resolved.location)}/{prefix}",
        basis=_basis(steps, volumes, hooks),
        volumes=volumes,
        steps=steps,
        left_out=left_out_of(picture),
        gaps=gaps(picture, seen.gaps),
        empty_includes=() if spec.allow_empty else (*empty_includes(picture, steps), *hooks.empty),
        warnings=warnings_of(picture, steps, volumes, hooks),
        hooks=hooks.planned,
        snapshot_location=None if resolved.snapshot_location is None else document(resolved.snapshot_location),
    )
    return sealed(plan)


def sealed(plan: Plan) -> Plan:
    """The plan with its own digest, which covers all the rest."""
    fields = {name: getattr(plan, name) for name in plan.__struct_fields__}
    fields["digest"] = ""
    return Plan(**{**fields, "digest": digest(canonical(Plan(**fields)))})


def steps_of(picture: Picture) -> tuple[Step, ...]:
    """What is taken, a step for each type and namespace, in the order of a backup."""
    steps = [_step(picked) for picked in picture.picked.values() if picked.count]
    return tuple(sorted(steps, key=lambda step: step_key(step.resource, step.namespace)))


def _step(picked: Picked) -> Step:
    resource = picked.holding.resource
    return Step(
        resource=resource.name,
        api_version=resource.api_version,
        kind=resource.kind,
        namespace=picked.holding.namespace,
        count=picked.count,
        why=picked.why,
        names=picked.names,
    )


def left_out_of(picture: Picture) -> tuple[LeftOut, ...]:
    """What the filters leave out, by rule."""
    left = [
        LeftOut(what=f"namespace {name}", why=verdict.why)
        for name, verdict in sorted(picture.namespaces.items())
        if not verdict.taken
    ]
    for resource in picture.inventory.resources:
        verdict = picture.resources[resource.group, resource.plural]
        # Namespaces come with what is in them: only what excludes them leaves them out.
        if not verdict.taken and ((resource.group, resource.plural) != NAMESPACES or verdict.excluded):
            left.append(LeftOut(what=f"type {resource.name}", why=verdict.why))
    left += [LeftOut(what="items", why=why, count=count) for why, count in sorted(_items_left(picture).items())]
    query = _uncounted_filter(picture)
    if query:
        left.append(LeftOut(what="items", why=query))
    if picture.selection.scope is ClusterScope.RELATED:
        left.append(LeftOut(what="cluster-scoped items", why="nothing selected is related to them"))
    left.append(LeftOut(what="items", why="being deleted when the run meets them"))
    return tuple(left)


def _items_left(picture: Picture) -> Counter[str]:
    left: Counter[str] = Counter()
    for picked in picture.picked.values():
        left.update(picked.left)
    return left


def _uncounted_filter(picture: Picture) -> str:
    spec = picture.selection.spec
    if spec.label_selector is not None:
        return f"labelSelector {as_query(spec.label_selector)} does not match"
    if spec.or_label_selectors is not None:
        return "none of orLabelSelectors matches"
    return ""


def _unfrozen(volumes: tuple[PlannedVolume, ...], hooks: Hooks) -> tuple[PlannedVolume, ...]:
    """The ledger without what would be taken unfrozen, since the hook that somebody asked for does not hold."""

    def decided(volume: PlannedVolume) -> PlannedVolume:
        broken = hooks.broken.get(volume.claim, "") if volume.keeps else ""
        if not broken:
            return volume
        return msgspec.structs.replace(volume, method="uncovered", why=f"{volume.why}; but {broken}", snapshot_class="")

    return tuple(map(decided, volumes))


def _basis(steps: tuple[Step, ...], volumes: tuple[PlannedVolume, ...], hooks: Hooks) -> str:
    """Names of Pods are not in it: they change whenever one is started again."""
    facts = [(step.resource, step.namespace, step.count, step.names) for step in steps]
    lines = [volume for volume in volumes if not volume.pod]
    within = sorted({(volume.namespace, volume.pod_volume, volume.method) for volume in volumes if volume.pod})
    commands = sorted({canonical(msgspec.structs.replace(hook, pod="")).decode() for hook in hooks.planned})
    return digest(canonical([facts, lines, within, commands]))
