"""How two sides are joined by name, and which live items are additions to a backup."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.cluster import Resource
from runner.model.inventory import NamespaceFacts, Row
from runner.model.policy import BackupPolicy
from runner.plan.diff import is_addition, joined, served_as
from runner.plan.selection import Selection

CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
CLASSES = Resource("storage.k8s.io", "storageclasses", "v1", "StorageClass", namespaced=False)


class _One(NamedTuple):
    name: str
    side: str


def _selection(**spec: Any) -> Selection:
    document = {
        "apiVersion": "trysail.dev/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "shop"},
        "spec": {"storageLocation": "primary", **spec},
    }
    return Selection(BackupPolicy.model_validate(document).spec)


@given(st.lists(st.text("abc", max_size=2), unique=True), st.lists(st.text("abc", max_size=2), unique=True))
def test_every_name_is_met_once(lefts: list[str], rights: list[str]) -> None:
    """Whatever the order of either side: those of both together, the others alone."""
    pairs = list(joined([_One(name, "left") for name in lefts], [_One(name, "right") for name in rights]))
    together = [(left.name, right.name) for left, right in pairs if left is not None and right is not None]
    assert all(left == right for left, right in together)
    assert {name for name, _ in together} == {*lefts} & {*rights}
    assert sorted(left.name for left, right in pairs if left is not None and right is None) == sorted(
        {*lefts} - {*rights}
    )
    assert sorted(right.name for left, right in pairs if right is not None and left is None) == sorted(
        {*rights} - {*lefts}
    )
    assert all(left is None or left.side == "left" for left, _ in pairs)


def test_only_what_has_no_counterpart_yet_is_set_aside() -> None:
    """In order, that is what one side has alone; out of order, what is met later, and then as it was left."""
    aside: list[str] = []

    def left_as(one: _One) -> _One:
        aside.append(one.name)
        return _One(one.name, "aside")

    ordered = [_One(name, "x") for name in "abcd"]
    list(joined(ordered, [_One(name, "x") for name in "abbcd"], set_aside=left_as))
    assert aside == ["b"]
    aside.clear()
    pairs = dict(joined(ordered, ordered[::-1], set_aside=left_as))
    assert aside == []  # each of them was waited for by the other side
    assert {one.name: other.name for one, other in pairs.items() if one and other} == {name: name for name in "abcd"}


@pytest.mark.parametrize(
    ("resource", "row", "spec", "taken"),
    [
        (CONFIG_MAPS, Row("a", "shop"), {}, True),
        (CONFIG_MAPS, Row("a", "shop", terminating=True), {}, False),
        (CONFIG_MAPS, Row("a", "shop"), {"labelSelector": {"matchLabels": {"x": "y"}}}, False),
        (CONFIG_MAPS, Row("a", "shop", labels={"x": "y"}), {"labelSelector": {"matchLabels": {"x": "y"}}}, True),
        (NAMESPACES, Row("stage"), {"includedNamespaces": ["shop"]}, False),
        (NAMESPACES, Row("shop"), {"includedNamespaces": ["shop"]}, True),
        (NAMESPACES, Row("shop", facts=NamespaceFacts(phase="Terminating")), {}, False),
        (CLASSES, Row("fast"), {"includedNamespaces": ["shop"]}, False),
        (CLASSES, Row("fast"), {}, True),
    ],
)
def test_additions(resource: Resource, row: Row, spec: dict[str, Any], taken: bool) -> None:
    """What the policy would store; not what is being deleted, and not what may be related or not."""
    assert is_addition(_selection(**spec), resource, row) is taken


def test_without_a_policy_all_are_additions() -> None:
    """But for what is being deleted."""
    assert is_addition(None, CLASSES, Row("fast"))
    assert not is_addition(None, CLASSES, Row("fast", terminating=True))


def test_versions() -> None:
    """A type is listed as it was stored, where it is still served so."""
    served = Resource("autoscaling", "hpas", "v2", "HPA", namespaced=True, other_versions=("v1",))
    assert served_as(served, "autoscaling/v1").version == "v1"
    assert served_as(served, "autoscaling/v2").version == "v2"
    assert served_as(served, "autoscaling/v2beta2").version == "v2"
