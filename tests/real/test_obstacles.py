"""What is predicted of a server-side apply, held against what the real API server says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from runner.actions.drift import drift
from runner.actions.drift_owners import obstacles
from runner.actions.drift_path import Keyed, Member, parse_path
from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import ApplyConflict
from runner.model.cluster import ItemId, Resource
from tests.parts.controlplane import ControlPlane

pytestmark = pytest.mark.real

Json = dict[str, Any]
Change = Callable[[Json], None]

DEPLOYMENTS = Resource("apps", "deployments", "v1", "Deployment", namespaced=True)
CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
SERVICES = Resource("", "services", "v1", "Service", namespaced=True)

DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"a": "1"}, "annotations": {"a.b/c": "x"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "volumes": [{"name": "tmp", "emptyDir": {}}],
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["a", "b"],
                        "env": [{"name": "X", "value": "1"}],
                        "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                        "resources": {"limits": {"cpu": "1"}},
                    }
                ],
            },
        },
    },
}
CONFIG_MAP: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "finalizers": ["example.com/one"]},
    "data": {"a": "1", "b": "2", "file.yaml": "x: 1\n"},
}
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"app": "web", "tier": "front"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 80, "protocol": "UDP"}],
    },
}


class Place(NamedTuple):
    """A namespace of the real cluster."""

    plane: ControlPlane
    namespace: str

    def kubectl(self, *words: str, stdin: Json | None = None) -> None:
        """Runs kubectl in the namespace."""
        raw = None if stdin is None else json.dumps(stdin).encode()
        self.plane.kubectl(*words, "-n", self.namespace, stdin=raw)

    def create(self, value: Json) -> None:
        """As people do."""
        self.kubectl("apply", "-f", "-", stdin=value)

    def check(self, resource: Resource, value: Json, change: Change) -> set[str]:
        """Predicts what an apply of `value` would meet once it is changed, asks the API server, and has both agree.

        Returns `owner path` of each obstacle, as the API server writes them.
        """
        cluster = KubernetesCluster.connect(str(self.plane.kubeconfig), None)
        name = value["metadata"]["name"]
        live = json.loads(cluster.get(resource, self.namespace, name))
        body = deepcopy(value)
        body["metadata"]["namespace"] = self.namespace
        change(body)
        item = ItemId(resource.group, resource.plural, self.namespace, name)
        changes = drift(item, body, live)
        assert changes
        predicted = {f"{one.owner} {_as_server(one.path)}" for one in obstacles(item, changes, live)}
        try:
            cluster.apply(resource, self.namespace, name, json.dumps(body).encode(), dry_run=True)
        except ApplyConflict as conflict:
            refused = {f"{field.manager} {field.path}" for field in conflict.fields}
        else:
            refused = set()
        # What is taken as a whole is named so by the server, and may be named more exactly by us.
        assert {one for one in predicted if not one.startswith(tuple(refused))} == set()
        assert {one for one in refused if not any(other.startswith(one) for other in predicted)} == set()
        return refused


@pytest.fixture
def place(control_plane: ControlPlane, namespace: str) -> Place:
    """A namespace of its own."""
    return Place(control_plane, namespace)


def _as_server(path: str) -> str:
    text = ""
    for step in parse_path(path):
        match step:
            case str():
                text += f".{step}"
            case int():
                text += f"[{step}]"
            case Keyed(keys):
                text += f"[{','.join(f'{key}={json.dumps(value)}' for key, value in keys)}]"
            case Member(value):
                text += f"[={json.dumps(value)}]"
    return text


def _change_deployment(body: Json) -> None:
    body["metadata"] |= {"labels": {"a": "2", "b": "1"}, "annotations": {"a.b/c": "y", "a.b/d": "z"}}
    body["spec"]["replicas"] = 5
    pod = body["spec"]["template"]["spec"]
    pod["nodeSelector"] = {"disk": "hdd"}
    pod["volumes"] = [{"name": "tmp", "emptyDir": {"medium": "Memory"}}, {"name": "more", "emptyDir": {}}]
    (web,) = pod["containers"]
    web |= {"image": "web:2", "args": ["a", "c"], "env": [{"name": "X", "value": "2"}, {"name": "Z", "value": "1"}]}
    web["ports"] = [{"containerPort": 80, "protocol": "TCP", "name": "http"}, {"containerPort": 80, "protocol": "UDP"}]
    web["resources"] = {"limits": {"cpu": "2", "memory": "1Gi"}}


def test_a_deployment_of_others(place: Place) -> None:
    """What kubectl, its scale, and a controller wrote by Update; free is what is new."""
    place.create(DEPLOYMENT)
    place.kubectl("scale", "deployment", "web", "--replicas=3")
    place.kubectl("patch", "deployment", "web", "--field-manager=other", "--type=merge", '-p={"spec":{"paused":true}}')

    def change(body: Json) -> None:
        _change_deployment(body)
        body["spec"]["paused"] = False

    refused = place.check(DEPLOYMENTS, DEPLOYMENT, change)
    web = '.spec.template.spec.containers[name="web"]'
    assert refused == {
        "kubectl .spec.replicas",
        "kubectl-client-side-apply .metadata.labels.a",
        "kubectl-client-side-apply .metadata.annotations.a.b/c",
        "kubectl-client-side-apply .spec.template.spec.nodeSelector",
        f"kubectl-client-side-apply {web}.args",
        f'kubectl-client-side-apply {web}.env[name="X"].value',
        f"kubectl-client-side-apply {web}.image",
        f"kubectl-client-side-apply {web}.resources.limits.cpu",
        "other .spec.paused",
    }


def test_a_deployment_that_two_apply(place: Place) -> None:
    """By Apply; both are named where they share a field. One of them is ours, and not in the way."""
    for manager in ("helm", "argocd", "trysail"):
        place.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=DEPLOYMENT)
    refused = place.check(DEPLOYMENTS, DEPLOYMENT, lambda body: body["spec"].update(replicas=7))
    assert refused == {"helm .spec.replicas", "argocd .spec.replicas"}


def test_what_we_wrote_ourselves(place: Place) -> None:
    """By Apply it is ours to change. A create is an Update, and that is another manager to the API server."""
    place.kubectl("apply", "--server-side", "--field-manager=trysail", "-f", "-", stdin=CONFIG_MAP)
    assert place.check(CONFIG_MAPS, CONFIG_MAP, lambda body: body["data"].update(a="9")) == set()
    place.kubectl("delete", "configmap", "settings", "--wait=false")
    place.kubectl("patch", "configmap", "settings", "--type=merge", '-p={"metadata":{"finalizers":null}}')
    place.kubectl("create", "--field-manager=trysail", "-f", "-", stdin=CONFIG_MAP)
    refused = place.check(CONFIG_MAPS, CONFIG_MAP, lambda body: body["data"].update(a="9"))
    assert refused == {"trysail .data.a"}
    place.kubectl("patch", "configmap", "settings", "--type=merge", '-p={"metadata":{"finalizers":null}}')


def test_a_config_map(place: Place) -> None:
    """Keys of data are fields of their own, and finalizers a set: what is added to it is in nobody's way."""
    place.create(CONFIG_MAP)
    place.kubectl("patch", "configmap", "settings", "--field-manager=editor", "--type=merge", '-p={"data":{"b":"3"}}')

    def change(body: Json) -> None:
        body["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
        body["metadata"]["labels"] = {"new": "yes"}
        body["data"] |= {"file.yaml": "x: 2\n", "c": "new"}

    refused = place.check(CONFIG_MAPS, CONFIG_MAP, change)
    assert refused == {"editor .data.b", "kubectl-client-side-apply .data.file.yaml"}
    place.kubectl("patch", "configmap", "settings", "--type=merge", '-p={"metadata":{"finalizers":null}}')


def test_a_service(place: Place) -> None:
    """Ports are known by number and protocol, and a selector is taken as a whole."""
    place.create(SERVICE)

    def change(body: Json) -> None:
        body["spec"]["selector"]["tier"] = "back"
        body["spec"]["ports"] = [
            {"name": "web", "port": 80, "protocol": "TCP", "targetPort": 8080},
            {"name": "dns", "port": 80, "protocol": "UDP", "targetPort": 53},
            {"name": "new", "port": 81, "protocol": "TCP"},
        ]

    refused = place.check(SERVICES, SERVICE, change)
    assert refused == {
        "kubectl-client-side-apply .spec.selector",
        'kubectl-client-side-apply .spec.ports[port=80,protocol="TCP"].name',
        'kubectl-client-side-apply .spec.ports[port=80,protocol="UDP"].targetPort',
    }
