"""Restores of CSI volumes on a bad day: what would begin empty, what is on its way out, what an end leaves behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.real.fault_proxy import FaultProxy, held
from tests.real.places import Place
from tests.real.test_volumes_csi import SNAPSHOTS, ledger, lose, objects, policy, read, write
from tests.real.trysail import Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]
CONTENTS = "volumesnapshotcontents.snapshot.storage.k8s.io"


@pytest.fixture
def driver(csi: Csi) -> Iterator[Csi]:
    """The driver, which behaves again when the test ends."""
    yield csi
    csi.behave()


def restores(trysail: Trysail, weed: Place, **spec: Any) -> Path:
    """A RestorePolicy of the only backups there are, that does not wait for long."""
    path = trysail.folder / "restore.yaml"
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": "back"}}
    given = {"backupPolicy": "shop", "storageLocation": weed.location, "csiSnapshotTimeout": "6s", **spec}
    path.write_text(yaml.safe_dump({**document, "spec": given}))
    return path


def names(plane: ControlPlane, kind: str, namespace: str) -> list[str]:
    """Of the objects of a kind in a namespace, which need not be there."""
    found = json.loads(plane.kubectl("get", kind, "-n", namespace, "-o", "json").stdout)["items"]
    return [one["metadata"]["name"] for one in found]


def standing(plane: ControlPlane, namespace: str) -> list[str]:
    """VolumeSnapshots of a namespace, and the VolumeSnapshotContents that are theirs."""
    contents = json.loads(plane.kubectl("get", CONTENTS, "-o", "json").stdout)["items"]
    theirs = [one for one in contents if one["spec"]["volumeSnapshotRef"]["namespace"] == namespace]
    return names(plane, SNAPSHOTS, namespace) + [one["metadata"]["name"] for one in theirs]


def stateful_set(plane: ControlPlane, driver: Csi, namespace: str) -> str:
    """Makes `db`, whose controller makes the claim `data-db-0`, and returns the handle of its volume."""
    request = {"resources": {"requests": {"storage": "1Gi"}}}
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": driver.storage_class, **request}
    mounts = [{"name": "data", "mountPath": "/data"}]
    labels = {"app": "db"}
    containers = [{"name": "db", "image": "db", "volumeMounts": mounts}]
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    plane.must("POST", f"/apis/apps/v1/namespaces/{namespace}/statefulsets", {"metadata": {"name": "db"}, "spec": spec})
    wait_for(lambda: names(plane, "pvc", namespace), "the claim of the StatefulSet")
    return driver.handle(namespace, "data-db-0")


def test_a_stateful_set_does_not_begin_anew_when_its_data_cannot_be_had(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """Its controller would make the claim that was left out, empty; and the next restore would find it there."""
    handle = stateful_set(control_plane, driver, namespace)
    write(driver, handle, "rows")
    trysail("run", "-f", policy(trysail, weed, namespace, driver, csiSnapshotObjects="delete"), "--auto-approve")
    wait_for(lambda: not objects(control_plane, namespace), "the VolumeSnapshot to go")
    lose(control_plane, driver, namespace, handle)
    driver.fail("the array is on fire", only=ledger(weed)["data-db-0"]["snapshot"]["id"])
    file = restores(trysail, weed)
    failed = trysail("restore", "-f", file, "--auto-approve", code=3)
    assert "it would make its claim data-db-0 anew, and empty" in failed.said
    assert names(control_plane, "pvc", namespace) == []
    driver.behave()
    wait_for(lambda: not standing(control_plane, namespace), "what stood for the snapshot to go")
    trysail("restore", "-f", file, "--auto-approve")
    assert read(driver, driver.handle(namespace, "data-db-0")) == "rows"
    assert names(control_plane, "statefulsets", namespace) == ["db"]


def test_a_volume_on_its_way_out_is_not_taken_for_one_that_is_there(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """The namespace is gone, and the driver has not deleted the volume yet, as its class says."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "kept")
    trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    driver.fail("busy", only=handle)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    restored = trysail("restore", "-f", restores(trysail, weed), "--auto-approve")
    assert "1 brought back" in restored.out
    made = driver.handle(namespace, "data")
    assert (made != handle, read(driver, made)) == (True, "kept")


