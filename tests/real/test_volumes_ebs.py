"""EBS volumes end to end: planned, snapshotted through EC2, lost, and brought back with their claims bound.

The cluster is a real one; EC2 is moto's server, whose snapshots are complete at once.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from runner import wiring
from tests.parts.controlplane import ControlPlane
from tests.parts.moto_ec2 import KEYS, MotoEc2
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.disks import destroy, handle_of, make_claim, snapshot_location
from tests.real.fault_proxy import FaultProxy, held
from tests.real.places import Place
from tests.real.trysail import Trysail, backup_name

pytestmark = pytest.mark.real

Json = dict[str, Any]


@pytest.fixture
def cloudy(tmp_path: Path, control_plane: ControlPlane, seaweedfs: SeaweedFS) -> Trysail:
    """Trysail with keys for the store in its policies, and AWS' own in the environment."""
    env = environment(control_plane, seaweedfs)
    keys = {"STORE_KEY": env.pop("AWS_ACCESS_KEY_ID"), "STORE_SECRET": env.pop("AWS_SECRET_ACCESS_KEY")}
    return Trysail(tmp_path, {**env, **keys, **KEYS})


def policy(cloudy: Trysail, weed: Place, namespace: str, **spec: Any) -> Path:
    """Of one namespace, with snapshots of its disks."""
    credential = {"accessKeyId": {"env": "STORE_KEY"}, "secretAccessKey": {"env": "STORE_SECRET"}}
    given = {"includedNamespaces": [namespace], "snapshotLocation": "ebs", "onUncovered": "fail", **spec}
    return cloudy.policy("shop", location={**weed.location, "credential": credential}, **given)


def ledger(weed: Place) -> dict[str, Json]:
    """volumes.json of the only backup, by claim."""
    record = json.loads(weed.read("volumes.json"))
    return {line["planned"]["claim"].partition("/")[2]: line for line in record["volumes"]}


