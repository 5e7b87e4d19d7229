"""A small application that has one of every kind that a restore treats in a way of its own, and often more.

Owns the objects, and knows nothing of how they are made and compared: that is `round_trip.py`. Whatever is for
the whole cluster carries the namespace in its name, so that several of them can stand side by side.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Final

from tests.parts.nodes import COMPLETES

Json = dict[str, Any]

CHECKED: Final = {"tests.trysail.dev/checked": "true"}
"""The label of ConfigMaps that a webhook wants to see; nothing answers it, so that they are refused."""

PASSWORDS: Final = ("hunter2 horse", "shop:open sesame")
"""What is in its Secrets, and must be nowhere else."""

IMAGE: Final = "registry.example.com/shop:1.0"
SIZE: Final = {"storage": "1Gi"}

_RBAC: Final = "rbac.authorization.k8s.io"
# Kubernetes hands out ports by itself only when those after the first 86 are taken.
_FIRST_NODE_PORT: Final = 30000
_STATIC_NODE_PORTS: Final = 86


def estate(namespace: str) -> list[Json]:
    """Every object, in an order in which they can be made; an ownerReference still lacks its owner's UID."""
    return [
        *_cluster(namespace),
        *_rights(namespace),
        *_configuration(namespace),
        *_certificates(namespace),
        *_storage(namespace),
        *_network(namespace),
        *_workloads(namespace),
        *_around_workloads(namespace),
    ]


def group(namespace: str) -> str:
    """The API group of the application's own type, Certificate."""
    return f"{namespace}.example.com"


def storage_class(namespace: str) -> str:
    """The StorageClass of every claim; it provisions nothing, all volumes were made by hand."""
    return f"{namespace}-static"


def node_port(namespace: str) -> int:
    """The port that the Service edge asks for; the other ports of Services are Kubernetes' choice."""
    return _FIRST_NODE_PORT + zlib.crc32(namespace.encode()) % _STATIC_NODE_PORTS


def _cluster(namespace: str) -> list[Json]:
    """What is for the whole cluster, and the namespace itself."""
    labels = {"team": "shop", "pod-security.kubernetes.io/enforce": "baseline"}
    return [
        _object("v1", "Namespace", namespace, labels=labels, annotations={"example.com/owner": "the shop"}),
        _definition(namespace),
        _object(
            "storage.k8s.io/v1",
            "StorageClass",
            storage_class(namespace),
            provisioner="kubernetes.io/no-provisioner",
            reclaimPolicy="Retain",
        ),
        _object("scheduling.k8s.io/v1", "PriorityClass", f"{namespace}-high", value=1000, description="before others"),
        _object(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            f"{namespace}-admission",
            webhooks=[_webhook(namespace)],
        ),
    ]


def _definition(namespace: str) -> Json:
    """The type Certificate, with a schema and a status of its own."""
    spec = {"type": "object", "properties": {"host": {"type": "string"}, "days": {"type": "integer"}}}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "certificates", "singular": "certificate", "kind": "Certificate", "listKind": "CertificateList"}
    return _object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"certificates.{group(namespace)}",
        spec={
            "group": group(namespace),
            "scope": "Namespaced",
            "names": names,
            "versions": [{**version, "subresources": {"status": {}}}],
        },
    )


