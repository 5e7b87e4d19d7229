"""Which lists of Kubernetes' own types are maps by key, which are sets, and which are taken as a whole.

The facts are those of the API server's OpenAPI document (x-kubernetes-list-map-keys, x-kubernetes-patch-merge-key),
which tests/real/test_list_keys.py holds this table against. `status` is left out: servers write it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

Path = tuple[str, ...]


class KeyedList(NamedTuple):
    """A list whose items are told apart: by `keys`, or, where there are none, by being equal."""

    keys: tuple[str, ...]
    merged: bool  # by a strategic merge patch, which goes by the first key; else it replaces the list


# All groups that Kubernetes itself serves; a custom resource is never in one of them.
BUILT_IN_GROUPS: Final = frozenset((
    "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps",
    "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
    "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions", "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io",
    "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
))  # fmt: skip


def _map(*keys: str) -> KeyedList:
    return KeyedList(keys, merged=True)


_SET: Final = KeyedList((), merged=False)
_MERGED_SET: Final = KeyedList((), merged=True)

# Every type has metadata, and so has every template in one.
_METADATA: Final = {"ownerReferences": _map("uid"), "finalizers": _MERGED_SET}

_CONTAINER: Final = {
    "env": _map("name"),
    "ports": _map("containerPort", "protocol"),
    "resources.claims": KeyedList(("name",), merged=False),
    "restartPolicyRules.exitCodes.values": _SET,
    "volumeDevices": _map("devicePath"),
    "volumeMounts": _map("mountPath"),
}
_CONTAINERS: Final = ("containers", "ephemeralContainers", "initContainers")
_POD: Final = {
    **{containers: _map("name") for containers in _CONTAINERS},
    **{f"{containers}.{path}": keyed for containers in _CONTAINERS for path, keyed in _CONTAINER.items()},
    "hostAliases": _map("ip"),
    "imagePullSecrets": _map("name"),
    "resourceClaims": _map("name"),
    "resources.claims": KeyedList(("name",), merged=False),
    "schedulingGates": _map("name"),
    "topologySpreadConstraints": _map("topologyKey", "whenUnsatisfiable"),
    "volumes": _map("name"),
}
_JOB: Final = {"podFailurePolicy.rules.onExitCodes.values": _SET}
_ADMISSION_POLICY: Final = {"spec.matchConditions": _map("name")}
_WEBHOOKS: Final = {"webhooks": _map("name"), "webhooks.matchConditions": _map("name")}


def _at(path: str, keyed: dict[str, KeyedList]) -> dict[str, KeyedList]:
    return {f"{path}.{below}": each for below, each in keyed.items()}


_ADMISSION: Final = "admissionregistration.k8s.io"
_TEMPLATE: Final = _at("spec.template.spec", _POD)

_LISTS: Final[dict[tuple[str, str], dict[str, KeyedList]]] = {
    ("", "nodes"): {"spec.podCIDRs": _MERGED_SET},
    ("", "pods"): _at("spec", _POD),
    ("", "podtemplates"): _at("template.spec", _POD),
    ("", "replicationcontrollers"): _TEMPLATE,
    ("", "serviceaccounts"): {"secrets": _map("name")},
    ("", "services"): {"spec.ports": _map("port", "protocol")},
    (_ADMISSION, "mutatingadmissionpolicies"): _ADMISSION_POLICY,
    (_ADMISSION, "mutatingwebhookconfigurations"): _WEBHOOKS,
    (_ADMISSION, "validatingadmissionpolicies"): {**_ADMISSION_POLICY, "spec.variables": _map("name")},
    (_ADMISSION, "validatingadmissionpolicybindings"): {"spec.validationActions": _SET},
    (_ADMISSION, "validatingwebhookconfigurations"): _WEBHOOKS,
    ("apps", "daemonsets"): _TEMPLATE,
    ("apps", "deployments"): _TEMPLATE,
    ("apps", "replicasets"): _TEMPLATE,
    ("apps", "statefulsets"): _TEMPLATE,
    ("batch", "cronjobs"): {**_at("spec.jobTemplate.spec", _JOB), **_at("spec.jobTemplate.spec.template.spec", _POD)},
    ("batch", "jobs"): {**_at("spec", _JOB), **_TEMPLATE},
    ("discovery.k8s.io", "endpointslices"): {"endpoints.addresses": _SET},
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): {
        **_at("spec.rules.nonResourceRules", {"nonResourceURLs": _SET, "verbs": _SET}),
        **_at("spec.rules.resourceRules", {"apiGroups": _SET, "namespaces": _SET, "resources": _SET, "verbs": _SET}),
    },
    ("storage.k8s.io", "csidrivers"): {"spec.volumeLifecycleModes": _SET},
    ("storage.k8s.io", "csinodes"): {"spec.drivers": _map("name")},
}

# Fields that a strategic merge patch replaces, though they are mappings.
_REPLACED: Final = frozenset({("policy", "poddisruptionbudgets", ("spec", "selector"))})

_BY_PATH: Final = {
    (group, plural, tuple(path.split("."))): keyed
    for (group, plural), lists in _LISTS.items()
    for path, keyed in lists.items()
}
_CRDS: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
_SCHEMA: Final = ("spec", "versions", "schema", "openAPIV3Schema")


def merge_keys(group: str, plural: str, path: Path) -> tuple[str, ...] | None:
    """Keys of the list at `path` (field names from the root, without indexes); () for a set; None for any other.

    Of a type that is not Kubernetes' own, only the lists in its metadata are known.
    """
    keyed = keyed_list(group, plural, path)
    return None if keyed is None else keyed.keys


def keyed_list(group: str, plural: str, path: Path) -> KeyedList | None:
    """The list at `path`, with how a strategic merge patch takes it; None where it is taken as a whole."""
    if keyed := _BY_PATH.get((group, plural, path)):
        return keyed
    if path[-2:-1] == ("metadata",) and (len(path) == 2 or group in BUILT_IN_GROUPS):
        return _METADATA.get(path[-1])
    # Schemas are in schemas, at any depth.
    if (group, plural) == _CRDS and path[-1:] == ("x-kubernetes-validations",) and path[:4] == _SCHEMA:
        return _map("rule")
    return None


def tabled() -> Iterator[tuple[str, str, Path]]:
    """Group, plural and path of everything that is tabled here; for whoever holds the table against a server."""
    yield from _BY_PATH
    yield from _REPLACED


def replaced_whole(group: str, plural: str, path: Path) -> bool:
    """Whether a strategic merge patch puts its own mapping in the place of that at `path`."""
    return (group, plural, path) in _REPLACED
