"""The world of one seed: a cluster whose every change is remembered, a policy, and an empty store."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

import msgspec

from runner.model.cluster import Resource
from tests.fakes.cluster import FakeCluster
from tests.fakes.store import MemoryStore
from tests.simulation.objects import (
    BUILT_IN,
    DEFINITIONS,
    NAMESPACES,
    TYPES,
    Object,
    any_labels,
    any_object,
    application,
    namespace,
)
from tests.simulation.policies import any_policy


class Key(NamedTuple):
    """An object, as the index names it."""

    resource: str  # deployments.apps
    namespace: str
    name: str


class World:
    """A cluster that is changed here alone.

    `versions` has every state that each object ever had, as the API server gives it, `present` those that are there,
    and `touched` those that changed since the world was made.
    """

    def __init__(self, random: Random) -> None:
        self.resolved = any_policy(random)
        self.spec: dict[str, Any] = self.resolved.policy.model_dump(by_alias=True, exclude_unset=True)["spec"]
        self.store = MemoryStore(verifies_uploads=random.random() < 0.5)
        self.versions: dict[Key, list[Object]] = {}
        self.present: dict[Key, Object] = {}
        self.touched: set[Key] = set()
        self.namespaces = tuple(random.sample(NAMESPACES, random.randint(1, len(NAMESPACES))))
        kinds = random.sample([kind for kind in TYPES if kind != "CustomResourceDefinition"], random.randint(3, 9))
        whole = application(random, self.namespaces[0]) if random.random() < 0.25 else []
        self.kinds = tuple(sorted({*kinds, *(value["kind"] for value in whole)}))
        served = [name for name in BUILT_IN if random.random() < 0.6 or name in self._wanted()]
        self.cluster = FakeCluster(serves=served)
        self.resources: dict[str, Resource] = {}
        for name in ("kube-system", "default"):
            self._remember(Key("namespaces", "", name))
        for definition in DEFINITIONS:
            if definition["spec"]["names"]["kind"] in self.kinds:
                self.put(definition)
        for name in self.namespaces:
            self.put(namespace(random, name))
        for _ in range(random.choice((0, 5, 15, 30, 60))):
            self.put(any_object(random, self.namespaces, self.kinds))
        for value in whole:
            self.put(value)
        self.touched.clear()

    def put(self, value: Object) -> None:
        """Creates or replaces an object."""
        self.cluster.put(value)
        self._remember(_key(value))

    def change(self, random: Random) -> str:
        """Somebody works on the cluster: an object is added, deleted or altered. Says what happened."""
        present = [key for key in self.present if key.resource != "namespaces"]
        match random.choice(("add", "delete", "label", "end")) if present else "add":
            case "delete":
                key = random.choice(present)
                self.cluster.delete(*key)
                del self.present[key]
                self.touched.add(key)
                return f"deleted {'/'.join(key)}"
            case "label" | "end" as what:
                key = random.choice(present)
                value = self.versions[key][-1]
                metadata = {name: field for name, field in value["metadata"].items() if name != "resourceVersion"}
                if what == "label":
                    metadata["labels"] = any_labels(random)
                else:
                    metadata["deletionTimestamp"] = "2026-03-01T02:00:01Z"
                self.put({**value, "metadata": metadata})
                return f"changed {'/'.join(key)}"
        value = any_object(random, self.namespaces, self.kinds)
        self.put(value)
        return f"put {'/'.join(_key(value))}"

    def _wanted(self) -> set[str]:
        return {TYPES[kind].resource for kind in self.kinds} | {TYPES["CustomResourceDefinition"].resource}

    def _remember(self, key: Key) -> None:
        if key.resource not in self.resources:
            self.resources = {one.name: one for one in self.cluster.discover().resources}
        value: Object = msgspec.json.decode(self.cluster.get(self.resources[key.resource], *key[1:]))
        self.versions.setdefault(key, []).append(value)
        self.present[key] = value
        self.touched.add(key)


def _key(value: Object) -> Key:
    kind = value["kind"]
    resource = "namespaces" if kind == "Namespace" else TYPES[kind].resource
    return Key(resource, value["metadata"].get("namespace", ""), value["metadata"]["name"])
