"""The record that lies on a Pod while it is frozen: read, written and taken off, never over another run's unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import msgspec

from runner.actions.storage_facts import FROZEN
from runner.engine.listing import Listing
from runner.engine.retry import Retrier
from runner.errors import BadResponse, ItemNotFound
from runner.model.canonical import canonical
from runner.model.cluster import ListRequest, Resource
from runner.model.hooks import FrozenPod
from runner.model.inventory import Inventory, PodFacts
from runner.ports import Cluster, ClusterReader

_PODS = ("", "pods")
_MOST_HOOK = 3600.0  # seconds that a hook of a record gets: what lies on a Pod may say anything


@dataclass(frozen=True, order=True)
class LeftFrozen:
    """A Pod that carries a record."""

    namespace: str
    pod: str
    text: str  # the record as it lies there

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.pod}"

    @property
    def record(self) -> FrozenPod | None:
        """What it says; None where it cannot be understood."""
        return read_record(self.text, self.namespace, self.pod)


def read_record(text: str, namespace: str, pod: str) -> FrozenPod | None:
    """The record; None where it is none. Its hooks are for the Pod that carries it, whatever it says of others."""
    try:
        record = _RECORD.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    hooks = (
        msgspec.structs.replace(
            hook, namespace=namespace, pod=pod, when="post", timeout=min(max(hook.timeout, 0.0), _MOST_HOOK)
        )
        for hook in record.hooks
        if hook.command
    )
    return msgspec.structs.replace(record, backup=_plain(record.backup), since=_plain(record.since), hooks=tuple(hooks))


def over_at(record: FrozenPod) -> datetime | None:
    """Until when the run that wrote it may still be at work; None where it does not say so."""
    try:
        since = datetime.fromisoformat(record.since)
        return since + timedelta(seconds=record.seconds) if since.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def in_force(record: FrozenPod, now: datetime, holder: str, alive: Callable[[str], bool | None]) -> bool:
    """Whether somebody may still be at work on the Pod. `holder` is we: a process makes one backup after the other."""
    if record.holder == holder or alive(record.holder) is False:
        return False
    over = over_at(record)
    return over is not None and now < over


def left_in(inventory: Inventory) -> tuple[LeftFrozen, ...]:
    """Pods of an inventory that carry a record."""
    return tuple(
        sorted(
            LeftFrozen(row.namespace, row.name, row.facts.frozen)
            for holding in inventory.holdings
            if (holding.resource.group, holding.resource.plural) == _PODS
            for row in holding.rows or ()
            if isinstance(row.facts, PodFacts) and row.facts.frozen
        )
    )


def list_left(
    cluster: ClusterReader, pods: Resource, retrier: Retrier, namespaces: Sequence[str] = ()
) -> tuple[LeftFrozen, ...]:
    """Pods of the cluster, or of some namespaces, that carry a record."""
    found = []
    for namespace in namespaces or ("",):
        request = ListRequest(resource=pods, namespace=namespace, metadata_only=True)
        found += [pod for pod in _listed(cluster, retrier, request) if pod.text]
    return tuple(sorted(found))


def _listed(cluster: ClusterReader, retrier: Retrier, request: ListRequest) -> Iterator[LeftFrozen]:
    listing = Listing(cluster, retrier, request)
    while not listing.done:
        for item in listing.next_page().items:
            metadata = _metadata(item)
            yield LeftFrozen(metadata.namespace, metadata.name, (metadata.annotations or {}).get(FROZEN, ""))


@dataclass(frozen=True)
class FrozenRecords:
    """Records on live Pods."""

    cluster: Cluster
    pods: Resource
    retrier: Retrier

    def look(self, namespace: str, pod: str) -> str | None:
        """The text of the record that lies on a Pod; "" where none does, None where the Pod is gone."""
        try:
            metadata = self.retrier.call(f"reading {namespace}/{pod}", partial(self._metadata, namespace, pod))
        except ItemNotFound:
            return None
        return (metadata.annotations or {}).get(FROZEN, "")

    def write(self, namespace: str, pod: str, record: FrozenPod, *, over: str = "") -> bool:
        """Puts a record on a Pod: where none lies, an earlier one of its own run, or the one that is `over`.

        False where another one does by now.

        ItemNotFound where the Pod is gone, and what else writing may raise.
        """
        text = canonical(record).decode().strip()

        def is_ours(now: str) -> bool:
            lying = read_record(now, namespace, pod)
            return lying is not None and (lying.backup, lying.holder) == (record.backup, record.holder)

        work = partial(self._change, namespace, pod, lambda now: now in {"", over} or is_ours(now), text)
        return self.retrier.call(f"marking {namespace}/{pod} as frozen", work)

    def remove(self, namespace: str, pod: str, *, texts: Sequence[str] = (), backup: str = "") -> bool:
        """Takes a record off: one of `texts`, or that of `backup`. False where another one lies there, or none."""
        asked = False  # whether it was to go already: the answer may be lost

        def work() -> bool:
            nonlocal asked
            metadata = self._metadata(namespace, pod)
            text = (metadata.annotations or {}).get(FROZEN, "")
            if not text:
                return asked
            record = read_record(text, namespace, pod)
            if text not in texts and (record is None or record.backup != backup):
                return False
            asked = True
            self._patch(namespace, pod, metadata, None)
            return True

        try:
            return self.retrier.call(f"taking the mark off {namespace}/{pod}", work)
        except ItemNotFound:
            return True

    def _change(self, namespace: str, pod: str, may_go: Callable[[str], bool], text: str) -> bool:
        metadata = self._metadata(namespace, pod)
        now = (metadata.annotations or {}).get(FROZEN, "")
        if now == text:
            return True
        if not may_go(now):
            return False
        self._patch(namespace, pod, metadata, text)
        return True

    def _patch(self, namespace: str, pod: str, seen: _Metadata, value: str | None) -> None:
        """Changes the very Pod that was seen, and as it was seen: WriteConflict, which is tried again, where not."""
        change = {
            "metadata": {
                "uid": seen.uid,
                "resourceVersion": seen.resource_version,
                "annotations": {FROZEN: value},
            }
        }
        self.cluster.merge(self.pods, namespace, pod, msgspec.json.encode(change))

    def _metadata(self, namespace: str, pod: str) -> _Metadata:
        return _metadata(self.cluster.get(self.pods, namespace, pod))


def _metadata(raw: bytes | msgspec.Raw) -> _Metadata:
    try:
        return _POD.decode(raw).metadata
    except msgspec.DecodeError as error:
        raise BadResponse(f"a Pod is not what Kubernetes' API promises: {error}") from error


def _plain(text: str) -> str:
    """What people are shown of a record, without what would steer their terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Pod(msgspec.Struct):
    metadata: _Metadata


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_RECORD = msgspec.json.Decoder(FrozenPod)
_POD = msgspec.json.Decoder(_Pod)
