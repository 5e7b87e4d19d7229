"""Pods: none that has ended or is a node's own; free of the node, the priority and the token it was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.actions.access import legacy_token
from runner.actions.fields import drop, drop_from, keep_where, part, parts, text
from runner.actions.restored import Case, LeftAlone
from runner.actions.storage import map_ephemeral_volumes
from runner.actions.storage_facts import FROZEN

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where tokens are mounted
# What admission and the scheduler compute: priority and preemptionPolicy from the PriorityClass, overhead from the
# RuntimeClass. A value that the target's classes do not give is refused (k8s.io/kubernetes/plugin/pkg/admission).
# An ephemeral container can only be added to a Pod that is there.
_COMPUTED = ("nodeName", "priority", "preemptionPolicy", "overhead", "ephemeralContainers")
# With it a Pod waits for its Job to count it; a Pod whose Job is restored is left to that Job.
_JOB_FINALIZER = "batch.kubernetes.io/job-tracking"


def pod(case: Case) -> LeftAlone | None:
    """A Pod that runs, or waits to: as it was asked for, to be scheduled anew."""
    if "kubernetes.io/config.mirror" in part(case.stored, "metadata", "annotations"):
        return LeftAlone("it mirrors a static Pod of its node")
    phase = text(case.stored, "status", "phase")
    if phase in {"Succeeded", "Failed"}:
        return LeftAlone(f"it has ended ({phase})")
    spec = part(case.body, "spec")
    drop(spec, *_COMPUTED)
    metadata = part(case.body, "metadata")
    keep_where(metadata, "finalizers", lambda entry: entry != _JOB_FINALIZER)
    # Objects are stored while Pods are frozen. The one that comes back is not: no run may thaw it.
    drop_from(metadata, "annotations", FROZEN)
    _drop_tokens(spec)
    map_ephemeral_volumes(spec, case.rules.storage_classes)
    return None


def _drop_tokens(spec: dict[str, Any]) -> None:
    """Take away the volumes with the token of the Pod's account: it is given a new one when it is made."""
    account = text(spec, "serviceAccountName") or text(spec, "serviceAccount") or "default"
    gone = {
        text(volume, "name")
        for volume in parts(spec, "volumes")
        if legacy_token(account, text(volume, "secret", "secretName")) or _injected(spec, volume)
    }
    if not gone:
        return
    keep_where(spec, "volumes", lambda volume: text(volume, "name") not in gone)
    for container in _containers(spec):
        keep_where(container, "volumeMounts", lambda mount: text(mount, "name") not in gone)


def _injected(spec: dict[str, Any], volume: dict[str, Any]) -> bool:
    """Whether admission had added a volume; one mounted elsewhere, or where no token is wanted, is the user's."""
    name = text(volume, "name")
    return (
        name.startswith("kube-api-access-")
        and any("serviceAccountToken" in source for source in parts(volume, "projected", "sources"))
        and spec.get("automountServiceAccountToken") is not False
        and all(
            text(mount, "mountPath") == _TOKEN_PATH
            for container in _containers(spec)
            for mount in parts(container, "volumeMounts")
            if text(mount, "name") == name
        )
    )


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from parts(spec, "initContainers")
    yield from parts(spec, "containers")
