"""What a restore rests on: which items are meant, what the target serves, which namespaces and volumes are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from runner.actions.never import never_type
from runner.actions.prepare import prepare
from runner.actions.restored import LeftAlone, Prepared, RestoreRules, label_value
from runner.actions.volume_data import outlives_claim
from runner.archive.index import IndexLine
from runner.engine.listing import Listing
from runner.engine.live import NamedItems
from runner.engine.restore.data import VolumeData, Wanted, look_at_data
from runner.engine.restore.kept import Kept
from runner.engine.restore.select import Selected, select
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.engine.stored_damaged import DamagedObjects
from runner.errors import Forbidden, UsageError
from runner.model.cluster import ClusterIdentity, ItemId, ListRequest, Resource
from runner.model.plan import Gap, Step
from runner.model.restore_policy import RestorePolicySpec
from runner.plan.order import PRIORITIES
from runner.plan.restore import Existing
from runner.plan.restore_order import CRDS, LOW_PRIORITIES, Order
from runner.plan.served import Coming, Route, Served, coming
from runner.ports import ClusterReader

API_SERVICES = "apiservices.apiregistration.k8s.io"
CLAIMS = "persistentvolumeclaims"
VOLUMES = "persistentvolumes"

NAMESPACE = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
VOLUME = Resource("", VOLUMES, "v1", "PersistentVolume", namespaced=False)


@dataclass
class RestoreFacts:
    """What planning finds out and doing needs, and no plan freezes. Fulfils `runner.actions.restored.Others`."""

    selected_items: Selected
    rules: RestoreRules
    existing: Existing
    order: Order
    served: Served
    identity: ClusterIdentity
    namespaces: dict[str, bool]  # those that are there -> whether it is being deleted
    volumes: set[str]  # PersistentVolumes that are there for their old claim, and stay without it, or come
    lists_namespaces: bool = True  # whether they may be listed
    unseen: set[str] = field(default_factory=set)  # of the namespaces, those that may not even be read
    gaps: list[Gap] = field(default_factory=list)
    uids: set[int] = field(default_factory=set)  # of all that is selected, in the backup
    live: dict[int, str] = field(default_factory=dict)  # uid in the backup -> uid of what is live in its place
    leaving: set[int] = field(default_factory=set)  # of those, the ones that are deleted to be recreated
    owners: set[int] = field(default_factory=set)  # uids in the backup that ownerReferences name
    data: VolumeData = field(default_factory=VolumeData)
    kept: Kept = field(default_factory=Kept)
    _routes: dict[tuple[str, str], Route] = field(default_factory=dict)

    def selected(self, uid: str) -> bool:
        """See Others."""
        return number(uid) in self.uids

    def volume_comes(self, name: str) -> bool:
        """See Others."""
        return name in self.volumes

    def made_anew(self, name: str) -> bool:
        """See Others."""
        return name in self.data.made_anew

    def route(self, resource: str, api_version: str, kind: str) -> Route:
        """As which type the items of a stored type are sent."""
        key = (resource, api_version)
        if key not in self._routes:
            self._routes[key] = self.served.route(resource, api_version, kind)
        return self._routes[key]

    def routes(self) -> tuple[Route, ...]:
        """Those that were asked for."""
        return tuple(self._routes.values())

    def discovered_anew(self, served: Served) -> None:
        """The types, once the definitions that come with the restore are there."""
        self.served = served
        for (resource, version), before in self._routes.items():
            now = served.route(resource, version, before.resource.kind if before.resource is not None else "")
            # An API that just does not answer is still the one that was planned with.
            self._routes[resource, version] = before if now.resource is None else now


def gather(stored: StoredObjects, spec: RestorePolicySpec, cluster: ClusterReader, retrier: Retrier) -> RestoreFacts:
    """All of it, for a restore of `stored` into `cluster`."""
    identity = retrier.call("cluster's identity", cluster.identity)
    discovery = retrier.call("discovery", cluster.discover)
    selected = select(stored, spec, retrier, known=discovery.resources, allow_empty=spec.allow_empty)
    _refuse_collisions(selected, spec)
    brings = _coming(selected)
    rules = RestoreRules(
        backup=stored.ref.name,
        namespaces=spec.namespace_mapping,
        storage_classes=spec.storage_class_mapping,
        modifiers=spec.resource_modifiers,
        labels=spec.labels,
        preserve_node_ports=spec.preserve_node_ports,
        name_owners=not identity.is_folder,
    )
    facts = RestoreFacts(
        selected_items=selected,
        rules=rules,
        existing=Existing(spec.existing_resource_policy, spec.force_conflicts, label_value(stored.ref.name)),
        order=Order(
            PRIORITIES if spec.priorities.high is None else spec.priorities.high,
            LOW_PRIORITIES if spec.priorities.low is None else spec.priorities.low,
            late=brings.late | _of_groups(selected, brings),
        ),
        served=Served(discovery, brings),
        identity=identity,
        namespaces={},
        volumes=set(),
    )
    for step in selected.steps:
        plural, _, group = step.resource.partition(".")
        if not never_type(group, plural):
            facts.uids.update(number(line.uid) for line in selected.lines(step) if line.uid)
    _look_at_namespaces(facts, cluster, retrier)
    _look_at_volumes(facts, spec, cluster, retrier)
    return facts


def _refuse_collisions(selected: Selected, spec: RestorePolicySpec) -> None:
    """A mapping onto a namespace that is restored too would put two items under one name."""
    sources: dict[str, str] = {}
    for name in sorted({step.namespace for step in selected.steps} - {""}):
        target = spec.namespace_mapping.get(name, name)
        other = sources.setdefault(target, name)
        if other != name:
            raise UsageError(
                f'two namespaces of the backup, {other} and {name}, would be restored into "{target}"',
                hint="map one of them elsewhere, or exclude it",
            )


def number(uid: str) -> int:
    """A uid in a third of the memory; equal for equal ones."""
    try:
        return int(uid.replace("-", ""), 16)
    except ValueError:
        return hash(uid)


def prepared_item(line: IndexLine, value: dict[str, Any], facts: RestoreFacts) -> Prepared | LeftAlone:
    """The item as it will be sent. An owner that is a Namespace has its new name: the garbage collector asks for it."""
    made = prepare(line.id, value, facts.rules, facts)
    if isinstance(made, LeftAlone) or not made.owners:
        return made

    def there(owner: dict[str, Any]) -> dict[str, Any]:
        mapped = (owner.get("apiVersion"), owner.get("kind")) == (NAMESPACE.api_version, NAMESPACE.kind)
        return {**owner, "name": facts.rules.namespace(str(owner.get("name")))} if mapped else owner

    return replace(made, owners=tuple(map(there, made.owners)))


def _objects(selected: Selected, resource: str) -> Iterator[dict[str, Any]]:
    for step in _steps(selected, resource):
        for _, value in selected.stored.objects(selected.lines(step)):
            yield value


def _steps(selected: Selected, resource: str) -> list[Step]:
    return [step for step in selected.steps if step.resource == resource]


def _coming(selected: Selected) -> Coming:
    return coming(_objects(selected, CRDS), _objects(selected, API_SERVICES))


def _of_groups(selected: Selected, brings: Coming) -> frozenset[str]:
    """The selected types that an aggregated API serves."""
    return frozenset(step.resource for step in selected.steps if step.api_version in brings.aggregated)


def _look_at_namespaces(facts: RestoreFacts, cluster: ClusterReader, retrier: Retrier) -> None:
    try:
        for value in _all(cluster, retrier, NAMESPACE):
            facts.namespaces[value["metadata"]["name"]] = "deletionTimestamp" in value["metadata"]
    except Forbidden as error:
        facts.lists_namespaces = False
        _look_at_each(facts, NamedItems(cluster, retrier, NAMESPACE, ""))
        if facts.unseen:
            facts.gaps.append(Gap(NAMESPACE.name, error.message))


def _look_at_each(facts: RestoreFacts, live: NamedItems) -> None:
    """Who may not list namespaces may often read the own one, and write into others: what is not there shows then."""
    selected = facts.selected_items
    names = {step.namespace for step in selected.steps if step.namespace}
    names.update(line.name for step in _steps(selected, NAMESPACE.name) for line in selected.lines(step))
    for name in sorted({facts.rules.namespace(name) for name in names}):
        try:
            value = live.at(name)
        except Forbidden:
            facts.namespaces[name] = False
            facts.unseen.add(name)
        else:
            if value is not None:
                facts.namespaces[name] = "deletionTimestamp" in value["metadata"]


def _look_at_volumes(facts: RestoreFacts, spec: RestorePolicySpec, cluster: ClusterReader, retrier: Retrier) -> None:
    selected = facts.selected_items
    claims = {
        (line.namespace, line.name): (facts.rules.namespace(line.namespace), line.name)
        for step in _steps(selected, CLAIMS)
        for line in selected.lines(step)
    }
    if not claims and not _steps(selected, VOLUMES):
        return
    taken = set()
    targets = set(claims.values())
    try:
        for value in _all(cluster, retrier, VOLUME):
            claim = value.get("spec", {}).get("claimRef")
            name = value["metadata"]["name"]
            if claim and (claim.get("namespace"), claim.get("name")) not in targets:
                taken.add(name)
            elif outlives_claim(value):
                facts.volumes.add(name)
    except Forbidden as error:
        facts.gaps.append(Gap(VOLUMES, error.message))
    there = frozenset(facts.volumes)
    for value in _objects(selected, VOLUMES):
        name = value["metadata"]["name"]
        if value.get("spec", {}).get("persistentVolumeReclaimPolicy") != "Delete" and name not in taken:
            facts.volumes.add(name)
    wanted = Wanted(
        claims=claims,
        namespaces=frozenset(name for name, leaving in facts.namespaces.items() if not leaving),
        volumes_there=there,
        volumes_come=facts.volumes,
        restore_volumes=spec.restore_volumes,
        folder=facts.identity.is_folder,
    )
    facts.data = look_at_data(selected.stored, wanted, cluster, retrier)
    facts.volumes -= facts.data.made_anew
    if isinstance(selected.stored, DamagedObjects) and selected.stored.ledger_lost:
        facts.gaps.append(Gap("the data of volumes", selected.stored.ledger_lost))


def _all(cluster: ClusterReader, retrier: Retrier, resource: Resource) -> Iterator[dict[str, Any]]:
    listing = Listing(cluster, retrier, ListRequest(resource))
    while not listing.done:
        for raw in listing.next_page().items:
            yield _DECODER.decode(raw)


def live_item(cluster: ClusterReader, retrier: Retrier, resource: Resource, item: ItemId) -> dict[str, Any]:
    """One live object. ItemNotFound."""
    raw = retrier.call(str(item), partial(cluster.get, resource, item.namespace, item.name))
    return _DECODER.decode(raw)


_DECODER = msgspec.json.Decoder(dict[str, Any])
