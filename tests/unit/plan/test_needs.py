"""Tests of how much is read of a type before a plan: enough for every decision, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from runner.model.restore_policy import RestorePolicySpec
from runner.plan.needs import Need, deciding, need, query
from runner.plan.selection import Selection
from tests.unit.plan.build import RBAC, SNAPSHOT_CLASSES, TYPES, policy, resource

BY_LABEL = {"labelSelector": {"matchLabels": {"app": "web"}}}
BY_NAME = {"excludedItems": [{"resource": "configmaps", "name": "kube-root-ca.crt"}]}
ONE = {"includedNamespaces": ["shop"]}


@pytest.mark.parametrize(
    ("name", "spec", "needed"),
    [
        ("configmaps", {}, Need.COUNT),
        ("configmaps", BY_LABEL, Need.METADATA),
        ("configmaps", BY_NAME, Need.METADATA),
        ("secrets", BY_NAME, Need.COUNT),
        ("namespaces", {}, Need.NOTHING),  # they are had whole before anything else
        ("nodes", {}, Need.COUNT),
        ("nodes", ONE, Need.NOTHING),  # nothing is related to a node
        ("persistentvolumeclaims", {}, Need.WHOLE),
        ("persistentvolumes", {}, Need.WHOLE),
        ("persistentvolumes", ONE, Need.WHOLE),
        ("pods", {}, Need.WHOLE),  # every volume in them is a line of the ledger
        ("pods", BY_LABEL, Need.WHOLE),
        (SNAPSHOT_CLASSES, {}, Need.WHOLE),
        (SNAPSHOT_CLASSES, ONE, Need.NOTHING),  # and looked at for deciding
        ("serviceaccounts", {}, Need.COUNT),
        ("serviceaccounts", ONE, Need.METADATA),
        (f"rolebindings.{RBAC}", BY_LABEL, Need.WHOLE),
        (f"clusterrolebindings.{RBAC}", ONE, Need.WHOLE),
        (f"clusterroles.{RBAC}", ONE, Need.METADATA),
        ("customresourcedefinitions.apiextensions.k8s.io", ONE, Need.METADATA),
    ],
)
def test_what_a_type_needs(name: str, spec: dict[str, Any], needed: Need) -> None:
    """Counting is enough until an item has to be picked, or something related to it has to be found."""
    assert need(Selection(policy(**spec).policy.spec), resource(name)) is needed


@pytest.mark.parametrize(
    "name",
    [
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "serviceaccounts",
        f"rolebindings.{RBAC}",
        f"roles.{RBAC}",
        SNAPSHOT_CLASSES,
    ],
)
def test_what_relations_look_into_is_not_hidden_by_a_query(name: str) -> None:
    """An API server that is asked with the label selector would hide what is only related to something selected."""
    assert query(Selection(policy(**BY_LABEL).policy.spec), resource(name)) == ""


def test_a_query_spares_the_api_server_the_rest() -> None:
    """All other types are asked for with the selector, where one says it all."""
    one = [{"matchLabels": {"app": "web"}}]
    two = [*one, {"matchLabels": {"app": "api"}}]
    assert query(Selection(policy(**BY_LABEL).policy.spec), resource("configmaps")) == "app=web"
    assert query(Selection(policy(orLabelSelectors=one).policy.spec), resource("configmaps")) == "app=web"
    assert query(Selection(policy(orLabelSelectors=two).policy.spec), resource("configmaps")) == ""


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, set()),  # they are all taken
        (ONE, {SNAPSHOT_CLASSES}),  # nothing is related to one
        ({"excludedResources": ["pv", "pods"]}, {"persistentvolumes", "pods"}),
        ({"includedResources": ["pvc"]}, {"persistentvolumes", "pods", SNAPSHOT_CLASSES}),
        ({"includedResources": ["pods", "configmaps"]}, set()),  # no claim and no volume has to be decided on
        ({"includedResources": ["pv"]}, {"pods", SNAPSHOT_CLASSES}),
    ],
)
def test_what_is_looked_at_for_volumes_alone(spec: dict[str, Any], names: set[str]) -> None:
    """Types that decide on claims and volumes are looked at where the filters do not take them."""
    found = deciding(Selection(policy(**spec).policy.spec), TYPES)
    assert {one.name for one in found} == names


def test_a_restore_looks_at_no_more_than_it_takes() -> None:
    """Its volumes are in the backup's ledger: Pods are counted there."""
    selection = Selection(RestorePolicySpec.model_validate({"includedResources": ["pvc", "pods"]}))
    assert deciding(selection, TYPES) == frozenset()
    assert need(selection, resource("pods")) is Need.COUNT
