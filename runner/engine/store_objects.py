"""Writes the planned items into archive and index as they arrive, and keeps account of each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from runner.actions.facts import row
from runner.archive.emitter import Emitter
from runner.archive.writer import MEMBER_BYTES, ArchiveWriter
from runner.engine.sources import Fetched, Sources
from runner.engine.upload import Stream
from runner.errors import ClusterError
from runner.model.cluster import Resource
from runner.model.event import Missing, Progress, StepStored
from runner.model.inventory import Row
from runner.model.manifest import Listed, StoredKey
from runner.model.plan import Gap, LeftOut, Step
from runner.plan.selection import Selection
from runner.ports import Observer

BEING_DELETED = "it is being deleted"


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


@dataclass
class _Account:
    """How a step goes."""

    step: Step
    names: frozenset[str] | None  # exactly these; None: what the filters take
    stored: int = 0
    size: int = 0


@dataclass
class _Storing:
    selection: Selection
    streams: tuple[Stream, Stream]
    observer: Observer
    writer: ArchiveWriter
    emitter: Emitter = field(default_factory=Emitter)
    lists: list[Listed] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: list[Gap] = field(default_factory=list)
    accounts: dict[str, _Account] = field(default_factory=dict)  # by namespace, of the source that is open

    def take(self, fetched: Fetched) -> None:
        """Stores a page, or closes the book on a source."""
        source = fetched.source
        if not self.accounts:
            self.accounts = {
                step.namespace: _Account(step, None if step.names is None else frozenset(step.names))
                for step in source.steps
            }
        if fetched.page is not None:
            for raw in fetched.page.items:
                self._item(source.resource, raw)
            self.observer.notice(Progress(items=self.writer.items))
        if fetched.error is not None:
            self._lost(fetched.error)
        if fetched.last:
            self._close(fetched)

    def _item(self, resource: Resource, raw: msgspec.Raw) -> None:
        try:
            seen = row(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._gap(f"an item of {resource.name}", f"it is no Kubernetes object: {error}")
            return
        account = self.accounts.get(seen.namespace if resource.namespaced else "")
        if account is None:
            return  # a namespace that is not planned, in a list of the whole cluster
        reason = self._left_out(resource, account.names, seen)
        if reason is not None:
            if reason:
                self.left_out[resource.name, reason] += 1
            return
        try:
            yaml = self.emitter.object(raw, resource.api_version, resource.kind)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            self._gap(str(seen.id(resource)), f"it cannot be written as YAML: {error}")
            return
        for stream, ready in zip(self.streams, self.writer.add(resource, seen, yaml), strict=True):
            if ready:
                stream.write(ready)
        account.stored += 1
        account.size += len(yaml)

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

    def _lost(self, error: ClusterError) -> None:
        for account in self.accounts.values():
            what = account.step.resource
            if account.step.namespace:
                what += f" in namespace {account.step.namespace}"
            if account.stored:
                what = f"the rest of {what}, after {account.stored} items"
            self._gap(what, error.message)

    def _gap(self, what: str, reason: str) -> None:
        self.missing.append(Gap(what=what, reason=reason))
        self.observer.notice(Missing(what=what, reason=reason))

    def _close(self, fetched: Fetched) -> None:
        listing = fetched.source.listing
        for account in self.accounts.values():
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
        self.accounts = {}


def store_objects(
    steps: Sequence[Step],
    selection: Selection,
    sources: Sources,
    resources: Mapping[str, Resource],
    streams: tuple[Stream, Stream],
    observer: Observer,
    member_bytes: int = MEMBER_BYTES,
) -> ObjectsStored:
    """Writes every step's items to `streams` (archive, index), which the caller finishes or aborts."""
    storing = _Storing(selection, streams, observer, ArchiveWriter(member_bytes))
    for fetched in sources.fetch(steps, resources):
        storing.take(fetched)
    for stream, ready in zip(streams, storing.writer.finish(), strict=True):
        stream.write(ready)
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
