"""What is checked of a BackupPolicy beyond its model: rules that nothing reaches, ranges, names of hooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.actions.quantity import quantity
from runner.errors import Finding
from runner.model.hooks import BackupHook, RestoreHook
from runner.model.policy import BackupPolicy
from runner.model.volume_policy import VolumeConditions, VolumeRule
from runner.policies.parse import Document
from runner.policies.paths import FieldPath, dotted
from runner.policies.scalars import shown

_RULES: FieldPath = ("spec", "volumePolicies")
_HOOKS: FieldPath = ("spec", "hooks", "resources")
NO_FS_BACKUP = "fs-backup needs the policy's fsBackup: an image, and the password of its repository"
_FS_BACKUP = "as spec.fsBackup: {repositoryPassword: {env: NAME_OF_A_VARIABLE}, image: …}; the password has no default"


def backup_findings(policy: BackupPolicy, document: Document) -> Iterator[Finding]:
    """Every mistake in `policy`, which `document` was read to."""
    rules = policy.spec.volume_policies
    for number, rule in enumerate(rules):
        at = (*_RULES, number)
        if rule.action.type == "fs-backup" and policy.spec.fs_backup is None:
            yield _finding(document, (*at, "action", "type"), NO_FS_BACKUP, _FS_BACKUP)
        if rule.conditions.capacity is not None and (wrong := _wrong_range(rule.conditions.capacity)):
            hint = "the smaller end comes first: 10Gi,100Gi; or 10Gi, with the comma for 10Gi and more"
            yield _finding(document, (*at, "conditions", "capacity"), wrong, hint)
        if (earlier := before(rule.conditions, rules[:number])) is not None:
            message = f"nothing gets to this rule: volumePolicies[{earlier}] takes every volume that it means"
            yield _finding(document, at, message, "the first rule that matches decides: put what is special first")
    if policy.spec.hooks is not None:
        yield from hook_findings(policy.spec.hooks.resources, document)


def before(conditions: VolumeConditions, rules: Sequence[VolumeRule]) -> int | None:
    """The first of `rules` that leaves nothing to `conditions`: it means every volume, or the very same."""
    every = VolumeConditions()
    return next((at for at, rule in enumerate(rules) if rule.conditions in (every, conditions)), None)


def hook_findings(hooks: Sequence[BackupHook | RestoreHook], document: Document) -> Iterator[Finding]:
    """Names of hooks that are given twice: plans and logs speak of a hook by its name."""
    names = [hook.name for hook in hooks]
    for number, name in enumerate(names):
        if name in names[:number]:
            message = f'"{shown(name)}" is already the name of resources[{names.index(name)}]'
            yield _finding(document, (*_HOOKS, number, "name"), message, "give one of them another name")


def _wrong_range(capacity: str) -> str:
    least, most = (quantity(end) for end in capacity.split(","))
    if least is None and most is None:
        return "is a range without ends, and means every size"
    if least is not None and most is not None and least > most:
        return f"{capacity} is a range that nothing is in"
    return ""


def _finding(document: Document, path: FieldPath, message: str, hint: str) -> Finding:
    place = document.place(path)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)
