"""What a restore waits for, each with an end: namespaces that go, CRDs that are established, services that answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from runner.engine.retry import Retrier
from runner.errors import ItemNotFound
from runner.model.cluster import ItemId, ListRequest, Resource
from runner.ports import Clock, ClusterReader

FIRST_WAIT = 0.05  # seconds between two looks; doubles
LONGEST_WAIT = 2.0

_CLAIM = Resource("", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True)
_SLICES = Resource("discovery.k8s.io", "endpointslices", "v1", "EndpointSlice", namespaced=True)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a restore waits for what others do. 0 does not look at all: a folder has nobody who would."""

    deletion: float = 300.0  # until a namespace, or an item that is recreated, is gone
    definition: float = 60.0  # until a CRD is established, and its type, or an aggregated API, answers
    webhook: float = 60.0  # until the service behind a webhook has an endpoint that is ready
    binding: float = 600.0  # until claims are bound to the volumes that were made for them
    snapshot: float = 600.0  # until a disk, or what stands for a snapshot, is ready for its claim
    files: float = 4 * 3600.0  # until the files of a volume are written


NO_CONTROLLERS = Patience(deletion=0, definition=0, webhook=0, binding=0, snapshot=0, files=0)


@dataclass(frozen=True)
class Waits:
    """Looks again until something is so, or the patience is at its end."""

    cluster: ClusterReader
    retrier: Retrier
    clock: Clock
    patience: Patience
    _ends: dict[str, float] = field(default_factory=dict)  # type -> until when it is waited for, by all its items

    def gone(self, resource: Resource, item: ItemId, uid: str) -> bool:
        """Whether the object of that uid, or without one that which is being deleted, has gone in time."""

        def look() -> bool:
            metadata = (self._get(resource, item) or {}).get("metadata")
            if metadata is None:
                return True
            return metadata.get("uid") != uid if uid else "deletionTimestamp" not in metadata

        return self._until(look, self.patience.deletion)

    def established(self, resource: Resource, item: ItemId) -> bool:
        """Whether a CRD has become established in time."""

        def look() -> bool:
            found = self._get(resource, item)
            conditions = ((found or {}).get("status") or {}).get("conditions") or ()
            return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)

        return not self.patience.definition or self._until(look, self.patience.definition)

    def bound(self, namespace: str, claim: str) -> bool:
        """Whether a claim is bound by now."""
        found = self._get(_CLAIM, ItemId("", _CLAIM.plural, namespace, claim)) or {}
        return bool((found.get("status") or {}).get("phase") == "Bound")

    def unanswered(self, configuration: Mapping[str, Any]) -> str:
        """The service behind a webhook that must answer and does not, as namespace/name; "" where all do."""
        if not self.patience.webhook:
            return ""
        for namespace, name in sorted(set(_services(configuration))):
            if not self._until(partial(self._answers, namespace, name), self.patience.webhook):
                return f"{namespace}/{name}"
        return ""

    def _answers(self, namespace: str, name: str) -> bool:
        request = ListRequest(_SLICES, namespace=namespace, label_selector=f"kubernetes.io/service-name={name}")
        page = self.retrier.call(f"endpoints of {namespace}/{name}", partial(self.cluster.page, request))
        slices = (_DECODER.decode(raw) for raw in page.items)
        endpoints = (endpoint for one in slices for endpoint in one.get("endpoints") or ())
        return any((endpoint.get("conditions") or {}).get("ready", True) for endpoint in endpoints)

    def _get(self, resource: Resource, item: ItemId) -> dict[str, Any] | None:
        try:
            raw = self.retrier.call(str(item), partial(self.cluster.get, resource, item.namespace, item.name))
        except ItemNotFound:
            return None
        return _DECODER.decode(raw)

    def _until(self, so: Callable[[], bool], seconds: float) -> bool:
        end = self.clock.monotonic() + seconds
        wait = FIRST_WAIT
        while not so():
            if self.clock.monotonic() + wait > end:
                return False
            self.clock.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        return True

    def until_served(self, type_name: str, work: Callable[[], Any]) -> Any:
        """What `work` returns, once the API server knows the type: until then it answers 404."""
        end = self._ends.setdefault(type_name, self.clock.monotonic() + self.patience.definition)
        wait = FIRST_WAIT
        while True:
            try:
                return work()
            except ItemNotFound:
                if self.clock.monotonic() + wait > end:
                    raise
            self.clock.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


def _services(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The services of those webhooks that stop requests when they do not answer."""
    for webhook in configuration.get("webhooks") or ():
        service = (webhook.get("clientConfig") or {}).get("service")
        if service and webhook.get("failurePolicy", "Fail") == "Fail":
            yield str(service.get("namespace", "")), str(service.get("name", ""))


_DECODER = msgspec.json.Decoder(dict[str, Any])
