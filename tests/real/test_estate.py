"""The estate itself: the real API server takes it, it comes to rest, and two lives of it compare as they should."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.real.estate import CHECKED, estate, node_port
from tests.real.round_trip import create, key, normalised, path_of, remove, settle, state

pytestmark = pytest.mark.real

Json = dict[str, Any]


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane, nodes: Nodes) -> Iterator[str]:
    """Where an estate is, which has come to rest."""
    name = f"estate-{secrets.token_hex(4)}"
    create(control_plane, estate(name))
    settle(control_plane, name)
    yield name
    remove(control_plane, name)


def test_all_of_it_is_there(control_plane: ControlPlane, namespace: str) -> None:
    """State has every object of the estate and the claim of the StatefulSet, and nothing else."""
    found = state(control_plane, namespace)

    claim = ("PersistentVolumeClaim", namespace, "data-db-0")
    assert set(found) == {key(item) for item in estate(namespace)} | {claim}


def test_controllers_have_worked_on_it(control_plane: ControlPlane, namespace: str) -> None:
    """What a restore must tell apart is really there: what controllers made, finished and chose."""
    read = control_plane.must
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    batch = f"/apis/batch/v1/namespaces/{namespace}"

    assert len(read("GET", f"{apps}/controllerrevisions")["items"]) == 2
    assert len(read("GET", f"{apps}/replicasets")["items"]) == 1
    assert read("GET", f"{batch}/jobs/migrated")["status"]["completionTime"]
    assert read("GET", f"{core}/secrets/web-token")["data"]["token"]
    assert read("GET", f"{core}/services/public")["spec"]["healthCheckNodePort"]
    ports = [port["nodePort"] for port in read("GET", f"{core}/services/edge")["spec"]["ports"]]
    assert ports[0] == node_port(namespace)
    assert ports[1] != 0
    owner = read("GET", f"{core}/secrets/web-tls")["metadata"]["ownerReferences"][0]
    group = f"/apis/{namespace}.example.com/v1/namespaces/{namespace}/certificates"
    assert owner["uid"] == read("GET", f"{group}/web")["metadata"]["uid"]


def test_its_webhook_refuses_what_it_wants_to_see(control_plane: ControlPlane, namespace: str) -> None:
    """Nothing answers the webhook: a ConfigMap with its label is refused, and none else."""
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"

    checked, answer = control_plane.request("POST", path, {"metadata": {"name": "seen", "labels": CHECKED}})
    unchecked, _ = control_plane.request("POST", path, {"metadata": {"name": "unseen"}})

    assert (checked, unchecked) == (500, 201)
    assert "failed calling webhook" in answer["message"]


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("Service", "edge", lambda item: item["spec"]["ports"][0].update(nodePort=30100)),
        ("Service", "web", lambda item: item["spec"]["selector"].update(app="other")),
        ("PersistentVolume", "{}-archive", lambda item: item["spec"]["claimRef"].update(name="other")),
        ("ConfigMap", "settings", lambda item: item["data"].update(answers=True)),
        ("Secret", "credentials", lambda item: item["data"].update(password="")),
        ("Secret", "web-tls", lambda item: item["metadata"].pop("ownerReferences")),
        ("Job", "importing", lambda item: item["spec"]["template"]["spec"].update(serviceAccountName="other")),
        ("Certificate", "kept", lambda item: item["metadata"].pop("finalizers")),
    ],
)
def test_what_its_owner_wrote_is_compared(
    control_plane: ControlPlane, namespace: str, kind: str, name: str, change: Callable[[Json], object]
) -> None:
    """Nothing that matters is normalised away."""
    declared = next(
        item for item in estate(namespace) if (item["kind"], item["metadata"]["name"]) == (kind, name.format(namespace))
    )
    item = control_plane.must("GET", path_of(control_plane, declared))
    before = normalised(item)

    change(item)

    assert normalised(item) != before


def test_two_lives_of_it_are_alike(control_plane: ControlPlane, namespace: str) -> None:
    """Removed and made once more, it is the same to `state`, and in between nothing of it is left."""
    first = state(control_plane, namespace)

    remove(control_plane, namespace)
    assert state(control_plane, namespace) == {}
    create(control_plane, estate(namespace))
    settle(control_plane, namespace)

    assert state(control_plane, namespace) == first


def test_the_second_cluster_takes_it_too(
    control_plane: ControlPlane, namespace: str, second_control_plane: ControlPlane, second_nodes: Nodes
) -> None:
    """The same in another cluster is the same to `state`, although every address in it is another."""
    create(second_control_plane, estate(namespace))
    settle(second_control_plane, namespace)

    assert state(second_control_plane, namespace) == state(control_plane, namespace)
    remove(second_control_plane, namespace)
