"""A cluster in memory, made of Python dicts, that changes and fails as its test wants.

It lists as an API server does, by the same code as the manifests cluster: a list goes on with what it began with,
whatever is put or deleted meanwhile, until its tokens expire. Types are those that Kubernetes has built in, and those
of the CustomResourceDefinitions that are put.

    cluster = FakeCluster(config_map("shop", "web"))
    cluster.on_call = lambda call: cluster.delete("configmaps", "shop", "web") if call.number == 4 else None
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any, Literal, NamedTuple

import msgspec

from runner.adapters.manifests_defaults import completed, implied_namespace
from runner.adapters.manifests_state import ClusterState, ContinueToken, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, KnownTypes, known_type
from runner.errors import ClusterBusy, ContinueExpired, Forbidden, ItemNotFound
from runner.model.cluster import (
    ClusterIdentity,
    Discovery,
    DiscoveryFailure,
    ItemId,
    ListRequest,
    Page,
    Resource,
)

Verb = Literal["identity", "discover", "page", "get"]

UID = "11111111-2222-4333-8444-555555555555"
"""Of the namespace kube-system, and so of the cluster."""


class Call(NamedTuple):
    """One question that was asked. `number` counts all of them, from 1."""

    number: int
    verb: Verb
    resource: Resource | None = None  # of page and get
    namespace: str = ""
    name: str = ""  # of get
    request: ListRequest | None = None  # of page


class FakeCluster:
    """A ClusterReader. Namespaces that objects are put into come by themselves; kube-system and default are there.

    `serves` names the types that are discovered and listed (`configmaps`, `deployments.apps`), where not all are
    wanted; those of CRDs are served in any case. Tests that list every type are quicker with few.

    `on_call` is called before a question is answered, and may raise any error or change the cluster. `on_page` may put
    another page in the place of the true one. Both run under the cluster's lock.
    """

    def __init__(self, *objects: Mapping[str, Any], serves: Iterable[str] | None = None) -> None:
        self.calls: list[Call] = []
        self.on_call: Callable[[Call], None] = lambda _: None
        self.on_page: Callable[[Call, Page], Page] = lambda _, page: page
        self._lock = RLock()
        self._forbidden: set[tuple[str, str]] = set()
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

    def delete(self, type_name: str, namespace: str, name: str) -> None:
        """Takes one object away; `type_name` as `configmaps` or `deployments.apps`. ItemNotFound if it is not there."""
        with self._lock:
            served = next((one for one in self._served.values() if one.resource.name == type_name), None)
            if served is None:
                raise ItemNotFound(f"{type_name} is not served")
            gone = self._state.get(served.resource, namespace, name)
            rest = [item for item in self._state.items(served.resource) if item is not gone]
            self._change((served, rest))

    def serve(self, resource: Resource) -> None:
        """Serves a type without a CRD, as an aggregated API does; one of that name that was served is gone."""
        with self._lock:
            self._serve(ServedType(resource, bare=False))

    # what goes wrong

    def forbid(self, type_name: str = "*", namespace: str = "*") -> None:
        """Forbids reading `type_name` in `namespace`, either of which may be "*" for all.

        `namespace` "" forbids the list over the whole cluster, and leaves those of single namespaces.
        """
        self._forbidden.add((type_name, namespace))

    def break_group(self, group_version: str, reason: str = "stale GroupVersion discovery") -> None:
        """A group, or one version of it, is down: not discovered, and its lists answer 503."""
        self._failures[group_version] = reason

    def expire_tokens(self, *, resumable: bool = True) -> None:
        """Every continue token given so far is expired. Its error brings a fresh one only where `resumable`."""
        with self._lock:
            self._resumable = resumable
            self._kept.clear()
            self._change()

    # ClusterReader

    def identity(self) -> ClusterIdentity:
        """As an API server: without the right to read kube-system, the uid is ""."""
        with self._lock:
            self._begin("identity")
            readable = not self._is_forbidden("namespaces", "")
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
            self._check(request.resource, request.namespace)
            page = self._listed(request)
            if page.continue_token:
                self._kept[int(page.resource_version)] = self._state_of(request)
            return self.on_page(call, page)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object; see ports."""
        with self._lock:
            self._begin("get", resource, namespace, name)
            self._check(resource, namespace)
            return self._state.get(resource, namespace, name).whole

    def _begin(
        self,
        verb: Verb,
        resource: Resource | None = None,
        namespace: str = "",
        name: str = "",
        request: ListRequest | None = None,
    ) -> Call:
        call = Call(len(self.calls) + 1, verb, resource, namespace, name, request)
        self.calls.append(call)
        self.on_call(call)
        return call

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

    def _check(self, resource: Resource, namespace: str) -> None:
        if self._is_forbidden(resource.name, namespace):
            where = f"in the namespace {namespace}" if namespace else "at the cluster scope"
            raise Forbidden(f'{resource.name} is forbidden: User "fake" cannot list it {where}')
        if self._broken(resource):
            raise ClusterBusy("the API server answers 503: service unavailable")

    def _is_forbidden(self, type_name: str, namespace: str) -> bool:
        return any((one, where) in self._forbidden for one in (type_name, "*") for where in (namespace, "*"))

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
        self._lives += 1  # an object that comes back under its name is another one
        uid = _uid(before) if before else f"00000000-0000-4000-8000-{self._lives:012x}"
        fresh = {**value, "metadata": {**metadata, "resourceVersion": str(self._state.version + 1)}}
        stored = StoredItem.of(served, completed(fresh, item, "", uid=uid))
        drafts[served][stored.key] = stored

    def _has_namespace(self, name: str, drafts: dict[ServedType, dict[str, StoredItem]]) -> bool:
        served = self._named("v1", "Namespace")
        if served in drafts:
            return name in drafts[served]
        return any(item.name == name for item in self._state.items(served.resource))

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

    def _change(self, *changed: tuple[ServedType, Iterable[StoredItem]]) -> None:
        self._state = self._state.later(self._state.version + 1, changed)


def _type_of(served: ServedType) -> tuple[str, str]:
    return served.resource.api_version, served.resource.kind


def _uid(item: StoredItem) -> str:
    uid: str = msgspec.json.decode(item.whole)["metadata"]["uid"]
    return uid


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
