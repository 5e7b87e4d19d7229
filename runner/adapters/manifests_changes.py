"""What a change makes of an object, where no API server decides it: for a folder of manifests, and the tests' fake.

Pure: the state and the change in, the object as it will be out, or one of our errors. Knows no schema, no conversion
and no admission. Apply merges maps and replaces lists, and takes nothing away; who owns a field is not its business.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runner.actions.merge_patch import merge_patch
from runner.adapters.manifests_state import ClusterState, StoredItem
from runner.errors import AlreadyExists, ItemNotFound, NamespaceTerminating, Rejected, WriteConflict
from runner.model.cluster import Resource

Object = dict[str, Any]

NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)

# What an API server sets itself, whatever it is sent.
_SYSTEM = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_JSON = msgspec.json.Decoder()


def read_object(resource: Resource, namespace: str, body: bytes, name: str = "") -> Object:
    """The object that is sent for `resource`, in its namespace. Rejected where it is another, or none."""
    value = read_patch(body)
    if (value.get("apiVersion"), value.get("kind")) != (resource.api_version, resource.kind):
        raise Rejected(f"the object sent is no {resource.kind} of {resource.api_version}")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise Rejected(f"the {resource.kind} sent has no name", hint="an object is restored under its own name")
    if name and metadata["name"] != name:
        raise Rejected(f"the object sent is not {resource.name} {name}")
    if metadata.get("namespace", namespace) != namespace:
        raise Rejected(f"the object sent is not of the namespace {namespace}")
    return {**value, "metadata": {**metadata, "namespace": namespace}} if namespace else value


def read_patch(body: bytes) -> Object:
    """A JSON object. Rejected for anything else."""
    try:
        value = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("what was sent is no JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("metadata", {}), dict):
        raise Rejected("what was sent is no object")
    return value


def created(state: ClusterState, resource: Resource, namespace: str, value: Object) -> Object:
    """What a create of `value` makes: without what only an API server gives."""
    check_namespace(state, resource, namespace)
    name = value["metadata"]["name"]
    live = state.find(resource, namespace, name)
    if live is None:
        return without_system(value)
    if _metadata(live).get("deletionTimestamp"):
        raise WriteConflict(f"object is being deleted: {resource.name} {live.key} already exists")
    raise AlreadyExists(
        f"{resource.name} {live.key} already exists",
        hint="existingResourcePolicy says what becomes of what is there: none, update or recreate",
    )


def applied(state: ClusterState, resource: Resource, namespace: str, value: Object) -> Object:
    """What an apply of `value` makes; a create, where nothing is there and no uid says otherwise."""
    name = value["metadata"]["name"]
    if state.find(resource, namespace, name) is None:
        if value["metadata"].get("uid"):
            raise WriteConflict(f"{resource.name} {name} is gone", hint="it is looked at again and tried once more")
        return created(state, resource, namespace, value)
    return merged(state, resource, namespace, name, value)


def merged(state: ClusterState, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
    """What a merge patch makes of what is there. Its uid and resourceVersion, if any, are preconditions."""
    live = state.get(resource, namespace, name)
    value: Object = _JSON.decode(live.whole)
    sent = patch.get("metadata", {})
    for field in ("uid", "resourceVersion"):
        if sent.get(field) and sent[field] != value["metadata"][field]:
            raise WriteConflict(
                f"{resource.name} {live.key} is not the one that was looked at: its {field} is another",
                hint="it is looked at again and tried once more",
            )
    after: Object = merge_patch(value, without_system(patch))
    metadata = after.get("metadata")
    same = ("name", "namespace") if namespace else ("name",)
    if not isinstance(metadata, dict) or any(metadata.get(one) != value["metadata"][one] for one in same):
        raise Rejected(f"a patch cannot give {resource.name} {live.key} another name or namespace")
    if (after.get("apiVersion"), after.get("kind")) != (resource.api_version, resource.kind):
        raise Rejected(f"a patch cannot give {resource.name} {live.key} another type")
    return after


def to_delete(state: ClusterState, resource: Resource, namespace: str, name: str, uid: str) -> StoredItem:
    """What a delete takes away: the object of that uid, and no other."""
    live = state.get(resource, namespace, name)
    if _metadata(live)["uid"] != uid:
        raise WriteConflict(
            f"{resource.name} {live.key} is not the one that was looked at: its uid is another",
            hint="it is looked at again and tried once more",
        )
    return live


def check_namespace(state: ClusterState, resource: Resource, namespace: str) -> None:
    """Raises where nothing of `resource` can be made in `namespace`: another scope, or it is not there to stay."""
    if resource.namespaced != bool(namespace):
        belongs = "needs a namespace" if resource.namespaced else "belongs to no namespace"
        raise ItemNotFound(f"{resource.name} {belongs}")
    if not namespace:
        return
    live = state.find(NAMESPACES, "", namespace)
    if live is None:
        raise ItemNotFound(f'namespaces "{namespace}" not found', hint="create the namespace first")
    if _metadata(live).get("deletionTimestamp"):
        raise NamespaceTerminating(f"namespace {namespace} is being terminated")


def without_system(value: Object) -> Object:
    """`value` without those fields of its metadata that are an API server's alone."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return value
    return {**value, "metadata": {name: field for name, field in metadata.items() if name not in _SYSTEM}}


def _metadata(item: StoredItem) -> Object:
    metadata: Object = _JSON.decode(item.whole)["metadata"]
    return metadata
