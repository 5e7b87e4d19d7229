"""Reads a cluster as far as a plan needs it: counts where a number will do, metadata or objects where it will not.

Works in rounds of independent requests, so that each round runs as wide as the executor is. What may not be read is
noted in the inventory; only what makes any plan impossible (no answer, no credentials) is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from runner.actions.facts import has_facts, row, row_with_facts
from runner.engine.listing import Listing
from runner.engine.retry import Retrier
from runner.errors import BadResponse, ClusterError, Forbidden, ItemNotFound, Unauthorized
from runner.model.cluster import Discovery, ListRequest, Page, Resource
from runner.model.inventory import Holding, Inventory, Row, Unreadable
from runner.plan.labels import EXCLUDE_LABELS
from runner.plan.needs import NAMESPACES, Need, deciding, need, query
from runner.plan.selection import NEEDED_VERBS, Selection
from runner.ports import ClusterReader, Executor

# A type's first page tells how many more there are. Types that fit in it are had whole, and most types do.
FIRST_PAGE = 200
# Counting in a namespace costs a request; listing metadata costs by the item. Measured on a real API server, a request
# is worth about this many items.
ITEMS_PER_REQUEST = 60


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is to be read of one type."""

    resource: Resource
    need: Need
    query: str


@dataclass
class _Found:
    """What has been read so far."""

    rows: dict[Resource, list[Row]] = field(default_factory=dict)  # complete, unless in `counts`
    counts: dict[tuple[Resource, str], int] = field(default_factory=dict)
    marked: dict[tuple[Resource, str], dict[str, Row]] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)


def collect(
    cluster: ClusterReader, executor: Executor, retrier: Retrier, selection: Selection, *, rows: bool = False
) -> Inventory:
    """What a plan of `selection` needs to know of a cluster. With `rows`, every item where a number would do."""
    return _Collector(cluster, executor, retrier, least=Need.METADATA if rows else Need.COUNT).run(selection)


def collect_everything(cluster: ClusterReader, executor: Executor, retrier: Retrier) -> Inventory:
    """Every readable item of the cluster, so that any policy can be planned from it later."""
    return _Collector(cluster, executor, retrier).run(None)


