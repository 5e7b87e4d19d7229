"""Decides what a backup will hold: policy and inventory in, plan out. Pure and byte-deterministic."""

from __future__ import annotations

from collections import Counter

from runner.archive.layout import VELERO, layout_of
from runner.model.canonical import canonical, digest, document
from runner.model.inventory import Inventory
from runner.model.location import location_url
from runner.model.plan import PLAN_FORMAT, LeftOut, Plan, PlannedCluster, Step
from runner.model.policy import VELERO_TTL, BackupPolicySpec
from runner.model.policy_set import ResolvedPolicy
from runner.plan.findings import empty_includes, gaps
from runner.plan.labels import as_query
from runner.plan.needs import NAMESPACES
from runner.plan.order import step_key
from runner.plan.picture import Picked, Picture, look
from runner.plan.relations import relate
from runner.plan.selection import ClusterScope, Selection
from runner.plan.volumes import selected_volumes, uncovered_volumes


def plan_backup(resolved: ResolvedPolicy, inventory: Inventory) -> Plan:
    """The plan of a policy for what an inventory saw. The same two give the same bytes."""
    spec = resolved.policy.spec
    picture = relate(look(Selection(spec), inventory))
    cluster = PlannedCluster(name=spec.cluster_name or inventory.cluster.uid, uid=inventory.cluster.uid)
    steps = steps_of(picture)
    policy = document(resolved.policy)
    layout = layout_of(policy)
    prefix = layout.prefix(cluster.name, resolved.policy.metadata.name, "{backup}")
    volumes = selected_volumes(picture)
    plan = Plan(
        format_version=PLAN_FORMAT,
        kind="BackupPlan",
        digest="",
        cluster=cluster,
        policy_name=resolved.policy.metadata.name,
        policy=policy,
        location=document(resolved.location),
        keys=f"{location_url(resolved.location)}/{prefix}",
        basis=_basis(steps, volumes),
        volumes=volumes,
        steps=steps,
        left_out=left_out_of(picture),
        gaps=gaps(picture),
        uncovered=uncovered_volumes(picture),
        empty_includes=() if spec.allow_empty else empty_includes(picture, steps),
        warnings=(*_secret_warning(steps), *(_ttl_warning(spec) if layout is VELERO else ()), *picture.warnings),
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


def _basis(steps: tuple[Step, ...], volumes: tuple[str, ...]) -> str:
    facts = [(step.resource, step.namespace, step.count, step.names) for step in steps]
    return digest(canonical([facts, volumes]))


def _ttl_warning(spec: BackupPolicySpec) -> tuple[str, ...]:
    ttl = (spec.archive.ttl if spec.archive is not None else None) or VELERO_TTL
    return (f"a Velero that uses this location deletes the backup once its ttl of {ttl} is over",)


def _secret_warning(steps: tuple[Step, ...]) -> tuple[str, ...]:
    secrets = sum(step.count for step in steps if step.resource == "secrets")
    if not secrets:
        return ()
    return (
        f"{secrets} Secret{'s' if secrets > 1 else ''} will lie in the archive in plain text: "
        "whoever can read the storage location can read them",
    )
