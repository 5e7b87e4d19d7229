"""Killed at each step: nothing half-visible remains, and the next run succeeds and reports what the dead one left."""

from __future__ import annotations

import base64
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
from tests.real.killed_run import PART_BYTES
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
SMALL, LARGE = 300, 700_000  # bytes of a ConfigMap
UPLOAD_CALLS: Final = 5  # that write the archive: both uploads are made, and one has two parts and is completed
EVERY_OTHER: Final = 6  # of the calls, where the cluster is a real one: what differs is the cluster's part alone


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
        assert (done.returncode, done.stderr) == (0, "")
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


@pytest.fixture
def folders(trysail: Trysail) -> Graveyard:
    """In folders, with a few small ConfigMaps as the cluster: they take parts of any size."""
    return Graveyard(trysail, _manifests(trysail, [_config_map(number) for number in range(CONFIG_MAPS)]), None, "")


@pytest.fixture
def buckets(trysail: Trysail, seaweedfs: SeaweedFS, bucket: str) -> Graveyard:
    """In SeaweedFS, which takes no part of less than 5 MiB, but for the last one."""
    return Graveyard(
        trysail, _manifests(trysail, [_config_map(number, LARGE) for number in range(8)]), seaweedfs, bucket
    )


@pytest.fixture(params=["seaweedfs", "folder"])
def real_graveyard(request: pytest.FixtureRequest, trysail: Trysail, control_plane: ControlPlane) -> Graveyard:
    """With the real API server as the cluster."""
    if control_plane.kubectl("get", "namespace", SPACE, check=False).returncode:
        control_plane.kubectl("create", "namespace", SPACE)
        listed = {"apiVersion": "v1", "kind": "List", "items": [_config_map(number) for number in range(CONFIG_MAPS)]}
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())
    server = request.getfixturevalue("seaweedfs") if request.param == "seaweedfs" else None
    bucket = request.getfixturevalue("bucket") if server is not None else ""
    return Graveyard(trysail, ("--kubeconfig", str(control_plane.kubeconfig)), server, bucket)


def test_killed_at_each_step(folders: Graveyard) -> None:
    """Before and after every single call to cluster and store; archive and index are sent in several parts."""
    calls = len(_calls_of_a_life(folders))
    assert calls > 25
    visible = _visible(folders, [(call, after) for call in range(1, calls + 1) for after in (False, True)])
    # The backup is there where the manifest was before the end came: then all that was to come is its proof.
    assert visible
    assert all(one.call >= calls - 1 for one in visible)


def test_killed_at_each_step_of_an_upload_to_s3(buckets: Graveyard) -> None:
    """After each call that writes the archive, which is sent in two parts."""
    deaths = _after_writing(_calls_of_a_life(buckets))[:UPLOAD_CALLS]
    assert _visible(buckets, deaths) == []


def test_killed_while_a_real_cluster_is_read(real_graveyard: Graveyard) -> None:
    """The same on the real API server: after each call that writes, and before some of those that read."""
    calls = _calls_of_a_life(real_graveyard)
    reading = [(call, False) for call in range(1, len(calls), EVERY_OTHER)]
    visible = _visible(real_graveyard, [*reading, *_after_writing(calls)])
    # The manifest is the last of what is written; what comes then is its proof.
    assert [one.call for one in visible] == [calls.rindex("W") + 1]


def test_the_name_of_a_dead_run_is_not_used_again(folders: Graveyard) -> None:
    """What a dead run wrote is never written over: who wants its name is told to take another."""
    (dead,), _ = folders.bury([(len(_calls_of_a_life(folders)) - 4, True)])
    words = ("run", "-f", dead.policy, *folders.cluster, "--auto-approve", "--name", "dead")
    assert 'a run named "dead" was begun and never finished' in folders.trysail(*words, code=1).err


def _visible(graveyard: Graveyard, deaths: list[tuple[int, bool]]) -> list[Dead]:
    """Those whose backup is visible; all of them died, and were survived."""
    dead, seen = graveyard.bury(deaths)
    assert [one for one, saw in zip(dead, seen, strict=True) if saw["lived"]] == []
    return [one for one in dead if _is_survived(graveyard, one)]


def _after_writing(calls: str) -> list[tuple[int, bool]]:
    return [(number, True) for number, call in enumerate(calls, start=1) if call == "W"]


def _calls_of_a_life(graveyard: Graveyard) -> str:
    """The calls of a run that nothing happens to."""
    (alive,), (seen,) = graveyard.bury([(0, False)])
    assert seen["lived"]
    graveyard.trysail("verify", "dead", "--location", alive.place.url)
    archive = alive.place.manifest()["keys"]["k8s-objects.tar.gz"]
    least = 5 << 20 if graveyard.server is not None and "--manifests" in graveyard.cluster else PART_BYTES
    assert archive["size"] > least, "the archive was not sent in parts"
    calls: str = seen["calls"]
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
    elif place.all_keys():
        assert "never finished" in trysail("get", "dead", "configmaps", "--location", place.url, code=1).err, dead
    ended = trysail("run", "-f", dead.policy, *graveyard.cluster, "--auto-approve", "--name", "next")
    assert ("dead was begun and never finished" in ended.err) == bool(left and not visible), dead
    trysail("verify", "next", "--location", place.url)
    return visible


def _manifests(trysail: Trysail, items: list[Json]) -> tuple[str, str]:
    folder = trysail.folder / "cluster"
    folder.mkdir()
    (folder / "configmaps.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return "--manifests", str(folder)


def _config_map(number: int, size: int = SMALL) -> Json:
    """With `size` bytes that do not compress."""
    noise = base64.b64encode(random.Random(number).randbytes(size)).decode()
    metadata = {"name": f"settings-{number}", "namespace": SPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {"noise": noise}}
