"""Fills a real API server with a mixture of objects of about 2 KB, half of which a policy will select."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from tests.parts.controlplane import ControlPlane

NAMESPACES = 10  # selected, and as many beside
SELECTED, BESIDE = "bench-", "other-"
LARGE_SECRETS = "large-secrets"  # a namespace of its own: 600 Secrets of 1 MB
GROUP = "bench.trysail.dev"

# Of every 1,500 objects in a namespace; the controller manager adds ReplicaSets, Pods, Endpoints and EndpointSlices.
PER_1500 = {
    "configmaps": 250,
    "secrets": 250,
    "deployments": 100,  # each with a ReplicaSet and 3 Pods
    "services": 100,  # each with Endpoints and an EndpointSlice
    "serviceaccounts": 50,
    "roles": 50,
    "rolebindings": 50,
    "widgets": 50,
}
_REPLICAS = 3
_THREADS = 16
_PATIENCE = 1800.0  # seconds


class Api:
    """A bare client: JSON in, status and JSON out."""

    def __init__(self, plane: ControlPlane) -> None:
        headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(
            ca_certs=str(plane.ca_file), headers=headers, maxsize=_THREADS, block=True, retries=False
        )
        self._server = plane.server

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Creates an object; one that is there already is fine."""
        for wait in (0.1, 0.5, 2.0, 0.0):
            answer = self._pool.request("POST", self._server + path, body=json.dumps(body))
            if answer.status in {201, 409}:
                return
            time.sleep(wait)  # a CRD's path, or a namespace, is a moment late
        raise AssertionError(f"POST {path}: {answer.status} {answer.data[:300]!r}")

    def count(self, path: str) -> int:
        """How many items a list has."""
        page = self._pool.request("GET", f"{self._server}{path}?limit=1").json()
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


def seed(plane: ControlPlane, objects: int, *, beside: bool = True) -> None:
    """Makes `objects` in the selected namespaces, as many beside them, and waits for what controllers make of them."""
    api = Api(plane)
    api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _crd())
    names = [
        f"{prefix}{number}"
        for prefix in ((SELECTED, BESIDE) if beside else (SELECTED,))
        for number in range(NAMESPACES)
    ]
    for name in names:
        api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    share = objects / NAMESPACES / 1500
    counts = {plural: round(count * share) for plural, count in PER_1500.items()}
    with ThreadPoolExecutor(_THREADS) as threads:
        for done in threads.map(lambda work: api.post(*work), _bodies(names, counts), chunksize=16):
            assert done is None
    pods = counts["deployments"] * _REPLICAS * len(names)
    _wait(lambda: api.count("/api/v1/pods") >= pods)
    _wait(lambda: api.count("/apis/discovery.k8s.io/v1/endpointslices") >= counts["services"] * len(names))


def seed_large_secrets(plane: ControlPlane, number: int = 600, size: int = 1_000_000) -> None:
    """`number` Secrets of `size` bytes each in a namespace of their own."""
    api = Api(plane)
    api.post("/api/v1/namespaces", {"metadata": {"name": LARGE_SECRETS}})
    rng = random.Random(1)
    for item in range(number):
        data = base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
        body = {"metadata": {"name": f"large-{item}"}, "data": {"blob": data}}
        api.post(f"/api/v1/namespaces/{LARGE_SECRETS}/secrets", body)


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "the controllers did not finish in time"
        time.sleep(0.5)


def _bodies(namespaces: list[str], counts: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    rng = random.Random(0)
    for namespace in namespaces:
        for plural, count in counts.items():
            group, make = _MAKERS[plural]
            root = f"/apis/{group}" if "/" in group else f"/api/{group}"
            for number in range(count):
                body = make(number, rng)
                labels = {"app.kubernetes.io/name": f"app-{number % 40}", "app.kubernetes.io/part-of": namespace}
                body["metadata"] = {"name": f"{plural[:-1]}-{number}", "labels": labels, **body.get("metadata", {})}
                yield f"{root}/namespaces/{namespace}/{plural}", body


def _text(rng: random.Random, lines: int) -> str:
    return "".join(f"setting.{rng.randrange(10**6)} = {rng.getrandbits(160):040x}\n" for _ in range(lines))


def _config_map(number: int, rng: random.Random) -> dict[str, Any]:
    return {"data": {"app.properties": _text(rng, 20), "mode": rng.choice(["on", "off", "1e3"]), "n": str(number)}}


def _secret(number: int, rng: random.Random) -> dict[str, Any]:
    keys = ("tls.crt", "tls.key", "password")
    return {"data": {key: base64.b64encode(rng.randbytes(300)).decode() for key in keys}, "type": "Opaque"}


def _deployment(number: int, rng: random.Random) -> dict[str, Any]:
    labels = {"app": f"app-{number}"}
    container = {
        "name": "web",
        "image": f"registry.example.com/shop/web:{rng.randrange(100)}.{number}",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value-{rng.randrange(1000)}"} for n in range(8)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
    }
    volume = {"name": "config", "configMap": {"name": f"configmap-{number}"}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": [volume]}}
    return {"spec": {"replicas": _REPLICAS, "selector": {"matchLabels": labels}, "template": template}}


def _service(number: int, rng: random.Random) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {"example.com/owner": _text(rng, 8)}},
        "spec": {"selector": {"app": f"app-{number}"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }


def _annotated(number: int, rng: random.Random) -> dict[str, Any]:
    return {"metadata": {"annotations": {"example.com/notes": _text(rng, 20)}}}


def _role(number: int, rng: random.Random) -> dict[str, Any]:
    groups = ["", "apps", "batch", "networking.k8s.io"]
    rules = [{"apiGroups": [g], "resources": ["*"], "verbs": ["get", "list", "watch"]} for g in groups * 4]
    return {"rules": rules}


def _role_binding(number: int, rng: random.Random) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": f"serviceaccount-{number}", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"role-{number}"}
    return {**_annotated(number, rng), "roleRef": reference, "subjects": [subject]}


def _widget(number: int, rng: random.Random) -> dict[str, Any]:
    parts = [{"name": f"part-{n}", "size": n, "weight": n / 8, "text": _text(rng, 1)} for n in range(12)]
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "spec": {"parts": parts, "replicas": number}}


_MAKERS: dict[str, tuple[str, Callable[[int, random.Random], dict[str, Any]]]] = {
    "configmaps": ("v1", _config_map),
    "secrets": ("v1", _secret),
    "deployments": ("apps/v1", _deployment),
    "services": ("v1", _service),
    "serviceaccounts": ("v1", _annotated),
    "roles": ("rbac.authorization.k8s.io/v1", _role),
    "rolebindings": ("rbac.authorization.k8s.io/v1", _role_binding),
    "widgets": (f"{GROUP}/v1", _widget),
}


def _crd() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"widgets.{GROUP}"}, "spec": spec}
