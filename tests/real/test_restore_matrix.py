"""What is there already: {same, different, an immutable field, missing} x {none, update, recreate}, and undoing it."""

from __future__ import annotations

import copy
import json
import re
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.places import folder_place
from tests.real.restores import backed_up, done, fates, make, planned
from tests.real.round_trip import Key, key, normalised
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

Changes = dict[tuple[str, str], Json]
"""By kind and state: what of each field is otherwise."""

TYPES: Final = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments.apps",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Service": "services",
}
STATES: Final = ("same", "different", "immutable", "missing")
KINDS_AND_STATES: Final = tuple(product(TYPES, STATES))
# What becomes of an item: by what is live, and by existingResourcePolicy.
FATES: Final = {
    "none": {"same": "unchanged", "different": "skip", "immutable": "skip", "missing": "create"},
    "update": {"same": "unchanged", "different": "update", "immutable": "update", "missing": "create"},
    "recreate": {"same": "unchanged", "different": "recreate", "immutable": "recreate", "missing": "create"},
}


@dataclass(frozen=True)
class Stored:
    """A backup of an item of each kind and state."""

    trysail: Trysail
    plane: ControlPlane
    namespace: str
    policy: Path
    url: str


@pytest.fixture(scope="module")
def stored(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """In a namespace of its own; what is live in its place is in others, to which it is mapped."""
    namespace = f"matrix-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("matrix")
    trysail = Trysail(folder, {"KUBECONFIG": str(control_plane.kubeconfig)})
    _namespace(control_plane, namespace)
    make(control_plane, _objects(namespace, {}))
    policy = trysail.policy(
        location=folder_place(folder / "backups").location,
        includedNamespaces=[namespace],
        includedNamespaceScopedResources=list(TYPES.values()),
        includedClusterScopedResources=[],
        excludedItems=[{"name": "kube-root-ca.crt"}],
    )
    backed_up(trysail, policy)
    yield Stored(trysail, control_plane, namespace, policy, str(folder / "backups"))
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def target(stored: Stored) -> Iterator[str]:
    """A namespace with what is live."""
    name = f"{stored.namespace}-{secrets.token_hex(2)}"
    _namespace(stored.plane, name)
    make(stored.plane, _objects(name, CHANGES, without="missing"))
    yield name
    stored.plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("existing", FATES)
def test_the_matrix(existing: str, stored: Stored, target: str) -> None:
    """The plan says it, the restore does it, and leaves alone what it does not name; what cannot be done is named."""
    before, words = _live(stored.plane, target), _words(stored, target, existing)
    expected = {f"{target}/{TYPES[kind]}/{state}": _fate(kind, state, existing) for kind, state in KINDS_AND_STATES}
    plan = planned(stored.trysail, *words, code=4 if existing == "recreate" else 0)
    assert {name: fate for name, fate in fates(plan).items() if name.startswith(target)} == expected

    # Two claims may not be recreated; what is immutable cannot be updated.
    ended = stored.trysail("restore", *words, "--auto-approve", code={"none": 0, "update": 3, "recreate": 4}[existing])

    after = _live(stored.plane, target)
    wanted = {
        (kind, name): _at(item, target) for (kind, _, name), item in _live(stored.plane, stored.namespace).items()
    }
    for kind, state in KINDS_AND_STATES:
        name, fate = (kind, target, state), expected[f"{target}/{TYPES[kind]}/{state}"]
        found, was = after[name], before.get(name)
        if fate in {"unchanged", "skip", "conflict"} or (existing, state) == ("update", "immutable"):
            assert was is not None
            assert (_uid(found), normalised(found)) == (_uid(was), normalised(was)), name
        elif fate == "update":
            assert _uid(found) == _uid(was), name
            assert _holds(normalised(found), wanted[kind, state]), name
        else:
            assert was is None or _uid(found) != _uid(was), name
            assert normalised(found) == wanted[kind, state], name
    assert after["ConfigMap", target, "different"]["data"].get("added") == (None if existing == "recreate" else "kept")
    if existing == "update":
        assert done(ended)["failed"] == len(TYPES)
        assert ended.said.count("mmutable") >= len(TYPES)


@pytest.mark.parametrize("existing", ["update", "recreate"])
def test_a_restore_is_undone(existing: str, stored: Stored, target: str) -> None:
    """By the command that its result says: what was overwritten is as it was before, and what was created stays."""
    before = _live(stored.plane, target)
    code = {"update": 3, "recreate": 4}[existing]
    ended = stored.trysail("restore", *_words(stored, target, existing), "--auto-approve", code=code)
    command = re.search(r"trysail (restore before-restore-\S+ .*? --force-conflicts)", ended.said.replace("\\", ""))
    assert command, ended.out
    stored.trysail(*shlex.split(command[1]), "--auto-approve")
    after = _live(stored.plane, target)
    assert {name: normalised(after[name]) for name in before} == {
        name: normalised(item) for name, item in before.items()
    }
    assert {name[2] for name in set(after) - set(before)} == {"missing"}


def test_nothing_is_saved_where_nobody_wants_it(stored: Stored, target: str) -> None:
    """`--undo-location none` overwrites without; the result says that there is no way back."""
    words = ("restore", *_words(stored, target, "recreate"), "--auto-approve", "--undo-location", "none")
    kept = len(json.loads(stored.trysail("list", "--location", stored.url, "-o", "json").out)["backups"])
    assert "was not saved" in stored.trysail(*words, code=4).said
    assert len(json.loads(stored.trysail("list", "--location", stored.url, "-o", "json").out)["backups"]) == kept


def test_conflicts_with_another_manager(stored: Stored, target: str) -> None:
    """Are named by field and owner in plan and result, and the item is left as it is; unless they are forced."""
    applied = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "different", "namespace": target},
        "data": {"colour": "green"},
    }
    by = ("--server-side", "--field-manager=gitops", "--force-conflicts")
    stored.plane.kubectl("apply", *by, "-f", "-", stdin=json.dumps(applied).encode())
    words = [word for word in _words(stored, target, "update") if word != "--force-conflicts"]
    only = ("--item", f"{stored.namespace}/configmaps/different", "--item", f"{stored.namespace}/configmaps/missing")

    text = stored.trysail("restore", *words, *only, "--plan", code=4).said
    assert "fields that would change belong to gitops" in text
    assert "data.colour belongs to gitops" in text
    ended = stored.trysail("restore", *words, *only, "--auto-approve", code=4)
    live = _live(stored.plane, target)
    assert live["ConfigMap", target, "different"]["data"]["colour"] == "green"
    assert live["ConfigMap", target, "missing"]["data"]["colour"] == "blue"
    assert "1 in conflict" in ended.said

    stored.trysail("restore", *words, *only, "--force-conflicts", "--auto-approve")
    assert _live(stored.plane, target)["ConfigMap", target, "different"]["data"] == {
        "colour": "blue",
        "size": "1",
        "added": "kept",
    }