def _webhook(namespace: str) -> Json:
    """It is behind a Service of the namespace, and what it wants to see fails without it."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "name": f"configmaps.{group(namespace)}",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"service": {"namespace": namespace, "name": "admission", "path": "/"}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchLabels": CHECKED},
    }


def _rights(namespace: str) -> list[Json]:
    """A ServiceAccount with an old token, and what it may do, here and everywhere."""
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    subjects = [{"kind": "ServiceAccount", "name": "web", "namespace": namespace}]
    everywhere = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"{namespace}:reader"}
    token = {"kubernetes.io/service-account.name": "web"}
    account: Json = {"secrets": [{"name": "web-token"}], "imagePullSecrets": [{"name": "registry"}]}
    return [
        _in(namespace, "v1", "ServiceAccount", "web", **account),
        _in(namespace, "v1", "Secret", "web-token", annotations=token, type="kubernetes.io/service-account-token"),
        _in(namespace, f"{_RBAC}/v1", "Role", "web", rules=rules),
        _in(
            namespace,
            f"{_RBAC}/v1",
            "RoleBinding",
            "web",
            roleRef={"apiGroup": _RBAC, "kind": "Role", "name": "web"},
            subjects=subjects,
        ),
        _object(f"{_RBAC}/v1", "ClusterRole", f"{namespace}:reader", rules=rules),
        _object(f"{_RBAC}/v1", "ClusterRoleBinding", f"{namespace}:reader", roleRef=everywhere, subjects=subjects),
    ]


def _configuration(namespace: str) -> list[Json]:
    logins = json.dumps({"auths": {"registry.example.com": {"auth": _encoded(PASSWORDS[1])}}})
    pull = {".dockerconfigjson": _encoded(logins)}
    sizes = {"type": "Container", "default": {"memory": "128Mi"}, "defaultRequest": {"memory": "64Mi"}}
    return [
        _in(namespace, "v1", "Secret", "credentials", type="Opaque", data={"password": _encoded(PASSWORDS[0])}),
        _in(namespace, "v1", "Secret", "registry", type="kubernetes.io/dockerconfigjson", data=pull),
        _in(namespace, "v1", "ConfigMap", "settings", data={"currency": "EUR", "answers": "y"}),
        _in(namespace, "v1", "ConfigMap", "fixed", immutable=True, data={"version": "1.0"}),
        _in(namespace, "v1", "LimitRange", "sizes", spec={"limits": [sizes]}),
    ]


def _certificates(namespace: str) -> list[Json]:
    """One that owns the Secret which was made for it, and one that may not go before it is released."""
    kind = (f"{group(namespace)}/v1", "Certificate")
    owner = {"apiVersion": kind[0], "kind": kind[1], "name": "web", "blockOwnerDeletion": True}
    kept = _in(namespace, *kind, "kept", spec={"host": "old.example.com", "days": 1})
    kept["metadata"]["finalizers"] = [f"{group(namespace)}/release"]
    pair = {"tls.crt": _encoded("a certificate"), "tls.key": _encoded("a key")}
    made = _in(namespace, "v1", "Secret", "web-tls", type="kubernetes.io/tls", data=pair)
    made["metadata"]["ownerReferences"] = [owner]
    return [_in(namespace, *kind, "web", spec={"host": "example.com", "days": 90}), kept, made]


def _storage(namespace: str) -> list[Json]:
    """Volumes made by hand for the claims that follow; the StatefulSet makes its own claim."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": SIZE}, "volumeName": f"{namespace}-archive"}
    return [
        _volume(namespace, "archive", claim="archive"),
        _volume(namespace, "db-0", claim="data-db-0"),
        _in(
            namespace,
            "v1",
            "PersistentVolumeClaim",
            "archive",
            spec={**claim, "storageClassName": storage_class(namespace)},
        ),
    ]


def _volume(namespace: str, name: str, *, claim: str) -> Json:
    return _object(
        "v1",
        "PersistentVolume",
        f"{namespace}-{name}",
        spec={
            "accessModes": ["ReadWriteOnce"],
            "capacity": SIZE,
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class(namespace),
            "nfs": {"server": "192.0.2.7", "path": f"/{name}"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim},
        },
    )


