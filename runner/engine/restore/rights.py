"""Asks the API server which rights a restore lacks, before it begins. Each one missing is a gap of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from runner.engine.retry import Retrier
from runner.model.cluster import Resource, Right
from runner.model.plan import Gap
from runner.model.restore import CHANGING, RestorePlan, RestoreStep, RestoreVolume
from runner.ports import Cluster, Executor

EVERYTHING = Right("*", Resource("*", "*", "*", "*", namespaced=True))

_RBAC = "rbac.authorization.k8s.io"
_SNAPSHOTS = "snapshot.storage.k8s.io"
_VERBS = {"create": ("create",), "update": ("patch",), "recreate": ("delete", "create")}
# Kubernetes lets nobody grant what he has not himself, unless he may do this
# (kubernetes.io/docs/reference/access-authn-authz/rbac: privilege escalation prevention).
_GRANTS = {
    f"roles.{_RBAC}": ("escalate", ("roles",)),
    f"clusterroles.{_RBAC}": ("escalate", ("clusterroles",)),
    f"rolebindings.{_RBAC}": ("bind", ("roles", "clusterroles")),
    f"clusterrolebindings.{_RBAC}": ("bind", ("clusterroles",)),
}


@dataclass(frozen=True)
class Rights:
    """Questions about what we may do."""

    cluster: Cluster
    executor: Executor
    retrier: Retrier

    def missing(self, plan: RestorePlan) -> tuple[Gap, ...]:
        """Each right that doing the plan needs and we do not have."""
        if self._may(EVERYTHING):
            return ()
        gaps = []
        needed = {right for step in plan.steps if step.action in CHANGING for right in _needed(step)}
        needed |= {right for volume in plan.volumes if volume.action == "restore" for right in _of_volume(volume)}
        everywhere = {_everywhere(right) for right in needed}
        granted = {right for right, may in self._ask(everywhere) if may}
        left = [right for right in needed if _everywhere(right) not in granted]
        for right, may in self._ask(left):
            if may:
                continue
            grants = right.verb in {"escalate", "bind"}
            why = (
                "a role that grants more than we have ourselves is refused without it"
                if grants
                else "the API server would refuse it"
            )
            gaps.append(Gap(f"the right to {right}", why))
        return tuple(sorted(gaps, key=lambda gap: gap.what))

    def _ask(self, rights: Iterable[Right]) -> list[tuple[Right, bool]]:
        pending = [(right, self.executor.submit(partial(self._may, right))) for right in sorted(rights)]
        return [(right, answer.result()) for right, answer in pending]

    def _may(self, right: Right) -> bool:
        return self.retrier.call(f"whether we may {right}", partial(self.cluster.may, right))


def _needed(step: RestoreStep) -> Iterable[Right]:
    plural, _, group = step.resource.partition(".")
    version = step.api_version.rpartition("/")[2]
    resource = Resource(group, plural, version, step.kind, namespaced=bool(step.namespace))
    for verb in _VERBS[step.action]:
        yield Right(verb, resource, step.namespace)
    verb, roles = _GRANTS.get(step.resource, ("", ()))
    for role in roles:
        # A ClusterRole that a RoleBinding grants is granted in its namespace alone.
        yield Right(verb, Resource(_RBAC, role, version, "", namespaced=bool(step.namespace)), step.namespace)


def _of_volume(volume: RestoreVolume) -> Iterable[Right]:
    """What bringing a claim's data back creates in the cluster, and takes away again."""
    namespace = volume.namespace
    claims = Resource("", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True)
    match volume.method:
        case "native-snapshot":
            yield Right("create", Resource("", "persistentvolumes", "v1", "PersistentVolume", namespaced=False))
        case "csi-snapshot":
            content = Resource(_SNAPSHOTS, "volumesnapshotcontents", "v1", "VolumeSnapshotContent", namespaced=False)
            snapshot = Resource(_SNAPSHOTS, "volumesnapshots", "v1", "VolumeSnapshot", namespaced=True)
            for verb in ("create", "delete"):
                yield Right(verb, content)
                yield Right(verb, snapshot, namespace)
            yield Right("patch", claims, namespace)
        case "fs-backup":
            yield Right("create", Resource("batch", "jobs", "v1", "Job", namespaced=True), namespace)
            yield Right("create", Resource("", "secrets", "v1", "Secret", namespaced=True), namespace)
            yield Right("patch", claims, namespace)
        case _:
            return


def _everywhere(right: Right) -> Right:
    return Right(right.verb, right.resource)
