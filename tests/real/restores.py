"""What tests of restores share: a policy for the estate, and what must hold of a cluster once one is done.

Owns the questions that are put to a restored cluster; how its objects compare is in `round_trip.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.parts.controlplane import ControlPlane
from tests.real.places import Place
from tests.real.trysail import Ended, Trysail, backup_name
from tests.real.waiting import wait_for

Json = dict[str, Any]

# What controllers write for as long as they live, and no backup holds twice alike.
RESTLESS: Final = ["events", "events.events.k8s.io"]


def estate_policy(trysail: Trysail, place: Place, namespace: str) -> Path:
    """A policy of the estate: its namespace, and whatever in the cluster carries its name."""
    return trysail.policy(
        location=place.location,
        includedNamespaces=[namespace],
        includedClusterScopedResources="all",
        excludedNamespaceScopedResources=RESTLESS,
        includedItems=[{"namespace": namespace, "name": "*"}, {"name": f"*{namespace}*"}],
    )


def backed_up(trysail: Trysail, policy: Path) -> str:
    """The name of a backup that is made now."""
    return backup_name(trysail("run", "-f", policy, "--auto-approve"))


def planned(trysail: Trysail, *words: str | Path, code: int = 0) -> Json:
    """The plan of a restore, as JSON."""
    plan: Json = json.loads(trysail("restore", *words, "--plan", "-o", "json", code=code).out)
    return plan


def fates(plan: Json) -> dict[str, str]:
    """What becomes of each item: `namespace/type/name` -> action."""
    return {name: step["action"] for step in plan["steps"] for name in _names(step)}


def reasons(plan: Json) -> dict[str, str]:
    """Why: `namespace/type/name` -> the plan's words."""
    return {name: step["why"] for step in plan["steps"] for name in _names(step)}


def unverifiable(plan: Json) -> dict[str, str]:
    """What the API server's dry run could not tell: `namespace/type/name` -> why."""
    return {name: step["unverifiable"] for step in plan["steps"] if "unverifiable" in step for name in _names(step)}


def _names(step: Json) -> Iterator[str]:
    where = f"{step['namespace']}/" if step["namespace"] else ""
    yield from (f"{where}{step['resource']}/{name}" for name in step["names"])


def done(ended: Ended) -> Counter[str]:
    """What a restore says it did: created, updated, recreated, done already, failed -> how many items."""
    found = re.search(r"done (\d+ created, .*?) into ", ended.said)
    assert found, ended.out
    return Counter({name: int(count) for count, name in re.findall(r"(\d+) ([a-z]+(?: already)?)", found[1])})


def let_the_collector_work(plane: ControlPlane, namespace: str) -> None:
    """Wait until the garbage collector has judged what is there by now: it has found an orphan that came later."""
    name = f"orphan-{secrets.token_hex(4)}"
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never-was", "uid": secrets.token_hex(16)}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.must("POST", path, {"metadata": {"name": name, "ownerReferences": [owner]}})
    wait_for(lambda: plane.request("GET", f"{path}/{name}")[0] == 404, "the garbage collector to find an orphan")


def dead_owners(plane: ControlPlane, namespace: str) -> list[str]:
    """Each ownerReference in the namespace that names an object which is not there."""
    found = list(everything(plane, namespace))
    alive = {item["metadata"]["uid"] for item in found}
    return [
        f"{item['kind']} {item['metadata']['name']} -> {owner['kind']} {owner['name']}"
        for item in found
        for owner in item["metadata"].get("ownerReferences", ())
        if owner["uid"] not in alive
    ]


def everything(plane: ControlPlane, namespace: str) -> Iterator[Json]:
    """Every object of the namespace."""
    listed = plane.kubectl("api-resources", "--namespaced", "--verbs=list,create,get", "-o", "name")
    types = sorted(set(listed.stdout.decode().split()) - set(RESTLESS))
    answer = plane.kubectl("get", ",".join(types), "-n", namespace, "-o", "json", "--show-managed-fields")
    yield from json.loads(answer.stdout)["items"]


def make(plane: ControlPlane, items: Iterable[Json]) -> None:
    """Creates objects, as a person does with kubectl."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())


def emptied(plane: ControlPlane, namespace: str) -> None:
    """Delete a namespace, and wait until it is gone with all that is in it."""
    # A namespace that finds claims which are protected looks again only seconds later.
    plane.kubectl("delete", "persistentvolumeclaim", "--all", "-n", namespace, "--timeout=60s")
    plane.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s")


def answering(namespace: str, service: str) -> Json:
    """An EndpointSlice by hand that has a ready endpoint for a Service; behind it, nothing answers."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-by-hand",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.11"], "conditions": {"ready": True}}],
        "ports": [{"name": "", "port": 443, "protocol": "TCP"}],
    }
