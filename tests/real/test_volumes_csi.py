"""CSI volumes end to end: the real snapshot controller and sidecar, over a driver that keeps volumes as folders."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.fault_proxy import FaultProxy, held
from tests.real.places import Place
from tests.real.trysail import Trysail, backup_name
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]
SNAPSHOTS = "volumesnapshots.snapshot.storage.k8s.io"


@pytest.fixture
def driver(csi: Csi) -> Iterator[Csi]:
    """The driver, which behaves again when the test ends."""
    yield csi
    csi.behave()


def policy(trysail: Trysail, weed: Place, namespace: str, driver: Csi, **spec: Any) -> Path:
    """Of one namespace, with a snapshot of each volume of the driver."""
    rules = [{"conditions": {"csi": {"driver": driver.driver}}, "action": {"type": "snapshot"}}]
    given = {"includedNamespaces": [namespace], "volumePolicies": rules, "onUncovered": "fail", **spec}
    return trysail.policy("shop", location=weed.location, **given)


def ledger(weed: Place) -> dict[str, Json]:
    """volumes.json of the only backup, by claim; what no claim has is "" there."""
    record = json.loads(weed.read("volumes.json"))
    return {line["planned"].get("claim", "").partition("/")[2]: line for line in record["volumes"]}


def write(driver: Csi, handle: str, text: str) -> None:
    """What the application does."""
    (driver.volume_path(handle) / "data.txt").write_text(text)


def read(driver: Csi, handle: str) -> str:
    """What it finds."""
    return (driver.volume_path(handle) / "data.txt").read_text()


def lose(plane: ControlPlane, driver: Csi, namespace: str, *handles: str) -> None:
    """The namespace with its claims, and the volumes behind them, as their class deletes them."""
    plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    wait_for(lambda: not any(driver.volume_path(handle).exists() for handle in handles), "the volumes to go")


_HELD = '{"metadata": {"finalizers": ["example.com/held"]}}'
_LET_GO = '{"metadata": {"finalizers": []}}'


def _wait_in_vain(plane: ControlPlane, driver: Csi, namespace: str) -> None:
    """A claim that names a volume which is kept for an earlier claim of its name."""
    claimed = {"namespace": namespace, "name": "waits", "uid": "11111111-2222-4333-8444-555555555555"}
    spec: Json = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": f"{namespace}-waits"}
    volume = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claimed},
        "csi": {"driver": driver.driver, "volumeHandle": f"{namespace}-waits"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    named = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{namespace}-waits"}}
    plane.must("POST", "/api/v1/persistentvolumes", {**named, "spec": volume})
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "waits"}}
    spec["resources"] = {"requests": {"storage": "1Gi"}}
    plane.must("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", {**claim, "spec": spec})
    plane.kubectl("wait", f"pv/{namespace}-waits", "--for=jsonpath={.status.phase}=Released", "--timeout=30s")


def objects(plane: ControlPlane, namespace: str) -> list[Json]:
    """VolumeSnapshots in a namespace."""
    found: list[Json] = json.loads(plane.kubectl("get", SNAPSHOTS, "-n", namespace, "-o", "json").stdout)["items"]
    return found


def test_a_file_is_written_lost_and_read_again(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """Namespace and volume are deleted; what the class would have deleted with them is kept, and comes back."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "before the backup")
    file = policy(trysail, weed, namespace, driver)
    assert f"CSI snapshot of {namespace}/data will be created" in trysail("plan", "-f", file).said
    trysail.process("run", "-f", file, "--auto-approve")
    line = ledger(weed)["data"]
    assert (line["outcome"], line["snapshot"]["state"], line["snapshot"]["driver"]) == (
        "stored",
        "ready",
        driver.driver,
    )
    assert line["snapshot"]["id"] in driver.snapshots()
    write(driver, handle, "after the backup")
    lose(control_plane, driver, namespace, handle)
    assert line["snapshot"]["id"] in driver.snapshots()

    restored = trysail.process("restore", "latest", "-f", file, "--auto-approve")
    assert "1 brought back" in restored.out
    made = driver.handle(namespace, "data")
    assert made != handle
    assert read(driver, made) == "before the backup"
    wait_for(lambda: not objects(control_plane, namespace), "what stood for the snapshot to go")
    assert line["snapshot"]["id"] in driver.snapshots()
    assert "No changes." in trysail("restore", "latest", "-f", file, "--plan").out