def test_a_class_that_nobody_provisions_is_that_claims_error(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """The claim is left out, nothing is left standing for it, and another class is enough to go on."""
    write(driver, driver.claim(namespace, "data"), "moved")
    trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    copy = f"{namespace}-copy"
    into = {"namespaceMapping": {namespace: copy}}
    gone = restores(trysail, weed, **into, storageClassMapping={driver.storage_class: "gone"})
    failed = trysail("restore", "-f", gone, "--auto-approve", code=3)
    assert "its StorageClass gone is not there" in failed.said
    assert names(control_plane, "pvc", copy) == []
    wait_for(lambda: not standing(control_plane, copy), "what stood for the snapshot to go")
    trysail("restore", "-f", restores(trysail, weed, **into), "--auto-approve")
    assert read(driver, driver.handle(copy, "data")) == "moved"
    control_plane.kubectl("delete", "namespace", copy, "--wait=false")


def test_a_class_that_waits_for_a_pod_keeps_the_snapshot_until_then(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """The volume is made later, from the VolumeSnapshot; the same command then takes that away, and not the data."""
    late = f"{namespace}-late"
    mode = {"provisioner": driver.driver, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"}
    control_plane.must("POST", "/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": late}, **mode})
    write(driver, driver.claim(namespace, "data"), "late")
    trysail("run", "-f", policy(trysail, weed, namespace, driver), "--auto-approve")
    copy = f"{namespace}-copy"
    mapped = {"namespaceMapping": {namespace: copy}, "storageClassMapping": {driver.storage_class: late}}
    file = restores(trysail, weed, **mapped)
    first = trysail("restore", "-f", file, "--auto-approve")
    assert "need their VolumeSnapshots until then" in first.said
    # As the scheduler says once it has placed a Pod that uses it.
    control_plane.kubectl("annotate", "pvc", "data", "-n", copy, "volume.kubernetes.io/selected-node=node-1")
    assert read(driver, driver.handle(copy, "data")) == "late"
    assert standing(control_plane, copy)
    trysail("restore", "-f", file, "--auto-approve")
    wait_for(lambda: not standing(control_plane, copy), "what stood for the snapshot to go")
    assert ledger(weed)["data"]["snapshot"]["id"] in driver.snapshots()
    assert "No changes." in trysail("restore", "-f", file, "--plan").out
    control_plane.kubectl("delete", "namespace", copy, "--wait=false")
    control_plane.kubectl("delete", "storageclass", late)


def test_a_restore_that_is_killed_beside_its_claim_leaves_nothing_once_it_is_done_again(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, driver: Csi, namespace: str
) -> None:
    """The claim is there, and what stood for the snapshot too: the same command takes that away."""
    handle = driver.claim(namespace, "data")
    write(driver, handle, "kept")
    file = policy(trysail, weed, namespace, driver, csiSnapshotObjects="delete")
    trysail("run", "-f", file, "--auto-approve")
    lose(control_plane, driver, namespace, handle)
    released = Event()
    with FaultProxy(control_plane, trysail.folder) as proxy:
        proxy.always(lambda ask: ask.method == "DELETE" and "/volumesnapshots/" in ask.path, held(released))
        command = ("restore", "latest", "-f", file, "--auto-approve", "--kubeconfig", proxy.kubeconfig)
        with trysail.start(*command) as running:
            wait_for(lambda: "data" in names(control_plane, "pvc", namespace), "the claim")
            driver.handle(namespace, "data")
            running.send(signal.SIGKILL)
        released.set()
    assert standing(control_plane, namespace)
    trysail("restore", "latest", "-f", file, "--auto-approve")
    wait_for(lambda: not standing(control_plane, namespace), "what stood for the snapshot to go")
    assert read(driver, driver.handle(namespace, "data")) == "kept"
    assert "No changes." in trysail("restore", "latest", "-f", file, "--plan").out
