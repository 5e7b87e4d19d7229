"""A stored backup, read as if it were the cluster: so that a restore selects by the very rules of a backup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, takewhile
from typing import Any, TypeVar

import msgspec

from runner.archive.index import IndexLine
from runner.engine.stored import Group, StoredObjects
from runner.errors import ItemNotFound
from runner.model.cluster import ClusterIdentity, Discovery, ListRequest, Page, Resource
from runner.plan.selection import NEEDED_VERBS
from runner.ports import Pending

T = TypeVar("T")

_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False, verbs=tuple(sorted(NEEDED_VERBS)))


class BackupAsCluster:
    """A ClusterReader over a backup. A namespace that only its items tell of is there too, without a uid.

    A list comes in two pages: as much as is asked for, and the rest. Label queries narrow nothing but `key=value`:
    the selection asks every item again.
    """

    def __init__(self, stored: StoredObjects, known: Iterable[Resource] = ()) -> None:
        """`known` are the target's types: filters may use their short names, which no backup has."""
        self._stored = stored
        self._groups: dict[str, list[Group]] = {}
        for group in stored.groups():
            self._groups.setdefault(group.resource, []).append(group)
        short = {resource.name: resource.short_names for resource in known}
        short |= {name: names for name, names in self._defined_short_names() if name not in short}
        self._resources = {name: _resource(groups, short.get(name, ())) for name, groups in self._groups.items()}
        self._resources.setdefault(_NAMESPACES.name, _NAMESPACES)

    def identity(self) -> ClusterIdentity:
        """The cluster that the backup was made of."""
        return ClusterIdentity(uid=self._stored.ref.cluster, context=self._stored.ref.name, server="")

    def discover(self) -> Discovery:
        """Every type that the backup holds items of."""
        return Discovery(tuple(sorted(self._resources.values())))

    def page(self, request: ListRequest) -> Page:
        """One page; see ports."""
        groups = [
            group
            for group in self._groups.get(request.resource.name, ())
            if not request.namespace or group.namespace == request.namespace
        ]
        items = self._metadata(groups) if request.metadata_only else self._whole(groups)
        if request.resource.name == _NAMESPACES.name:
            items = self._with_implied(items)
        if "=" in request.label_selector and "," not in request.label_selector:
            key, _, value = request.label_selector.partition("=")
            items = (item for item in items if (item["metadata"].get("labels") or {}).get(key) == value)
        if request.continue_token:
            return _page(islice(items, int(request.continue_token), None))
        first = list(islice(items, request.limit))
        rest = 0
        if len(first) == request.limit and not request.label_selector:
            rest = sum(group.count for group in groups) - len(first)
        elif len(first) == request.limit:
            rest = sum(1 for _ in items)
        if rest <= 0:
            return _page(first)
        return _page(first, continue_token=str(len(first)), remaining=rest)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object; see ports."""
        for group in self._groups.get(resource.name, ()):
            if group.namespace == namespace:
                found = (line for line in self._stored.lines(group) if line.name == name)
                for _, value in self._stored.objects(found):
                    return msgspec.json.encode(value)
        raise ItemNotFound(f'{resource.name} "{name}" is not in the backup')

    def _defined_short_names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Those that the stored definitions give their types."""
        for value in self._whole(self._groups.get(_DEFINITIONS, ())):
            names = (value.get("spec") or {}).get("names") or {}
            yield value["metadata"]["name"], tuple(map(str, names.get("shortNames") or ()))

    def _metadata(self, groups: Iterable[Group]) -> Iterator[dict[str, Any]]:
        for group in groups:
            for line in self._stored.lines(group):
                yield _partial(line)

    def _whole(self, groups: Iterable[Group]) -> Iterator[dict[str, Any]]:
        """Of a damaged one, which is not given, what the index says: so that it is selected, and named as damaged."""
        for group in groups:
            passed = self._stored.lines(group)
            for given, value in self._stored.objects(self._stored.lines(group)):
                yield from map(_partial, takewhile(partial(_is_not, given), passed))
                yield value
            yield from map(_partial, passed)

    def _with_implied(self, items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The Namespaces that are stored, and after them those that are not, though items live in them."""
        named = set()
        for item in items:
            named.add(item["metadata"]["name"])
            yield item
        lived_in = {group.namespace for groups in self._groups.values() for group in groups if group.namespace}
        for name in sorted(lived_in - named):
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


class RightHere:
    """An Executor that does the work at once, on the caller's own thread: a backup's index is in memory."""

    def submit(self, work: Callable[[], T]) -> Pending[T]:
        """As the port has it."""
        try:
            return _Done(work(), None)
        except Exception as error:  # noqa: BLE001 -- it is raised where the result is asked for
            return _Done(None, error)


class _Done(Pending[Any]):
    def __init__(self, value: Any, error: Exception | None) -> None:
        self._value, self._error = value, error

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> bool:
        return False


def _is_not(line: IndexLine, other: IndexLine) -> bool:
    return line.id != other.id


def _resource(groups: list[Group], short_names: tuple[str, ...]) -> Resource:
    first = groups[0]
    plural, _, group = first.resource.partition(".")
    return Resource(
        group=group,
        plural=plural,
        version=first.api_version.rpartition("/")[2],
        kind=first.kind,
        namespaced=any(one.namespace for one in groups),
        verbs=tuple(sorted(NEEDED_VERBS)),
        short_names=short_names,
    )


def _partial(line: IndexLine) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": line.name,
        "uid": line.uid,
        "resourceVersion": line.resource_version,
        "labels": line.labels,
    }
    if line.namespace:
        metadata["namespace"] = line.namespace
    return {"apiVersion": line.api_version, "kind": line.kind, "metadata": metadata}


def _page(items: Iterable[dict[str, Any]], *, continue_token: str = "", remaining: int = 0) -> Page:
    raw = tuple(msgspec.Raw(_ENCODER.encode(item)) for item in items)
    return Page(items=raw, resource_version="1", continue_token=continue_token, remaining=remaining)


_ENCODER = msgspec.json.Encoder()
