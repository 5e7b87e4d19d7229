"""Tests of the rules for what makes Pods, and of what is left to its controller."""

from __future__ import annotations

from typing import Any

import pytest

from runner.actions.restored import Prepared
from tests.unit.actions.restoring import TheOthers, outcome, restored, rules_of, stored, why_left

OWNER = "owner-1"

JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: load
  namespace: shop
  labels:
    app: load
    batch.kubernetes.io/controller-uid: 02952b71
    batch.kubernetes.io/job-name: load
    controller-uid: 02952b71
    job-name: load
spec:
  backoffLimit: 6
  completions: 1
  manualSelector: false
  selector:
    matchLabels: {batch.kubernetes.io/controller-uid: 02952b71}
  suspend: false
  template:
    metadata:
      labels:
        tier: batch
        batch.kubernetes.io/controller-uid: 02952b71
        batch.kubernetes.io/job-name: load
        controller-uid: 02952b71
        job-name: load
    spec: {containers: [{name: load, image: busybox}], restartPolicy: Never}
"""


def _owned(kind: str, api_version: str, *, controller: bool = True) -> dict[str, Any]:
    item = stored("{metadata: {name: web-x, namespace: shop}, spec: {containers: []}}")
    owner = {"apiVersion": api_version, "kind": kind, "name": "web", "uid": OWNER, "blockOwnerDeletion": True}
    item["metadata"]["ownerReferences"] = [{**owner, "controller": True} if controller else owner]
    return item


MADE_BY = [
    ("pods", "ReplicaSet", "apps/v1"),
    ("pods", "StatefulSet", "apps/v1"),
    ("pods", "DaemonSet", "apps/v1"),
    ("pods", "Job", "batch/v1"),
    ("pods", "ReplicationController", "v1"),
    ("replicasets.apps", "Deployment", "apps/v1"),
    ("jobs.batch", "CronJob", "batch/v1"),
    ("endpointslices.discovery.k8s.io", "Service", "v1"),
    ("controllerrevisions.apps", "StatefulSet", "apps/v1"),
    ("controllerrevisions.apps", "DaemonSet", "apps/v1"),
]


@pytest.mark.parametrize(("resource", "kind", "api_version"), MADE_BY)
def test_what_a_restored_controller_makes_is_left_to_it(resource: str, kind: str, api_version: str) -> None:
    """Its own Pods would be surplus beside those that it makes."""
    assert kind in why_left(resource, _owned(kind, api_version), TheOthers(OWNER))


@pytest.mark.parametrize(("resource", "kind", "api_version"), MADE_BY)
def test_what_a_controller_made_is_restored_without_it(resource: str, kind: str, api_version: str) -> None:
    """Nobody else would make it."""
    assert isinstance(outcome(resource, _owned(kind, api_version)), Prepared)


@pytest.mark.parametrize(
    ("resource", "kind", "api_version"),
    [
        ("secrets", "Certificate", "cert-manager.io/v1"),
        ("persistentvolumeclaims", "StatefulSet", "apps/v1"),
        ("pods", "Virt", "example.com/v1"),
        ("pods", "Job", "example.com/v1"),
        ("replicasets.apps", "Rollout", "argoproj.io/v1alpha1"),
        ("configmaps", "Deployment", "apps/v1"),
    ],
)
def test_all_else_is_restored_though_something_owns_it(resource: str, kind: str, api_version: str) -> None:
    """A certificate's Secret, a StatefulSet's claims, and Pods of a kind that only looks like a Job."""
    result = outcome(resource, _owned(kind, api_version), others=TheOthers(OWNER))
    assert isinstance(result, Prepared)
    assert [owner["uid"] for owner in result.owners] == [OWNER]


def test_an_owner_that_is_no_controller_makes_nothing() -> None:
    """Only one reference is the controller's."""
    item = _owned("ReplicaSet", "apps/v1", controller=False)
    assert isinstance(outcome("pods", item, others=TheOthers(OWNER)), Prepared)


def test_a_completed_job_is_left_out() -> None:
    """By its time of completion."""
    assert "ended" in why_left("jobs.batch", stored(JOB, completionTime="2026-11-22T22:25:00Z", succeeded=1))


@pytest.mark.parametrize("end", ["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"])
def test_a_job_that_has_ended_is_left_out(end: str) -> None:
    """A failed one has no time of completion."""
    assert "ended" in why_left("jobs.batch", stored(JOB, conditions=[{"type": end, "status": "True"}]))


def test_a_job_that_runs_or_is_suspended_is_restored() -> None:
    """Whatever its other conditions."""
    conditions = [{"type": "Suspended", "status": "True"}, {"type": "Failed", "status": "False"}]
    assert restored("jobs.batch", stored(JOB, active=1, conditions=conditions))["spec"]["completions"] == 1


