"""What is checked of a RestorePolicy beyond its model: patches in texts, labels that are ours, names of hooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runner.actions.modify import patch_of
from runner.actions.restored import BACKUP_LABEL
from runner.errors import Finding
from runner.model.restore_policy import RestorePolicy
from runner.policies.backups import hook_findings
from runner.policies.parse import Document
from runner.policies.paths import FieldPath, dotted

_MODIFIERS: FieldPath = ("spec", "resourceModifiers")


def restore_findings(policy: RestorePolicy, document: Document) -> Iterator[Finding]:
    """Every mistake in `policy`, which `document` was read to."""
    for number, rule in enumerate(policy.spec.resource_modifiers):
        for field, patches in (("mergePatches", rule.merge_patches), ("strategicPatches", rule.strategic_patches)):
            for position, patch in enumerate(patches):
                try:
                    patch_of(patch)
                except ValueError as error:
                    path = (*_MODIFIERS, number, field, position, "patchData")
                    yield _finding(document, path, str(error), "write it as YAML or JSON, as `spec: {replicas: 0}`")
    if BACKUP_LABEL in policy.spec.labels:
        hint = "take the label out"
        yield _finding(document, ("spec", "labels", BACKUP_LABEL), "every item gets this label, with its backup", hint)
    if policy.spec.hooks is not None:
        yield from hook_findings(policy.spec.hooks.resources, document)


def _finding(document: Document, path: FieldPath, message: str, hint: str) -> Finding:
    place = document.place(path)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)