@dataclass
class _Collector:
    cluster: ClusterReader
    executor: Executor
    retrier: Retrier
    least: Need = Need.COUNT  # is read of each type that is looked at
    found: _Found = field(default_factory=_Found)

    def run(self, selection: Selection | None) -> Inventory:
        pending = self.executor.submit(partial(self.retrier.call, "cluster's identity", self.cluster.identity))
        discovery = self.retrier.call("discovery", self.cluster.discover)
        identity = pending.result()
        namespaces = self._namespaces(discovery, selection)
        if selection is None:
            taken = [row.name for row in namespaces]
        else:
            taken = [row.name for row in namespaces if selection.namespace(row).taken]
        asks = _asks(discovery, selection, self.least)
        later = self._first_round(asks, taken)
        self._run([task for task in later if task is not None])
        return Inventory(
            cluster=identity,
            resources=discovery.resources,
            namespaces=tuple(sorted(namespaces, key=lambda row: row.name)),
            holdings=self._holdings(frozenset(taken)),
            failures=discovery.failures,
            unreadable=tuple(sorted(self.found.unreadable)),
            complete=selection is None,
        )

    # namespaces

    def _namespaces(self, discovery: Discovery, selection: Selection | None) -> list[Row]:
        resource = next((r for r in discovery.resources if (r.group, r.plural) == NAMESPACES), None)
        if resource is None:
            raise BadResponse("discovery names no namespaces", hint="is this the address of a Kubernetes API server?")
        try:
            return self._list(_Ask(resource, Need.WHOLE, ""), "")
        except Forbidden as error:
            named = _literal_names(selection)
            if not named:
                # Whoever asks for everything has no list to name them in.
                named_there = "" if selection is None else ", or name them in includedNamespaces without globs"
                raise Forbidden(error.message, hint=f"grant list on namespaces{named_there}") from error
            self.found.unreadable.append(Unreadable(resource="namespaces", namespace="", reason=error.message))
            return [row for name in named if (row := self._namespace(resource, name)) is not None]

    def _namespace(self, resource: Resource, name: str) -> Row | None:
        try:
            raw = self.retrier.call(f"namespace {name}", partial(self.cluster.get, resource, "", name))
        except ItemNotFound:
            return None
        except Forbidden:
            return Row(name=name)  # without uid: its items may be read, but not the object itself
        (row,) = _rows(_Ask(resource, Need.WHOLE, ""), Page(items=(msgspec.Raw(raw),), resource_version=""))
        return row

    # rounds

    def _first_round(self, asks: Sequence[_Ask], namespaces: list[str]) -> list[Callable[[], None] | None]:
        """Every type's first page; returns what is left to do."""
        pending = [(ask, self.executor.submit(partial(self._first_page, ask))) for ask in asks]
        later: list[Callable[[], None] | None] = []
        for ask, work in pending:
            try:
                listing, page, rows = work.result()
            except Forbidden as error:
                later += self._by_namespace(ask, namespaces, error)
            except Unauthorized:
                raise
            except ItemNotFound:
                continue  # the type went away after discovery
            except ClusterError as error:
                self._cannot_read(ask, "", error)
            else:
                later += self._after_first_page(ask, listing, page, rows, namespaces)
        return later

    def _first_page(self, ask: _Ask) -> tuple[Listing, Page, list[Row]]:
        listing = Listing(self.cluster, self.retrier, _request(ask, "", FIRST_PAGE))
        page = listing.next_page()
        return listing, page, _rows(ask, page)

    def _after_first_page(
        self, ask: _Ask, listing: Listing, page: Page, rows: list[Row], namespaces: list[str]
    ) -> Iterable[Callable[[], None]]:
        if listing.done:
            self.found.rows[ask.resource] = rows
            return
        total = None if page.remaining is None else len(rows) + page.remaining
        fewer = total is not None and len(namespaces) * ITEMS_PER_REQUEST < total
        if ask.need is Need.COUNT and total is not None and (fewer or not ask.resource.namespaced):
            yield from self._counting(ask, namespaces, total)
        elif ask.resource.namespaced and fewer:
            for namespace in namespaces:
                yield partial(self._read_namespace, ask, namespace)
        else:
            yield partial(self._read_rest, ask, listing, rows)

    def _counting(self, ask: _Ask, namespaces: list[str], total: int) -> Iterable[Callable[[], None]]:
        if not ask.resource.namespaced:
            self.found.counts[ask.resource, ""] = total
        else:
            for namespace in namespaces:
                yield partial(self._count, ask, namespace)
        for label in EXCLUDE_LABELS:
            yield partial(self._read_marked, ask, label)

    def _by_namespace(
        self, ask: _Ask, namespaces: list[str], refused: ClusterError
    ) -> Iterable[Callable[[], None] | None]:
        """Where the whole cluster may not be listed, perhaps each namespace may."""
        if not ask.resource.namespaced or not namespaces:
            self._cannot_read(ask, "", refused)
            return []
        return [partial(self._read_namespace, ask, namespace) for namespace in namespaces]

    def _run(self, tasks: Iterable[Callable[[], None]]) -> None:
        for work in [self.executor.submit(task) for task in tasks]:
            work.result()

    # single tasks; each touches keys of its own

    def _count(self, ask: _Ask, namespace: str) -> None:
        request = msgspec.structs.replace(_request(ask, namespace, 1), metadata_only=True)
        try:
            page = self.retrier.call(
                f"count of {ask.resource.name} in {namespace}", partial(self.cluster.page, request)
            )
        except Unauthorized:
            raise
        except ClusterError as error:
            self._cannot_read(ask, namespace, error)
        else:
            self.found.counts[ask.resource, namespace] = len(page.items) + (page.remaining or 0)

    def _read_namespace(self, ask: _Ask, namespace: str) -> None:
        try:
            rows = self._list(ask, namespace)
        except Unauthorized:
            raise
        except ClusterError as error:
            self._cannot_read(ask, namespace, error)
        else:
            self.found.rows.setdefault(ask.resource, []).extend(rows)

    def _read_rest(self, ask: _Ask, listing: Listing, rows: list[Row]) -> None:
        try:
            while not listing.done:
                rows.extend(_rows(ask, listing.next_page()))
        except Unauthorized:
            raise
        except ClusterError as error:
            self._cannot_read(ask, "", error)
        else:
            self.found.rows[ask.resource] = rows

    def _read_marked(self, ask: _Ask, label: str) -> None:
        marked = _Ask(ask.resource, Need.METADATA, f"{label}=true")
        try:
            rows = self._list(marked, "")
        except Unauthorized:
            raise
        except ClusterError as error:
            self._cannot_read(ask, "", error)
            return
        for seen in rows:
            self.found.marked.setdefault((ask.resource, seen.namespace), {})[seen.name] = seen

    def _list(self, ask: _Ask, namespace: str) -> list[Row]:
        listing = Listing(self.cluster, self.retrier, _request(ask, namespace, 500))
        rows = []
        while not listing.done:
            rows.extend(_rows(ask, listing.next_page()))
        return rows

    def _cannot_read(self, ask: _Ask, namespace: str, error: ClusterError) -> None:
        lost = Unreadable(resource=ask.resource.name, namespace=namespace, reason=error.message)
        self.found.unreadable.append(lost)

    # result

    def _holdings(self, taken: frozenset[str]) -> tuple[Holding, ...]:
        holdings = []
        for resource, rows in self.found.rows.items():
            by_namespace: dict[str, dict[str, Row]] = {}
            for seen in rows:
                if not seen.namespace or seen.namespace in taken:
                    by_namespace.setdefault(seen.namespace, {})[seen.name] = seen
            for namespace, named in by_namespace.items():
                ordered = tuple(named[name] for name in sorted(named))
                holdings.append(Holding(resource=resource, namespace=namespace, count=len(ordered), rows=ordered))
        for (resource, namespace), count in self.found.counts.items():
            if count:
                named = self.found.marked.get((resource, namespace), {})
                marked = tuple(named[name] for name in sorted(named))
                holdings.append(Holding(resource=resource, namespace=namespace, count=count, marked=marked))
        return tuple(sorted(holdings, key=lambda holding: (holding.resource, holding.namespace)))