def test_claims_that_no_controller_would_snapshot(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """One that waits for another claim's volume, and one that is being deleted: the others are a Completed backup."""
    driver.claim(namespace, "data")
    driver.claim(namespace, "going")
    control_plane.kubectl("patch", "pvc", "going", "-n", namespace, "--type=merge", "-p", _HELD)
    control_plane.kubectl("delete", "pvc", "going", "-n", namespace, "--wait=false")
    _wait_in_vain(control_plane, driver, namespace)
    file = policy(trysail, weed, namespace, driver, csiSnapshotTimeout="30s", onUncovered="warn")
    trysail.process("run", "-f", file, "--auto-approve")
    assert {name: (line["outcome"], line["planned"]["why"]) for name, line in ledger(weed).items() if name} == {
        "data": ("stored", f"volumePolicies[0]: csi {driver.driver}"),
        "going": ("skipped", "it is being deleted, and is not stored"),
        "waits": ("skipped", "it is not bound to a volume, and holds no data"),
    }
    control_plane.kubectl("patch", "pvc", "going", "-n", namespace, "--type=merge", "-p", _LET_GO)
    control_plane.kubectl("delete", "pv", f"{namespace}-waits")


def test_under_another_namespace_beside_the_original(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """The copy has the bytes of the backup, the original keeps its own."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "one")
    file = policy(trysail, weed, namespace, driver)
    trysail("run", "-f", file, "--auto-approve")
    write(driver, handle, "two")
    copy = f"{namespace}-copy"
    trysail("restore", "latest", "-f", file, "--namespace-mappings", f"{namespace}:{copy}", "--auto-approve")
    assert read(driver, driver.handle(copy, "data")) == "one"
    assert read(driver, handle) == "two"
    control_plane.kubectl("delete", "namespace", copy, "--wait=false")


def test_in_another_cluster_that_reaches_the_handle(
    trysail: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    second_control_plane: ControlPlane,
    seaweedfs: SeaweedFS,
    driver: Csi,
    namespace: str,
    tmp_path: Path,
) -> None:
    """The bucket and the storage are enough: the first cluster need not be there."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "moved")
    trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    with Csi(second_control_plane, tmp_path, root=driver.root) as there:
        other = Trysail(trysail.folder, environment(second_control_plane, seaweedfs))
        other("restore", "latest", "--location", weed.url, "--auto-approve")
        assert read(there, there.handle(namespace, "data")) == "moved"
        second_control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")


@pytest.mark.parametrize("fault", ["fail", "hang", "never_ready"])
def test_a_driver_that_misbehaves_is_one_lines_error(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str, fault: str
) -> None:
    """The other volume is stored, the backup is partial, and nothing is left that no manifest names."""
    bad, good = driver.claim(namespace, "bad"), driver.claim(namespace, "good")
    write(driver, good, "good")
    before = set(driver.snapshots())
    if fault == "fail":
        driver.fail("the array is on fire", only=bad)
    else:
        getattr(driver, fault)(only=bad)
    limits = {"csiSnapshotTimeout": "8s", "itemOperationTimeout": "8s"}
    file = policy(trysail, weed, namespace, driver, **limits)
    run = trysail("run", "-f", file, "--auto-approve", code=3)
    assert "PartiallyFailed" in run.out
    stored = ledger(weed)
    assert {name: line["outcome"] for name, line in stored.items()} == {"bad": "failed", "good": "stored"}
    if fault == "fail":
        assert "the array is on fire" in stored["bad"]["error"]
    driver.behave()
    named = {line["snapshot"]["id"] for line in stored.values() if "snapshot" in line and line["snapshot"]["id"]}
    wait_for(lambda: not set(driver.snapshots()) - before - named, "snapshots that nobody names to go")


def test_a_snapshot_that_somebody_has_deleted_is_said_and_its_claim_left_out(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """Behind our back, at the storage itself: the claim is not created empty."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "x")
    file = policy(trysail, weed, namespace, driver, csiSnapshotObjects="delete")
    trysail("run", "-f", file, "--auto-approve")
    wait_for(lambda: not objects(control_plane, namespace), "the VolumeSnapshot to go")
    snapshot = driver.snapshot_path(ledger(weed)["data"]["snapshot"]["id"])
    for record in snapshot.parent.glob(f"{snapshot.name}*"):
        shutil.rmtree(record) if record.is_dir() else record.unlink()
    lose(control_plane, driver, namespace, handle)
    restores = trysail.folder / "restore.yaml"
    spec = {"backupPolicy": "shop", "storageLocation": weed.location, "csiSnapshotTimeout": "8s"}
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": "back"}}
    restores.write_text(yaml.safe_dump({**document, "spec": spec}))
    restored = trysail("restore", "-f", restores, "--auto-approve", code=3)
    assert "could not be brought back" in restored.said, restored.out + restored.err
    claims = json.loads(control_plane.kubectl("get", "pvc", "-n", namespace, "-o", "json").stdout)["items"]
    assert claims == []


def test_snapshot_objects_stay_or_go_as_the_policy_says(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """They stay by default, and no backup stores them; with `delete` they go, and the data stays."""
    write(driver, driver.claim(namespace, "data"), "x")
    trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    (kept,) = objects(control_plane, namespace)
    assert kept["metadata"]["labels"]["trysail.dev/exclude-from-backup"] == "true"
    again = trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    assert SNAPSHOTS not in trysail("get", backup_name(again), "--location", weed.url, "-n", namespace).out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_early(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str, number: signal.Signals
) -> None:
    """A signal that can be answered deletes what was made; after the other, the same plan takes it over."""
    write(driver, driver.claim(namespace, "data"), "x")
    before = set(driver.snapshots())
    plan = trysail.folder / "plan.json"
    trysail("plan", "-f", policy(trysail, weed, namespace, driver), "--out", plan)
    released = Event()
    with FaultProxy(control_plane, trysail.folder) as proxy:
        proxy.always(lambda ask: ask.whole and ask.path.endswith("/configmaps"), held(released))
        with trysail.start("run", plan, "--kubeconfig", proxy.kubeconfig) as running:
            while not set(driver.snapshots()) - before:
                assert not running.ended, "it stands at the ConfigMaps"
            running.send(number)
            if number is signal.SIGINT:
                running.wait(130)
        released.set()
    weed.assert_no_backup()
    if number is signal.SIGINT:
        wait_for(lambda: not set(driver.snapshots()) - before, "the snapshot to go")
        return
    run = trysail("run", plan)
    line = ledger(weed)["data"]
    assert line.get("adopted") is True, run.out + run.err
    assert set(driver.snapshots()) - before == {line["snapshot"]["id"]}
