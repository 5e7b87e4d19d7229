"""Holds a backup against a cluster, type by type and namespace by namespace, while pages of both stream past.

Stored objects are read only where the live one is not the very object, in the very version, that was stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from runner.actions.drift import differences
from runner.actions.facts import row, row_with_facts
from runner.engine.diff import BATCH_BYTES, Found, Lines, Placed, in_order, side
from runner.engine.listing import FIRST_LIMIT, Listing
from runner.engine.retry import Retrier
from runner.engine.stored import Group, StoredObjects
from runner.errors import BadResponse, Forbidden, ItemNotFound
from runner.model.cluster import Discovery, ListRequest, Page, Resource
from runner.model.inventory import Row
from runner.model.plan import Gap
from runner.model.policy import BackupPolicy
from runner.plan.diff import Diff, Side, is_addition, joined, served_as
from runner.plan.selection import Selection
from runner.ports import ClusterReader, Executor, Pending

LISTS_AHEAD = 4  # first pages that are asked for ahead of the one in use
_PAGE_BYTES = 4 << 20
_MOST_PAGE_BYTES = 16 << 20


def diff_live(
    stored: StoredObjects,
    cluster: ClusterReader,
    executor: Executor,
    retrier: Retrier,
    *,
    selection: Selection | None = None,
    namespace: str | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> Diff:
    """What differs between a backup and a cluster, in the types and namespaces that the backup holds items of.

    `selection` is that of the backup's policy: what it would not take is no addition. A type that the cluster does not
    serve is removed with all its items, and one that cannot be read is a gap. With `namespace`, in that one alone:
    ItemNotFound where the backup holds nothing in it.
    """
    identity = retrier.call("cluster's identity", cluster.identity)
    discovery = retrier.call("discovery", cluster.discover)
    lines = Lines(stored, namespace)
    if namespace is not None and not lines.groups:
        raise ItemNotFound(f"the backup holds nothing in namespace {namespace}")
    comparison = _Comparison(stored, _Cluster(cluster, executor, retrier), lines, selection, batch_bytes)
    if selection is None:
        comparison.note(
            "what the backup's policy selects is not known: all that the cluster has besides counts as added"
        )
    comparison.run(discovery)
    return comparison.found.diff(side(stored.ref), Side("cluster", identity.context, identity.server))


def selection_of(policy: dict[str, Any]) -> Selection | None:
    """What the policy selects that a backup embeds; None where it is not understood."""
    try:
        return Selection(BackupPolicy.model_validate(policy).spec)
    except ValidationError:
        return None


class _Live(NamedTuple):
    """A live item; `raw` is None where it was not kept."""

    row: Row
    raw: msgspec.Raw | None

    @property
    def name(self) -> str:
        return self.row.name


class _Cluster(NamedTuple):
    """The cluster, and what is needed to read from it well."""

    reader: ClusterReader
    executor: Executor
    retrier: Retrier

    def first_page(self, resource: Resource, namespace: str) -> tuple[Listing, Page]:
        request = ListRequest(resource, namespace, limit=FIRST_LIMIT, max_bytes=_MOST_PAGE_BYTES)
        listing = Listing(self.reader, self.retrier, request, page_bytes=_PAGE_BYTES)
        return listing, listing.next_page()

    def get(self, resource: Resource, live: Row) -> bytes:
        """An object that was listed before. ItemNotFound where it has gone since."""
        read = partial(self.reader.get, resource, live.namespace, live.name)
        return self.retrier.call(f"reading {live.id(resource)}", read)


class _Comparison:
    def __init__(
        self, stored: StoredObjects, cluster: _Cluster, lines: Lines, selection: Selection | None, batch_bytes: int
    ) -> None:
        self.stored, self.cluster, self.lines, self.selection = stored, cluster, lines, selection
        self.batch_bytes = batch_bytes
        self.found = Found()
        self.batch: list[tuple[Placed, Resource, _Live]] = []
        self.size = 0

    def run(self, discovery: Discovery) -> None:
        served = {resource.name: resource for resource in discovery.resources}
        wanted = []
        for _, group in self.lines.groups.values():
            resource = served.get(group.resource)
            if resource is None:
                self._not_served(group, discovery)
            else:
                wanted.append((group, self._in_version(group, resource)))
        for group, resource, first in self._first_pages(wanted):
            self._group(group, resource, first)
        self._compare()

    def _not_served(self, group: Group, discovery: Discovery) -> None:
        api = group.api_version.rpartition("/")[0]
        for failure in discovery.failures:
            if api and failure.group_version.partition("/")[0] == api:
                self._gap(group, f"{failure.group_version} cannot be discovered: {failure.reason}")
                return
        self.note(f"the cluster does not serve {group.resource} any more")
        self.found.removed += [placed.line.id for placed in self._lines(group)]

    def _in_version(self, group: Group, resource: Resource) -> Resource:
        """The type as it was stored, so that defaults of another version make no difference."""
        listed = served_as(resource, group.api_version)
        if listed.api_version != group.api_version:
            self.note(
                f"{group.resource} was stored as {group.api_version}, which the cluster does not serve any more: "
                f"it is compared as {listed.api_version}, and fields may differ for that alone"
            )
        return listed

    # lists

    def _first_pages(
        self, wanted: Iterable[tuple[Group, Resource]]
    ) -> Iterator[tuple[Group, Resource, Pending[tuple[Listing, Page]]]]:
        ahead: deque[tuple[Group, Resource, Pending[tuple[Listing, Page]]]] = deque()
        rest = iter(wanted)
        try:
            while True:
                for group, resource in islice(rest, LISTS_AHEAD + 1 - len(ahead)):
                    work = partial(self.cluster.first_page, resource, group.namespace)
                    ahead.append((group, resource, self.cluster.executor.submit(work)))
                if not ahead:
                    return
                yield ahead.popleft()
        finally:
            for _, _, pending in ahead:
                pending.cancel()

    def _group(self, group: Group, resource: Resource, first: Pending[tuple[Listing, Page]]) -> None:
        try:
            listing, page = first.result()
        except Forbidden as error:
            self._gap(group, error.message)
            return
        except ItemNotFound:  # the type went away after discovery
            self.found.removed += [placed.line.id for placed in self._lines(group)]
            return
        lives = _items(resource, listing, page)
        for placed, live in joined(self._lines(group), lives, set_aside=lambda one: _Live(one.row, None)):
            if placed is None:
                assert live is not None
                if is_addition(self.selection, resource, live.row):
                    self.found.added.append(live.row.id(resource))
            elif live is None:
                self.found.removed.append(placed.line.id)
            else:
                self._pair(placed, resource, live)

    def _pair(self, placed: Placed, resource: Resource, live: _Live) -> None:
        line = placed.line
        if line.uid and (line.uid, line.resource_version) == (live.row.uid, live.row.resource_version):
            self.found.unchanged += 1
            return
        self.batch.append((placed, resource, live))
        self.size += line.size
        if self.size >= self.batch_bytes:
            self._compare()

    def _lines(self, group: Group) -> Iterator[Placed]:
        return self.lines.of((group.resource, group.namespace))

    # objects

    def _compare(self) -> None:
        """Reads the stored objects of the batch, and compares them."""
        lives = {placed.line.id: (resource, live) for placed, resource, live in self.batch}
        for line, value in self.stored.objects(in_order([placed for placed, _, _ in self.batch])):
            resource, live = lives[line.id]
            try:
                raw = live.raw if live.raw is not None else self.cluster.get(resource, live.row)
            except ItemNotFound:
                self.found.removed.append(line.id)
                continue
            # Lists may leave it out; where it is another, there is a note.
            now = {**_OBJECT.decode(raw), "apiVersion": line.api_version}
            self.found.compared(line, differences(line.id, live=now, stored=value))
        self.batch, self.size = [], 0

    # what is said beside

    def _gap(self, group: Group, reason: str) -> None:
        where = f" in namespace {group.namespace}" if group.namespace else ""
        self.found.gaps.append(Gap(what=f"{group.resource}{where}", reason=reason))

    def note(self, text: str) -> None:
        if text not in self.found.notes:
            self.found.notes.append(text)


def _items(resource: Resource, listing: Listing, page: Page) -> Iterator[_Live]:
    """The live items of a list, page by page. Namespaces come with their phase, which the selection asks for."""
    read = partial(row_with_facts, resource) if resource.name == "namespaces" else row
    while True:
        for raw in page.items:
            try:
                yield _Live(read(raw), raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadResponse(f"an item in the list of {resource.name} is no object: {error}") from error
        if listing.done:
            return
        page = listing.next_page()


_OBJECT = msgspec.json.Decoder(dict)
