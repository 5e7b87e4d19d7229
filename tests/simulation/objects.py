"""Kubernetes objects by chance: plain ones, odd ones, and those that belong to each other. Knows no faults."""

from __future__ import annotations

from base64 import b64encode
from random import Random
from typing import Any, NamedTuple

from tests.fakes.cluster import definition

SECRET = "hunter2-"
"""Begins every secret value of the simulation; it, and its base64, may show up in the archive alone."""

SECRET_MARKS = (SECRET.encode(), b64encode(SECRET.encode())[:8])

Object = dict[str, Any]

NAMESPACES = ("shop", "shop-2", "shop-x", "team-a", "team-b", "data")
ACCOUNTS = ("default", "builder")
CLAIMS = ("files", "db-0", "cache")
VOLUMES = ("pv-1", "pv-2", "pv-3")
ROLES = ("view:logs", "Edit", "edit", "system:node:x")


class Type(NamedTuple):
    """A type of the simulated cluster."""

    resource: str  # deployments.apps
    api_version: str
    kind: str
    namespaced: bool


TYPES = {
    one.kind: one
    for one in (
        Type("configmaps", "v1", "ConfigMap", namespaced=True),
        Type("secrets", "v1", "Secret", namespaced=True),
        Type("pods", "v1", "Pod", namespaced=True),
        Type("serviceaccounts", "v1", "ServiceAccount", namespaced=True),
        Type("persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True),
        Type("persistentvolumes", "v1", "PersistentVolume", namespaced=False),
        Type("deployments.apps", "apps/v1", "Deployment", namespaced=True),
        Type("roles.rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1", "Role", namespaced=True),
        Type("rolebindings.rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1", "RoleBinding", namespaced=True),
        Type("clusterroles.rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1", "ClusterRole", namespaced=False),
        Type(
            "clusterrolebindings.rbac.authorization.k8s.io",
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            namespaced=False,
        ),
        Type("storageclasses.storage.k8s.io", "storage.k8s.io/v1", "StorageClass", namespaced=False),
        Type("events.events.k8s.io", "events.k8s.io/v1", "Event", namespaced=True),
        Type("widgets.x.example.com", "x.example.com/v1", "Widget", namespaced=True),
        Type("gadgets.y.example.com", "y.example.com/v1", "Gadget", namespaced=False),
        Type(
            "customresourcedefinitions.apiextensions.k8s.io",
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            namespaced=False,
        ),
    )
}
BUILT_IN = ("bindings", "componentstatuses", "events", *(one.resource for one in TYPES.values()))
"""What is served from the start; two of them cannot be backed up, and events are served twice."""

DEFINITIONS = (
    definition("widgets", "Widget", "x.example.com"),
    definition("gadgets", "Gadget", "y.example.com", namespaced=False),
)

_NAMES = ("web", "db", "api-1", "x" * 63, ".".join(["y" * 62] * 4) + "y", "n0", "null", "1e3")
_TEXTS = ("", "y", "08", "1e3", "0o14", "1:30", "~", "a: b # c", "line\nline\n", " pad ", "\u2028", "ü", "- x", "1.0")
_VALUES: tuple[Any, ...] = (0, -1, 1.5, 18446744073709551615, True, None, "1.0", [], {}, [1, [2, {"a": None}]])


def namespace(random: Random, name: str) -> Object:
    """A Namespace; some are being deleted, some are excluded by label."""
    labels = {"team": random.choice(("red", "blue"))}
    if random.random() < 0.08:
        labels["velero.io/exclude-from-backup"] = "true"
    metadata: Object = {"name": name, "labels": labels}
    phase = "Active"
    if random.random() < 0.06:
        metadata["deletionTimestamp"] = "2026-03-01T01:59:00Z"
        phase = "Terminating"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": phase}}


def any_object(random: Random, namespaces: tuple[str, ...], kinds: tuple[str, ...]) -> Object:
    """An object of one of `kinds`, in one of `namespaces` where it lives in one."""
    kind = TYPES[random.choice(kinds)]
    metadata: Object = {"name": _name(random, kind.kind), "labels": any_labels(random)}
    if kind.namespaced:
        metadata["namespace"] = random.choice(namespaces)
    if random.random() < 0.05:
        metadata["deletionTimestamp"] = "2026-03-01T01:59:00Z"
    if random.random() < 0.1:
        metadata["annotations"] = {"note": random.choice(_TEXTS)}
    value: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return value | _content(random, kind.kind, metadata, namespaces)


def application(random: Random, name: str) -> list[Object]:
    """A Pod in the namespace `name`, and what belongs to it: of it all, perhaps the Pod alone has the labels."""
    labels = {"app": "web", "tier": "back", "backup": "yes"}
    account = {"kind": "ServiceAccount", "namespace": name, "name": "builder"}
    values: list[tuple[str, str, Object]] = [
        ("Pod", "web", {"spec": {"serviceAccountName": "builder", "volumes": [_mount("files"), _mount("db-0")]}}),
        ("ServiceAccount", "builder", {}),
        ("PersistentVolumeClaim", "files", {"spec": {"volumeName": "pv-1", "storageClassName": "fast"}}),
        ("PersistentVolumeClaim", "db-0", {"spec": {"volumeName": "pv-2"}}),
        ("PersistentVolume", "pv-1", {"spec": _volume(random, (name,))}),
        ("RoleBinding", "edit", {"roleRef": {"kind": "Role", "name": "edit"}, "subjects": [account]}),
        ("Role", "edit", {"rules": []}),
        (
            "ClusterRoleBinding",
            "view:logs",
            {"roleRef": {"kind": "ClusterRole", "name": "Edit"}, "subjects": [account]},
        ),
        ("ClusterRole", "Edit", {"rules": []}),
    ]
    objects = []
    for kind, item, content in values:
        metadata: Object = {"name": item}
        if TYPES[kind].namespaced:
            metadata["namespace"] = name
        if kind in {"Pod", "ServiceAccount"} or random.random() < 0.3:
            metadata["labels"] = labels
        objects.append({"apiVersion": TYPES[kind].api_version, "kind": kind, "metadata": metadata, **content})
    return objects


def any_labels(random: Random) -> dict[str, str]:
    """Labels that policies may ask for; now and then one that excludes."""
    labels = {
        key: random.choice(values)
        for key, values in (("app", ("web", "db")), ("tier", ("front", "back")), ("backup", ("yes", "no")))
        if random.random() < 0.6
    }
    if random.random() < 0.08:
        labels["trysail.dev/exclude-from-backup"] = random.choice(("true", "true", "false"))
    return labels


def _name(random: Random, kind: str) -> str:
    match kind:
        case "ServiceAccount":
            return random.choice(ACCOUNTS)
        case "PersistentVolumeClaim":
            return random.choice(CLAIMS)
        case "PersistentVolume":
            return random.choice(VOLUMES)
        case "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding":
            return random.choice(ROLES)
    return random.choice(_NAMES) + random.choice(("", "-a", "-b")) if random.random() < 0.8 else random.choice(_NAMES)


def _content(random: Random, kind: str, metadata: Object, namespaces: tuple[str, ...]) -> Object:
    match kind:
        case "ConfigMap":
            return {"data": {f"key-{n}": random.choice(_TEXTS) for n in range(random.randint(0, 3))} | _bulk(random)}
        case "Secret":
            return _secret(random, metadata)
        case "Pod":
            return {"spec": _pod(random)}
        case "PersistentVolumeClaim":
            return {"spec": {"volumeName": random.choice(("", *VOLUMES)), "storageClassName": "fast"}}
        case "PersistentVolume":
            return {"spec": _volume(random, namespaces)}
        case "RoleBinding" | "ClusterRoleBinding":
            return _binding(random, namespaces)
        case "Role" | "ClusterRole":
            return {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}
        case "Widget" | "Gadget":
            return {"spec": {f"f{n}": random.choice(_VALUES) for n in range(random.randint(0, 4))} | _bulk(random)}
        case "StorageClass":
            return {"provisioner": "example.com/disk"}
    return {"spec": {"replicas": random.randint(0, 3)}} if kind == "Deployment" else {"reason": "Seen"}


def _bulk(random: Random) -> dict[str, str]:
    """Something large enough for pages and parts to fill up, in miniature; it does not compress well."""
    if random.random() < 0.7:
        return {}
    return {"bulk": random.randbytes(random.choice((200, 800, 2500))).hex()}


def _secret(random: Random, metadata: Object) -> Object:
    value = f"{SECRET}{random.randrange(10**9)}"
    if random.random() < 0.5:
        applied = f'{{"stringData":{{"password":"{value}"}}}}'
        metadata["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    return {"type": "Opaque", "data": {"password": b64encode(value.encode()).decode()}}


def _pod(random: Random) -> Object:
    volumes: list[Object] = []
    if random.random() < 0.6:
        claim = random.choice((*CLAIMS, "gone"))
        volumes.append(_mount(claim))
    if random.random() < 0.2:
        volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}})
    return {"serviceAccountName": random.choice(ACCOUNTS), "volumes": volumes}


