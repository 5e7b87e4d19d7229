"""`python -m tests.bench.volumes`: VOLUMES (default 500) EBS volumes on moto's server, by a whole process; time frozen.

The limit is the same requests by a bare client, as many at once as the policy allows. The table is written to
.bench/volumes-<VOLUMES>.md. The ledger's figure is that of `tests.bench.ledger`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import yaml

from runner.adapters.ebs import EbsVolumes
from runner.adapters.threads import SystemClock, ThreadExecutor
from runner.engine.retry import Retrier
from runner.engine.volumes.freeze import FreezePorts, Freezer
from runner.engine.volumes.run import Protecting, VolumeRun
from runner.model.snapshot_location import AwsSnapshotLocation
from runner.model.volumes import PlannedVolume, RunTags, Snapshot
from tests.bench.ledger import added_by_ledger
from tests.bench.measure import Usage, measured
from tests.fakes.cluster import FakeCluster
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec
from tests.parts.moto_ec2 import KEYS, REGION, MotoEc2
from tests.unit.engine.volume_stage import PODS, hook, pod
from tests.unit.plan.build import policy

OUT = Path(".bench")
TRYSAIL = [sys.executable, "-m", "runner"]
AT_ONCE = 8  # parallelVolumes without a word of the policy
ROUNDS = int(os.environ.get("ROUNDS", "1"))
GROUPS = 20  # of two volumes each, frozen

Json = dict[str, Any]
T = TypeVar("T")


def main() -> None:
    """Measures, and writes the table."""
    volumes = int(os.environ.get("VOLUMES", "500"))
    os.environ.update(KEYS, AWS_EC2_METADATA_DISABLED="true")
    limits, runs, startups = [], [], []
    for _ in range(ROUNDS):
        limits.append(_with_disks(volumes, lambda _, cloud, handles: _bare(cloud, handles)))
        startups.append(_with_disks(1, _run))
        runs.append(_with_disks(volumes, _run))
    frozen, latency = _with_disks(2 * GROUPS, lambda _, cloud, handles: _frozen(cloud, handles))
    limit = statistics.median(limits)
    wall = statistics.median(run.seconds for run in runs)
    start = statistics.median(run.seconds for run in startups)
    cpu = statistics.median(run.cpu for run in runs)
    claims, added = added_by_ledger()
    rows = [
        (f"limit: CreateSnapshot of {volumes} volumes, {AT_ONCE} at once, bare", f"{limit:.2f} s", ""),
        (
            f"`trysail run` of {volumes} volumes, start-up and one claim aside",
            f"{wall - start:.2f} s",
            _times(wall - start, limit, 1.3),
        ),
        ("its CPU, start-up included", f"{cpu:.2f} s", "at most 5 s"),
        (f"time frozen, median of {GROUPS} groups of two volumes", f"{frozen * 1000:.0f} ms", ""),
        (
            "latency of a snapshot's start, the slower of the two",
            f"{latency * 1000:.0f} ms",
            _times(frozen, latency, 1.2),
        ),
        (f"the ledger of {claims:,} claims adds to a plan", f"{added:.2f} s", "at most 1 s"),
    ]
    lines = [f"| {what} | {figure} | {bound} |" for what, figure, bound in rows]
    table = f"Medians of {ROUNDS} rounds, moto's server beside it on two cores.\n\n" + "\n".join(
        ["| | measured | against |", "|---|---|---|", *lines, ""]
    )
    OUT.mkdir(exist_ok=True)
    (OUT / f"volumes-{volumes}.md").write_text(table, encoding="utf-8")
    print(table)


def _with_disks(volumes: int, measure: Callable[[Path, MotoEc2, list[str]], T]) -> T:
    """With a server of its own each time: moto's answers take the longer, the more snapshots it holds."""
    with tempfile.TemporaryDirectory(prefix="trysail-bench-") as work, MotoEc2(Path(work)) as cloud:
        return measure(Path(work), cloud, [cloud.create_volume() for _ in range(volumes)])


def _times(found: float, limit: float, most: float) -> str:
    return f"{found / limit:.2f} × (at most {most})"