def _network(namespace: str) -> list[Json]:
    """Services of every sort, one of them with endpoints made by hand, and what stands before them."""
    http = {"name": "http", "port": 80, "targetPort": 8080}
    web = {"selector": {"app": "web"}, "ports": [http]}
    edge = [{**http, "nodePort": node_port(namespace)}, {"name": "metrics", "port": 9090}]
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}}
    addresses = {"addresses": [{"ip": "192.0.2.10"}], "ports": [{"name": "http", "port": 80}]}
    return [
        _in(namespace, "v1", "Service", "web", spec=web),
        _in(namespace, "v1", "Service", "db", spec={**web, "selector": {"app": "db"}, "clusterIP": "None"}),
        _in(namespace, "v1", "Service", "edge", spec={**web, "type": "NodePort", "ports": edge}),
        _in(namespace, "v1", "Service", "public", spec={**web, **local}),
        _in(namespace, "v1", "Service", "admission", spec={"selector": {"app": "admission"}, "ports": [{"port": 443}]}),
        _in(namespace, "v1", "Service", "external", spec={"ports": [http]}),
        _in(
            namespace,
            "v1",
            "Endpoints",
            "external",
            labels={"endpointslice.kubernetes.io/skip-mirror": "true"},
            subsets=[addresses],
        ),
        _in(
            namespace,
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "external-by-hand",
            labels={"kubernetes.io/service-name": "external"},
            addressType="IPv4",
            endpoints=[{"addresses": ["192.0.2.10"], "conditions": {"ready": True}}],
            ports=[{"name": "http", "port": 80, "protocol": "TCP"}],
        ),
        _in(
            namespace,
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            spec={"rules": [{"host": "example.com", "http": {"paths": [path]}}]},
        ),
        _in(
            namespace,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "closed",
            spec={"podSelector": {}, "policyTypes": ["Ingress"]},
        ),
    ]


def _workloads(namespace: str) -> list[Json]:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": SIZE}}
    claim = {"metadata": {"name": "data"}, "spec": {**request, "storageClassName": storage_class(namespace)}}
    job = {"template": {"spec": {**_pod(namespace), "restartPolicy": "Never"}}}
    done = {"template": {**job["template"], "metadata": {"annotations": COMPLETES}}}
    nightly = {"schedule": "0 3 1 1 *", "timeZone": "Etc/UTC", "suspend": True, "jobTemplate": {"spec": job}}
    toolbox = {
        **_pod(namespace),
        "priorityClassName": f"{namespace}-high",
        "volumes": [{"name": "archive", "persistentVolumeClaim": {"claimName": "archive"}}],
    }
    db = {"replicas": 1, "serviceName": "db", "volumeClaimTemplates": [claim], **_pods(namespace, "db")}
    return [
        _in(namespace, "v1", "Pod", "toolbox", labels={"app": "toolbox"}, spec=toolbox),
        _in(namespace, "apps/v1", "Deployment", "web", spec={"replicas": 2, **_pods(namespace, "web")}),
        _in(namespace, "apps/v1", "StatefulSet", "db", spec=db),
        _in(namespace, "apps/v1", "DaemonSet", "agent", spec=_pods(namespace, "agent")),
        _in(namespace, "batch/v1", "CronJob", "nightly", spec=nightly),
        _in(namespace, "batch/v1", "Job", "migrated", spec=done),
        _in(namespace, "batch/v1", "Job", "importing", spec=job),
    ]


def _around_workloads(namespace: str) -> list[Json]:
    """The quota last: until its controller has counted, what it limits is refused."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "Resource", "resource": cpu}]}
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    return [
        _in(namespace, "policy/v1", "PodDisruptionBudget", "web", spec=budget),
        _in(
            namespace,
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "web",
            spec={**scaler, "scaleTargetRef": scaled},
        ),
        _in(namespace, "v1", "ResourceQuota", "most", spec={"hard": {"pods": "50", "count/configmaps": "50"}}),
    ]


def _pods(namespace: str, app: str) -> Json:
    labels = {"app": app}
    template = {"metadata": {"labels": labels}, "spec": {**_pod(namespace), "priorityClassName": f"{namespace}-high"}}
    return {"selector": {"matchLabels": labels}, "template": template}


def _pod(namespace: str) -> Json:
    password = {"secretKeyRef": {"name": "credentials", "key": "password"}}
    container = {
        "name": "main",
        "image": IMAGE,
        "env": [{"name": "PASSWORD", "valueFrom": password}, {"name": "NAMESPACE", "value": namespace}],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
    }
    # A namespace is finalised only after the longest period of its pods, although these are gone at once.
    return {"serviceAccountName": "web", "containers": [container], "terminationGracePeriodSeconds": 1}


def _in(namespace: str, api_version: str, kind: str, name: str, **fields: Any) -> Json:
    made = _object(api_version, kind, name, **fields)
    made["metadata"]["namespace"] = namespace
    return made


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


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
