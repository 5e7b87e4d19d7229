"""A realistic application for a real API server: what people keep in a cluster, and what readers of YAML get wrong.

Owns the objects and their secret values; who makes them, and what is expected of a backup, is for the tests.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from tests.parts.controlplane import ControlPlane

Json = dict[str, Any]

GROUP: Final = "shop.example.com"
LONG_NAME: Final = ("n" * 62 + ".") * 4 + "n"  # 253 characters, the longest that there are
LARGE_BYTES: Final = 1_450_000  # of one string: the API server takes no object of more than 1.5 MiB

SECRET_VALUES: Final = ("hunter2-correct-horse", "battery staple: \u2028 y", "-----BEGIN NOTHING-----\nc2VjcmV0\n")
"""The plain text of every Secret here. Whoever finds one in a log has found a leak."""

# Strings that one reader of YAML or another takes for something else, or loses.
TWISTED: Final = (
    *("1.0", "1e3", "0o14", "014", "08", "0x1F", "1_000", "12:30:45", ".inf", "-.5", "+1", "18446744073709551615"),
    *("y", "n", "yes", "NO", "on", "Off", "true", "Null", "~", "", " ", "=", "<<", "2001-12-14"),
    *("2001-12-14 21:59:43Z", "- a", "-", "? b", "a: b", "a #b", "# c", "#", "!tag", "&anchor", "*alias", "|"),
    *(">", "%d", "@at", "`tick`", "{", "[", "\u2028", "a\u2028b\u2029c", "\u0085", "\ufeffbom", "a\u00a0b"),
    *("'", '"', "it's", '"quoted"', "\\", "\\n", "--- a", "---", "...", ",", "[a, b]", "{a: b}", ":", "a:", ":a"),
    *("\u007f", "\x07bell", "\tтab", "tab\there", "⛵ é 漢", " leading", "trailing ", "a\nb", "a\nb\n", "a\n\n"),
    *("\n", "\n a\n", "  a\n b\n", "a \n b", "a\r\nb\r\n", "a\rb", "a\n\tb\n", "\n\n\na", "a\n---\nb\n"),
    *("a\n...\n", "# a\n# b\n", "long " * 60, "x" * 500, "a: b\n" * 40),
)


def apply_shop(plane: ControlPlane, namespace: str) -> None:
    """Makes the application in `namespace`, which is made too, and waits for what the controllers make of it."""
    plane.kubectl("create", "namespace", namespace)
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=_listed([definition()]))
    plane.kubectl("wait", "--for=condition=Established", f"crd/orders.{GROUP}", "--timeout=60s")
    plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
    # Applied by the client for once: the annotation that this leaves holds the Secrets a second time.
    plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=_listed(secrets()))
    plane.kubectl("create", "-n", namespace, "-f", "-", stdin=_listed(objects(namespace)))
    plane.kubectl("wait", "--for=create", "replicaset", "-l", "app=web", "-n", namespace, "--timeout=60s")
    for pods, path in (("2", "deployment/web"), ("1", "statefulset/db")):
        plane.kubectl("wait", f"--for=jsonpath={{.status.replicas}}={pods}", path, "-n", namespace, "--timeout=60s")
    plane.kubectl("wait", "--for=create", "pod", "-l", "job-name=report", "-n", namespace, "--timeout=60s")
    bound = "--for=jsonpath={.status.phase}=Bound"
    plane.kubectl("wait", bound, "persistentvolumeclaim/archive", "-n", namespace, "--timeout=60s")


def encoded(value: str) -> str:
    """As Secrets hold it."""
    return base64.b64encode(value.encode()).decode()


def definition() -> Json:
    """The type Order, which keeps whatever it is given."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "orders", "singular": "order", "kind": "Order", "shortNames": ["ord"]}
    return _object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"orders.{GROUP}",
        spec={"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    )


def secrets() -> list[Json]:
    """Secrets with every one of SECRET_VALUES."""
    data = {f"key-{number}": encoded(value) for number, value in enumerate(SECRET_VALUES)}
    return [_object("v1", "Secret", "credentials", data=data, type="Opaque")]


def objects(namespace: str) -> list[Json]:
    """All but the CRD and the Secrets, in an order in which they can be made."""
    return [*_config(namespace), *_orders(), *_rights(namespace), *_volumes(namespace), *_workloads()]


def _config(namespace: str) -> list[Json]:
    twisted = {f"v{number}": text for number, text in enumerate(TWISTED)}
    keys = dict.fromkeys(("y", "1.0", "no", "0o14", "null", "-", ".5", "1e3", "true", "_"), "its key is what matters")
    binary = {"bytes": base64.b64encode(bytes(range(256))).decode()}
    annotations = {f"example.com/note-{number}": text for number, text in enumerate(TWISTED)}
    return [
        _object("v1", "ConfigMap", "twisted", data=twisted | keys, binaryData=binary),
        _object("v1", "ConfigMap", "annotated", annotations=annotations, labels={"tier": "1.0", "y": ""}),
        _object("v1", "ConfigMap", LONG_NAME, data={"name": "is 253 characters long"}),
        _object("v1", "ConfigMap", "empty"),
        _object("v1", "ConfigMap", "scratch", labels={"trysail.dev/exclude-from-backup": "true"}),
        _object("v1", "ConfigMap", "homeless", data={"namespace": namespace}),
    ]


def _orders() -> list[Json]:
    numbers = {"uint64": 18446744073709551615, "int64": 9223372036854775807, "least": -9223372036854775808}
    floats = {"half": 0.5, "tiny": 1e-300, "huge": 1.5e300, "whole": 1.0, "third": 1 / 3}
    shapes: Json = {
        "none": None,
        "empty": {},
        "nothing": [],
        "nested": [[1, [2, []]], {"a": [{}]}],
        "yes": True,
        "no": False,
    }
    keys = dict.fromkeys((text for text in TWISTED if text and len(text) < 80), "a key")
    return [
        _object(f"{GROUP}/v1", "Order", "numbers", spec=numbers | floats | shapes),
        _object(f"{GROUP}/v1", "Order", "keys", spec=keys, status=list(TWISTED)),
        _object(f"{GROUP}/v1", "Order", "large", spec={"receipt": "0123456789 abcdef\n" * (LARGE_BYTES // 18)}),
    ]


def _rights(namespace: str) -> list[Json]:
    rbac = "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": namespace}
    names = ("a:b", "Foo", "foo", "FOO.", "ü 'single' \"double\"", "back\\slash $(rm) *?[x]", "..x", "CON", "a~1b")
    roles = [_object(rbac, "Role", name, rules=rules) for name in names]
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "Role", "name": "a:b"}
    cluster_role = {"apiGroup": group, "kind": "ClusterRole", "name": f"{namespace}:Reader"}
    return [
        _object("v1", "ServiceAccount", "web"),
        *roles,
        _object(rbac, "RoleBinding", "web:a:b", roleRef=role, subjects=[subject]),
        _object(rbac, "ClusterRole", f"{namespace}:Reader", rules=rules),
        _object(rbac, "ClusterRoleBinding", f"{namespace}:reader", roleRef=cluster_role, subjects=[subject]),
    ]


def _volumes(namespace: str) -> list[Json]:
    """A claim that is bound to a volume made by hand, and one that waits for ever."""
    size = {"storage": "1Gi"}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}, "storageClassName": ""}
    volume = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": size,
        "persistentVolumeReclaimPolicy": "Retain",
        "nfs": {"server": "192.0.2.7", "path": "/archive"},
        "claimRef": {"namespace": namespace, "name": "archive"},
    }
    return [
        _object("v1", "PersistentVolume", f"{namespace}-archive", spec=volume),
        _object("v1", "PersistentVolumeClaim", "archive", spec={**claim, "volumeName": f"{namespace}-archive"}),
        _object("v1", "PersistentVolumeClaim", "pending", spec={**claim, "storageClassName": "not-there"}),
    ]


