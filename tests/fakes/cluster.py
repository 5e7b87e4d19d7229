"""A cluster in memory, made of Python dicts, that changes and fails as its test wants.

It lists and writes as an API server does, by the same code as the manifests cluster: a list goes on with what it began
with, whatever is put or deleted meanwhile, until its tokens expire. Types are those that Kubernetes has built in, and
those of the CustomResourceDefinitions that are put or created. All versions of a type have the same fields.

    cluster = FakeCluster(config_map("shop", "web"))
    cluster.on_call = lambda call: cluster.delete("configmaps", "shop", "web") if call.number == 4 else None
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from runner.adapters.manifests_changes import (
    NAMESPACES,
    Object,
    applied,
    created,
    merged,
    read_object,
    read_patch,
    to_delete,
)
from runner.adapters.manifests_folder import checked
from runner.adapters.manifests_state import ClusterState, ContinueToken, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, known_type
from runner.errors import ApplyConflict, ContinueExpired, FormatError, OwnedField, Rejected
from runner.model.cluster import (
    ClusterIdentity,
    Discovery,
    DiscoveryFailure,
    ItemId,
    ListRequest,
    Page,
    Resource,
    Right,
)
from runner.ports import Written
from tests.fakes.held_cluster import UID, Call, HeldCluster, Verb

__all__ = ["UID", "Call", "FakeCluster", "Verb", "config_map", "definition"]

_DELETED = "2026-06-01T16:20:07Z"
_RIGHTS: dict[Verb, str] = {"create": "create", "apply": "patch", "merge": "patch", "delete": "delete"}
_ABSENT = object()


class FakeCluster(HeldCluster):
    """A Cluster. Namespaces that objects are put into come by themselves; kube-system and default are there.

    `serves` names the types that are discovered and listed (`configmaps`, `deployments.apps`), where not all are
    wanted; those of CRDs are served in any case. Tests that list every type are quicker with few.

    `on_call` is called before a question is answered or a change made, and may raise any error or change the cluster;
    `after_call` once a change is made, before its answer, which an error there loses. `on_page` may put another page in
    the place of the true one. `reject` may give an error for a write, as admission would. All run under the cluster's
    lock.

    No controllers run. But a namespace goes at once with all that is in it, and a CRD with all of its type; an object
    with finalizers is only marked as deleted, and goes with its last finalizer.
    """

    # ClusterReader

    def identity(self) -> ClusterIdentity:
        """As an API server: without the right to read kube-system, the uid is ""."""
        with self._lock:
            self._begin("identity")
            readable = not self._is_forbidden("namespaces", "", "get")
            return ClusterIdentity(
                uid=UID if readable else "", context="fake", server="memory://fake", version="v1.36.3-fake"
            )

    def discover(self) -> Discovery:
        """Every type that is served, but for the groups that are down."""
        with self._lock:
            self._begin("discover")
            return Discovery(
                resources=tuple(one.resource for one in self._state.types if not self._broken(one.resource)),
                failures=tuple(sorted(DiscoveryFailure(*failure) for failure in self._failures.items())),
            )

    def page(self, request: ListRequest) -> Page:
        """One page; see ports."""
        with self._lock:
            call = self._begin("page", request.resource, request.namespace, request=request)
            self._check(request.resource, request.namespace, "list")
            page = self._listed(request)
            if page.continue_token:
                self._kept[int(page.resource_version)] = self._state_of(request)
            return self.on_page(call, page)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object; see ports."""
        with self._lock:
            self._begin("get", resource, namespace, name)
            self._check(resource, namespace, "get")
            return _in_version(resource, self._state.get(self._held(resource), namespace, name).whole)

    # ClusterWriter

    def create(
        self, resource: Resource, namespace: str, body: bytes, *, dry_run: bool = False, strict: bool = False
    ) -> Written:
        """Knows no schema, so that `strict` refuses nothing; see ports."""
        with self._writing("create", resource, namespace, _name(body), body=body, dry_run=dry_run) as served:
            draft = created(self._state, served.resource, namespace, read_object(resource, namespace, body))
            return self._keep(resource, served, draft, dry_run=dry_run)

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> Written:
        """Conflicts with what `own` has set; see ports."""
        with self._writing("apply", resource, namespace, name, body=body, dry_run=dry_run) as served:
            value = read_object(resource, namespace, body, name)
            value["apiVersion"] = served.resource.api_version
            draft = applied(self._state, served.resource, namespace, value)
            item = ItemId(resource.group, resource.plural, namespace, name)
            conflicts = self._conflicts(served, item, value)
            if conflicts and not force:
                raise ApplyConflict(f"Apply failed with {len(conflicts)} conflicts", fields=conflicts)
            if not dry_run:
                for field in conflicts:
                    del self._owned[item][field.path]
            return self._keep(resource, served, draft, dry_run=dry_run)

    def merge(self, resource: Resource, namespace: str, name: str, patch: bytes) -> Written:
        """See ports."""
        with self._writing("merge", resource, namespace, name, body=patch) as served:
            sent = {key: value for key, value in read_patch(patch).items() if key not in {"apiVersion", "kind"}}
            written = self._keep(resource, served, merged(self._state, served.resource, namespace, name, sent))
            metadata = msgspec.json.decode(written.raw)["metadata"]
            if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
                self.take(resource.name, namespace, name)
            return written

    def delete(self, resource: Resource | str, namespace: str, name: str, *, uid: str = "") -> None:
        """See ports. With a type's name (`configmaps`), somebody else deletes it: not counted, and at once."""
        if isinstance(resource, str):
            self.take(resource, namespace, name)
            return
        with self._writing("delete", resource, namespace, name) as served:
            live = to_delete(self._state, served.resource, namespace, name, uid)
            value = msgspec.json.decode(live.whole)
            if value["metadata"].get("finalizers"):
                value["metadata"]["deletionTimestamp"] = _DELETED
                self._keep(resource, served, value)
                return
            self._take_within(served, value)
            self.take(resource.name, namespace, name)

    def may(self, right: Right) -> bool:
        """What `forbid` has left."""
        with self._lock:
            self._begin("may", right.resource, right.namespace, right.name)
            return not self._is_forbidden(right.resource.name, right.namespace, right.verb)

    @contextmanager
    def _writing(
        self, verb: Verb, resource: Resource, namespace: str, name: str, *, body: bytes = b"", dry_run: bool = False
    ) -> Iterator[ServedType]:
        with self._lock:
            call = self._begin(verb, resource, namespace, name, body=body, dry_run=dry_run)
            self._check(resource, namespace, _RIGHTS[verb])
            held = self._held(resource)
            self._state.items(held)  # ItemNotFound, where this version is not served
            served = self._state.served(held)
            if error := self.reject(verb, resource, namespace, name, body):
                raise error
            yield served
            self.after_call(call)

    def _keep(self, asked: Resource, served: ServedType, value: Object, *, dry_run: bool = False) -> Written:
        """Takes the object as it will be, unless it is so already."""
        resource = served.resource
        value["apiVersion"] = resource.api_version
        item = checked(resource, value)
        before = self._state.find(resource, item.namespace, item.name)
        if before is not None and msgspec.json.decode(before.whole) == value:
            return _answer(asked, before)
        stored = self._stored(served, _established(value) if before is None else value, item, before)
        try:
            known = known_type(value) if (value["apiVersion"], value["kind"]) == DEFINITION else None
        except FormatError as error:
            raise Rejected(error.message, hint=error.hint) from error
        if not dry_run:
            self._state = self._state.put(self._state.version + 1, served, stored)
            if known is not None:
                self._serve(known.served())
        return _answer(asked, stored)

    def _take_within(self, served: ServedType, value: Object) -> None:
        """What goes with an object that is deleted."""
        if served.resource.name == NAMESPACES.name:
            for of, item in list(self._state.within(value["metadata"]["name"])):
                self.take(of.resource.name, item.namespace, item.name)
        if (value["apiVersion"], value["kind"]) == DEFINITION:
            self._unserve(known_type(value).served().resource.name)

    def _conflicts(self, served: ServedType, item: ItemId, value: Object) -> tuple[OwnedField, ...]:
        live = self._state.find(served.resource, item.namespace, item.name)
        if live is None:
            return ()
        before = msgspec.json.decode(live.whole)
        owned = sorted(self._owned.get(item, {}).items())
        return tuple(
            OwnedField(path, manager)
            for path, manager in owned
            if (new := _at(value, path)) is not _ABSENT and new != _at(before, path)
        )

    def _listed(self, request: ListRequest) -> Page:
        try:
            return self._state_of(request).page(request)
        except ContinueExpired as error:
            if self._resumable:
                raise
            raise ContinueExpired(error.message, token="") from error

    def _state_of(self, request: ListRequest) -> ClusterState:
        if not request.continue_token:
            return self._state
        return self._kept.get(ContinueToken.read(request.continue_token).version, self._state)

    def _held(self, resource: Resource) -> Resource:
        """The type in the version that is kept, for one that is asked for in another that is served."""
        held = self._state.served(resource).resource
        return held if resource.version in held.other_versions else resource