def test_volumes_are_snapshotted_lost_and_brought_back(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """In-tree and CSI: the ledger names each snapshot, its tags name the backup, and the claims are bound again."""
    handles = {
        "csi": make_claim(control_plane, moto_ec2, namespace, "csi"),
        "old": make_claim(control_plane, moto_ec2, namespace, "old", in_tree=True),
    }
    files: list[str | Path] = [
        "-f",
        snapshot_location(cloudy.folder, moto_ec2.endpoint),
        "-f",
        policy(cloudy, weed, namespace),
    ]
    planned = cloudy("plan", *files)
    assert "# 2 native snapshots will be created" in planned.out
    run = cloudy.process("run", *files, "--auto-approve")
    backup = backup_name(run)
    stored = ledger(weed)
    assert {name: line["outcome"] for name, line in stored.items()} == {"csi": "stored", "old": "stored"}
    assert [line["planned"]["handle"] for line in stored.values()] == [handles["csi"], handles["old"]]
    tags = moto_ec2.snapshots(backup=backup)
    assert set(tags) == {line["snapshot"]["id"] for line in stored.values()}
    of_csi = tags[stored["csi"]["snapshot"]["id"]]
    volume = json.loads(control_plane.kubectl("get", "pv", f"{namespace}-csi", "-o", "json").stdout)
    assert of_csi == {
        "trysail.dev/backup": backup,
        "trysail.dev/policy": "shop",
        "trysail.dev/cluster": "real",
        "trysail.dev/plan": weed.manifest()["planDigest"],
        "trysail.dev/pvc": f"{namespace}/csi",
        "trysail.dev/volume-uid": volume["metadata"]["uid"],
        "trysail.dev/location": weed.store.url,
        "team": "shop",
    }
    assert weed.manifest()["volumes"] == {"stored": 2}

    destroy(control_plane, moto_ec2, namespace, **handles)
    restored = cloudy.process("restore", "latest", *files, "--auto-approve")
    assert "2 brought back" in restored.out
    for name, handle in handles.items():
        live = json.loads(control_plane.kubectl("get", "pv", f"{namespace}-{name}", "-o", "json").stdout)
        made = handle_of(live).rpartition("/")[2]
        assert made != handle
        assert live["status"]["phase"] == "Bound"
        disk = moto_ec2.volume(made)
        assert (disk["SnapshotId"], disk["Iops"], disk["Throughput"], disk["Size"], disk["AvailabilityZone"]) == (
            stored[name]["snapshot"]["id"],
            3500,
            150,
            1,
            "eu-west-1a",
        )
    again = cloudy("restore", "latest", *files, "--plan")
    assert "No changes." in again.out


def test_a_copy_beside_the_original_gets_disks_of_its_own(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """Under another namespace the old PersistentVolume keeps its name, its disk and its claim."""
    handle = make_claim(control_plane, moto_ec2, namespace, "data")
    files: list[str | Path] = [
        "-f",
        snapshot_location(cloudy.folder, moto_ec2.endpoint),
        "-f",
        policy(cloudy, weed, namespace),
    ]
    cloudy("run", *files, "--auto-approve")
    copy = f"{namespace}-copy"
    mapping = f"{namespace}:{copy}"
    cloudy("restore", "latest", *files, "--namespace-mappings", mapping, "--auto-approve")
    claims = json.loads(control_plane.kubectl("get", "pvc", "-n", copy, "-o", "json").stdout)["items"]
    (claim,) = claims
    volume = json.loads(control_plane.kubectl("get", "pv", claim["spec"]["volumeName"], "-o", "json").stdout)
    assert claim["status"]["phase"] == "Bound"
    assert volume["metadata"]["name"] != f"{namespace}-data"
    assert handle_of(volume) != handle
    original = json.loads(control_plane.kubectl("get", "pv", f"{namespace}-data", "-o", "json").stdout)
    assert (handle_of(original), original["status"]["phase"]) == (handle, "Bound")
    assert "No changes." in cloudy("restore", "latest", *files, "--namespace-mappings", mapping, "--plan").out
    control_plane.kubectl("delete", "namespace", copy, "--wait=false")


def test_more_disks_than_workers_come_back(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """All at once, and none waits for another."""
    names = [f"d{number:02}" for number in range(wiring.WRITERS + 4)]
    handles = {name: make_claim(control_plane, moto_ec2, namespace, name) for name in names}
    files: list[str | Path] = ["-f", snapshot_location(cloudy.folder, moto_ec2.endpoint)]
    files += ["-f", policy(cloudy, weed, namespace)]
    cloudy("run", *files, "--auto-approve")
    destroy(control_plane, moto_ec2, namespace, **handles)
    restored = cloudy.process("restore", "latest", *files, "--auto-approve")
    assert f"{len(names)} brought back" in restored.out


def test_a_disk_that_is_gone_is_one_lines_error(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """The rest is stored, the backup is PartiallyFailed, exit 3, and a restore refuses what it lacks."""
    make_claim(control_plane, moto_ec2, namespace, "good")
    moto_ec2.delete_volume(make_claim(control_plane, moto_ec2, namespace, "gone"))
    files: list[str | Path] = [
        "-f",
        snapshot_location(cloudy.folder, moto_ec2.endpoint),
        "-f",
        policy(cloudy, weed, namespace),
    ]
    run = cloudy("run", *files, "--auto-approve", code=3)
    assert "PartiallyFailed" in run.out
    assert "is it in eu-west-1, and in the account of these credentials?" in run.said
    stored = ledger(weed)
    assert {name: line["outcome"] for name, line in stored.items()} == {"good": "stored", "gone": "failed"}
    assert set(moto_ec2.snapshots(backup=backup_name(run))) == {stored["good"]["snapshot"]["id"]}


def test_a_killed_runs_snapshots_are_taken_over_by_the_same_plan(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """SIGKILL before the manifest: the next run of the saved plan finds the snapshots by their tags, and makes none."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    plan = cloudy.folder / "plan.json"
    files: list[str | Path] = [
        "-f",
        snapshot_location(cloudy.folder, moto_ec2.endpoint),
        "-f",
        policy(cloudy, weed, namespace),
    ]
    cloudy("plan", *files, "--out", plan)
    digest = json.loads(plan.read_bytes())["digest"]
    released = Event()
    with FaultProxy(control_plane, cloudy.folder) as proxy:
        # Its list of ConfigMaps is not answered, so that it stands there, whatever its snapshots do.
        proxy.always(lambda ask: ask.whole and ask.path.endswith("/configmaps"), held(released))
        with cloudy.start("run", plan, "--kubeconfig", proxy.kubeconfig) as running:
            while not moto_ec2.snapshots(plan=digest):
                assert not running.ended, "it stands at the ConfigMaps"
            running.send(signal.SIGKILL)
        released.set()
    left = set(moto_ec2.snapshots(plan=digest))
    weed.assert_no_backup()
    run = cloudy("run", plan)
    (line,) = ledger(weed).values()
    assert line["adopted"] is True
    assert "taken over" in run.said
    assert set(moto_ec2.snapshots(backup=backup_name(run))) == {line["snapshot"]["id"]} == left
    assert set(moto_ec2.snapshots(plan=digest)) == left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_deletes_its_snapshots(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    moto_ec2: MotoEc2,
    namespace: str,
    number: signal.Signals,
) -> None:
    """No manifest will name them: exit 130, and nothing is left at the provider or in the store."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    files: list[str | Path] = [
        "-f",
        snapshot_location(cloudy.folder, moto_ec2.endpoint),
        "-f",
        policy(cloudy, weed, namespace),
    ]
    released = Event()
    with FaultProxy(control_plane, cloudy.folder) as proxy:
        proxy.always(lambda ask: ask.whole and ask.path.endswith("/configmaps"), held(released))
        with cloudy.start("run", *files, "--auto-approve", "--kubeconfig", proxy.kubeconfig) as running:
            while not moto_ec2.snapshots(pvc=f"{namespace}/data"):
                assert not running.ended, "it stands at the ConfigMaps"
            running.send(number)
            ended = running.wait(130)
        released.set()
    assert "no backup was made" in ended.err
    assert moto_ec2.snapshots(pvc=f"{namespace}/data") == {}
    weed.assert_no_backup()


def test_credentials_without_access_are_said_before_anything_is_lost(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str
) -> None:
    """An endpoint that does not answer: each volume's line says so, and nothing is left anywhere."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    location = snapshot_location(cloudy.folder, moto_ec2.endpoint)
    location.write_text(location.read_text().replace(moto_ec2.endpoint, "http://127.0.0.1:1"))
    run = cloudy("run", "-f", location, "-f", policy(cloudy, weed, namespace), "--auto-approve", code=3)
    assert "EC2 gives no answer" in run.said
    assert ledger(weed)["data"]["outcome"] == "failed"
