"""What the tests of the Kubernetes adapter share: types, answers of an API server, and kubeconfigs that lead to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from runner.model.cluster import Resource
from tests.unit.adapters.scripted_server import Answer

Json = dict[str, Any]

TOKEN = "a-token-that-nobody-should-see"
PODS = Resource("", "pods", "v1", "Pod", namespaced=True)
DEPLOYMENTS = Resource("apps", "deployments", "v1", "Deployment", namespaced=True)
ROLES = Resource("rbac.authorization.k8s.io", "clusterroles", "v1", "ClusterRole", namespaced=False)
EMPTY = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}
VERBS = ["create", "delete", "get", "list"]


def said(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def status_object(message: str, **more: Any) -> Json:
    """What API servers say of a failure."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, **more}


def kubeconfig(path: Path, server: str, *, user: Json | None = None, **cluster: Any) -> Path:
    """A kubeconfig with one context, `test`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path
