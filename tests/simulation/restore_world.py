"""The world of one restore: a backup of objects that own each other, and a cluster that is empty, changed or another.

Its controllers do what a restore waits for, and its admission refuses what it refuses for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from runner.engine.execute import Ports, execute
from runner.engine.planning import make_plan
from runner.engine.retry import Retrier
from runner.errors import ClusterError, Forbidden, QuotaExceeded, Rejected
from runner.model.cluster import ListRequest, Resource
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore
from tests.simulation.objects import DEFINITIONS, NAMESPACES, TYPES, Object, any_object
from tests.simulation.policies import any_selection
from tests.simulation.stored import Stored, stored_backup
from tests.simulation.world import Key
from tests.unit.plan.build import policy

BACKUP = "sim-20260301020000-0001"
_GOING = "2026-03-01T01:59:00Z"
_KINDS = [kind for kind in TYPES if kind != "CustomResourceDefinition"]
_NAMESPACE = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
_ACCOUNT = TYPES["ServiceAccount"]


class RestoreWorld:
    """`before` is what the target held, `touched` what others than the restore have changed in it since."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.namespaces = tuple(random.sample(NAMESPACES, random.randint(1, 3)))
        self.kinds = tuple(random.sample(_KINDS, random.randint(2, 6)))
        self.served = sorted({*(TYPES[kind].resource for kind in self.kinds), *_ALWAYS})
        objects = self._objects()
        self.spec = self._spec()
        self.store = MemoryStore()
        self._back_up(objects)
        self.backup: Stored = stored_backup(self.store.objects, f"demo/daily/{BACKUP}/")
        self.kind = random.choice(("empty", "changed", "other"))
        self.target = FakeCluster(serves=self.served)
        self.touched: set[Key] = set()
        self.gives_accounts = random.random() < 0.5
        if self.kind != "empty":
            self._fill(objects)
        self.before = self.everything()
        self.refused = self._refused()
        self.full = random.choice((None, None, None, (random.choice(self.namespaces), random.randint(0, 4))))
        self.forbidden = random.choice(
            (None, None, None, None, (random.choice(self.served), random.choice(self.homes)))
        )
        self.target.reject = self._reject

    @property
    def mapping(self) -> Mapping[str, str]:
        """What the restore has as namespaceMapping."""
        found: Mapping[str, str] = self.spec.get("namespaceMapping", {})
        return found

    @property
    def homes(self) -> list[str]:
        """Where the namespaces of the backup go."""
        return [self.mapping.get(name, name) for name in self.namespaces]

    def place(self, key: Key) -> Key:
        """Where an item of the backup goes."""
        if key.resource == "namespaces":
            return key._replace(name=self.mapping.get(key.name, key.name))
        return key._replace(namespace=self.mapping.get(key.namespace, key.namespace))

    def everything(self) -> dict[Key, Object]:
        """All that the target holds now."""
        with self.quiet():
            found = {}
            for resource in self.target.discover().resources:
                if "list" not in resource.verbs:
                    continue
                for raw in self.target.page(ListRequest(resource, limit=0)).items:
                    value = _DECODER.decode(raw)
                    metadata = value["metadata"]
                    key = Key(resource.name, metadata.get("namespace", ""), metadata["name"])
                    found[key] = {"apiVersion": resource.api_version, "kind": resource.kind, **value}
            return found

    def uid(self, owner: Mapping[str, Any], namespace: str) -> str:
        """The uid of what an ownerReference means, or "" where it is not there."""
        known = TYPES.get(str(owner.get("kind")))
        resource = known.resource if known is not None else "namespaces"
        with self.quiet():
            served = {one.name: one for one in self.target.discover().resources}.get(resource)
            if served is None:
                return ""
            try:
                raw = self.target.get(served, namespace if served.namespaced else "", str(owner.get("name")))
            except ClusterError:
                return ""
            return str(_DECODER.decode(raw)["metadata"]["uid"])

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """The test looks, or another user acts: no fault strikes, and nobody is told."""
        hooks = self.target.on_call, self.target.after_call
        self.target.on_call = self.target.after_call = lambda _: None
        try:
            yield
        finally:
            self.target.on_call, self.target.after_call = hooks

    # what others do meanwhile

    def controllers(self) -> None:
        """What is being deleted goes; a namespace with all that is in it."""
        found = self.everything()
        going = {key for key, value in found.items() if "deletionTimestamp" in value["metadata"]}
        emptied = {key.name for key in going if key.resource == "namespaces"}
        for key in found:
            if key in going or key.namespace in emptied:
                self.target.take(*key)

    def collect_garbage(self, uid: str) -> None:
        """What an owner leaves that is deleted with orphan propagation no longer names it."""
        for key, value in self.everything().items():
            owners = value["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner["uid"] != uid]
            if left != owners:
                self._put({**value, "metadata": {**value["metadata"], "ownerReferences": left}})
                self.touched.add(key)

    def namespace_came(self, name: str) -> None:
        """A new namespace is given an account of its own by a controller."""
        if self.gives_accounts and _ACCOUNT.resource in self.served:
            key = Key(_ACCOUNT.resource, name, "default")
            self._put(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
            )
            self.touched.add(key)

    def somebody_changes(self, random: Random) -> str:
        """Somebody else labels an object, or makes one."""
        present = sorted(key for key in self.everything() if key.resource != "namespaces")
        if present and random.random() < 0.6:
            key = random.choice(present)
            value = self.everything()[key]
            labels = {**(value["metadata"].get("labels") or {}), "app": random.choice(("web", "db", "else"))}
            self._put({**value, "metadata": {**value["metadata"], "labels": labels}})
        else:
            stored = random.choice(sorted(self.backup.objects))
            key = self.place(stored)
            homes = {one.name for one in self.everything() if one.resource == "namespaces"}
            if key in self.everything() or (key.namespace and key.namespace not in homes):
                return "nothing"
            if key.resource not in self.served or key.resource == "namespaces":
                return "nothing"
            value = self.backup.objects[stored]
            metadata = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
            if random.random() < 0.5:
                metadata = {**metadata, "labels": value["metadata"].get("labels", {})}
            self._put({**value, "metadata": metadata})
        self.touched.add(key)
        return "/".join(key)

    # how it was made

    def _objects(self) -> list[Object]:
        random = self.random
        found: dict[Key, Object] = {}
        for name in self.namespaces:
            labels = {"team": random.choice(("red", "blue"))}
            metadata = {"name": name, "labels": labels}
            found[Key("namespaces", "", name)] = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        for definition in DEFINITIONS:
            if definition["spec"]["names"]["kind"] in self.kinds:
                key = Key("customresourcedefinitions.apiextensions.k8s.io", "", definition["metadata"]["name"])
                found[key] = {**definition, "metadata": dict(definition["metadata"])}
        for _ in range(random.choice((2, 6, 10, 16))):
            value = any_object(random, self.namespaces, self.kinds)
            value["metadata"].pop("deletionTimestamp", None)
            found[_key(value)] = value
        for value in found.values():
            value["metadata"]["uid"] = str(UUID(int=random.getrandbits(128)))
        for key, value in found.items():
            if key.resource not in {"namespaces", "customresourcedefinitions.apiextensions.k8s.io"}:
                self._give_owners(value, [other for at, other in found.items() if at.namespace in {"", key.namespace}])
        return list(found.values())

    def _give_owners(self, value: Object, others: list[Object]) -> None:
        random = self.random
        owners = [] if random.random() < 0.5 else random.sample(others, min(len(others), random.choice((1, 1, 2))))
        references = [
            {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **_named(owner)}
            for owner in owners
            if owner is not value
        ]
        if random.random() < 0.1:
            references.append({"apiVersion": "v1", "kind": "Secret", "name": "not-stored", "uid": "0-0-0"})
        if references:
            value["metadata"]["ownerReferences"] = references

    def _spec(self) -> dict[str, Any]:
        random = self.random
        spec: dict[str, Any] = {"existingResourcePolicy": random.choice(("none", "update", "recreate"))}
        if random.random() < 0.4:
            spec |= any_selection(random)
        spec["allowEmpty"] = True
        if random.random() < 0.3:
            spec["namespaceMapping"] = {self.namespaces[0]: "moved"}
        if random.random() < 0.2:
            spec["labels"] = {"restored": "yes"}
        if random.random() < 0.3:
            spec["forceConflicts"] = True
        return spec

    def _back_up(self, objects: list[Object]) -> None:
        source = FakeCluster(*objects, serves=self.served)
        self.types = {one.name: one for one in source.discover().resources}
        executor, clock, silent = SimulatedExecutor(), SimulatedClock(), RecordingObserver()
        planned = make_plan(policy(onUncovered="ignore"), source, executor, Retrier(clock, silent))
        execute(planned.plan, BACKUP, Ports(source, self.store, executor, clock, silent), planned.inventory)

    def _fill(self, objects: list[Object]) -> None:
        """The target has the objects too, or its own of the same names; some gone, altered, or on their way out."""
        random = self.random
        lost = random.choice((*self.namespaces, "", ""))
        moved = random.random() < 0.5
        for value in sorted(objects, key=lambda one: _ORDER.get(one["kind"], 2)):
            key = self.place(_key(value)) if moved else _key(value)
            if lost and lost in {key.namespace, key.name} and key.resource in {*self.served, "namespaces"}:
                continue
            what = random.choices(("same", "gone", "altered", "going"), (5, 3, 3, 1))[0]
            if what != "gone" and (key.resource != "namespaces" or what != "going" or random.random() < 0.5):
                self._put(self._variant(value, key, what))
        for _ in range(random.choice((0, 2))):
            value = any_object(random, self.namespaces, self.kinds)
            value["metadata"].pop("deletionTimestamp", None)
            with self._if_served():
                self._put(value)

    def _variant(self, value: Object, key: Key, what: str) -> Object:
        metadata = {**value["metadata"], "name": key.name}
        if key.namespace:
            metadata["namespace"] = key.namespace
        if self.kind == "other":
            metadata["uid"] = str(UUID(int=self.random.getrandbits(128)))
            metadata.pop("ownerReferences", None)
        if what == "going":
            metadata |= {"deletionTimestamp": _GOING, "finalizers": ["example.com/wait"]}
        if what == "altered" and value["kind"] != "CustomResourceDefinition":
            metadata["labels"] = {**metadata.get("labels", {}), "app": "altered", "team": "altered"}
            if value["kind"] in {"ConfigMap", "Secret"}:
                value = {**value, "data": {"altered": "eA=="}}
        if value["kind"] == "CustomResourceDefinition":
            value = {**value, "status": {"conditions": [{"type": "Established", "status": "True"}]}}
        return {**value, "metadata": metadata}

    @contextmanager
    def _if_served(self) -> Iterator[None]:
        try:
            yield
        except ClusterError:
            return

    def _put(self, value: Object) -> None:
        with self._if_served():
            self.target.put(value)

    # what is refused for good

    def _refused(self) -> frozenset[Key]:
        keys = sorted(map(self.place, self.backup.objects))
        return frozenset(self.random.sample(keys, min(len(keys), self.random.choice((0, 0, 0, 1, 2)))))

    def _reject(self, verb: str, resource: Resource, namespace: str, name: str, body: bytes) -> ClusterError | None:
        del body
        if verb == "delete":
            return None
        if Key(resource.name, namespace, name) in self.refused:
            return Rejected("admission webhook denied the request: refused by name")
        if self.forbidden == (resource.name, namespace):
            return Forbidden(f"{resource.name} is forbidden in {namespace}")
        if verb == "create" and self.full is not None and namespace == self.full[0]:
            held = Counter(key.namespace for key in self.everything())[namespace]
            if held >= self.full[1]:
                return QuotaExceeded("exceeded quota: objects")
        return None


def came(call: Call) -> Key:
    """What a call to the cluster is about."""
    assert call.resource is not None
    return Key(call.resource.name, call.namespace, call.name)


def _key(value: Object) -> Key:
    kind = value["kind"]
    resource = "namespaces" if kind == "Namespace" else TYPES[kind].resource
    return Key(resource, value["metadata"].get("namespace", ""), value["metadata"]["name"])


def _named(owner: Object) -> dict[str, str]:
    return {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}


_ORDER = {"Namespace": 0, "CustomResourceDefinition": 1}
_ALWAYS = ("namespaces", "customresourcedefinitions.apiextensions.k8s.io", "persistentvolumes")
_DECODER = msgspec.json.Decoder(dict[str, Any])
