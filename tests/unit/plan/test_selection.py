"""Tests of what a policy selects: Velero's filters of both families, and those that it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.labels import EXCLUDE_LABELS
from tests.unit.plan.build import RBAC, counts, left_out, named, namespace, planned, row, seen, why

CLUSTER = {
    "shop-prod/configmaps": named("web", "api"),
    "shop-prod/secrets": named("tls"),
    "shop-prod/deployments.apps": named("web"),
    "shop-test/configmaps": named("web"),
    "kube-system/configmaps": named("coredns"),
    "nodes": named("n1", "n2"),
    "gadgets.example.com": named("g1"),
}
NAMESPACED = {key: len(rows) for key, rows in CLUSTER.items() if "/" in key}
CLUSTER_SCOPED = {key: len(rows) for key, rows in CLUSTER.items() if "/" not in key}


def only(*keys: str) -> dict[str, int]:
    """What is stored when it is exactly this."""
    return {key: len(CLUSTER[key]) for key in keys}


# namespaces


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({}, {"kube-system", "shop-prod", "shop-test"}),
        ({"includedNamespaces": ["*"]}, {"kube-system", "shop-prod", "shop-test"}),
        ({"includedNamespaces": ["shop-*"]}, {"shop-prod", "shop-test"}),
        ({"includedNamespaces": ["shop-prod", "kube-*"]}, {"shop-prod", "kube-system"}),
        ({"excludedNamespaces": ["kube-*"]}, {"shop-prod", "shop-test"}),
        ({"includedNamespaces": ["shop-*"], "excludedNamespaces": ["*-test"]}, {"shop-prod"}),
        ({"includedNamespaces": ["shop-prod"], "excludedNamespaces": ["shop-prod"]}, set()),
    ],
)
def test_namespaces_by_name(spec: dict[str, Any], taken: set[str]) -> None:
    """Inclusion and exclusion by name and glob; exclusion wins."""
    stored = counts(planned(CLUSTER, **spec))
    assert {key.split("/")[0] for key in stored if "/" in key} == taken


def test_namespaces_by_their_own_labels() -> None:
    """A namespaceSelector looks at the namespace's labels, in addition to its name; the plan says which held."""
    inventory = seen(
        CLUSTER,
        namespaces=[
            namespace("shop-prod", {"backup": "nightly"}),
            namespace("shop-test"),
            namespace("kube-system", {"backup": "nightly"}),
        ],
    )
    plan = planned(inventory, includedNamespaces=["shop-*"], namespaceSelector={"matchLabels": {"backup": "nightly"}})
    assert {step.namespace for step in plan.steps if step.namespace} == {"shop-prod"}
    assert why(plan, "shop-prod/secrets") == "namespaceSelector backup=nightly"
    assert left_out(plan)["namespace shop-test"] == "namespaceSelector does not match"
    assert left_out(plan)["namespace kube-system"] == "not in includedNamespaces"


@pytest.mark.parametrize("label", EXCLUDE_LABELS)
def test_an_excluded_namespace_takes_what_is_in_it_along(label: str) -> None:
    """The exclude label on a Namespace leaves out all its items, and the plan names the label."""
    inventory = seen(CLUSTER, namespaces=[namespace("shop-prod", {label: "true"}), namespace("shop-test")])
    plan = planned(inventory)
    assert not any(step.namespace == "shop-prod" for step in plan.steps)
    assert left_out(plan)["namespace shop-prod"] == f"label {label}=true"


@pytest.mark.parametrize(
    "dying", [namespace("shop-prod", phase="Terminating"), namespace("shop-prod", terminating=True)]
)
def test_a_namespace_that_is_being_deleted_is_left_out(dying: Any) -> None:
    """As Velero: only Active namespaces are backed up; the reason is in the plan."""
    plan = planned(seen(CLUSTER, namespaces=[dying, namespace("shop-test")]))
    assert not any(step.namespace == "shop-prod" for step in plan.steps)
    assert left_out(plan)["namespace shop-prod"] == "it is being deleted"