def _workloads() -> list[Json]:
    labels = {"app": "web"}
    job = {"template": {"spec": {"containers": [_container()], "restartPolicy": "Never"}}}
    ports = [{"port": 80, "targetPort": 8080}]
    budget = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    closed = {"podSelector": {}, "policyTypes": ["Ingress"]}
    return [
        _object("apps/v1", "Deployment", "web", labels=labels, spec={"replicas": 2, **_pods("web")}),
        _object("apps/v1", "StatefulSet", "db", spec={"serviceName": "db", **_pods("db", claim="archive")}),
        _object("apps/v1", "DaemonSet", "agent", spec=_pods("agent")),
        _object("batch/v1", "Job", "report", spec=job),
        _object("batch/v1", "CronJob", "nightly", spec={"schedule": "0 2 * * *", "jobTemplate": {"spec": job}}),
        _object("v1", "Service", "web", labels=labels, spec={"selector": labels, "ports": ports}),
        _object("policy/v1", "PodDisruptionBudget", "web", spec=budget),
        _object("networking.k8s.io/v1", "NetworkPolicy", "closed", spec=closed),
        _object("v1", "LimitRange", "sizes", spec={"limits": [{"type": "Container", "default": {"memory": "128Mi"}}]}),
        _object("coordination.k8s.io/v1", "Lease", "leader", spec={"renewTime": "2001-01-01T00:00:00.000001Z"}),
    ]


def _pods(app: str, claim: str = "") -> Json:
    pod: Json = {"containers": [_container()], "serviceAccountName": "web"}
    if claim:
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return {
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": {"app": app}}, "spec": pod},
    }


def _container() -> Json:
    reference = {"secretKeyRef": {"name": "credentials", "key": "key-0"}}
    return {"name": "main", "image": "registry.example.com/shop:1.0", "env": [{"name": "KEY", "valueFrom": reference}]}


def _object(
    api_version: str,
    kind: str,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **fields: Any,
) -> Json:
    metadata: Json = {"name": name}
    metadata |= {"labels": labels} if labels else {}
    metadata |= {"annotations": annotations} if annotations else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _listed(items: list[Json]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