def _asks(discovery: Discovery, selection: Selection | None, least: Need) -> list[_Ask]:
    asks = []
    served = frozenset((resource.group, resource.plural) for resource in discovery.resources)
    for_volumes = frozenset() if selection is None else deciding(selection, discovery.resources)
    for resource in discovery.resources:
        if (resource.group, resource.plural) == NAMESPACES:
            continue
        if selection is None:
            if NEEDED_VERBS.issubset(resource.verbs):
                asks.append(_Ask(resource, Need.WHOLE if has_facts(resource) else Need.METADATA, ""))
        elif resource in for_volumes:
            asks.append(_Ask(resource, Need.WHOLE, ""))
        elif selection.resource(resource, served).taken:
            wanted = need(selection, resource)
            if wanted is not Need.NOTHING:
                asks.append(_Ask(resource, max(wanted, least), query(selection, resource)))
    return asks


def _request(ask: _Ask, namespace: str, limit: int) -> ListRequest:
    return ListRequest(
        resource=ask.resource,
        namespace=namespace,
        limit=limit,
        label_selector=ask.query,
        metadata_only=ask.need is not Need.WHOLE,
    )


def _rows(ask: _Ask, page: Page) -> list[Row]:
    try:
        if ask.need is Need.WHOLE:
            return [row_with_facts(ask.resource, raw) for raw in page.items]
        return [row(raw) for raw in page.items]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadResponse(
            f"the list of {ask.resource.name} has an item that is no Kubernetes object: {error}"
        ) from error


def _literal_names(selection: Selection | None) -> list[str]:
    if selection is None:
        return []
    return [name for name in selection.spec.included_namespaces if not set(name) & set("*?[")]
