"""Makes objects in a real cluster, waits until its controllers are done, reads them back alike, and removes them.

Owns what makes two lives of one object comparable: `normalised` takes out what the API server and the controllers
give it anew each time, and nothing that its owner wrote. It rests on `managedFields` where only they tell the two
apart, so objects must come from the API server, not from kubectl, which hides them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.parts.controlplane import ControlPlane
from tests.real.estate import estate, group
from tests.real.waiting import wait_for

Json = dict[str, Any]

# The namespace is empty for what is for the whole cluster.
Key = tuple[str, str, str]
"""Kind, namespace and name."""

_GIVEN_METADATA: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
_GIVEN_ANNOTATIONS: Final = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "kubernetes.io/service-account.uid",
)
_GIVEN_JOB_LABELS: Final = ("controller-uid", "batch.kubernetes.io/controller-uid")
_TOKEN_VOLUME: Final = "kube-api-access-"
_BACKUP_LABEL: Final = "trysail.dev/backup"
_MADE_FOR_EVERY_NAMESPACE: Final = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
_MANAGED_BY: Final = ("endpointslice.kubernetes.io/managed-by", "endpoints.kubernetes.io/managed-by")


def create(plane: ControlPlane, objects: Iterable[Json]) -> None:
    """Make them one after the other; an ownerReference without a UID gets that of its owner, which came before."""
    for item in objects:
        body = copy.deepcopy(item)
        for owner in body["metadata"].get("ownerReferences", []):
            path = path_of(plane, {**owner, "metadata": {**body["metadata"], "name": owner["name"]}})
            owner["uid"] = plane.must("GET", path)["metadata"]["uid"]
        plane.must("POST", path_of(plane, body).rpartition("/")[0], body)
        _wait_for_what_follows(plane, body)


def settle(plane: ControlPlane, namespace: str) -> None:
    """Wait until the controllers have made of the estate what they make of it; it needs nodes.

    The Job that ends may be missing: it is not restored once it has ended.
    """
    job = f"/apis/batch/v1/namespaces/{namespace}/jobs/migrated"
    ended = [("condition=Complete", "job/migrated")] if plane.request("GET", job)[0] == 200 else []
    for condition, what in (
        *ended,
        ("condition=Available", "deployment/web"),
        ("jsonpath={.status.readyReplicas}=1", "statefulset/db"),
        ("jsonpath={.status.numberReady}=2", "daemonset/agent"),
        ("jsonpath={.status.ready}=1", "job/importing"),
        ("condition=Ready", "pod/toolbox"),
        ("jsonpath={.status.phase}=Bound", "persistentvolumeclaim/archive"),
        ("jsonpath={.data.token}", "secret/web-token"),
        ("jsonpath={.status.hard.pods}=50", "resourcequota/most"),
    ):
        plane.kubectl("wait", f"--for={condition}", what, "-n", namespace, "--timeout=60s")


def state(plane: ControlPlane, namespace: str) -> dict[Key, Json]:
    """The estate as it is now, normalised: without what controllers make, but with the claims of the StatefulSet."""
    declared = estate(namespace)
    found: dict[Key, Json] = {}
    for collection, example in {path_of(plane, item).rpartition("/")[0]: item for item in declared}.items():
        names = {item["metadata"]["name"] for item in declared if item["kind"] == example["kind"]}
        status, answer = plane.request("GET", collection)
        assert status in {200, 404}, f"GET {collection}: {status}"  # 404: its CustomResourceDefinition is gone
        for item in answer.get("items", []):
            item |= {"apiVersion": example["apiVersion"], "kind": example["kind"]}
            if _is_made_by_hand(item) if "namespace" in item["metadata"] else item["metadata"]["name"] in names:
                found[key(item)] = normalised(item)
    return found


def remove(plane: ControlPlane, namespace: str) -> None:
    """Take the estate away, whatever is left of it, and wait until nothing of it is there; about six seconds."""
    kept = f"/apis/{group(namespace)}/v1/namespaces/{namespace}/certificates/kept"
    plane.request("PATCH", kept, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
    _empty_of_claims(plane, namespace)
    # The webhook before its Service, and the namespace before the type of what is in it, which would be deleted twice.
    paths = [path_of(plane, item) for item in estate(namespace) if "namespace" not in item["metadata"]]
    for path in sorted(paths, key=lambda path: ("webhook" not in path, "/namespaces/" not in path)):
        _delete(plane, path)
    wait_for(lambda: all(plane.request("GET", path)[0] == 404 for path in paths), f"{namespace} to go away")


def path_of(plane: ControlPlane, item: Json) -> str:
    """Where the API server keeps this object, by what it says of the types that it serves."""
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    resources: list[Json] = plane.request("GET", root)[1].get("resources", [])
    names = [one["name"] for one in resources if one["kind"] == item["kind"] and "/" not in one["name"]]
    # A type that is not served is asked for all the same, and answered with 404.
    plural = names[0] if names else f"{item['kind'].lower()}s"
    scope = f"/namespaces/{item['metadata']['namespace']}" if "namespace" in item["metadata"] else ""
    return f"{root}{scope}/{plural}/{item['metadata']['name']}"


def key(item: Json) -> Key:
    """The object's name, for people and for dictionaries."""
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def normalised(item: Json) -> Json:
    """A copy of the object with nothing in it that differs from one life to the next."""
    result = copy.deepcopy(item)
    result.pop("status", None)
    if (simplify := _KINDS.get(item["kind"])) is not None:
        simplify(result)
    metadata = result["metadata"]
    for field in _GIVEN_METADATA:
        metadata.pop(field, None)
    for owner in metadata.get("ownerReferences", []):
        del owner["uid"]
    _drop(metadata, "annotations", _GIVEN_ANNOTATIONS)
    _drop(metadata, "labels", (_BACKUP_LABEL,))
    return result


