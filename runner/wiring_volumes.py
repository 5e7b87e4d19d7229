"""Names become adapters here, for volumes and hooks: providers of snapshots, commands in Pods and on this machine.

As `wiring.py`, of which this is the second page; vendors are imported when a plan needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from runner import wiring
from runner.archive.layout import layout_of
from runner.engine.volumes.freeze import FreezePorts
from runner.engine.volumes.frozen_records import left_in
from runner.engine.volumes.protect import VolumePorts
from runner.engine.volumes.repository import RepositoryMaking
from runner.engine.volumes.run import Protecting
from runner.errors import Forbidden, VolumeRejected
from runner.model.duration import seconds
from runner.model.inventory import Inventory
from runner.model.location import AzureLocation, LocationSpec, S3Location
from runner.model.plan import Plan
from runner.model.policy import BackupPolicySpec, FsBackupSpec
from runner.model.redact import redacted
from runner.model.restore import RestorePlan
from runner.model.snapshot_location import SnapshotLocationSpec
from runner.model.volumes import Method
from runner.plan.repository import repository_of
from runner.ports import Cluster, ObjectStore, Observer
from runner.volume_ports import CommandRunner, Ended, PodExec, VolumeRestorer, VolumeSnapshotter

if TYPE_CHECKING:
    from runner.adapters.ebs import EbsVolumes
    from runner.adapters.mover_jobs import MoverSettings
    from runner.adapters.restic import Restic
    from runner.engine.restore.volumes import Restorers

STARTS = 4  # requests at once for each group that is under way: the volumes of a group are asked for all at once

_BY_CLUSTER: frozenset[Method] = frozenset({"csi-snapshot", "fs-backup"})  # what the cluster's own controllers do

DEFAULT_LIMIT = "4h"  # of a RestorePolicy's itemOperationTimeout

NO_CONTROLLER = "a folder of manifests has no controller that would take snapshots or run Jobs"


class NoPods:
    """A PodExec where there are none. It forbids: nothing is begun, so that no record says that a Pod is frozen."""

    def run(self, namespace: str, pod: str, container: str, command: object, *, timeout: float, most: int) -> Ended:
        """See PodExec."""
        del container, command, timeout, most
        raise Forbidden(f"{namespace}/{pod} is a manifest in a folder: no command can be run in it")


@contextmanager
def volume_ports(
    plan: Plan, inventory: Inventory, spec: BackupPolicySpec, choice: wiring.ClusterChoice, store: ObjectStore
) -> Iterator[VolumePorts | None]:
    """What a run of the plan needs for volumes, hooks and Pods that are frozen; None where there are none.

    Secrets are fetched now.
    """
    methods = {volume.method for volume in plan.volumes if volume.keeps}
    if not methods and not plan.hooks and not left_in(inventory):
        yield None
        return
    from runner.adapters import processes  # noqa: PLC0415

    cluster = wiring.open_cluster(choice)
    snapshotters, impossible = _snapshotters(methods, plan, spec, cluster, store)
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
def restorers(plan: RestorePlan, cluster: Cluster) -> Iterator[Restorers]:
    """What brings the data of volumes back that the plan names. Secrets are fetched now."""
    from runner.engine.restore.volumes import Restorers  # noqa: PLC0415 -- a run needs nothing of a restore

    methods = {volume.method for volume in plan.volumes if volume.action == "restore"}
    by_method: dict[Method, VolumeRestorer] = {}
    impossible: dict[Method, str] = {}
    if "native-snapshot" in methods and plan.snapshot_location is None:
        impossible["native-snapshot"] = "the backup does not say where its snapshots lie: give snapshotLocation"
    elif "native-snapshot" in methods:
        from runner.adapters.ebs import EbsRestorer  # noqa: PLC0415

        assert plan.snapshot_location is not None, "it was asked"
        by_method["native-snapshot"] = EbsRestorer(_ebs(plan.snapshot_location, cluster))
    if "csi-snapshot" in methods:
        from runner.adapters.csi_restore import CsiRestorer  # noqa: PLC0415

        by_method["csi-snapshot"] = CsiRestorer(cluster)
    if "fs-backup" not in methods:
        yield Restorers(by_method, impossible)
        return
    if plan.fs_backup is None:
        impossible["fs-backup"] = "the backup does not say how its files are reached: give fsBackup"
        yield Restorers(by_method, impossible)
        return
    from runner.adapters.mover import MoverRestorer  # noqa: PLC0415

    fs_backup = FsBackupSpec.model_validate(plan.fs_backup)
    limit = plan.policy["spec"].get("itemOperationTimeout", DEFAULT_LIMIT)
    by_method["fs-backup"] = MoverRestorer(cluster, _mover(fs_backup, plan.location, _key(plan), limit, cluster))
    with wiring.executor(fs_backup.parallel) as movers:
        yield Restorers(by_method, impossible, movers)


def pod_exec(cluster: Cluster) -> PodExec:
    """Commands in the Pods of a cluster."""
    from runner.adapters.kubernetes import KubernetesCluster  # noqa: PLC0415 -- half a second

    if not isinstance(cluster, KubernetesCluster):
        return NoPods()
    from runner.adapters.kubernetes_exec import KubernetesExec  # noqa: PLC0415

    return KubernetesExec(cluster.connection)


@contextmanager
def restic(repository: str, password: str, options: Sequence[str] = ()) -> Iterator[Restic]:
    """A repository of restic's; its cache goes with it. The store's keys are those of the environment."""
    from runner.adapters.restic import PASSWORD, Restic  # noqa: PLC0415

    wiring.FETCHED.add(password)
    with TemporaryDirectory(prefix="trysail-restic-") as cache:
        yield Restic(repository, {PASSWORD: password}, options, cache=Path(cache))


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
    methods: set[Method], plan: Plan, spec: BackupPolicySpec, cluster: Cluster, store: ObjectStore
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
    if "fs-backup" in methods and not folder:
        from runner.adapters import processes  # noqa: PLC0415
        from runner.adapters.mover import MoverSnapshots  # noqa: PLC0415

        assert spec.fs_backup is not None, "a plan keeps files by its policy's fsBackup"
        key = layout_of(plan.policy).files(plan.cluster.name)
        settings = _mover(spec.fs_backup, plan.location, key, spec.item_operation_timeout, cluster)
        making = RepositoryMaking(store, wiring.clock(), key, processes.this_process())
        snapshotters["fs-backup"] = MoverSnapshots(cluster, settings, making.may_make)
    return snapshotters, impossible


def _key(plan: RestorePlan) -> str:
    """Under which the backup's files lie."""
    return next(volume.repository for volume in plan.volumes if volume.repository)


