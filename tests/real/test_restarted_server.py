"""An API server that goes away and comes back while it is being read; a control plane of its own pays for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.fault_proxy import Ask, FaultProxy, after
from tests.real.places import Place
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

SPACE: Final = "restarted"
CONFIG_MAPS: Final = 150  # three pages
PATIENCE: Final = 100.0  # seconds for a restart, on a machine with other things to do
REFUSED: Final = 3  # requests in a row that meet the dead server; after that the proxy waits for the living one


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with a namespace of ConfigMaps."""
    items: list[Json] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}]
    items += [_config_map(f"settings-{number:03}") for number in range(CONFIG_MAPS - 1)]
    with ControlPlane(tmp_path_factory.mktemp("restarted")) as running:
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        running.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())
        running.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", SPACE, "--timeout=60s")
        yield running


@pytest.fixture
def trysail(tmp_path: Path, plane: ControlPlane, seaweedfs: SeaweedFS) -> Trysail:
    """Trysail with the kubeconfig of this cluster."""
    return Trysail(tmp_path, environment(plane, seaweedfs))


@pytest.fixture
def policy(trysail: Trysail, weed: Place) -> Path:
    """The ConfigMaps."""
    return trysail.policy(
        location=weed.location,
        includedNamespaces=[SPACE],
        includedNamespaceScopedResources=["configmaps"],
        includedClusterScopedResources=[],
    )


def test_a_crash_in_the_middle_of_a_list(
    trysail: Trysail, weed: Place, plane: ControlPlane, policy: Path, tmp_path: Path
) -> None:
    """Connections are refused, then there is a new process: the run waits, goes on, and lacks nothing."""
    back = Event()

    def start() -> None:
        try:
            plane.start_apiserver()
        finally:
            back.set()

    restart = Thread(target=start)

    def crash() -> None:
        plane.stop_apiserver()
        restart.start()

    with FaultProxy(plane, tmp_path) as proxy:
        proxy.when(_goes_on, after(crash))
        proxy.when(_goes_on, lambda _, forward: forward(), times=REFUSED)
        proxy.always(_goes_on, after(lambda: back.wait(PATIENCE)))
        ended = trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)
    restart.join()
    assert f"retrying list of configmaps in {SPACE}" in ended.err
    manifest = weed.manifest()
    assert (manifest["phase"], manifest["items"]) == ("Completed", CONFIG_MAPS + 1)
    trysail("verify", "latest", "-f", policy)


def test_continue_tokens_that_really_expire(
    trysail: Trysail, weed: Place, plane: ControlPlane, policy: Path, tmp_path: Path
) -> None:
    """The server compacts its history in the middle of a list: the rest is of a later moment, and nothing is twice."""

    def expire() -> None:
        plane.kubectl("create", "-f", "-", stdin=json.dumps(_config_map("zz-later")).encode())
        plane.expire_continue_tokens()

    with FaultProxy(plane, tmp_path) as proxy:
        proxy.when(_goes_on, after(expire))
        trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)
        pages = [ask for ask in proxy.asked if _goes_on(ask)]
    (listed,) = [one for one in weed.manifest()["lists"] if one["resource"] == "configmaps"]
    assert (listed["consistent"], listed["planned"], listed["stored"]) == (False, CONFIG_MAPS, CONFIG_MAPS + 1)
    assert len({ask.token for ask in pages}) == 2  # the expired one, and the one that came with the error
    trysail("verify", "latest", "-f", policy)
    names = trysail("get", "latest", "configmaps", "-A", "-o", "name", "-f", policy).out.splitlines()
    assert len(names) == len(set(names)) == CONFIG_MAPS + 1
    assert f"{SPACE}/configmaps/zz-later" in names


def _goes_on(ask: Ask) -> bool:
    """A later page of what the run lists."""
    return ask.whole and bool(ask.token)


def _config_map(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SPACE}}
