"""A run is killed while it takes the snapshots of a frozen Pod's disks: nothing of it is lost out of sight."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.moto_ec2 import MotoEc2
from tests.parts.nodes import Nodes
from tests.real.disks import make_claim, snapshot_location
from tests.real.fault_proxy import Ask, Fault, Forward, PlainProxy, Reply, held
from tests.real.places import Place
from tests.real.test_volumes_ebs import cloudy, ledger, policy
from tests.real.test_volumes_hooks import hooks, make_pod, marks_of
from tests.real.trysail import Trysail, backup_name
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

__all__ = ["cloudy"]  # a fixture


def creates(ask: Ask) -> bool:
    """Whether it asks for a snapshot."""
    return b"Action=CreateSnapshot" in ask.body


def never(until: Event) -> Fault:
    """The request does not come to EC2 until something has happened, and then not either."""

    def fault(_: Ask, __: Forward) -> Reply:
        assert until.wait(60)
        return Reply(0, sent=0)

    return fault


@pytest.mark.parametrize(
    ("made", "faults"),
    [(0, [never, never]), (1, [held, never]), (2, [held, held])],
    ids=["none", "half of the group", "the group, unanswered"],
)
def test_snapshots_of_a_killed_run_are_taken_over_or_named(
    cloudy: Trysail,
    weed: Place,
    control_plane: ControlPlane,
    nodes: Nodes,
    moto_ec2: MotoEc2,
    namespace: str,
    tmp_path: Path,
    made: int,
    faults: list[Any],
) -> None:
    """SIGKILL with none, one or both of two asked for; the same plan again thaws the Pod first, and goes on."""
    for name in ("data", "log"):
        make_claim(control_plane, moto_ec2, namespace, name)
    make_pod(control_plane, namespace, "data", "log")
    marks, plan, over = tmp_path / "marks", cloudy.folder / "plan.json", Event()
    with PlainProxy(moto_ec2.endpoint) as proxy:
        location = snapshot_location(cloudy.folder, proxy.server)
        spec = policy(cloudy, weed, namespace, hooks=hooks(marks))
        cloudy("plan", "-f", location, "-f", spec, "--out", plan)
        digest = json.loads(plan.read_bytes())["digest"]
        for fault in faults:
            proxy.when(creates, fault(over))
        with cloudy.start("run", plan) as running:
            wait_for(lambda: len([ask for ask in proxy.asked if creates(ask)]) == 2, "both to be asked for")
            wait_for(lambda: len(moto_ec2.snapshots(plan=digest)) == made, "what comes through to be made")
            assert not running.ended
            running.send(signal.SIGKILL)
        over.set()
        left = set(moto_ec2.snapshots(plan=digest))
        weed.assert_no_backup()
        assert marks_of(marks) == ["freeze"]
        run = cloudy("run", plan)
    lines = ledger(weed).values()
    taken = {line["snapshot"]["id"] for line in lines}
    assert len(taken) == 2
    assert [line.get("adopted", False) for line in lines] == [made == 2] * 2
    assert set(moto_ec2.snapshots(backup=backup_name(run))) == taken
    unnamed = set(moto_ec2.snapshots(plan=digest)) - taken
    assert unnamed == left - taken
    assert all(f"a snapshot was left behind: {snapshot} of {namespace}/" in run.err for snapshot in unnamed)
    assert len(unnamed) == (1 if made == 1 else 0)
    assert marks_of(marks) == ["freeze", "thaw"] + (["freeze", "thaw"] if made < 2 else [])