# types, older family


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ({"includedResources": ["*"]}, {**NAMESPACED, **CLUSTER_SCOPED}),
        ({"includedResources": ["secrets", "nodes"]}, only("shop-prod/secrets", "nodes")),
        ({"includedResources": ["deploy", "*.example.com"]}, only("shop-prod/deployments.apps", "gadgets.example.com")),
        (
            {"excludedResources": ["configmaps", "nodes"]},
            only("shop-prod/secrets", "shop-prod/deployments.apps", "gadgets.example.com"),
        ),
        ({"includedResources": ["secrets", "configmaps"], "excludedResources": ["cm"]}, only("shop-prod/secrets")),
        ({"includedResources": ["nodes"], "includeClusterResources": False}, {}),
        ({"includeClusterResources": False}, NAMESPACED),
        ({"includeClusterResources": True, "includedNamespaces": ["shop-test"]},
         {**only("shop-test/configmaps"), **CLUSTER_SCOPED}),
        # Unset: all with every namespace, else only what is related, and nothing is related to nodes.
        ({}, {**NAMESPACED, **CLUSTER_SCOPED}),
        ({"includedNamespaces": ["shop-test"]}, only("shop-test/configmaps")),
        ({"excludedNamespaces": ["shop-*"]}, only("kube-system/configmaps")),
    ],
)  # fmt: skip
def test_types_by_the_older_family(spec: dict[str, Any], stored: dict[str, int]) -> None:
    """includedResources, excludedResources and the three states of includeClusterResources, as in Velero."""
    assert counts(planned(CLUSTER, **spec)) == stored


# types, newer family


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ({"includedNamespaceScopedResources": ["secrets"]}, only("shop-prod/secrets")),
        ({"includedNamespaceScopedResources": ["*"]}, {**NAMESPACED, **CLUSTER_SCOPED}),
        (
            {"excludedNamespaceScopedResources": ["configmaps"]},
            {**only("shop-prod/secrets", "shop-prod/deployments.apps"), **CLUSTER_SCOPED},
        ),
        ({"includedClusterScopedResources": ["nodes"]}, {**NAMESPACED, **only("nodes")}),
        ({"includedClusterScopedResources": []}, NAMESPACED),
        ({"includedClusterScopedResources": "related"}, NAMESPACED),
        (
            {"includedClusterScopedResources": "all", "includedNamespaces": ["shop-test"]},
            {**only("shop-test/configmaps"), **CLUSTER_SCOPED},
        ),
        ({"excludedClusterScopedResources": ["*.example.com"]}, {**NAMESPACED, **only("nodes")}),
        (
            {"includedClusterScopedResources": ["*"], "excludedClusterScopedResources": ["nodes"]},
            {**NAMESPACED, **only("gadgets.example.com")},
        ),
        (
            {"includedNamespaceScopedResources": ["secrets"], "includedClusterScopedResources": ["nodes"]},
            only("shop-prod/secrets", "nodes"),
        ),
        # A name of one scope means nothing to the filter of the other.
        ({"excludedNamespaceScopedResources": ["nodes"], "includedClusterScopedResources": ["nodes"]},
         {**NAMESPACED, **only("nodes")}),
    ],
)  # fmt: skip
def test_types_by_the_newer_family(spec: dict[str, Any], stored: dict[str, int]) -> None:
    """Filters by scope: included and excluded types of namespaces, and of the cluster by word or by list."""
    assert counts(planned(CLUSTER, **spec)) == stored


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, "every namespace is selected, so every cluster-scoped type is"),
        ({"includeClusterResources": True}, "includeClusterResources: true"),
        ({"includedClusterScopedResources": "all"}, "includedClusterScopedResources: all"),
        ({"includedClusterScopedResources": ["node*"]}, 'includedClusterScopedResources "node*"'),
        ({"includedResources": ["nodes"]}, 'includedResources "nodes"'),
    ],
)
def test_cluster_scoped_items_say_which_rule_took_them(spec: dict[str, Any], reason: str) -> None:
    """The reason of a cluster-scoped line is the field, or the default, that asks for it."""
    assert why(planned(CLUSTER, **spec), "nodes") == reason


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"includeClusterResources": False}, "includeClusterResources: false"),
        ({"includedClusterScopedResources": []}, "not in includedClusterScopedResources"),
        ({"includedClusterScopedResources": ["gadgets.example.com"]}, "not in includedClusterScopedResources"),
        ({"excludedClusterScopedResources": ["no*"]}, 'excludedClusterScopedResources "no*"'),
        ({"excludedResources": ["Node"]}, 'excludedResources "Node"'),
        ({"includedResources": ["secrets"]}, "not in includedResources"),
    ],
)
def test_types_that_are_left_out_say_why(spec: dict[str, Any], reason: str) -> None:
    """A type that is not taken is a line of what is left out, with the rule."""
    assert left_out(planned(CLUSTER, **spec))["type nodes"] == reason


