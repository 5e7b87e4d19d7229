"""Ledgers of volumes and hooks in few words, for tests of what people read of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner.model.hooks import PlannedHook
from runner.model.plan import PLAN_FORMAT, Plan, PlannedCluster, Step
from runner.model.volumes import PlannedVolume, Snapshot, StoredVolume

EBS = "ebs.csi.aws.com"
BY_LOCATION = "snapshotLocation ebs"
SCRATCH = "volumePolicies[1]: skip (scratch)"


def disk(claim: str, **fields: Any) -> PlannedVolume:
    """A claim of 50Gi of gp3 that is snapshotted natively."""
    name = claim.replace("/", "-")
    usual: dict[str, Any] = {
        "method": "native-snapshot",
        "why": BY_LOCATION,
        "claim": claim,
        "volume": f"pv-{name}",
        "capacity": "50Gi",
        "storage_class": "gp3",
        "source": EBS,
        "handle": f"vol-{name}",
        "uid": f"uid-{name}",
    }
    return PlannedVolume(**{**usual, **fields})


def scratch(pod: str, name: str = "cache", **fields: Any) -> PlannedVolume:
    """A Pod's emptyDir that a rule skips."""
    usual: dict[str, Any] = {"method": "skip", "why": SCRATCH, "pod": pod, "pod_volume": name, "source": "emptyDir"}
    return PlannedVolume(**{**usual, **fields})


def hook(pod: str, when: str, *command: str, **fields: Any) -> PlannedHook:
    """A command in the container `postgres` of a Pod, by the policy's hook `flush`."""
    namespace, _, name = pod.partition("/")
    usual: dict[str, Any] = {
        "namespace": namespace,
        "pod": name,
        "container": "postgres",
        "when": when,
        "command": command or ("true",),
        "on_error": "fail",
        "timeout": 30.0,
        "why": "hook flush",
    }
    return PlannedHook(**{**usual, **fields})


def plan_of(volumes: Iterable[PlannedVolume] = (), in_pods: Iterable[PlannedHook] = (), **spec: Any) -> Plan:
    """A plan of three Pods, with this ledger and these hooks; `spec` is the policy's, in the words of YAML."""
    return Plan(
        format_version=PLAN_FORMAT,
        kind="BackupPlan",
        digest=f"sha256:{'3' * 64}",
        cluster=PlannedCluster("demo", "5b181d0f-010e-43d5-bafe-a9404b9f8dc3"),
        policy_name="shop",
        policy={"kind": "BackupPolicy", "metadata": {"name": "shop"}, "spec": {"onUncovered": "warn", **spec}},
        location={"provider": "filesystem", "path": "/backups"},
        keys="/backups/demo/shop/{backup}/",
        basis="sha256:0",
        volumes=tuple(volumes),
        steps=(Step("pods", "v1", "Pod", "shop-prod", 3, 'includedNamespaces "shop-*"'),),
        left_out=(),
        gaps=(),
        empty_includes=(),
        warnings=(),
        hooks=tuple(in_pods),
    )


def stored(volume: PlannedVolume, **fields: Any) -> StoredVolume:
    """The volume, with a snapshot of it that is ready; or what `fields` say."""
    snapshot = Snapshot("aws", f"snap-{volume.name.replace('/', '-')}", "ready", size=50 << 30)
    return StoredVolume(**{"planned": volume, "outcome": "stored", "snapshot": snapshot, **fields})


def untouched(volume: PlannedVolume) -> StoredVolume:
    """What a run writes of a volume that it was not to keep."""
    return StoredVolume(planned=volume, outcome="skipped" if volume.method == "skip" else "uncovered")


def failed(volume: PlannedVolume, error: str, **fields: Any) -> StoredVolume:
    """The volume, of which no snapshot could be had."""
    return StoredVolume(planned=volume, outcome="failed", error=error, **fields)
