"""What a person must know before trusting a plan: includes that match nothing, what could not be read, warnings."""

from __future__ import annotations

from collections.abc import Iterable

from runner.archive.layout import VELERO
from runner.model.plan import Gap, Step
from runner.model.policy import VELERO_TTL, BackupPolicySpec
from runner.model.volumes import PlannedVolume
from runner.plan.globs import first_match, first_resource_match
from runner.plan.hooks import Hooks
from runner.plan.labels import as_query
from runner.plan.needs import NAMESPACES, Need, need
from runner.plan.picture import Picture
from runner.plan.selection import names_item
from runner.plan.volumes import claims_in_use


def gaps(picture: Picture, deciding: Iterable[Gap]) -> tuple[Gap, ...]:
    """All that could not be read, and that the policy selects, or might, or that would have decided on some; sorted."""
    found = {(gap.what, gap.reason) for gap in deciding}
    by_name = {resource.name: resource for resource in picture.inventory.resources}
    for lost in picture.inventory.unreadable:
        resource = by_name.get(lost.resource)
        if resource is not None and (resource.group, resource.plural) == NAMESPACES:
            found |= set(_unseen_namespaces(picture, lost.reason))
            continue
        if resource is not None:
            verdict = picture.resources[resource.group, resource.plural]
            if not verdict.taken or need(picture.selection, resource) is Need.NOTHING:
                continue
        namespace = picture.namespaces.get(lost.namespace)
        if lost.namespace and (namespace is None or not namespace.taken):
            continue
        where = f" in namespace {lost.namespace}" if lost.namespace else ""
        found.add((f"{lost.resource}{where}", lost.reason))
    unmatched = tuple(_unmatched_types(picture))
    for failure in picture.inventory.failures:
        group = failure.group_version.rpartition("/")[0]
        if picture.selection.may_select_group(group, unmatched):
            found.add((f"every type of {failure.group_version}", failure.reason))
    return tuple(Gap(what=what, reason=reason) for what, reason in sorted(found))


def empty_includes(picture: Picture, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Each include of the policy that matches nothing, in the policy's own words."""
    spec = picture.selection.spec
    names = [row.name for row in picture.inventory.namespaces]
    unseen = any(lost.resource == "namespaces" for lost in picture.inventory.unreadable)
    empty = [
        f'includedNamespaces "{pattern}" matches no namespace'
        for pattern in spec.included_namespaces
        # What a glob would match among namespaces that may not be listed is a gap, and nobody's mistake.
        if not any(first_match((pattern,), name) for name in names) and not (unseen and _is_glob(pattern))
    ]
    empty += [f'"{pattern}" matches no type' for pattern in _unmatched_types(picture)]
    if spec.namespace_selector is not None and not any(verdict.taken for verdict in picture.namespaces.values()):
        empty.append(f"namespaceSelector {as_query(spec.namespace_selector)} matches no namespace")
    for selector in spec.included_items or ():
        taken = (
            names_item(selector, picked.holding.resource, row.namespace, row.name)
            for picked in picture.picked.values()
            for row in picked.rows or ()
        )
        if not any(taken):
            empty.append(f"includedItems {selector.resource}/{selector.name} in {selector.namespace} matches nothing")
    if not any(step.resource != "namespaces" for step in steps):
        empty.append("the policy selects no item at all")
    return tuple(empty)


def warnings_of(
    picture: Picture, steps: Iterable[Step], volumes: Iterable[PlannedVolume], hooks: Hooks
) -> tuple[str, ...]:
    """What is no finding, and worth knowing all the same."""
    spec = picture.selection.spec
    assert isinstance(spec, BackupPolicySpec), "a restore has warnings of its own"
    velero = spec.archive is not None and spec.archive.layout == VELERO.name
    return (
        *_of_secrets(steps),
        *(_of_ttl(spec) if velero else ()),
        *picture.warnings,
        *_of_commands(spec),
        *_of_files(picture, volumes, hooks),
        *hooks.warnings,
    )


def _of_secrets(steps: Iterable[Step]) -> Iterable[str]:
    secrets = sum(step.count for step in steps if step.resource == "secrets")
    if secrets:
        yield (
            f"{secrets} Secret{'s' if secrets > 1 else ''} will lie in the archive in plain text: "
            "whoever can read the storage location can read them"
        )


def _of_ttl(spec: BackupPolicySpec) -> Iterable[str]:
    ttl = (spec.archive.ttl if spec.archive is not None else None) or VELERO_TTL
    yield f"a Velero that uses this location deletes the backup once its ttl of {ttl} is over"


def _of_commands(spec: BackupPolicySpec) -> Iterable[str]:
    """What is run outside the cluster must meet a reviewer's eye."""
    if spec.hooks is None:
        return
    commands = (*spec.hooks.before_run, *spec.hooks.on_success, *spec.hooks.on_failure)
    if commands:
        number = "a command" if len(commands) == 1 else f"{len(commands)} commands"
        words = "; ".join(" ".join(command.command) for command in commands)
        yield f"this policy runs {number} on the machine that runs it: {words}"


def _of_files(picture: Picture, volumes: Iterable[PlannedVolume], hooks: Hooks) -> Iterable[str]:
    """Files that change while they are read."""
    used = frozenset(claims_in_use(picture))
    frozen = {claim for hook in hooks.planned for claim in hook.claims if hook.when == "pre"}
    stored = (volume.claim for volume in volumes if volume.method == "fs-backup")
    number = sum(claim in used and claim not in frozen for claim in stored)
    if number:
        which = "a volume is" if number == 1 else f"{number} volumes are"
        yield f"{which} stored file by file while Pods may write, and no hook freezes them: files may not fit together"


def _unseen_namespaces(picture: Picture, reason: str) -> Iterable[tuple[str, str]]:
    """What is not known where namespaces may not be listed: those that are named without globs were asked for."""
    if any(map(_is_glob, picture.selection.spec.included_namespaces)):
        yield "namespaces", reason
    if picture.selection.spec.namespace_selector is not None:
        for row in picture.inventory.namespaces:
            if not row.uid:
                yield f"namespaces {row.name}", "its labels, which namespaceSelector asks for, may not be read"
    if not picture.resources[NAMESPACES].excluded:
        for row in picture.inventory.namespaces:
            if picture.namespaces[row.name].taken and not row.uid:
                yield f"namespaces {row.name}", "what is in it may be read, the Namespace itself may not"


def _is_glob(pattern: str) -> bool:
    return not set(pattern).isdisjoint("*?[")


def _unmatched_types(picture: Picture) -> Iterable[str]:
    spec = picture.selection.spec
    listed = spec.included_cluster_scoped_resources
    patterns = (
        *(spec.included_resources or ()),
        *(spec.included_namespace_scoped_resources or ()),
        *(listed if isinstance(listed, tuple) else ()),
    )
    for pattern in patterns:
        if not any(first_resource_match((pattern,), resource) for resource in picture.inventory.resources):
            yield pattern
