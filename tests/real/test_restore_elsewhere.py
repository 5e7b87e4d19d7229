"""The same application in another cluster: other authority, other UID, other addresses; by restore and by kubectl."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.real.estate import estate
from tests.real.places import folder_place
from tests.real.restores import (
    answering,
    backed_up,
    dead_owners,
    done,
    estate_policy,
    fates,
    let_the_collector_work,
    make,
    planned,
)
from tests.real.round_trip import Key, create, remove, settle, state
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]


@dataclass(frozen=True)
class Lost:
    """A backup of an application, and nothing else of it."""

    trysail: Trysail
    namespace: str
    policy: Path
    before: dict[Key, Json]


@pytest.fixture(scope="module")
def lost(control_plane: ControlPlane, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """Backed up in the first cluster, where it then goes on."""
    namespace = f"elsewhere-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("elsewhere")
    trysail = Trysail(folder, {"KUBECONFIG": str(control_plane.kubeconfig)})
    create(control_plane, estate(namespace))
    make(control_plane, [answering(namespace, "admission")])
    settle(control_plane, namespace)
    policy = estate_policy(trysail, folder_place(folder / "backups"), namespace)
    backed_up(trysail, policy)
    before = state(control_plane, namespace)
    del before["Job", namespace, "migrated"]  # it has ended, and is not to run again
    yield Lost(trysail, namespace, policy, before)
    remove(control_plane, namespace)


@pytest.fixture
def second(second_control_plane: ControlPlane, second_nodes: Nodes, lost: Lost) -> Iterator[ControlPlane]:
    """The second cluster, in which nothing of it is left afterwards."""
    yield second_control_plane
    remove(second_control_plane, lost.namespace)


def test_restored_into_another_cluster(lost: Lost, second: ControlPlane) -> None:
    """It is the same, at addresses of the other range, with tokens of the other cluster; done twice, once is done."""
    words = ("latest", "-f", lost.policy, "--kubeconfig", second.kubeconfig)
    plan = planned(lost.trysail, *words)
    assert plan["target"]["uid"] == second.must("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert set(fates(plan).values()) == {"create"}

    ended = lost.trysail.process("restore", *words, "--auto-approve")
    settle(second, lost.namespace)
    let_the_collector_work(second, lost.namespace)

    assert done(ended)["failed"] == 0
    assert state(second, lost.namespace) == lost.before
    assert dead_owners(second, lost.namespace) == []
    core = f"/api/v1/namespaces/{lost.namespace}"
    addresses = {item["spec"]["clusterIP"] for item in second.must("GET", f"{core}/services")["items"]}
    assert {address.rpartition(".112.")[0] for address in addresses - {"None"}} == {"10"}
    certificates = second.must("GET", f"{core}/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
    assert certificates == second.ca_file.read_text()
    assert "No changes." in lost.trysail("restore", *words, "--auto-approve").out
    assert state(second, lost.namespace) == lost.before


def test_as_manifests_for_kubectl(lost: Lost, second: ControlPlane) -> None:
    """A folder of manifests, given to kubectl, makes the same of an empty cluster, but for what only uids can say."""
    folder = lost.trysail.folder / "manifests"
    words = ("restore", "latest", "-f", lost.policy, "--to", folder)
    told = lost.trysail(*words).said
    assert "1 ownerReferences of secrets (manifests have no uids to name owners by" in told
    assert "No changes." in lost.trysail(*words).out

    apply = ("apply", "--server-side", "-R", "-f", str(folder))
    first = second.kubectl(*apply, check=False)  # kubectl takes files by their names: pods before their accounts
    if first.returncode:
        assert first.stderr.decode().count("Error from server") == 1
        assert b'pods "toolbox" is forbidden: error looking up service account' in first.stderr
        second.kubectl(*apply)

    settle(second, lost.namespace)
    let_the_collector_work(second, lost.namespace)
    found = state(second, lost.namespace)
    owners = lost.before["Secret", lost.namespace, "web-tls"]["metadata"]["ownerReferences"]
    found["Secret", lost.namespace, "web-tls"]["metadata"]["ownerReferences"] = owners
    assert found == lost.before
