"""Tests of how much is read of a type before a plan: enough for every decision, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.needs import Need, need, query
from runner.plan.selection import Selection
from tests.unit.plan.build import RBAC, policy, resource

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
        ("pods", {}, Need.COUNT),
        ("pods", BY_LABEL, Need.WHOLE),
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
    "name", ["persistentvolumeclaims", "persistentvolumes", "serviceaccounts", f"rolebindings.{RBAC}", f"roles.{RBAC}"]
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
