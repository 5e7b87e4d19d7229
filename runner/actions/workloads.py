"""What makes Pods: Deployments and their like as they are, Jobs without the marks of the Job that was.

Also who makes what, so that an item is left to its controller where that is restored too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.actions.fields import drop, drop_from, part, parts, text
from runner.actions.restored import Case, LeftAlone, Others
from runner.actions.storage import map_claim, map_ephemeral_volumes
from runner.model.cluster import ItemId

# Who makes an item of a type again, by group and kind of its controller.
_MAKERS = {
    ("", "pods"): {
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "Job"),
        ("", "ReplicationController"),
    },
    ("apps", "replicasets"): {("apps", "Deployment")},
    ("apps", "controllerrevisions"): {("apps", "StatefulSet"), ("apps", "DaemonSet")},
    ("batch", "jobs"): {("batch", "CronJob")},
    ("discovery.k8s.io", "endpointslices"): {("", "Service")},
}

_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_JOB_ENDS = frozenset({"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"})


def left_to_controller(item: ItemId, stored: Mapping[str, Any], others: Others) -> LeftAlone | None:
    """Says so where the controller that owns an item makes it again, and is part of the restore.

    All else is restored although something owns it: a certificate's Secret, a StatefulSet's claims.
    """
    makers = _MAKERS.get((item.group, item.plural))
    for owner in parts(stored, "metadata", "ownerReferences") if makers else ():
        group = text(owner, "apiVersion").rpartition("/")[0]
        made_by = owner.get("controller") is True and (group, text(owner, "kind")) in (makers or ())
        if made_by and others.selected(text(owner, "uid")):
            return LeftAlone(f"its {text(owner, 'kind')} is restored, and makes it again")
    return None


def workload(case: Case) -> None:
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet or ReplicationController: with the StorageClasses mapped."""
    spec = part(case.body, "spec")
    map_ephemeral_volumes(part(spec, "template", "spec"), case.rules.storage_classes)
    for claim in parts(spec, "volumeClaimTemplates"):
        map_claim(claim, case.rules.storage_classes)


def cron_job(case: Case) -> None:
    """A CronJob: with the StorageClasses mapped."""
    template = part(case.body, "spec", "jobTemplate", "spec", "template")
    map_ephemeral_volumes(part(template, "spec"), case.rules.storage_classes)


def pod_template(case: Case) -> None:
    """A PodTemplate: with the StorageClasses mapped."""
    map_ephemeral_volumes(part(case.body, "template", "spec"), case.rules.storage_classes)


def job(case: Case) -> LeftAlone | None:
    """A Job that has not ended, without the uid that the API server had put in its selector and labels.

    One with `manualSelector` keeps selector and labels: they are the user's.
    """
    if _ended(case.stored):
        return LeftAlone("the Job has ended, and would run again")
    workload(case)
    spec = part(case.body, "spec")
    if spec.get("manualSelector") is True:
        return None
    drop_from(part(case.body, "metadata"), "labels", *_UID_LABELS)
    drop_from(part(spec, "template", "metadata"), "labels", *_UID_LABELS, *_NAME_LABELS)
    selector = part(spec, "selector")
    drop_from(selector, "matchLabels", *_UID_LABELS)
    if not selector:
        drop(spec, "selector")
    return None


def _ended(stored: Mapping[str, Any]) -> bool:
    return bool(text(stored, "status", "completionTime")) or any(
        text(condition, "type") in _JOB_ENDS and condition.get("status") == "True"
        for condition in parts(stored, "status", "conditions")
    )
