"""Hooks by the whole product, on the real API server: exec goes through it to kwok's nodes, which run processes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.moto_ec2 import MotoEc2
from tests.parts.nodes import Nodes
from tests.real.disks import make_claim, snapshot_location
from tests.real.places import Place
from tests.real.test_volumes_ebs import cloudy, ledger, policy
from tests.real.trysail import Trysail, backup_name

pytestmark = pytest.mark.real

__all__ = ["cloudy"]  # a fixture

Json = dict[str, Any]
FROZEN = "trysail.dev/frozen"


def make_pod(plane: ControlPlane, namespace: str, *claims: str, **annotations: str) -> None:
    """A Pod db-0 that runs and mounts claims."""
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    container = {"name": "db", "image": "registry.example.com/db:1"}
    pod: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db-0", "labels": {"app": "db"}, "annotations": annotations},
        # No node of the tests lies in the disk's zone, and the scheduler would wait for one.
        "spec": {
            "nodeName": "node-1",
            "containers": [container],
            "volumes": volumes,
            "terminationGracePeriodSeconds": 1,
        },
    }
    plane.must("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    plane.kubectl("wait", "pod/db-0", "-n", namespace, "--for=condition=Ready", "--timeout=60s")


def record(plane: ControlPlane, namespace: str) -> str | None:
    """What lies on the Pod."""
    found = json.loads(plane.kubectl("get", "pod", "db-0", "-n", namespace, "-o", "json").stdout)
    noted: str | None = (found["metadata"].get("annotations") or {}).get(FROZEN)
    return noted


def hooks(marks: Path, *, freeze: str = "", thaw: str = "", **of_freeze: Any) -> Json:
    """Commands that leave marks; kwok's nodes run them as processes of this machine."""
    pre = {"command": ["sh", "-c", f"echo freeze >> {marks}; {freeze}"], "onError": "fail", "timeout": "20s"}
    post = {"command": ["sh", "-c", f"echo thaw >> {marks}; {thaw}"], "timeout": "20s"}
    selected = {"name": "db", "labelSelector": {"matchLabels": {"app": "db"}}}
    return {"resources": [{**selected, "pre": [{"exec": {**pre, **of_freeze}}], "post": [{"exec": post}]}]}


def marks_of(marks: Path) -> list[str]:
    """What has been run."""
    return marks.read_text().split() if marks.exists() else []


def options(cloudy: Trysail, weed: Place, cloud: MotoEc2, namespace: str, **spec: Any) -> list[str | Path]:
    """The policy and its snapshot location."""
    return ["-f", snapshot_location(cloudy.folder, cloud.endpoint), "-f", policy(cloudy, weed, namespace, **spec)]


def test_a_pod_is_frozen_around_its_snapshot(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
) -> None:
    """Pre, snapshot, post; the plan shows both commands, the result says how long, and no mark is left on the Pod."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    make_pod(control_plane, namespace, "data")
    marks = tmp_path / "marks"
    files = options(cloudy, weed, moto_ec2, namespace, hooks=hooks(marks, freeze="echo password=hunter22"))
    planned = cloudy("plan", *files)
    assert "commands will be run in 1 Pod" in planned.said
    assert marks_of(marks) == []
    run = cloudy("run", *files, "--auto-approve")
    assert marks_of(marks) == ["freeze", "thaw"]
    assert "frozen" in run.said
    assert "hunter22" not in run.out + run.err
    line = ledger(weed)["data"]
    assert line["outcome"] == "stored"
    assert 0 < line["frozen"] < 20
    assert record(control_plane, namespace) is None


def test_a_pre_hook_that_fails_takes_no_snapshot(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
) -> None:
    """onError: fail: the line says why, the Pod is thawed, exit 3, and no snapshot is left."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    make_pod(control_plane, namespace, "data")
    marks = tmp_path / "marks"
    files = options(cloudy, weed, moto_ec2, namespace, hooks=hooks(marks, freeze="exit 137"))
    run = cloudy("run", *files, "--auto-approve", code=3)
    assert "137" in ledger(weed)["data"]["error"]
    assert marks_of(marks) == ["freeze", "thaw"]
    assert moto_ec2.snapshots(backup=backup_name(run)) == {}
    assert record(control_plane, namespace) is None