def test_the_uid_of_a_job_is_dropped_from_its_selector() -> None:
    """The API server makes the selector anew."""
    assert "selector" not in restored("jobs.batch", stored(JOB))["spec"]


def test_the_uid_and_name_of_a_job_are_dropped_from_its_template() -> None:
    """The user's own labels stay."""
    body = restored("jobs.batch", stored(JOB))
    assert body["spec"]["template"]["metadata"] == {"labels": {"tier": "batch"}}


def test_the_uid_of_a_job_is_dropped_from_its_labels() -> None:
    """The API server had copied them there; the name is still true."""
    labels = restored("jobs.batch", stored(JOB))["metadata"]["labels"]
    assert labels == {"app": "load", "job-name": "load", "batch.kubernetes.io/job-name": "load"}


def test_a_users_own_part_of_a_jobs_selector_is_kept() -> None:
    """Labels beside the uid are allowed."""
    job = stored(JOB)
    job["spec"]["selector"]["matchLabels"]["tier"] = "batch"
    assert restored("jobs.batch", job)["spec"]["selector"] == {"matchLabels": {"tier": "batch"}}


def test_a_manual_selector_of_a_job_is_kept() -> None:
    """With the labels that it selects."""
    job = stored(JOB)
    job["spec"]["manualSelector"] = True
    assert restored("jobs.batch", job)["spec"] == job["spec"]


@pytest.mark.parametrize("resource", ["deployments.apps", "replicasets.apps", "daemonsets.apps", "statefulsets.apps"])
def test_workloads_are_restored_as_they_are(resource: str) -> None:
    """The revision of a Deployment included."""
    item = stored(
        """
        metadata: {name: web, namespace: shop, annotations: {deployment.kubernetes.io/revision: "3"}}
        spec:
          replicas: 3
          selector: {matchLabels: {app: web}}
          template: {metadata: {labels: {app: web}}, spec: {containers: [{name: nginx, image: nginx}]}}
        """,
        replicas=3,
    )
    body = restored(resource, item, rules_of({"shop": "drill"}))
    assert body["spec"] == item["spec"]
    assert body["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "3"}
    assert "status" not in body


def test_a_cron_job_is_restored_as_it_is() -> None:
    """It makes its Jobs by its own schedule."""
    item = stored("{metadata: {name: n, namespace: shop}, spec: {schedule: 0 0 * * *, jobTemplate: {spec: {}}}}")
    assert restored("cronjobs.batch", item)["spec"] == item["spec"]


def test_the_storage_class_of_a_stateful_sets_claims_is_mapped() -> None:
    """Where the field names it, and where the older annotation does; others stay."""
    item = stored(
        """
        metadata: {name: db, namespace: shop}
        spec:
          volumeClaimTemplates:
          - {metadata: {name: a}, spec: {storageClassName: gp2}}
          - {metadata: {name: b, annotations: {volume.beta.kubernetes.io/storage-class: gp2}}, spec: {}}
          - {metadata: {name: c}, spec: {storageClassName: io1}}
        """
    )
    first, second, third = restored("statefulsets.apps", item, rules_of(classes={"gp2": "gp3"}))["spec"][
        "volumeClaimTemplates"
    ]
    assert first["spec"] == {"storageClassName": "gp3"}
    assert second["metadata"]["annotations"] == {"volume.beta.kubernetes.io/storage-class": "gp3"}
    assert third["spec"] == {"storageClassName": "io1"}


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("deployments.apps", ("spec", "template", "spec")),
        ("replicationcontrollers", ("spec", "template", "spec")),
        ("jobs.batch", ("spec", "template", "spec")),
        ("cronjobs.batch", ("spec", "jobTemplate", "spec", "template", "spec")),
        ("podtemplates", ("template", "spec")),
    ],
)
def test_the_storage_class_in_a_pod_template_is_mapped(resource: str, path: tuple[str, ...]) -> None:
    """That of generic ephemeral volumes, wherever the template is."""
    template = {"spec": {"storageClassName": "gp2"}}
    nested: dict[str, Any] = {"volumes": [{"name": "tmp", "ephemeral": {"volumeClaimTemplate": template}}]}
    for key in reversed(path):
        nested = {key: nested}
    item = {**stored("metadata: {name: web, namespace: shop}"), **nested}
    found: Any = restored(resource, item, rules_of(classes={"gp2": "gp3"}))
    for key in path:
        found = found[key]
    assert found["volumes"][0]["ephemeral"]["volumeClaimTemplate"]["spec"] == {"storageClassName": "gp3"}
