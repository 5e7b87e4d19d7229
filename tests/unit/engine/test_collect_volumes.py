"""What decides on volumes is read whatever the policy takes: the ledger is the same, and nothing more is stored."""

from __future__ import annotations

from typing import Any

import pytest

from runner.engine.collect import collect, collect_everything
from runner.engine.retry import Retrier
from runner.model.canonical import canonical
from runner.model.inventory import Inventory
from runner.plan.backup import plan_backup
from runner.plan.selection import Selection
from runner.ports import ClusterReader
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import FakeCluster, config_map, definition
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.unit.plan.build import S3, SNAPSHOT_CLASSES, policy

DRIVER = "disk.example.com"
GROUP = "snapshot.storage.k8s.io"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
SERVED = ("configmaps", "pods", "persistentvolumeclaims", "persistentvolumes", CRDS)
FILES: dict[str, Any] = {"repositoryPassword": {"env": "RESTIC_PASSWORD"}, "image": "trysail:1"}
RULES = [
    {"conditions": {"storageClass": ["files"]}, "action": {"type": "fs-backup"}},
    {"action": {"type": "snapshot"}},
]
SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"includedNamespaces": ["shop"]},
    {"includedNamespaces": ["shop"], "excludedResources": ["pods", "pv"]},
    {"includedResources": ["pvc"], "includeClusterResources": False},
    {"includedResources": ["pods"]},
    {"labelSelector": {"matchLabels": {"app": "db"}}},
    {"excludedClusterScopedResources": ["*"]},
)


def item(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    """An object of the core group."""
    where = {"namespace": namespace} if namespace else {}
    labels = more.pop("labels", {})
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **where, "labels": labels}, **more}


def claim(name: str, volume: str, storage_class: str = "fast", mode: str = "ReadWriteOnce") -> dict[str, Any]:
    """A bound claim in shop."""
    spec = {"volumeName": volume, "storageClassName": storage_class, "accessModes": [mode]}
    return item("PersistentVolumeClaim", name, "shop", spec=spec, status={"phase": "Bound"}, labels={"app": "db"})


def volume(name: str, claimed: str) -> dict[str, Any]:
    """A CSI volume."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "claimRef": {"namespace": "shop", "name": claimed},
        "csi": {"driver": DRIVER, "volumeHandle": f"h-{name}"},
    }
    return item("PersistentVolume", name, spec=spec)


def pod(name: str, *claims: str, namespace: str = "shop") -> dict[str, Any]:
    """A running Pod with claims, and a volume of its own."""
    mounted = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    spec = {"volumes": [*mounted, {"name": "tmp", "emptyDir": {}}], "containers": [{"name": "app"}]}
    return item("Pod", name, namespace, spec=spec, status={"phase": "Running"})


def cluster(pods: int = 1) -> FakeCluster:
    """A shop with two claims, one of them for one Pod alone, and a snapshot class."""
    snapshot_class = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": "fast"},
        "driver": DRIVER,
    }
    return FakeCluster(
        definition("volumesnapshotclasses", "VolumeSnapshotClass", GROUP, namespaced=False),
        snapshot_class,
        config_map("shop", "web"),
        config_map("other", "web"),
        claim("data", "pv-1"),
        claim("alone", "pv-2", "files", "ReadWriteOncePod"),
        volume("pv-1", "data"),
        volume("pv-2", "alone"),
        *(pod(f"web-{n:03}", *(("alone",) if n == pods - 1 else ()), namespace="shop") for n in range(pods)),
        pod("far", namespace="other"),
        serves=SERVED,
    )


def planned(inventory: Inventory, spec: dict[str, Any]) -> bytes:
    """The plan, as it would be written."""
    return canonical(plan_backup(policy(**full(spec)), inventory))


def full(spec: dict[str, Any]) -> dict[str, Any]:
    """A policy that keeps volumes."""
    return {"storageLocation": S3, "fsBackup": FILES, "volumePolicies": RULES, **spec}


def collected(source: ClusterReader, spec: dict[str, Any], *, rows: bool = False) -> Inventory:
    """What that policy needs of it."""
    selection = Selection(policy(**full(spec)).policy.spec)
    return collect(source, SimulatedExecutor(), Retrier(SimulatedClock(), RecordingObserver()), selection, rows=rows)


def everything(source: ClusterReader) -> Inventory:
    """All of it."""
    return collect_everything(source, SimulatedExecutor(), Retrier(SimulatedClock(), RecordingObserver()))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("pods", [1, 450])
def test_from_the_cluster_or_from_an_inventory_the_plan_is_the_same(spec: dict[str, Any], pods: int) -> None:
    """Whatever the filters take, and however many Pods there are."""
    expected = planned(collected(cluster(pods), spec), spec)
    assert planned(everything(cluster(pods)), spec) == expected
    assert planned(collected(cluster(pods), spec, rows=True), spec) == expected


@pytest.mark.parametrize("spec", SPECS[1:4])
def test_what_decides_is_read_and_not_stored(spec: dict[str, Any]) -> None:
    """Excluded volumes, Pods and snapshot classes decide on claims; the plan has no step for them."""
    plan = plan_backup(policy(**full(spec)), collected(cluster(), spec))
    assert {line.claim: line.method for line in plan.volumes if line.claim} == {
        "shop/alone": "uncovered",
        "shop/data": "csi-snapshot",
    }
    excluded = {"pods", "persistentvolumes"} if "includedNamespaces" not in spec or "excludedResources" in spec else ()
    stored = {step.resource for step in plan.steps}
    assert stored.isdisjoint({*excluded, SNAPSHOT_CLASSES})


def test_it_is_read_by_one_list_each() -> None:
    """Whole objects, without the selector that would hide some."""
    source = cluster()
    collected(source, {"labelSelector": {"matchLabels": {"app": "db"}}, "excludedResources": ["pods"]})
    for name in ("pods", "persistentvolumes", SNAPSHOT_CLASSES):
        asked = [c.request for c in source.calls if c.request is not None and c.request.resource.name == name]
        assert [(one.label_selector, one.metadata_only, one.namespace) for one in asked] == [("", False, "")]


def test_where_no_claim_is_taken_nothing_is_read_for_it() -> None:
    """A policy of ConfigMaps has no ledger."""
    source = cluster()
    collected(source, {"includedResources": ["configmaps"]})
    assert {call.resource.name for call in source.calls if call.resource} == {"configmaps", "namespaces"}


@pytest.mark.parametrize("name", ["persistentvolumes", SNAPSHOT_CLASSES])
def test_what_may_not_be_read_leaves_a_line_and_a_gap(name: str) -> None:
    """The claim is uncovered for that reason, though the type itself is not selected."""
    source = cluster()
    source.forbid(name)
    spec = {"includedNamespaces": ["shop"], "excludedClusterScopedResources": ["*"]}
    plan = plan_backup(policy(**full(spec)), collected(source, spec))
    line = next(line for line in plan.volumes if line.claim == "shop/data")
    assert line.method == "uncovered"
    assert "could not be read" in line.why
    assert [gap.what for gap in plan.gaps] == [name]


def test_pods_that_may_be_read_by_namespace_alone() -> None:
    """Where Pods of the cluster may not be listed, those of each selected namespace are."""
    source = cluster()
    source.forbid("pods", "")
    spec = {"includedNamespaces": ["shop"]}
    assert planned(collected(source, spec), spec) == planned(collected(cluster(), spec), spec)