# types that cannot or need not be stored


def test_types_that_could_not_be_restored_are_left_out() -> None:
    """Without list, create, get and delete a type is left out, as in Velero; the missing verbs are named."""
    reasons = left_out(planned(CLUSTER))
    assert reasons["type bindings"] == "cannot be backed up and restored: its API has no delete, get, list"
    assert reasons["type componentstatuses"] == "cannot be backed up and restored: its API has no create, delete"


def test_objects_served_by_two_groups_are_taken_once() -> None:
    """Events and what `extensions` serves a second time are taken from one group; the plan says which."""
    plan = planned(
        {
            "shop/events": named("e"),
            "shop/events.events.k8s.io": named("e"),
            "shop/deployments.apps": named("web"),
            "shop/deployments.extensions": named("web"),
        }
    )
    assert counts(plan) == {"shop/events": 1, "shop/deployments.apps": 1}
    assert left_out(plan)["type events.events.k8s.io"] == "the same objects as events"
    assert left_out(plan)["type deployments.extensions"] == "the same objects as deployments.apps"


def test_a_second_group_is_taken_where_the_first_is_not_served() -> None:
    """On a cluster old enough to serve Deployments by `extensions` alone, they are taken from there."""
    inventory = seen({"shop/deployments.extensions": named("web")})
    old = tuple(known for known in inventory.resources if known.name != "deployments.apps")
    plan = planned(seen({"shop/deployments.extensions": named("web")}, resources=old))
    assert counts(plan) == {"shop/deployments.extensions": 1}


# items


LABELLED = {
    "shop/configmaps": [
        row("web", {"tier": "web", "env": "prod"}),
        row("api", {"tier": "api", "env": "prod"}),
        row("db", {"tier": "db", "env": "test"}),
        row("bare"),
    ],
    "nodes": [row("n1", {"tier": "web"}), row("n2")],
}


@pytest.mark.parametrize(
    ("selector", "namespaced", "nodes"),
    [
        ({"matchLabels": {"env": "prod"}}, 2, 0),
        ({"matchLabels": {"env": "prod", "tier": "web"}}, 1, 0),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "db"]}]}, 2, 1),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web", "db"]}]}, 2, 1),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, 3, 1),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, 1, 1),
    ],
)
def test_items_by_label_selector(selector: dict[str, Any], namespaced: int, nodes: int) -> None:
    """A labelSelector holds for items of namespaces and of the cluster alike, with every operator."""
    stored = counts(planned(LABELLED, labelSelector=selector))
    assert (stored.get("shop/configmaps", 0), stored.get("nodes", 0)) == (namespaced, nodes)


