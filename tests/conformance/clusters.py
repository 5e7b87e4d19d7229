"""What the conformance suites of clusters put into each of them, and how they read it back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from runner.errors import ItemNotFound
from runner.model.cluster import ListRequest, Page, Resource
from runner.ports import ClusterReader, ClusterWriter
from tests.fakes.cluster import definition
from tests.parts.controlplane import ControlPlane

Json = dict[str, Any]

# In etcd's order "reader-a-b/…" comes before "reader-a/…", since "-" comes before "/".
FIRST, SECOND = "reader-a-b", "reader-a"
SECRETS = Resource("", "secrets", "v1", "Secret", namespaced=True)
NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "clusterroles", "v1", "ClusterRole", namespaced=False)
WIDGETS = Resource("reader.example.com", "widgets", "v1", "Widget", namespaced=True)
CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
UNKNOWN = Resource("reader.example.com", "nothings", "v1", "Nothing", namespaced=True)
ODD_NAME = "reader:Conformance_1"


def secret(namespace: str, name: str, **labels: str) -> Json:
    """A Secret with `labels`."""
    metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": {"note": "ü"}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {"k": "djE="},
    }


def widget(namespace: str, name: str) -> Json:
    """A custom resource."""
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "reader.example.com/v1",
        "kind": "Widget",
        "metadata": metadata,
        "spec": {"size": 1},
    }


def kube_system() -> Json:
    """The namespace that gives a cluster its uid; a real one is there already."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "the-uid"}}


DEFINITIONS = [
    *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (FIRST, SECOND)),
    definition("widgets", "Widget", "reader.example.com"),
]
OBJECTS = [
    secret(FIRST, "s-last", tier="back"),
    *(secret(SECOND, f"s-{number:02}", tier="front", size=str(number)) for number in range(9)),
    secret(SECOND, "s-bare"),
    secret(SECOND, "s-other", tier="back", canary=""),
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ODD_NAME},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    },
    widget(SECOND, "w-1"),
    widget(SECOND, "w-2"),
]
IN_SECOND = [*(f"s-{number:02}" for number in range(9)), "s-bare", "s-other"]


def apply(control_plane: ControlPlane, objects: list[Json]) -> None:
    """Makes `objects`, or finds them made."""
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed).encode())


def raw(value: object) -> bytes:
    """As it is sent."""
    return json.dumps(value).encode()


def of(resource: Resource, name: str, **more: object) -> Json:
    """An object of a type."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, **more}


def make(cluster: ClusterWriter, resource: Resource, namespace: str, value: Json) -> str:
    """Creates an object; its uid."""
    return cluster.create(resource, namespace, raw(value)).uid


def is_there(cluster: ClusterReader, resource: Resource, namespace: str, name: str) -> bool:
    """Whether an object can be read."""
    try:
        cluster.get(resource, namespace, name)
    except ItemNotFound:
        return False
    return True


def decoded(raw: msgspec.Raw | bytes) -> Json:
    """One object as Python has it."""
    value: Json = msgspec.json.decode(raw)
    return value


def names(page: Page) -> list[str]:
    """The names of a page's items."""
    return [decoded(item)["metadata"]["name"] for item in page.items]


def pages(cluster: ClusterReader, request: ListRequest) -> Iterator[Page]:
    """All pages of a list."""
    while True:
        page = cluster.page(request)
        yield page
        if not page.continue_token:
            return
        request = msgspec.structs.replace(request, continue_token=page.continue_token)