def _pod(pod: Json) -> None:
    """Its node is the scheduler's choice, and the volume with its account's token has a name made at random."""
    spec = pod["spec"]
    spec.pop("nodeName", None)
    mounts = [mount for container in spec["containers"] for mount in container.get("volumeMounts", [])]
    for named in [*spec.get("volumes", []), *mounts]:
        if named["name"].startswith(_TOKEN_VOLUME):
            named["name"] = _TOKEN_VOLUME


def _job(job: Json) -> None:
    """The API server chooses a Job's selector, by its UID, and labels its pods with it."""
    job["spec"].pop("selector", None)
    _drop(job["metadata"], "labels", _GIVEN_JOB_LABELS)
    _drop(job["spec"]["template"]["metadata"], "labels", _GIVEN_JOB_LABELS)


def _service(service: Json) -> None:
    """Addresses and ports that the API server chose are gone; those that somebody asked for are not."""
    spec = service["spec"]
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    asked = [entry["fieldsV1"].get("f:spec", {}) for entry in service["metadata"]["managedFields"]]
    if not any("f:healthCheckNodePort" in fields for fields in asked):
        spec.pop("healthCheckNodePort", None)
    ports = [(json.loads(name[2:]), fields) for spec_fields in asked for name, fields in _keyed(spec_fields, "f:ports")]
    chosen = {(port["port"], port["protocol"]) for port, fields in ports if "f:nodePort" in fields}
    for port in spec["ports"]:
        if (port["port"], port["protocol"]) not in chosen:
            port.pop("nodePort", None)


def _volume(volume: Json) -> None:
    for field in ("uid", "resourceVersion"):
        volume["spec"].get("claimRef", {}).pop(field, None)


def _secret(secret: Json) -> None:
    if secret["type"] == "kubernetes.io/service-account-token":
        secret.pop("data", None)


_KINDS: Final[dict[str, Callable[[Json], None]]] = {
    "Pod": _pod,
    "Job": _job,
    "Service": _service,
    "PersistentVolume": _volume,
    "Secret": _secret,
}


def _keyed(fields: Json, name: str) -> list[tuple[str, Json]]:
    """The entries of a list that managedFields know by a key; each such name begins with `k:`."""
    return [(entry, value) for entry, value in fields.get(name, {}).items() if entry.startswith("k:")]


def _drop(holder: Json, field: str, names: Iterable[str]) -> None:
    """Take the names out of a map, and the map out of its holder if it is empty then."""
    left = {name: value for name, value in (holder.pop(field, None) or {}).items() if name not in names}
    if left:
        holder[field] = left


def _is_made_by_hand(item: Json) -> bool:
    metadata = item["metadata"]
    if any(owner.get("controller") for owner in metadata.get("ownerReferences", [])):
        return False
    if any(label in metadata.get("labels", {}) for label in _MANAGED_BY):
        return False
    return (item["kind"], metadata["name"]) not in _MADE_FOR_EVERY_NAMESPACE


def _empty_of_claims(plane: ControlPlane, namespace: str) -> None:
    """Delete what uses claims, then those: a namespace that finds some protected looks again only seconds later."""
    apps, core = f"/apis/apps/v1/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
    claims = f"{core}/persistentvolumeclaims"
    for path in (f"{apps}/statefulsets", f"{core}/pods", claims):
        _delete(plane, path)
    wait_for(lambda: not plane.must("GET", claims)["items"], f"the claims of {namespace} to go away")


def _delete(plane: ControlPlane, path: str) -> None:
    status, answer = plane.request("DELETE", path)
    assert status in {200, 202, 404}, f"DELETE {path}: {status} {answer.get('message')}"


def _wait_for_what_follows(plane: ControlPlane, made: Json) -> None:
    """A type must be served before its objects are made, and no pod is taken without an account for it."""
    if made["kind"] == "CustomResourceDefinition":
        spec = made["spec"]
        collection = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        wait_for(lambda: plane.request("GET", collection)[0] == 200, f"{collection} to be served")
    if made["kind"] == "Namespace":
        account = f"/api/v1/namespaces/{made['metadata']['name']}/serviceaccounts/default"
        wait_for(lambda: plane.request("GET", account)[0] == 200, f"{account} to be there")