def test_one_of_several_label_selectors_is_enough() -> None:
    """Of orLabelSelectors one is enough; what several match is taken once."""
    selectors = [{"matchLabels": {"tier": "web"}}, {"matchLabels": {"env": "prod"}}]
    plan = planned(LABELLED, orLabelSelectors=selectors)
    assert counts(plan) == {"shop/configmaps": 2, "nodes": 1}
    assert why(plan, "shop/configmaps") == "every namespace, orLabelSelectors tier=web or env=prod"
    assert "none of orLabelSelectors matches" in {left.why for left in plan.left_out}


@pytest.mark.parametrize("label", EXCLUDE_LABELS)
def test_objects_with_the_exclude_label_are_left_out_and_counted(label: str) -> None:
    """Both exclude labels work on objects, and the plan counts them by label."""
    plan = planned({"shop/configmaps": [row("a"), row("b", {label: "true"}), row("c", {label: "false"})]})
    assert counts(plan) == {"shop/configmaps": 2}
    assert left_out(plan)["items (1)"] == f"label {label}=true"


@pytest.mark.parametrize(
    ("items", "stored"),
    [
        ([{"name": "web"}], {"shop-prod/configmaps": 1, "shop-prod/deployments.apps": 1, "shop-test/configmaps": 1}),
        ([{"resource": "configmaps", "name": "w*"}], {"shop-prod/configmaps": 1, "shop-test/configmaps": 1}),
        ([{"resource": "cm", "namespace": "shop-t*", "name": "*"}], {"shop-test/configmaps": 1}),
        ([{"resource": "nodes", "name": "n1"}], {"nodes": 1}),
        ([{"resource": "nodes", "namespace": "shop-*", "name": "n1"}], {}),
        ([{"resource": "secrets", "name": "tls"}, {"name": "g?"}], {"shop-prod/secrets": 1, "gadgets.example.com": 1}),
    ],
)
def test_items_by_name(items: list[dict[str, str]], stored: dict[str, int]) -> None:
    """Each of includedItems picks by type, namespace and name; cluster-scoped items are in no namespace but `*`."""
    assert counts(planned(CLUSTER, includedItems=items, allowEmpty=True)) == stored


def test_items_excluded_by_name_are_counted_by_entry() -> None:
    """Each of excludedItems wins over what includes them, and each entry counts what it leaves out."""
    plan = planned(
        CLUSTER,
        includedItems=[{"resource": "configmaps", "name": "*"}],
        excludedItems=[{"resource": "configmaps", "name": "web"}, {"resource": "nodes", "name": "n2"}],
    )
    assert counts(plan) == {"shop-prod/configmaps": 1, "kube-system/configmaps": 1}
    assert left_out(plan)["items (2)"] == "excludedItems configmaps/web"


def test_filters_add_up() -> None:
    """Namespace, type, label and name must all hold; the line says each."""
    plan = planned(
        {
            "shop/configmaps": [row("web", {"env": "prod"}), row("api", {"env": "test"}), row("x", {"env": "prod"})],
            "shop/secrets": [row("web", {"env": "prod"})],
            "other/configmaps": [row("web", {"env": "prod"})],
        },
        includedNamespaces=["shop"],
        includedResources=["configmaps"],
        labelSelector={"matchLabels": {"env": "prod"}},
        includedItems=[{"name": "web"}, {"name": "api"}],
    )
    assert counts(plan) == {"shop/configmaps": 1}
    reason = why(plan, "shop/configmaps")
    assert reason == 'includedNamespaces "shop", includedResources "configmaps", labelSelector env=prod, includedItems'


def test_only_some_types_need_their_items_counted_by_name() -> None:
    """An excludedItems for one type leaves the counts of the others alone."""
    plan = planned(CLUSTER, excludedItems=[{"resource": f"*.{RBAC}", "name": "system:*"}])
    assert counts(plan) == {**NAMESPACED, **CLUSTER_SCOPED}