def _mover(fs_backup: FsBackupSpec, location: dict[str, Any], key: str, limit: str, cluster: Cluster) -> MoverSettings:
    """What Jobs are told. The store's keys are those that the location names; without, they use the Pod's identity."""
    from runner.adapters.mover_jobs import PASSWORD, MoverSettings  # noqa: PLC0415

    spec = _LOCATION.validate_python(location)
    repository = repository_of(spec, key)
    if repository.obstacle:
        raise VolumeRejected(f"no Job reaches the files' repository: {repository.obstacle}")
    secret = partial(wiring.secret, cluster=lambda: cluster)
    secrets = {PASSWORD: secret(fs_backup.repository_password)}
    if isinstance(spec, S3Location) and spec.credential is not None:
        secrets["AWS_ACCESS_KEY_ID"] = secret(spec.credential.access_key_id)
        secrets["AWS_SECRET_ACCESS_KEY"] = secret(spec.credential.secret_access_key)
        secrets["AWS_SESSION_TOKEN"] = secret(spec.credential.session_token)
    if isinstance(spec, AzureLocation) and spec.credential is not None:
        secrets["AZURE_ACCOUNT_KEY"] = secret(spec.credential.account_key)
        secrets["AZURE_ACCOUNT_SAS"] = secret(spec.credential.sas_token)
    return MoverSettings(
        image=fs_backup.image,
        repository=repository,
        secrets={name: value for name, value in secrets.items() if value is not None},
        authority=_authority(spec),
        deadline=max(1, round(seconds(limit))),
        service_account=fs_backup.service_account or "",
    )


def _authority(location: LocationSpec) -> str:
    """The certificates of the store's own authority: the file is here, and not where the Jobs run."""
    file = location.object_storage.ca_file if isinstance(location, S3Location) else None
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"objectStorage.caFile cannot be given to Jobs: {getattr(error, 'strerror', None) or error}"
        raise VolumeRejected(message, hint="name a readable file in PEM form", file=file) from error


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


_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)
