"""Backup, and the template of a Schedule, of Velero's → the spec of a BackupPolicy, but for its locations. Pure.

Source of the fields: Velero's backup_types.go and schedule_types.go; of what an unset field means, its
backup_controller.go.
"""

from __future__ import annotations

from runner.policies.convert_filters import fill_cluster_scoped, fill_namespaces, fill_selectors, fill_types
from runner.policies.convert_hooks import fill_backup_hooks
from runner.policies.convert_names import Names
from runner.policies.convert_notes import Draft, Fields, Original, Severity
from runner.policies.convert_spec import Spec, is_zero
from runner.policies.convert_volumes import fill_volumes
from runner.policies.scalars import shown

_NO_MEANING = {
    "uploaderConfig": "how files are read, and how many at once, is decided here",
    "datamover": "no data mover of Velero's is asked",
    "backupType": "restic adds what is new, each time",
}


def fill_policy(original: Original, draft: Draft, at: Fields, *, maps: Names, namespace: str) -> bool:
    """Fills in `draft` from Velero's BackupSpec, which is at `at` in `original`; whether volumes are snapshotted."""
    spec = Spec(original, draft, at)
    original.mapping(*at)
    fill_namespaces(spec)
    fill_types(spec)
    fill_cluster_scoped(spec)
    fill_selectors(spec)
    snapshots = fill_volumes(spec, maps, namespace)
    fill_backup_hooks(spec)
    spec.put_time("csiSnapshotTimeout")
    spec.put_time("itemOperationTimeout")
    _left(spec)
    return snapshots


def note_schedule(original: Original, name: str) -> None:
    """Says what becomes of the fields that a Schedule has beside its template; the policy is called `name`."""
    cron = original.text("spec", "schedule")
    if cron:
        original.note(
            Severity.TO_DO,
            ("spec", "schedule"),
            f'nothing here runs by itself, at "{shown(cron)}" or ever',
            f"let a job of your CI, or a CronJob, run at that time: trysail run -f PATH --policy {name} --auto-approve",
        )
    if original.flag("spec", "paused"):
        original.note(Severity.TO_DO, ("spec", "paused"), "Velero makes no backups of it now", "make no job for it yet")
    for field, why in (
        ("skipImmediately", "nothing here runs by itself"),
        ("useOwnerReferencesInBackup", "backups are no objects of the cluster"),
    ):
        if original.flag("spec", field):
            original.note(Severity.NO_MEANING, ("spec", field), why)


def _left(spec: Spec) -> None:
    if not is_zero(spec.value("ttl")):
        spec.note(
            Severity.TO_DO,
            "ttl",
            f"Velero deletes a backup after {shown(str(spec.value('ttl')))}; this version never deletes one",
            "let a lifecycle rule of the bucket, on the location's prefix, expire what is older",
        )
    if spec.value("orderedResources") is not None:
        spec.note(
            Severity.TO_DO,
            "orderedResources",
            "Pods are frozen, and their volumes snapshotted, several at once and in no order",
            "where one has to come before another, write a policy for each, and run them in that order",
        )
    for name, why in _NO_MEANING.items():
        if not is_zero(spec.value(name)):
            spec.note(Severity.NO_MEANING, name, why)
