"""What is live in the place of stored items: one list a type and namespace, walked along with the backup."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from runner.engine.listing import Listing
from runner.engine.retry import Retrier
from runner.errors import BadResponse, ItemNotFound
from runner.model.cluster import ListRequest, Resource
from runner.ports import ClusterReader

FIRST_ITEMS = 100
PAGE_BYTES = 1 << 20  # aimed at
LARGEST_PAGE = 4 << 20


class LiveItems:
    """The live items of a type in a namespace, by name.

    Where names are asked for in ascending order, as API servers list them, a page is held at a time; else all of them.
    """

    def __init__(
        self, cluster: ClusterReader, retrier: Retrier, resource: Resource, namespace: str, *, ascending: bool
    ) -> None:
        request = ListRequest(resource, namespace=namespace, limit=FIRST_ITEMS, max_bytes=LARGEST_PAGE)
        self._items = _items(Listing(cluster, retrier, request, page_bytes=PAGE_BYTES), resource)
        self._waiting: dict[str, dict[str, Any]] = {}  # listed, and not asked for yet
        self._last = ""
        self._sorted = ascending
        self._ended = False

    def open(self) -> None:
        """Lists the first page now, so that what may not be listed shows here."""
        self._next()

    def at(self, name: str) -> dict[str, Any] | None:
        """The item of this name, or None. Each is asked for once."""
        while not self._ended and name not in self._waiting and not (self._sorted and self._last >= name):
            self._next()
        found = self._waiting.pop(name, None)
        if self._sorted:
            for passed in [other for other in self._waiting if other < name]:
                del self._waiting[passed]
        return found

    def _next(self) -> None:
        item = next(self._items, None)
        if item is None:
            self._ended = True
            return
        name = str(item["metadata"]["name"])
        self._sorted = self._sorted and name >= self._last
        self._last = max(name, self._last)
        self._waiting[name] = item


class NamedItems:
    """The same for who may not list them: each is asked for by its name."""

    def __init__(self, cluster: ClusterReader, retrier: Retrier, resource: Resource, namespace: str) -> None:
        self._cluster, self._retrier, self._resource, self._namespace = cluster, retrier, resource, namespace

    def at(self, name: str) -> dict[str, Any] | None:
        """The item of this name, or None. Forbidden."""
        get = partial(self._cluster.get, self._resource, self._namespace, name)
        try:
            return _DECODER.decode(self._retrier.call(f"{self._resource.name} {name}", get))
        except ItemNotFound:
            return None


Live = LiveItems | NamedItems


def _items(listing: Listing, resource: Resource) -> Iterator[dict[str, Any]]:
    while not listing.done:
        for raw in listing.next_page().items:
            try:
                value = _DECODER.decode(raw)
                value["metadata"]["name"]
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
                raise BadResponse(f"the list of {resource.name} has an item that is no Kubernetes object") from error
            yield {"apiVersion": resource.api_version, "kind": resource.kind, **value}


_DECODER = msgspec.json.Decoder(dict[str, Any])