def test_killed_between_freeze_and_thaw_the_next_run_thaws(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
) -> None:
    """SIGKILL cannot be answered: what thaws the Pod lies on it, and the next run completes that first."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    make_pod(control_plane, namespace, "data")
    marks, gate = tmp_path / "marks", tmp_path / "gate"
    freeze = f"while [ ! -e {gate} ]; do sleep 0.1; done"
    files = options(cloudy, weed, moto_ec2, namespace, hooks=hooks(marks, freeze=freeze))
    with cloudy.start("run", *files, "--auto-approve") as running:
        while marks_of(marks) != ["freeze"]:
            assert not running.ended, "it stands in its pre hook"
        running.send(signal.SIGKILL)
    gate.touch()
    assert json.loads(record(control_plane, namespace) or "null")["policy"] == "shop"
    assert "was left frozen" in cloudy("plan", *files).said
    cloudy("run", *files, "--auto-approve")
    assert marks_of(marks) == ["freeze", "thaw", "freeze", "thaw"]
    assert record(control_plane, namespace) is None
    assert ledger(weed)["data"]["outcome"] == "stored"


def test_killed_between_freeze_and_thaw_somebody_thaws_by_hand(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
) -> None:
    """`trysail thaw` shows what is frozen, and by whom, and runs the hooks that lie on the Pod."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    make_pod(control_plane, namespace, "data")
    marks, gate = tmp_path / "marks", tmp_path / "gate"
    freeze = f"while [ ! -e {gate} ]; do sleep 0.1; done"
    files = options(cloudy, weed, moto_ec2, namespace, hooks=hooks(marks, freeze=freeze))
    with cloudy.start("run", *files, "--auto-approve") as running:
        while marks_of(marks) != ["freeze"]:
            assert not running.ended, "it stands in its pre hook"
        running.send(signal.SIGKILL)
    gate.touch()
    assert f"{namespace}/db-0" in cloudy("thaw", "-n", namespace, "--plan").out
    cloudy("thaw", "-n", namespace, "--auto-approve")
    assert marks_of(marks) == ["freeze", "thaw"]
    assert record(control_plane, namespace) is None
    assert "Nothing is frozen." in cloudy("thaw", "-n", namespace, "--auto-approve").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_thaws_first(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """The pre hook comes to its end, no snapshot is taken, the Pod is thawed, and nothing is left."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    make_pod(control_plane, namespace, "data")
    marks, gate = tmp_path / "marks", tmp_path / "gate"
    freeze = f"while [ ! -e {gate} ]; do sleep 0.1; done"
    files = options(cloudy, weed, moto_ec2, namespace, hooks=hooks(marks, freeze=freeze))
    with cloudy.start("run", *files, "--auto-approve") as running:
        while marks_of(marks) != ["freeze"]:
            assert not running.ended, "it stands in its pre hook"
        running.send(number)
        gate.touch()
        running.wait(130)
    assert marks_of(marks) == ["freeze", "thaw"]
    assert record(control_plane, namespace) is None
    assert moto_ec2.snapshots(pvc=f"{namespace}/data") == {}
    weed.assert_no_backup()


def test_commands_around_the_run(
    cloudy: Trysail, weed: Place, control_plane: ControlPlane, moto_ec2: MotoEc2, namespace: str, tmp_path: Path
) -> None:
    """On this machine, told which run it is; never for plan or validate; one that fails beforehand begins nothing."""
    make_claim(control_plane, moto_ec2, namespace, "data")
    marks = tmp_path / "marks"
    told = ["sh", "-c", f'echo "$TRYSAIL_PHASE:$TRYSAIL_POLICY" >> {marks}']
    before = {"command": ["sh", "-c", f"echo before >> {marks}"]}
    around = {"beforeRun": [before], "onSuccess": [{"command": told}], "onFailure": [{"command": told}]}
    files = options(cloudy, weed, moto_ec2, namespace, hooks=around)
    cloudy("validate", *[file for file in files if file != "-f"])
    assert "commands will be run on this machine" in cloudy("plan", *files).said
    assert marks_of(marks) == []
    cloudy("run", *files, "--auto-approve")
    assert marks_of(marks) == ["before", "Completed:shop"]
    marks.unlink()
    around["beforeRun"] = [{"command": ["false"]}]
    files = options(cloudy, weed, moto_ec2, namespace, hooks=around)
    refused = cloudy("run", *files, "--auto-approve", code=1)
    assert "nothing was begun" in refused.err
    assert marks_of(marks) == ["Failed:shop"]
    assert len([key for key in weed.all_keys() if key.endswith("manifest.json")]) == 1
