"""Killed at each step: nothing half-visible remains, and the next run succeeds and reports what the dead one left."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.places import Place, folder_place, seaweed_place
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

SPACE: Final = "killed"
CONFIG_MAPS: Final = 9
SELECTED: Final[Json] = {
    "includedNamespaces": [SPACE],
    "includedNamespaceScopedResources": ["configmaps"],
    "includedClusterScopedResources": [],
    "excludedItems": [{"name": "kube-root-ca.crt"}],
}
EVERY_OTHER: Final = 4  # of the calls, where the cluster is a real one: what differs is the cluster's part alone


@dataclass(frozen=True)
class Dead:
    """A run that was killed, and the place that was its own."""

    call: int
    after: bool
    place: Place
    policy: Path

    def __str__(self) -> str:
        return f"killed {'after' if self.after else 'before'} call {self.call}"


@dataclass(frozen=True)
class Graveyard:
    """Kills runs in places of one kind, on one cluster."""

    trysail: Trysail
    cluster: tuple[str, str]  # --manifests or --kubeconfig, and what
    server: SeaweedFS | None  # None: in folders
    bucket: str

    def bury(self, deaths: list[tuple[int, bool]]) -> tuple[list[Dead], list[Json]]:
        """A run each, in a place of its own; and what the driver saw of it."""
        dead = [self._dead(call, after=after) for call, after in deaths]
        option, where = self.cluster
        orders = [
            {
                "policy": str(one.policy),
                "kubeconfig": where if option == "--kubeconfig" else None,
                "manifests": where if option == "--manifests" else None,
                "backup": "dead",
                "call": one.call,
                "after": one.after,
            }
            for one in dead
        ]
        file = self.trysail.folder / "deaths.json"
        file.write_text(json.dumps(orders))
        command = [sys.executable, "-m", "tests.real.killed_run", str(file)]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, env=self.trysail.environment(), cwd=root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dead, [json.loads(line) for line in done.stdout.splitlines()]

    def _dead(self, call: int, *, after: bool) -> Dead:
        name = f"{call}-{'after' if after else 'before'}"
        folder = self.trysail.folder / name
        folder.mkdir()
        place = (
            folder_place(folder / "backups")
            if self.server is None
            else seaweed_place(self.server, self.bucket, f"{self.trysail.folder.name}/{name}")
        )
        return Dead(call, after, place, Trysail(folder).policy(location=place.location, **SELECTED))


@pytest.fixture(params=["seaweedfs", "folder"])
def graveyard(request: pytest.FixtureRequest, trysail: Trysail, tmp_path: Path) -> Graveyard:
    """With a folder of manifests as the cluster."""
    (tmp_path / "cluster").mkdir()
    listed = {"apiVersion": "v1", "kind": "List", "items": [_config_map(number) for number in range(CONFIG_MAPS)]}
    (tmp_path / "cluster" / "configmaps.json").write_text(json.dumps(listed))
    return _graveyard(request, trysail, ("--manifests", str(tmp_path / "cluster")))


@pytest.fixture(params=["seaweedfs", "folder"])
def real_graveyard(request: pytest.FixtureRequest, trysail: Trysail, control_plane: ControlPlane) -> Graveyard:
    """With the real API server as the cluster."""
    if control_plane.kubectl("get", "namespace", SPACE, check=False).returncode:
        control_plane.kubectl("create", "namespace", SPACE)
        listed = {"apiVersion": "v1", "kind": "List", "items": [_config_map(number) for number in range(CONFIG_MAPS)]}
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())
    return _graveyard(request, trysail, ("--kubeconfig", str(control_plane.kubeconfig)))


def _graveyard(request: pytest.FixtureRequest, trysail: Trysail, cluster: tuple[str, str]) -> Graveyard:
    if request.param == "folder":
        return Graveyard(trysail, cluster, None, "")
    return Graveyard(trysail, cluster, request.getfixturevalue("seaweedfs"), request.getfixturevalue("bucket"))


def test_killed_at_each_step(graveyard: Graveyard) -> None:
    """Before and after every single call to cluster and store, archive and index in several parts."""
    calls = _calls_of_a_life(graveyard)
    assert calls > 25
    dead, seen = graveyard.bury([(call, after) for call in range(1, calls + 1) for after in (False, True)])
    assert [one for one, saw in zip(dead, seen, strict=True) if saw["lived"]] == []
    visible = [one for one in dead if _is_survived(graveyard, one)]
    # Only when the manifest was there before the end came, at the very last calls, the backup is.
    assert visible
    assert all(one.call >= calls - 2 for one in visible)


def test_killed_while_a_real_cluster_is_read(real_graveyard: Graveyard) -> None:
    """The same on the real API server, at some of the calls."""
    calls = _calls_of_a_life(real_graveyard)
    dead, seen = real_graveyard.bury([(call, False) for call in range(1, calls, EVERY_OTHER)])
    assert [one for one, saw in zip(dead, seen, strict=True) if saw["lived"]] == []
    assert [one for one in dead if _is_survived(real_graveyard, one)] == []


def test_the_name_of_a_dead_run_is_not_used_again(graveyard: Graveyard) -> None:
    """What a dead run wrote is never written over: who wants its name is told to take another."""
    half = _calls_of_a_life(graveyard) // 2 + 2
    dead, _ = graveyard.bury([(half, True)])
    words = ("run", "-f", dead[0].policy, *graveyard.cluster, "--auto-approve", "--name", "dead")
    ended = graveyard.trysail(*words, code=1)
    assert 'a run named "dead" was begun and never finished' in ended.err


def _calls_of_a_life(graveyard: Graveyard) -> int:
    """How many calls a run has that nothing happens to."""
    (alive,), (seen,) = graveyard.bury([(0, False)])
    assert seen["lived"]
    graveyard.trysail("verify", "dead", "--location", alive.place.url)
    archive = alive.place.manifest()["keys"]["k8s-objects.tar.gz"]
    assert archive["size"] > 2 * 1024, "the archive was not sent in parts"
    calls: int = seen["calls"]
    return calls


def _is_survived(graveyard: Graveyard, dead: Dead) -> bool:
    """Whether the dead run's backup is visible; if so it is whole. The next run succeeds, and reports it if not."""
    trysail, place = graveyard.trysail, dead.place
    left = place.all_keys() or place.store.unfinished("")
    visible = any(key.endswith("/dead/manifest.json") for key in place.all_keys())
    listed = json.loads(trysail("list", "--location", place.url, "-o", "json").out)
    assert [entry["name"] for entry in listed["backups"]] == (["dead"] if visible else []), dead
    if visible:
        trysail("verify", "dead", "--location", place.url)
    elif left:
        assert "never finished" in trysail("get", "dead", "configmaps", "--location", place.url, code=1).err, dead
    ended = trysail("run", "-f", dead.policy, *graveyard.cluster, "--auto-approve", "--name", "next")
    assert ("dead was begun and never finished" in ended.err) == bool(left and not visible), dead
    trysail("verify", "next", "--location", place.url)
    return visible


def _config_map(number: int) -> Json:
    """Of a size that compresses badly."""
    noise = random.Random(number)
    data = {f"key-{line}": noise.randbytes(16).hex() for line in range(12)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"settings-{number}", "namespace": SPACE},
        "data": data,
    }
