"""Properties of every rule, on all the objects of the rules' own tests and on made-up ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.prepare import _RULES, prepare
from runner.actions.restored import LeftAlone, Prepared
from runner.model.cluster import ItemId
from tests.unit.actions import test_access, test_cluster_scope, test_pods, test_prepare, test_storage, test_workloads
from tests.unit.actions.restoring import NOBODY, TheOthers, item_of, rules_of, stored
from tests.unit.actions.test_services import _applied, _service

OBJECTS: list[tuple[str, dict[str, Any]]] = [
    ("configmaps", stored(test_prepare.CONFIG)),
    ("pods", stored(test_pods.POD, phase="Running")),
    ("pods", test_pods._legacy("web-token-x7k2p")),
    ("jobs.batch", stored(test_workloads.JOB, active=1)),
    ("services", _service()),
    ("services", _service(udp=True, health=True)),
    ("services", _applied({"ports": [{"port": 53, "nodePort": 32207}]})),
    ("persistentvolumeclaims", stored(test_storage.CLAIM, phase="Bound")),
    ("persistentvolumes", stored(test_storage.VOLUME, phase="Bound")),
    (test_storage.CONTENTS, stored(test_storage.CONTENT, snapshotHandle="snap-1")),
    (test_storage.SNAPSHOTS, stored(test_storage.SNAPSHOT, boundVolumeSnapshotContentName="snapcontent-1")),
    ("secrets", stored(test_access.TOKEN)),
    ("rolebindings.rbac.authorization.k8s.io", stored(test_access.BINDING)),
    ("namespaces", stored(test_cluster_scope.NAMESPACE, phase="Active")),
]
RULES = [rules_of(), rules_of({"shop": "drill"}, {"gp2": "gp3"}, {"drill": "yes"})]
OTHERS = [NOBODY, TheOthers("owner-1", "owner-2", volumes=("pvc-63a8993f",))]
EACH = pytest.mark.parametrize(("name", "body"), OBJECTS, ids=[name for name, _ in OBJECTS])


@EACH
@pytest.mark.parametrize("rules", RULES, ids=["same", "mapped"])
@pytest.mark.parametrize("others", OTHERS, ids=["alone", "with others"])
def test_what_is_prepared_stays_as_it_is(name: str, body: dict[str, Any], rules: Any, others: Any) -> None:
    """What was stored is not changed, nor by changes of the body; the body holds nothing of the old life.

    Prepared again, it is the same: a restore of what was restored changes nothing.
    """
    before = copy.deepcopy(body)
    once = prepare(item_of(name, body), body, rules, others)
    assert body == before
    assert isinstance(once, Prepared)
    assert not once.body["metadata"].keys() & {"uid", "resourceVersion", "ownerReferences", "managedFields"}
    again = prepare(once.item, once.body, rules, others)
    assert isinstance(again, Prepared)
    assert (again.item, again.body) == (once.item, once.body)
    _scribble(once.body)
    assert body == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "spec", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "spec", "status", "subjects", "secrets", "webhooks", "data", "template", "volumes", "containers", "ports", "source",
    "selector", "claimRef", "labels", "annotations", "finalizers", "ownerReferences", "managedFields", "conditions",
    "conversion", "metadata", "volumeClaimTemplates", "type", "phase", "kind", "uid", "storageClassName", "volumeName",
)  # fmt: skip
SHAPES = st.recursive(
    JSON,
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=25,
)


@given(
    kind=st.sampled_from(sorted(_RULES)),
    body=st.dictionaries(st.sampled_from(FIELDS), SHAPES, max_size=6),
    metadata=st.dictionaries(st.sampled_from(FIELDS), SHAPES, max_size=6),
)
def test_no_shape_of_an_object_breaks_a_rule(
    kind: tuple[str, str], body: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """An archive may hold anything under a kind's name: it is prepared or left alone, and never changed."""
    item = ItemId(*kind, "shop", "web")
    body = {**body, "metadata": {**metadata, "name": "web", "namespace": "shop"}}
    before = copy.deepcopy(body)
    once = prepare(item, body, RULES[1], OTHERS[1])
    assert body == before
    if isinstance(once, LeftAlone):
        assert once.why
        return
    assert prepare(once.item, once.body, RULES[1], OTHERS[1]) == Prepared(once.item, once.body)


def _scribble(value: Any) -> None:
    """Change everything that can be changed in a body."""
    entries = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    for entry in entries:
        _scribble(entry)
    if isinstance(value, dict):
        value["scribble"] = True
    elif isinstance(value, list):
        value.append("scribble")
