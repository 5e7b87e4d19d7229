"""Everything that a cluster holds at one moment, and how an API server lists it: order, pages, selectors.

Pure and immutable, so that a list that goes on sees what it began with. It reads no files and knows no faults:
`manifests.py` fills it from a folder, the fake of the tests from Python objects.

Order and paging are those of etcd behind the API server:
https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import msgspec

from runner.adapters.label_selector import parse_label_selector
from runner.errors import ClusterError, ContinueExpired, ItemNotFound, PageTooLarge, UsageError
from runner.model.cluster import ListRequest, Page, Resource

_FIELD = re.compile(r"metadata\.(name|namespace)(==|!=|=)([^,=!]*)")


class ServedType(msgspec.Struct, frozen=True):
    """A type as this cluster serves it. `bare`: lists leave out each item's apiVersion and kind.

    The API server does so for types that are built in, and not for custom resources.
    """

    resource: Resource
    bare: bool


class StoredItem(msgspec.Struct, frozen=True):
    """One object, in each form that it is asked for."""

    key: str  # namespace/name, or the name alone: what etcd sorts by
    namespace: str
    name: str
    labels: dict[str, str]
    whole: bytes
    listed: msgspec.Raw
    partial: msgspec.Raw  # PartialObjectMetadata

    @classmethod
    def of(cls, served: ServedType, value: Mapping[str, Any]) -> Self:
        """`value` is a whole object, with the metadata that an API server gives: name, namespace, uid and so on."""
        metadata = value["metadata"]
        namespace = metadata["namespace"] if served.resource.namespaced else ""
        bare = {name: field for name, field in value.items() if name not in {"apiVersion", "kind"}}
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        whole = msgspec.json.encode(value)
        return cls(
            key=f"{namespace}/{metadata['name']}" if namespace else metadata["name"],
            namespace=namespace,
            name=metadata["name"],
            labels=metadata.get("labels") or {},
            whole=whole,
            listed=msgspec.Raw(msgspec.json.encode(bare) if served.bare else whole),
            partial=msgspec.Raw(msgspec.json.encode(partial)),
        )


class ContinueToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a list broke off. Opaque to callers, as the API server's own is."""

    version: int  # of the state that the list began with
    after: str  # key of the last item that was looked at

    @property
    def text(self) -> str:
        """As it goes into a page and comes back in a request."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def read(cls, text: str) -> ContinueToken:
        """ClusterError for what no page has given, as the API server answers 400."""
        try:
            return _TOKEN.decode(base64.b64decode(text, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
            raise ClusterError("the continue token is none that this cluster has given") from error


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_TOKEN = msgspec.json.Decoder(ContinueToken)


class ClusterState:
    """What a cluster serves and holds at `version`, which stands for every resourceVersion of a list."""

    def __init__(self, version: int, held: Iterable[tuple[ServedType, Iterable[StoredItem]]]) -> None:
        """`held` has every type that is served, once per group and plural, with its items in any order."""
        self.version = version
        self._lists = {_name(served.resource): _sorted_list(served, items) for served, items in held}

    def later(self, version: int, changed: Iterable[tuple[ServedType, Iterable[StoredItem]]] = ()) -> ClusterState:
        """The state at `version`: as this one, but for what is held of the types in `changed`, which may be new."""
        state = ClusterState(version, changed)
        state._lists = self._lists | state._lists
        return state

    def put(self, version: int, served: ServedType, item: StoredItem) -> ClusterState:
        """The state at `version`: as this one, with `item` added, or in the place of the one of its key."""
        found = self._lists[_name(served.resource)]
        start = bisect_left(found.keys, item.key)
        return self._with(version, found.cut(start, bisect_right(found.keys, item.key), served, (item,)))

    def without(self, version: int, resource: Resource, key: str) -> ClusterState:
        """The state at `version`: as this one, without the item of that key."""
        found = self._lists[_name(resource)]
        start = bisect_left(found.keys, key)
        return self._with(version, found.cut(start, bisect_right(found.keys, key), found.served))

    def without_type(self, version: int, resource: Resource) -> ClusterState:
        """The state at `version`: as this one, but for a type that is no longer served, with all its items."""
        state = ClusterState(version, ())
        state._lists = {name: found for name, found in self._lists.items() if name != _name(resource)}
        return state

    def _with(self, version: int, changed: _List) -> ClusterState:
        state = ClusterState(version, ())
        state._lists = self._lists | {_name(changed.served.resource): changed}
        return state

    @property
    def types(self) -> tuple[ServedType, ...]:
        """Every type that is served, sorted."""
        return tuple(sorted((found.served for found in self._lists.values()), key=lambda served: served.resource))

    def items(self, resource: Resource) -> tuple[StoredItem, ...]:
        """Everything of one type, sorted by key. ItemNotFound where the type, in this version, is not served."""
        return self._list(resource).items

    def served(self, resource: Resource) -> ServedType:
        """The type as it is served here, in whatever version. ItemNotFound where it is not."""
        found = self._lists.get(_name(resource))
        if found is None:
            raise ItemNotFound(f"{resource.name} in {resource.api_version} is not served")
        return found.served

    def within(self, namespace: str) -> Iterator[tuple[ServedType, StoredItem]]:
        """Everything that is in one namespace, of every type."""
        for found in self._lists.values():
            if found.served.resource.namespaced:
                start, end = found.bounds(namespace)
                yield from ((found.served, item) for item in found.items[start:end])

    def find(self, resource: Resource, namespace: str, name: str) -> StoredItem | None:
        """One item, or nothing; ItemNotFound where its type is not there."""
        found = self._list(resource)
        key = f"{namespace}/{name}" if namespace else name
        position = bisect_left(found.keys, key)
        if position == len(found.keys) or found.keys[position] != key:
            return None
        return found.items[position]

    def get(self, resource: Resource, namespace: str, name: str) -> StoredItem:
        """One item; ItemNotFound where it, or its type, is not there."""
        item = self.find(resource, namespace, name)
        if item is None:
            key = f"{namespace}/{name}" if namespace else name
            raise ItemNotFound(f"{resource.name} {key} is not there")
        return item

    def page(self, request: ListRequest) -> Page:
        """One page, as ClusterReader.page has it. A selector may leave the last page empty, as on an API server.

        `remaining` is given where more follows and nothing selects; `size` is that of the items alone.
        """
        found = self._list(request.resource)
        position, end = found.bounds(request.namespace)
        if request.continue_token:
            position = max(position, self._resumed(found, request.continue_token))
        wanted = _selection(request)
        taken: list[msgspec.Raw] = []
        size = 0
        while position < end and (request.limit == 0 or len(taken) < request.limit):
            item = found.items[position]
            position += 1
            if not wanted(item):
                continue
            taken.append(item.partial if request.metadata_only else item.listed)
            size += len(taken[-1])
            if request.max_bytes and size > request.max_bytes:
                raise PageTooLarge(f"the page of {request.resource.name} is over {request.max_bytes} bytes")
        more = position < end
        counted = more and not request.label_selector and not request.field_selector
        return Page(
            items=tuple(taken),
            resource_version=str(self.version),
            continue_token=ContinueToken(self.version, found.keys[position - 1]).text if more else "",
            remaining=end - position if counted else None,
            size=size,
        )

    def _resumed(self, found: _List, text: str) -> int:
        token = ContinueToken.read(text)
        if token.version != self.version:
            fresh = ContinueToken(self.version, token.after)
            raise ContinueExpired("what this list began with is no longer kept", token=fresh.text)
        return bisect_right(found.keys, token.after)

    def _list(self, resource: Resource) -> _List:
        found = self._lists.get(_name(resource))
        if found is None or found.served.resource.version != resource.version:
            raise ItemNotFound(f"{resource.name} in {resource.api_version} is not served")
        return found


class _List(msgspec.Struct, frozen=True):
    """All items of one type, sorted by key."""

    served: ServedType
    keys: tuple[str, ...]
    items: tuple[StoredItem, ...]

    def bounds(self, namespace: str) -> tuple[int, int]:
        """First position of what a namespace ("" for all) holds, and the one after its last."""
        if not namespace:
            return 0, len(self.keys)
        if not self.served.resource.namespaced:
            raise ItemNotFound(f"{self.served.resource.name} are in no namespace")
        # "0" is the character after "/", so that nothing lies between "namespace/…" and "namespace0".
        return bisect_left(self.keys, f"{namespace}/"), bisect_left(self.keys, f"{namespace}0")

    def cut(self, start: int, end: int, served: ServedType, new: tuple[StoredItem, ...] = ()) -> _List:
        """The list with `new` in the place of what is from `start` up to `end`."""
        keys = (*self.keys[:start], *(item.key for item in new), *self.keys[end:])
        return _List(served, keys, (*self.items[:start], *new, *self.items[end:]))


def _sorted_list(served: ServedType, items: Iterable[StoredItem]) -> _List:
    ordered = tuple(sorted(items, key=lambda item: item.key))
    return _List(served, tuple(item.key for item in ordered), ordered)


def _name(resource: Resource) -> tuple[str, str]:
    return resource.group, resource.plural


def _selection(request: ListRequest) -> Callable[[StoredItem], bool]:
    """Both selectors as one question; ClusterError for what the API server answers with 400."""
    try:
        labels = parse_label_selector(request.label_selector)
    except UsageError as error:
        raise ClusterError(error.message, hint=error.hint) from error
    fields = [_field(term) for term in request.field_selector.split(",") if term]

    def wanted(item: StoredItem) -> bool:
        if not labels.matches(item.labels):
            return False
        return all((getattr(item, field) == value) is equal for field, value, equal in fields)

    return wanted


def _field(term: str) -> tuple[str, str, bool]:
    match = _FIELD.fullmatch(term)
    if match is None:
        raise ClusterError(
            f"the field selector {term!r} is not served", hint="select by metadata.name or metadata.namespace"
        )
    return match[1], match[3], match[2] != "!="