def _bare(cloud: MotoEc2, handles: Sequence[str]) -> float:
    """Seconds for nothing but the requests, as many at once as the run makes."""
    tags = [{"Key": f"trysail.dev/{name}", "Value": "bench"} for name in "abcdef"]
    made = [{"ResourceType": "snapshot", "Tags": tags}]
    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda handle: cloud.ec2.create_snapshot(VolumeId=handle, TagSpecifications=made), handles))
    return time.perf_counter() - begun


def _run(work: Path, cloud: MotoEc2, handles: Sequence[str]) -> Usage:
    """A whole process over a folder of manifests: a claim and a PersistentVolume for each disk."""
    cluster = work / "cluster"
    cluster.mkdir(parents=True)
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "bench"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "shop"}},
    ]
    for number, handle in enumerate(handles):
        objects += _claim(number, handle)
    (cluster / "objects.yaml").write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper))
    location = {"provider": "aws", "config": {"region": REGION, "endpoint": cloud.endpoint}}
    spec = {
        "clusterName": "bench",
        "includedNamespaces": ["shop"],
        "storageLocation": {"provider": "filesystem", "path": str(work / "backups")},
        "snapshotLocation": location,
        "parallelVolumes": AT_ONCE,
    }
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupPolicy", "metadata": {"name": "bench"}}
    (work / "policy.yaml").write_text(json.dumps({**document, "spec": spec}))
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [*TRYSAIL, "run", "-f", str(work / "policy.yaml"), "--manifests", str(cluster), "--auto-approve"]
    return measured(command, environment)


def _claim(number: int, handle: str) -> list[Json]:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"c{number}", "namespace": "shop"},
        "spec": {"volumeName": f"pv{number}", "storageClassName": "gp3"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    }
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv{number}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": handle},
            "claimRef": {"namespace": "shop", "name": f"c{number}"},
        },
    }
    return [claim, volume]


class _Timed(EbsVolumes):
    """Knows how long each start took."""

    seconds: dict[str, float]

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """As it is, and timed."""
        begun = time.perf_counter()
        snapshot = super().start(volume, tags)
        self.seconds[volume.claim] = time.perf_counter() - begun
        return snapshot


def _frozen(cloud: MotoEc2, handles: Sequence[str]) -> tuple[float, float]:
    """Median seconds that a group was frozen, and that the slower start of its two took. Exec answers at once."""
    location = AwsSnapshotLocation.model_validate(
        {"provider": "aws", "config": {"region": REGION, "endpoint": cloud.endpoint}}
    )
    provider = _Timed(location)
    provider.seconds = {}
    volumes = tuple(
        PlannedVolume(
            method="native-snapshot", why="", claim=f"shop/c{n}", volume=f"pv{n}", uid=f"uid{n}", handle=handle
        )
        for n, handle in enumerate(handles)
    )
    hooks = [
        hook(when, when, f"p{n}", claims=[f"c{2 * n}", f"c{2 * n + 1}"])
        for n in range(GROUPS)
        for when in ("pre", "post")
    ]
    clock, observer = SystemClock(), RecordingObserver()
    retrier = Retrier(clock, observer)
    cluster = FakeCluster(*(pod(f"p{n}") for n in range(GROUPS)), serves=["pods"])
    freezing = FreezePorts(cluster, FakePodExec(), clock, retrier, observer, redact=str, holder="bench")
    with ThreadExecutor(1) as groups, ThreadExecutor(1) as movers, ThreadExecutor(4) as starts:
        run = VolumeRun(
            volumes=volumes,
            hooks=hooks,
            tags=RunTags("bench", "frozen", "b1", "sha256:bench"),
            spec=policy().policy.spec,
            ports=Protecting({"native-snapshot": provider}, {}, groups, movers, starts),
            freezer=Freezer(freezing, PODS, backup="b1", policy="frozen"),
            clock=clock,
            retrier=retrier,
            log=observer,
            committed=frozenset(),
        )
        run.begin()
        ledger = {line.planned.claim: line for line in run.settle()}
    frozen = [ledger[f"shop/c{2 * n}"].frozen for n in range(GROUPS)]
    slower = [max(provider.seconds[f"shop/c{2 * n}"], provider.seconds[f"shop/c{2 * n + 1}"]) for n in range(GROUPS)]
    return statistics.median(frozen), statistics.median(slower)


if __name__ == "__main__":
    main()
