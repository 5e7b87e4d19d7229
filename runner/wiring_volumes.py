"""Names become adapters here, for volumes and hooks: providers of snapshots, commands in Pods and on this machine.

As `wiring.py`, of which this is the second page; vendors are imported when a plan needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from runner import wiring
from runner.engine.execute import VolumePorts
from runner.engine.freeze import FreezePorts
from runner.engine.volumes import Protecting
from runner.errors import ClusterError
from runner.model.canonical import document
from runner.model.plan import Plan
from runner.model.policy import BackupPolicySpec
from runner.model.redact import redacted
from runner.model.restore import RestorePlan
from runner.model.snapshot_location import SnapshotLocationSpec
from runner.model.volumes import Method, VolumesRecord
from runner.ports import Cluster, Observer
from runner.volume_ports import CommandRunner, Ended, PodExec, VolumeRestorer, VolumeSnapshotter

if TYPE_CHECKING:
    from runner.adapters.ebs import EbsVolumes
    from runner.engine.restore_volumes import Restorers
    from runner.model.restore_policy import RestorePolicySpec

STARTS = 4  # requests at once for each group that is under way: the volumes of a group are asked for all at once

_BY_CLUSTER: frozenset[Method] = frozenset({"csi-snapshot", "fs-backup"})  # what the cluster's own controllers do

NO_CONTROLLER = "a folder of manifests has no controller that would take snapshots or run Jobs"


class NoPods:
    """A PodExec where there are none."""

    def run(self, namespace: str, pod: str, container: str, command: object, *, timeout: float, most: int) -> Ended:
        """See PodExec."""
        del container, command, timeout, most
        raise ClusterError(f"{namespace}/{pod} is a manifest in a folder: no command can be run in it")


@contextmanager
def volume_ports(plan: Plan, spec: BackupPolicySpec, choice: wiring.ClusterChoice) -> Iterator[VolumePorts | None]:
    """What a run of the plan needs for its volumes and hooks; None where it has neither. Secrets are fetched now."""
    methods = {volume.method for volume in plan.volumes if volume.keeps}
    if not methods and not plan.hooks:
        yield None
        return
    from runner.adapters import processes  # noqa: PLC0415

    cluster = wiring.open_cluster(choice)
    snapshotters, impossible = _snapshotters(methods, plan, cluster)
    movers = spec.fs_backup.parallel if spec.fs_backup is not None else 1
    with ExitStack() as stack:
        executors = [
            stack.enter_context(wiring.executor(workers))
            for workers in (spec.parallel_volumes, movers, spec.parallel_volumes * STARTS)
        ]
        yield VolumePorts(
            cluster=cluster,
            protecting=Protecting(snapshotters, impossible, *executors),
            exec=pod_exec(cluster),
            holder=processes.this_process(),
            alive=processes.alive,
            redact=redact,
        )


@contextmanager
def restorers(
    plan: RestorePlan, record: VolumesRecord, policy: RestorePolicySpec, cluster: Cluster
) -> Iterator[Restorers]:
    """What brings the data of volumes back that the plan names. Secrets are fetched now."""
    from runner.engine.restore_volumes import Restorers  # noqa: PLC0415 -- a run needs nothing of a restore

    methods = {volume.method for volume in plan.volumes if volume.action == "restore"}
    by_method: dict[Method, VolumeRestorer] = {}
    impossible: dict[Method, str] = {}
    if "native-snapshot" in methods:
        location = policy.snapshot_location
        given = document(location) if isinstance(location, BaseModel) else record.snapshot_location
        if given is None:
            impossible["native-snapshot"] = "the backup does not say where its snapshots lie: give snapshotLocation"
        else:
            from runner.adapters.ebs import EbsRestorer  # noqa: PLC0415

            by_method["native-snapshot"] = EbsRestorer(_ebs(given, cluster))
    if "csi-snapshot" in methods:
        from runner.adapters.csi_restore import CsiRestorer  # noqa: PLC0415

        by_method["csi-snapshot"] = CsiRestorer(cluster)
    yield Restorers(by_method, impossible)


def pod_exec(cluster: Cluster) -> PodExec:
    """Commands in the Pods of a cluster."""
    from runner.adapters.kubernetes import KubernetesCluster  # noqa: PLC0415 -- half a second

    if not isinstance(cluster, KubernetesCluster):
        return NoPods()
    from runner.adapters.kubernetes_exec import KubernetesExec  # noqa: PLC0415

    return KubernetesExec(cluster.connection)


def commands() -> CommandRunner:
    """Commands on this machine."""
    from runner.adapters.commands import LocalCommands  # noqa: PLC0415

    return LocalCommands()


def redact(text: str) -> str:
    """Without the secrets that this process has fetched, and what looks like one."""
    return redacted(text, wiring.FETCHED)


def freeze_ports(cluster: Cluster, observer: Observer) -> FreezePorts:
    """What thaws the Pods of a cluster."""
    from runner.adapters import processes  # noqa: PLC0415

    return FreezePorts(
        cluster=cluster,
        exec=pod_exec(cluster),
        clock=wiring.clock(),
        retrier=wiring.retrier(observer),
        observer=observer,
        redact=redact,
        holder=processes.this_process(),
        alive=processes.alive,
    )


def _snapshotters(
    methods: set[Method], plan: Plan, cluster: Cluster
) -> tuple[dict[Method, VolumeSnapshotter], dict[Method, str]]:
    snapshotters: dict[Method, VolumeSnapshotter] = {}
    impossible: dict[Method, str] = {}
    folder = _is_folder(cluster)
    if "native-snapshot" in methods:
        assert plan.snapshot_location is not None, "a plan has native snapshots by its snapshot location"
        snapshotters["native-snapshot"] = _ebs(plan.snapshot_location, cluster)
    if folder:
        impossible |= dict.fromkeys(sorted(methods & _BY_CLUSTER), NO_CONTROLLER)
    elif "csi-snapshot" in methods:
        from runner.adapters.csi import CsiSnapshots  # noqa: PLC0415

        snapshotters["csi-snapshot"] = CsiSnapshots(cluster)
    return snapshotters, impossible


def _is_folder(cluster: Cluster) -> bool:
    from runner.adapters.manifests import ManifestsCluster  # noqa: PLC0415

    return isinstance(cluster, ManifestsCluster)


def _ebs(location: dict[str, Any], cluster: Cluster) -> EbsVolumes:
    from runner.adapters.ebs import EbsVolumes  # noqa: PLC0415 -- botocore takes its time

    spec = SnapshotLocationSpec.model_validate(location)
    credential = spec.credential
    if credential is None:
        return EbsVolumes(spec)
    secret = partial(wiring.secret, cluster=lambda: cluster)
    return EbsVolumes(
        spec,
        access_key_id=secret(credential.access_key_id),
        secret_access_key=secret(credential.secret_access_key),
        session_token=secret(credential.session_token),
    )
