"""Writes the planned items into archive and index as they arrive, and keeps account of each step."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from runner.actions.facts import row
from runner.archive.writer import MEMBER_BYTES, ArchiveWriter
from runner.engine.sources import Fetched, Sources
from runner.engine.upload import Stream
from runner.errors import ClusterError
from runner.model.cluster import Resource
from runner.model.entry import Batch, Entry, LayoutName
from runner.model.event import Missing, Progress, StepStored
from runner.model.inventory import Row
from runner.model.manifest import Listed, StoredKey
from runner.model.plan import Gap, LeftOut, Step
from runner.plan.selection import Selection
from runner.ports import Observer, Pending, Renderer

BEING_DELETED = "it is being deleted"
PAGES_RENDERED_AHEAD = 4  # enough that two processes never wait for the next page


@dataclass(frozen=True, slots=True)
class ObjectsStored:
    """What lies in archive and index."""

    items: int
    size: int  # bytes of YAML
    lists: tuple[Listed, ...]
    left_out: tuple[LeftOut, ...]
    missing: tuple[Gap, ...]
    keys: dict[str, StoredKey] = field(default_factory=dict)

    def with_keys(self, keys: dict[str, StoredKey]) -> ObjectsStored:
        """The same, once archive and index are proven."""
        return replace(self, keys=keys)


@dataclass(frozen=True, slots=True)
class Form:
    """How items lie in the archive, what is put before them, and who is told of each that was written."""

    layout: LayoutName = "trysail"
    lead: Entry | None = None
    told: Callable[[Resource, Row], None] | None = None


@dataclass
class _Account:
    """How a step goes."""

    step: Step
    names: frozenset[str] | None  # exactly these; None: what the filters take
    stored: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Sifted:
    """What is stored of a page, on its way to be rendered."""

    fetched: Fetched
    accounts: dict[str, _Account]  # of the page's source, by namespace
    rows: list[Row]
    entries: Pending[tuple[Entry, ...]] | None


@dataclass
class _Storing:
    selection: Selection
    streams: tuple[Stream, Stream]
    observer: Observer
    renderer: Renderer
    writer: ArchiveWriter
    form: Form
    lists: list[Listed] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: list[Gap] = field(default_factory=list)
    accounts: dict[str, _Account] = field(default_factory=dict)  # of the source that is open
    sifted: deque[_Sifted] = field(default_factory=deque)

    def take(self, fetched: Fetched) -> None:
        """Sifts a page and has it rendered; writes the one that was given to render some pages before."""
        if not self.accounts:
            self.accounts = {
                step.namespace: _Account(step, None if step.names is None else frozenset(step.names))
                for step in fetched.source.steps
            }
        self.sifted.append(self._sift(fetched))
        if fetched.last:
            self.accounts = {}
        if len(self.sifted) > PAGES_RENDERED_AHEAD:
            self._write(self.sifted.popleft())

    def finish(self) -> None:
        """Writes what is still being rendered, and the archive's end."""
        while self.sifted:
            self._write(self.sifted.popleft())
        for stream, ready in zip(self.streams, self.writer.finish(), strict=True):
            stream.write(ready)

    def _sift(self, fetched: Fetched) -> _Sifted:
        resource = fetched.source.resource
        rows, ids, items = [], [], []
        for raw in fetched.page.items if fetched.page is not None else ():
            seen = self._seen(resource, raw)
            if seen is not None:
                rows.append(seen)
                ids.append((seen.namespace, seen.name))
                items.append(bytes(raw))
        entries = self.renderer.render(self._batch(resource, ids, items)) if rows else None
        return _Sifted(fetched, self.accounts, rows, entries)

    def _batch(self, resource: Resource, ids: list[tuple[str, str]], items: list[bytes]) -> Batch:
        return Batch(resource, tuple(ids), tuple(items), self.form.layout)

    def _seen(self, resource: Resource, raw: msgspec.Raw) -> Row | None:
        """The item, if it is to be stored."""
        try:
            seen = row(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._gap(f"an item of {resource.name}", f"it is no Kubernetes object: {error}")
            return None
        account = self.accounts.get(seen.namespace if resource.namespaced else "")
        if account is None:
            return None  # a namespace that is not planned, in a list of the whole cluster
        reason = self._left_out(resource, account.names, seen)
        if reason:
            self.left_out[resource.name, reason] += 1
        return seen if reason is None else None

    def _write(self, sifted: _Sifted) -> None:
        """Appends a page's entries, and closes the book on its source where it was the last."""
        fetched, resource = sifted.fetched, sifted.fetched.source.resource
        entries = sifted.entries.result() if sifted.entries is not None else ()
        for seen, entry in zip(sifted.rows, entries, strict=True):
            if entry.fault:
                self._gap(str(seen.id(resource)), entry.fault)
                continue
            for stream, ready in zip(self.streams, self.writer.add(resource, seen, entry), strict=True):
                if ready:
                    stream.write(ready)
            if self.form.told is not None:
                self.form.told(resource, seen)
            account = sifted.accounts[seen.namespace if resource.namespaced else ""]
            account.stored += 1
            account.size += entry.size
        self.observer.notice(Progress(items=self.writer.items))
        if fetched.error is not None:
            self._lost(sifted.accounts, fetched.error)
        if fetched.last:
            self._close(sifted)

    def _left_out(self, resource: Resource, names: frozenset[str] | None, seen: Row) -> str | None:
        """Why an item is not stored; "" where its step does not mean it; None where it is stored."""
        if names is not None:
            if seen.name not in names:
                return ""
        else:
            verdict = self.selection.item(resource, seen.namespace, seen.name, seen.labels)
            if not verdict.taken:
                return verdict.why
        return BEING_DELETED if seen.terminating else None

    def _lost(self, accounts: dict[str, _Account], error: ClusterError) -> None:
        for account in accounts.values():
            what = account.step.resource
            if account.step.namespace:
                what += f" in namespace {account.step.namespace}"
            if account.stored:
                what = f"the rest of {what}, after {account.stored} items"
            self._gap(what, error.message)

    def _gap(self, what: str, reason: str) -> None:
        self.missing.append(Gap(what=what, reason=reason))
        self.observer.notice(Missing(what=what, reason=reason))

    def _close(self, sifted: _Sifted) -> None:
        listing = sifted.fetched.source.listing
        for account in sifted.accounts.values():
            step = account.step
            listed = Listed(
                resource=step.resource,
                namespace=step.namespace,
                planned=step.count,
                stored=account.stored,
                resource_version=listing.resource_version if listing is not None else "",
                consistent=listing.consistent if listing is not None else False,
            )
            self.lists.append(listed)
            self.observer.notice(
                StepStored(
                    resource=step.resource,
                    namespace=step.namespace,
                    items=account.stored,
                    planned=step.count,
                    size=account.size,
                )
            )


def store_objects(
    steps: Sequence[Step],
    selection: Selection,
    sources: Sources,
    resources: Mapping[str, Resource],
    streams: tuple[Stream, Stream],
    observer: Observer,
    renderer: Renderer,
    member_bytes: int = MEMBER_BYTES,
    form: Form = Form(),
) -> ObjectsStored:
    """Writes every step's items to `streams` (archive, index), which the caller finishes or aborts."""
    storing = _Storing(selection, streams, observer, renderer, ArchiveWriter(member_bytes), form)
    if form.lead is not None:
        storing.writer.lead(form.lead)
    for fetched in sources.fetch(steps, resources):
        storing.take(fetched)
    storing.finish()
    left_out = tuple(
        LeftOut(what=what, why=why, count=count) for (what, why), count in sorted(storing.left_out.items())
    )
    return ObjectsStored(
        items=storing.writer.items,
        size=storing.writer.size,
        lists=tuple(storing.lists),
        left_out=left_out,
        missing=tuple(storing.missing),
    )