def _at(item: Json, namespace: str) -> Json:
    """An object as it should be in another namespace."""
    moved = normalised(item)
    moved["metadata"]["namespace"] = namespace
    return moved


def _uid(item: Json | None) -> str:
    return "" if item is None else str(item["metadata"]["uid"])


def _holds(live: Any, stored: Any) -> bool:
    """Whether all that is stored is live: more may be."""
    if isinstance(stored, dict):
        return isinstance(live, dict) and all(_holds(live.get(name), value) for name, value in stored.items())
    return bool(live == stored)


def _fate(kind: str, state: str, existing: str) -> str:
    fate = FATES[existing][state]
    return "conflict" if fate == "recreate" and kind == "PersistentVolumeClaim" else fate


def _words(stored: Stored, target: str, existing: str) -> tuple[str | Path, ...]:
    mapping = ("--namespace-mappings", f"{stored.namespace}:{target}")
    return ("latest", "-f", stored.policy, *mapping, "--existing-resource-policy", existing, "--force-conflicts")


def _namespace(plane: ControlPlane, name: str) -> None:
    plane.kubectl("create", "namespace", name)


def _live(plane: ControlPlane, namespace: str) -> dict[Key, Json]:
    types = ",".join(TYPES.values())
    found = plane.kubectl("get", types, "-n", namespace, "-o", "json", "--show-managed-fields").stdout
    return {key(item): item for item in json.loads(found)["items"]}


def _objects(namespace: str, changes: Changes, *, without: str = "") -> list[Json]:
    """Each kind in each state; `changes` has what differs, by kind and state."""
    return [_object(namespace, kind, state, changes) for kind in TYPES for state in STATES if state != without]


def _object(namespace: str, kind: str, state: str, changes: Changes) -> Json:
    item: Json = {"kind": kind, **copy.deepcopy(_BODIES[kind])}
    item["metadata"] = {"name": state, "namespace": namespace, "labels": {"tier": "silver"}}
    if kind == "Deployment":
        # Each has pods of its own: a ReplicaSet that is left behind must not be another one's.
        item["spec"] |= {"selector": {"matchLabels": {"app": state}}, "template": _pods({"app": state})}
    if state == "immutable" and kind == "ConfigMap":
        item["immutable"] = True
    if state == "immutable" and kind == "Service":
        item["spec"] |= {"type": "LoadBalancer", "loadBalancerClass": "example.com/first"}
    for field, value in changes.get((kind, state), {}).items():
        item[field] = {**item[field], **copy.deepcopy(value)}
    return item


def _pods(labels: Json) -> Json:
    containers = [{"name": "web", "image": "example.com/web:1"}]
    return {"metadata": {"labels": labels}, "spec": {"containers": containers}}


_BODIES: Final[Json] = {
    "ConfigMap": {"apiVersion": "v1", "data": {"colour": "blue", "size": "1"}},
    "Deployment": {"apiVersion": "apps/v1", "spec": {"replicas": 0}},
    "PersistentVolumeClaim": {
        "apiVersion": "v1",
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "matrix-none",
        },
    },
    "Service": {"apiVersion": "v1", "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}},
}
_OTHER: Final = {"app": "other"}
CHANGES: Final[Changes] = {
    ("ConfigMap", "different"): {"data": {"colour": "red", "added": "kept"}},
    ("ConfigMap", "immutable"): {"data": {"colour": "red"}},
    ("Deployment", "different"): {"spec": {"minReadySeconds": 5, "replicas": 1}},
    ("Deployment", "immutable"): {"spec": {"selector": {"matchLabels": _OTHER}, "template": _pods(_OTHER)}},
    ("PersistentVolumeClaim", "different"): {"metadata": {"labels": {"tier": "gold"}}},
    ("PersistentVolumeClaim", "immutable"): {"spec": {"accessModes": ["ReadWriteMany"]}},
    ("Service", "different"): {"spec": {"selector": {"app": "other"}}},
    ("Service", "immutable"): {"spec": {"loadBalancerClass": "example.com/second"}},
}