def _at(value: Any, path: str) -> Any:
    """What is at `.metadata.labels.example.com/a`; keys may hold dots."""
    if not path:
        return value
    if not isinstance(value, dict):
        return _ABSENT
    rest = path.removeprefix(".")
    keys = (key for key in value if rest == key or rest.startswith(f"{key}."))
    return next((found for key in keys if (found := _at(value[key], rest[len(key) :])) is not _ABSENT), _ABSENT)


def _answer(asked: Resource, item: StoredItem) -> Written:
    return Written(uid=str(msgspec.json.decode(item.whole)["metadata"]["uid"]), raw=_in_version(asked, item.whole))


def _in_version(resource: Resource, whole: bytes) -> bytes:
    value = msgspec.json.decode(whole)
    if value["apiVersion"] == resource.api_version:
        return whole
    return msgspec.json.encode({**value, "apiVersion": resource.api_version})


def _established(value: Object) -> Object:
    """A CRD that is created is established at once."""
    if (value["apiVersion"], value["kind"]) == DEFINITION:
        return {**value, "status": {"conditions": [{"type": "Established", "status": "True"}]}}
    return value


def _name(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["metadata"]["name"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return ""


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap, the plainest of objects."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def definition(plural: str, kind: str, group: str, *, namespaced: bool = True) -> dict[str, Any]:
    """The CustomResourceDefinition of a type with one version, v1, that takes anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