def _mount(claim: str) -> Object:
    return {"name": claim, "persistentVolumeClaim": {"claimName": claim}}


def _volume(random: Random, namespaces: tuple[str, ...]) -> Object:
    source = random.choice(
        (
            {"csi": {"driver": "disk.example.com", "volumeHandle": "v-1"}},
            {"nfs": {"server": "nfs", "path": "/x"}},
            {"awsElasticBlockStore": {"volumeID": "vol-1"}},
        )
    )
    spec: Object = {"capacity": {"storage": "1Gi"}, "storageClassName": "fast", **source}
    if random.random() < 0.7:
        spec["claimRef"] = {"namespace": random.choice(namespaces), "name": random.choice(CLAIMS)}
    return spec


def _binding(random: Random, namespaces: tuple[str, ...]) -> Object:
    subjects: list[Object] = []
    if random.random() < 0.8:
        account = random.choice(ACCOUNTS)
        subjects.append({"kind": "ServiceAccount", "namespace": random.choice(namespaces), "name": account})
    if random.random() < 0.2:
        subjects.append({"kind": "Group", "name": f"system:serviceaccounts:{random.choice(namespaces)}"})
    role = {"kind": random.choice(("Role", "ClusterRole")), "name": random.choice(ROLES)}
    return {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", **role}, "subjects": subjects}
