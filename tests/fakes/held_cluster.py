"""What the fake cluster holds, and what its test does to it by its own hand: put, delete, forbid, break, own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any, Literal, NamedTuple

import msgspec

from runner.adapters.manifests_defaults import completed, implied_namespace
from runner.adapters.manifests_state import ClusterState, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, KnownTypes, known_type
from runner.errors import ClusterBusy, ClusterError, Forbidden, ItemNotFound
from runner.model.cluster import ItemId, ListRequest, Page, Resource

Verb = Literal["identity", "discover", "page", "get", "create", "apply", "merge", "delete", "may"]
Json = dict[str, Any]

UID = "11111111-2222-4333-8444-555555555555"
"""Of the namespace kube-system, and so of the cluster."""

READING = ("get", "list")


class Call(NamedTuple):
    """One thing that was asked. `number` counts all of them, from 1."""

    number: int
    verb: Verb
    resource: Resource | None = None  # of page and get
    namespace: str = ""
    name: str = ""  # of get and all that writes
    request: ListRequest | None = None  # of page
    body: bytes = b""  # of create, apply and merge
    dry_run: bool = False


# verb, resource, namespace, name, body -> why the API server does not take it
Reject = Callable[[Verb, Resource, str, str, bytes], ClusterError | None]


class HeldCluster:
    """Objects in memory, and what goes wrong with them; the ports are FakeCluster's."""

    def __init__(self, *objects: Mapping[str, Any], serves: Iterable[str] | None = None) -> None:
        self.calls: list[Call] = []
        self.on_call: Callable[[Call], None] = lambda _: None
        self.after_call: Callable[[Call], None] = lambda _: None
        self.on_page: Callable[[Call, Page], Page] = lambda _, page: page
        self.reject: Reject = lambda *_: None
        self._lock = RLock()
        self._forbidden: set[tuple[str, str, str]] = set()
        self._owned: dict[ItemId, dict[str, str]] = {}
        self._failures: dict[str, str] = {}
        self._resumable = True
        self._lives = 0
        wanted = None if serves is None else {*serves, "namespaces"}
        built_in = [known.served() for known in KnownTypes()]
        served = [one for one in built_in if wanted is None or one.resource.name in wanted]
        self._served = {_type_of(one): one for one in served}
        self._state = ClusterState(1000, ((one, ()) for one in served))
        self._kept: dict[int, ClusterState] = {}
        kube_system = implied_namespace("kube-system")
        self.put({**kube_system, "metadata": {"name": "kube-system", "uid": UID}}, implied_namespace("default"))
        self.put(*objects)

    # what it holds

    def put(self, *objects: Mapping[str, Any]) -> None:
        """Creates each of `objects`, or replaces the one of its name, whose uid stays. A given uid is kept."""
        with self._lock:
            drafts: dict[ServedType, dict[str, StoredItem]] = {}
            for value in objects:
                self._draft(value, drafts)
                if (value["apiVersion"], value["kind"]) == DEFINITION:
                    self._serve(known_type(dict(value)).served())
            self._change(*((served, draft.values()) for served, draft in drafts.items()))

    def take(self, type_name: str, namespace: str, name: str) -> None:
        """Takes one object away, whatever its finalizers; `type_name` as `configmaps` or `deployments.apps`.

        ItemNotFound if it is not there.
        """
        with self._lock:
            resource = self._type(type_name).resource
            gone = self._state.get(resource, namespace, name)
            self._state = self._state.without(self._state.version + 1, resource, gone.key)
            self._owned.pop(ItemId(resource.group, resource.plural, namespace, name), None)

    def found(self, type_name: str, namespace: str, name: str) -> Json:
        """One object as it is now; a look of the test's own, that no hook sees. ItemNotFound if it is not there."""
        with self._lock:
            value: Json = msgspec.json.decode(self._state.get(self._type(type_name).resource, namespace, name).whole)
            return value

    def serve(self, resource: Resource) -> None:
        """Serves a type without a CRD, as an aggregated API does; one of that name that was served is gone."""
        with self._lock:
            self._serve(ServedType(resource, bare=False))

    # what goes wrong

    def forbid(self, type_name: str = "*", namespace: str = "*", verbs: Iterable[str] = READING) -> None:
        """Forbids `verbs` (reading) on `type_name` in `namespace`, either of which may be "*" for all.

        `namespace` "" forbids the list over the whole cluster, and leaves those of single namespaces.
        """
        self._forbidden |= {(type_name, namespace, verb) for verb in verbs}

    def own(self, type_name: str, namespace: str, name: str, path: str, *, manager: str) -> None:
        """Makes `manager` the owner of a field of an object that is there; `path` as `.spec.replicas`."""
        with self._lock:
            resource = self._type(type_name).resource
            item = ItemId(resource.group, resource.plural, namespace, name)
            self._owned.setdefault(item, {})[path] = manager

    def break_group(self, group_version: str, reason: str = "stale GroupVersion discovery") -> None:
        """A group, or one version of it, is down: not discovered, and its lists answer 503."""
        self._failures[group_version] = reason

    def expire_tokens(self, *, resumable: bool = True) -> None:
        """Every continue token given so far is expired. Its error brings a fresh one only where `resumable`."""
        with self._lock:
            self._resumable = resumable
            self._kept.clear()
            self._change()

    def _begin(
        self,
        verb: Verb,
        resource: Resource | None = None,
        namespace: str = "",
        name: str = "",
        **more: Any,
    ) -> Call:
        call = Call(len(self.calls) + 1, verb, resource, namespace, name, **more)
        self.calls.append(call)
        self.on_call(call)
        return call

    def _check(self, resource: Resource, namespace: str, verb: str) -> None:
        if self._is_forbidden(resource.name, namespace, verb):
            where = f"in the namespace {namespace}" if namespace else "at the cluster scope"
            raise Forbidden(f'{resource.name} is forbidden: User "fake" cannot {verb} it {where}')
        if self._broken(resource):
            raise ClusterBusy("the API server answers 503: service unavailable")

    def _is_forbidden(self, type_name: str, namespace: str, verb: str) -> bool:
        return any((one, where, verb) in self._forbidden for one in (type_name, "*") for where in (namespace, "*"))

    def _broken(self, resource: Resource) -> bool:
        return not self._failures.keys().isdisjoint({resource.group, resource.api_version})

    def _draft(self, value: Mapping[str, Any], drafts: dict[ServedType, dict[str, StoredItem]]) -> None:
        served = self._named(value["apiVersion"], value["kind"])
        resource, metadata = served.resource, value["metadata"]
        namespace = metadata.get("namespace", "default") if resource.namespaced else ""
        if namespace and not self._has_namespace(namespace, drafts):
            self._draft(implied_namespace(namespace), drafts)
        if served not in drafts:
            drafts[served] = {item.key: item for item in self._state.items(resource)}
        item = ItemId(resource.group, resource.plural, namespace, metadata["name"])
        before = drafts[served].get(f"{namespace}/{item.name}" if namespace else item.name)
        stored = self._stored(served, value, item, before)
        drafts[served][stored.key] = stored

    def _stored(
        self, served: ServedType, value: Mapping[str, Any], item: ItemId, before: StoredItem | None
    ) -> StoredItem:
        """The object as it is after it was written: its uid stays, and its resourceVersion is a new one."""
        self._lives += 1  # an object that comes back under its name is another one
        uid = _uid(before) if before else f"00000000-0000-4000-8000-{self._lives:012x}"
        fresh = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self._state.version + 1)}}
        return StoredItem.of(served, completed(fresh, item, "", uid=uid))

    def _has_namespace(self, name: str, drafts: dict[ServedType, dict[str, StoredItem]]) -> bool:
        served = self._named("v1", "Namespace")
        if served in drafts:
            return name in drafts[served]
        return any(item.name == name for item in self._state.items(served.resource))

    def _type(self, type_name: str) -> ServedType:
        served = next((one for one in self._served.values() if one.resource.name == type_name), None)
        if served is None:
            raise ItemNotFound(f"{type_name} is not served")
        return served

    def _named(self, api_version: str, kind: str) -> ServedType:
        served = self._served.get((api_version, kind))
        if served is None:
            raise ItemNotFound(f"{kind} of {api_version} is not served")
        return served

    def _serve(self, served: ServedType) -> None:
        same = [one for one in self._served.values() if one.resource.name == served.resource.name]
        if same == [served]:  # a CRD that is put again takes nothing away
            return
        self._served = {name: one for name, one in self._served.items() if one not in same}
        self._served[_type_of(served)] = served
        self._change((served, ()))

    def _unserve(self, type_name: str) -> None:
        """A type whose definition is gone, with all its objects."""
        gone = self._type(type_name)
        self._served = {name: one for name, one in self._served.items() if one is not gone}
        self._state = self._state.without_type(self._state.version + 1, gone.resource)

    def _change(self, *changed: tuple[ServedType, Iterable[StoredItem]]) -> None:
        self._state = self._state.later(self._state.version + 1, changed)


def _type_of(served: ServedType) -> tuple[str, str]:
    return served.resource.api_version, served.resource.kind


def _uid(item: StoredItem) -> str:
    uid: str = msgspec.json.decode(item.whole)["metadata"]["uid"]
    return uid
