"""A run of volumes between fakes: Pods, providers of snapshots, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from runner.engine.retry import Retrier
from runner.engine.volumes.freeze import FreezePorts, Freezer
from runner.engine.volumes.run import Protecting, VolumeRun
from runner.model.cluster import Resource
from runner.model.event import VolumeProgress, Warned
from runner.model.hooks import PlannedHook
from runner.model.policy import BackupPolicySpec
from runner.model.volumes import Method, PlannedVolume, RunTags, StoredVolume
from runner.ports import Executor
from runner.volume_ports import VolumeSnapshotter
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec
from tests.fakes.snapshotter import FakeSnapshotter
from tests.unit.plan.build import policy

PODS = Resource("", "pods", "v1", "Pod", namespaced=True)
TAGS = RunTags("demo", "daily", "b1", "sha256:plan")


def volume(claim: str, method: Method = "native-snapshot", **fields: Any) -> PlannedVolume:
    """A line of the ledger, for a claim in `shop`."""
    why = "volumePolicies[0]"
    given = {"why": why, "claim": f"shop/{claim}", "volume": f"pv-{claim}", "uid": f"uid-{claim}", **fields}
    return PlannedVolume(method=method, **given)


def hook(
    when: Any, command: str, pod: str = "db-0", *, claims: Sequence[str] = ("data",), **fields: Any
) -> PlannedHook:
    """A command in a Pod of `shop` that mounts `claims`."""
    given: dict[str, Any] = {"on_error": "fail", "timeout": 30.0, "why": "hooks.resources db", **fields}
    named = tuple(f"shop/{claim}" for claim in claims)
    return PlannedHook(
        namespace="shop", pod=pod, container="main", when=when, command=(command,), claims=named, **given
    )


def pod(name: str) -> dict[str, Any]:
    """A Pod of `shop`."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": {}}


class VolumeStage:
    """Volumes, hooks and providers, and a run of them."""

    def __init__(
        self,
        *volumes: PlannedVolume,
        hooks: Sequence[PlannedHook] = (),
        pods: Sequence[str] = ("db-0",),
        **spec: Any,
    ) -> None:
        self.volumes, self.hooks = volumes, hooks
        self.cluster = FakeCluster(*map(pod, pods), serves=["pods"])
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.exec = FakePodExec(takes=self.clock.advance)
        self.native, self.csi, self.files = FakeSnapshotter(), FakeSnapshotter("csi"), FakeSnapshotter("restic")
        self.impossible: dict[Method, str] = {}
        self.spec: BackupPolicySpec = policy(**spec).policy.spec
        self.retrier = Retrier(self.clock, self.observer)

    def prepared(
        self,
        *,
        tags: RunTags = TAGS,
        committed: Sequence[str] = (),
        order: Random | None = None,
        executor: Executor | None = None,
    ) -> VolumeRun:
        """A run that has not begun."""
        snapshotters: dict[Method, VolumeSnapshotter] = {
            "native-snapshot": self.native,
            "csi-snapshot": self.csi,
            "fs-backup": self.files,
        }
        kept = {method: one for method, one in snapshotters.items() if method not in self.impossible}
        groups = executor or SimulatedExecutor(order)
        ports = Protecting(kept, self.impossible, groups, SimulatedExecutor(order), SimulatedExecutor(order))
        freezing = FreezePorts(
            self.cluster, self.exec, self.clock, self.retrier, self.observer, redact=lambda text: text, holder="here"
        )
        return VolumeRun(
            volumes=self.volumes,
            hooks=self.hooks,
            tags=tags,
            spec=self.spec,
            ports=ports,
            freezer=Freezer(freezing, PODS, backup=tags.backup, policy=tags.policy),
            clock=self.clock,
            retrier=self.retrier,
            log=self.observer,
            committed=frozenset(committed),
        )

    def run(self, **given: Any) -> dict[str, StoredVolume]:
        """From its beginning to its end; the ledger by claim."""
        run = self.prepared(**given)
        run.begin()
        ledger = run.settle()
        run.keep()
        return {line.planned.claim.removeprefix("shop/"): line for line in ledger}

    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.observer.of(Warned)]

    def told(self, claim: str) -> list[str]:
        """What was said of a volume, in order."""
        name = f"shop/{claim}"
        return [event.state for event in self.observer.of(VolumeProgress) if event.volume == name]

    def frozen(self, name: str = "db-0") -> str | None:
        """The record on a Pod; None where there is none."""
        found: dict[str, Any] = self.cluster.found("pods", "shop", name)
        annotation: str | None = (found["metadata"].get("annotations") or {}).get("trysail.dev/frozen")
        return annotation
