"""The planned items as pages of raw JSON, in the plan's order, while later pages are already on their way.

A source is what is listed in one go for one or more steps of a type: a namespace, the whole cluster, or items by
name. The window is bounded in pages and each page in bytes, so memory does not grow with the cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import msgspec

from runner.engine.listing import FIRST_LIMIT, Listing
from runner.engine.retry import Retrier
from runner.errors import ClusterError, Forbidden, ItemNotFound, Unauthorized
from runner.model.cluster import ListRequest, Page, Resource
from runner.model.plan import Step
from runner.ports import ClusterReader, Executor, Pending


@dataclass(frozen=True, slots=True)
class ListLimits:
    """How lists are cut and how many are under way. None of it changes what is stored, nor its order."""

    window_pages: int = 6  # under way or waiting
    page_bytes: int = 1 << 20  # aimed at
    largest_page: int = 4 << 20  # bytes; given up beyond this, and asked for again with fewer items
    first_items: int = 50  # of a type's first page, when nobody knows their size
    named_one_by_one: int = 50  # up to so many items are asked for by name, more are picked out of a list
    # Listing a namespace costs a request, listing more than is wanted costs by the item: a request is worth about
    # so many. Up to `few_namespaces` the question is not worth a request of its own.
    items_per_request: int = 75
    few_namespaces: int = 20


@dataclass
class Source:
    """One list, and the steps that its items belong to (by namespace)."""

    resource: Resource
    steps: tuple[Step, ...]
    listing: Listing | None  # None where items are asked for by name
    pending: deque[Pending[Page]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a source: a page, or the error that ends it. `last` comes once a source."""

    source: Source
    page: Page | None
    error: ClusterError | None
    last: bool


@dataclass
class Sources:
    """Fetches what the steps of a plan need. One run, one use."""

    cluster: ClusterReader
    executor: Executor
    retrier: Retrier
    query: Callable[[Resource], str]  # the label query that a type is listed with; "" for none
    limits: ListLimits = ListLimits()
    _item_sizes: dict[str, int] = field(default_factory=dict)  # type -> bytes of an item, the largest average seen

    def fetch(self, steps: Sequence[Step], resources: Mapping[str, Resource]) -> Iterator[Fetched]:
        """Every page of every step, in order. Only Unauthorized is raised: it would meet every step alike."""
        waiting = deque(self._sources(steps, resources))
        started: deque[Source] = deque()
        while waiting or started:
            while waiting and sum(len(source.pending) for source in started) < self.limits.window_pages:
                source = waiting.popleft()
                self._begin(source)
                started.append(source)
            yield from self._drain(started.popleft())

    # choosing lists

    def _sources(self, steps: Sequence[Step], resources: Mapping[str, Resource]) -> Iterable[Source]:
        for name, of_type in groupby(steps, key=lambda step: step.resource):
            resource = resources[name]
            for by_name, group in groupby(of_type, key=lambda step: step.names is not None):
                chosen = tuple(group)
                if by_name:
                    yield from (self._named(resource, step) for step in chosen)
                elif len(chosen) > self.limits.few_namespaces and self._cheaper_at_once(resource, chosen):
                    yield Source(resource, chosen, self._listing(resource, "", self.query(resource)))
                else:
                    yield from (
                        Source(resource, (step,), self._listing(resource, step.namespace, self.query(resource)))
                        for step in chosen
                    )

    def _named(self, resource: Resource, step: Step) -> Source:
        assert step.names is not None
        if len(step.names) <= self.limits.named_one_by_one:
            return Source(resource, (step,), None)
        return Source(resource, (step,), self._listing(resource, step.namespace, ""))

    def _cheaper_at_once(self, resource: Resource, steps: tuple[Step, ...]) -> bool:
        request = ListRequest(resource, limit=1, metadata_only=True)
        try:
            page = self.retrier.call(f"count of {resource.name}", partial(self.cluster.page, request))
        except Unauthorized:
            raise
        except ClusterError:
            return False  # not allowed, perhaps: each namespace may be
        total = len(page.items) + (page.remaining or 0)
        planned = sum(step.count for step in steps)
        return total - planned < self.limits.items_per_request * len(steps)

    def _listing(self, resource: Resource, namespace: str, query: str) -> Listing:
        request = ListRequest(
            resource,
            namespace=namespace,
            limit=FIRST_LIMIT,
            label_selector=query,
            max_bytes=self.limits.largest_page,
        )
        return Listing(self.cluster, self.retrier, request, page_bytes=self.limits.page_bytes)

    # fetching

    def _begin(self, source: Source) -> None:
        if source.listing is not None:
            source.listing.start_with(self._first_limit(source.resource))
            source.pending.append(self.executor.submit(source.listing.next_page))
            return
        (step,) = source.steps
        for name in step.names or ():
            fetch = partial(self._one, source.resource, step.namespace, name)
            what = f"{source.resource.name} {name}"
            source.pending.append(self.executor.submit(partial(self.retrier.call, what, fetch)))

    def _one(self, resource: Resource, namespace: str, name: str) -> Page:
        """One item by its name, as a page: an empty one where it is gone."""
        request = ListRequest(resource, namespace=namespace, limit=1, field_selector=f"metadata.name={name}")
        try:
            return self.cluster.page(request)
        except Forbidden:
            # Who has rights in a namespace alone may get its Namespace, and not list it.
            try:
                raw = self.cluster.get(resource, namespace, name)
            except ItemNotFound:
                return Page(items=(), resource_version="")
            return Page(items=(msgspec.Raw(raw),), resource_version="", size=len(raw))

    def _drain(self, source: Source) -> Iterator[Fetched]:
        listing = source.listing
        while source.pending:
            try:
                page = source.pending.popleft().result()
            except Unauthorized:
                raise
            except ClusterError as error:
                for rest in source.pending:
                    rest.cancel()
                source.pending.clear()
                yield Fetched(source, None, error, last=True)
                return
            if listing is not None and not listing.done:
                source.pending.append(self.executor.submit(listing.next_page))
            self._learn(source.resource, page)
            yield Fetched(source, page, None, last=not source.pending)

    def _first_limit(self, resource: Resource) -> int:
        size = self._item_sizes.get(resource.name)
        if size is None:
            return self.limits.first_items
        return max(1, min(self.limits.page_bytes // size, FIRST_LIMIT))

    def _learn(self, resource: Resource, page: Page) -> None:
        if page.items:
            size = max(1, page.size // len(page.items))
            self._item_sizes[resource.name] = max(size, self._item_sizes.get(resource.name, 0))
