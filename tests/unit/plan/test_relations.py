"""Tests of related items: what belongs to what is selected comes along, and no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.labels import EXCLUDE_LABELS
from tests.unit.plan.build import (
    RBAC,
    binding,
    claim,
    counts,
    left_out,
    named,
    names_of,
    planned,
    pod,
    row,
    volume,
    why,
)

SHOP = {"includedNamespaces": ["shop"]}
WEB: dict[str, Any] = {"labelSelector": {"matchLabels": {"app": "web"}}}
APP = {"app": "web"}


def test_a_claim_brings_its_volume() -> None:
    """PVC → PV, by spec.volumeName; volumes of other claims, and of none, stay where they are."""
    plan = planned(
        {
            "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("pending")],
            "other/persistentvolumeclaims": [claim("data", "pv-2")],
            "persistentvolumes": [
                volume("pv-1", "shop/data"), volume("pv-2", "other/data"), volume("pv-3")
            ],
        },
        **SHOP,
    )  # fmt: skip
    assert counts(plan) == {"shop/persistentvolumeclaims": 2, "persistentvolumes": 1}
    assert names_of(plan, "persistentvolumes") == ("pv-1",)
    assert why(plan, "persistentvolumes") == "bound to claim shop/data"


def test_a_volume_that_is_gone_is_a_warning() -> None:
    """A claim may be bound to a volume that is not there any more: the plan says so and goes on."""
    plan = planned({"shop/persistentvolumeclaims": [claim("data", "pv-1")]}, **SHOP)
    assert plan.warnings == ("claim shop/data is bound to volume pv-1, which is not there",)


def test_a_selected_pod_brings_its_claims() -> None:
    """Pod → PVC → PV: a claim that the label selector does not match comes with the Pod that mounts it."""
    plan = planned(
        {
            "shop/pods": [pod("web", "data", labels=APP), pod("db", "rows")],
            "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("rows", "pv-2")],
            "persistentvolumes": [volume("pv-1", "shop/data"), volume("pv-2", "shop/rows")],
        },
        **SHOP,
        **WEB,
    )
    assert counts(plan) == {"shop/pods": 1, "shop/persistentvolumeclaims": 1, "persistentvolumes": 1}
    assert names_of(plan, "shop/persistentvolumeclaims") == ("data",)
    assert why(plan, "shop/persistentvolumeclaims") == "mounted by pod shop/web"


def test_related_items_stand_beside_those_that_the_filters_take() -> None:
    """Where filters and relations take items of one type, the step names all of them and says both."""
    plan = planned(
        {
            "shop/pods": [pod("web", "data", labels=APP)],
            "shop/persistentvolumeclaims": [claim("data", labels={}), claim("cache", labels=APP)],
        },
        **SHOP,
        **WEB,
    )
    assert names_of(plan, "shop/persistentvolumeclaims") == ("cache", "data")
    reason = why(plan, "shop/persistentvolumeclaims")
    assert reason == 'includedNamespaces "shop", labelSelector app=web; also related items'


def test_a_claim_does_not_bring_pods() -> None:
    """Velero takes every Pod on a claim (vmware-tanzu/velero#9078), which is far too much; here it does not come."""
    plan = planned(
        {
            "shop/pods": [pod("web", "data")],
            "shop/persistentvolumeclaims": [claim("data", labels=APP)],
        },
        **SHOP,
        **WEB,
    )
    assert counts(plan) == {"shop/persistentvolumeclaims": 1}


def test_a_service_account_brings_what_it_is_granted() -> None:
    """ServiceAccount → ClusterRoleBindings → ClusterRoles, also through the group of a namespace's accounts."""
    plan = planned(
        {
            "shop/serviceaccounts": named("api"),
            f"clusterrolebindings.{RBAC}": [
                binding("api-reads", "ClusterRole/reader", "shop/api"),
                binding("all-of-shop", "ClusterRole/lister", "shop/*"),
                binding("other", "ClusterRole/writer", "other/api"),
            ],
            f"clusterroles.{RBAC}": named("reader", "lister", "writer", "view"),
        },
        **SHOP,
    )
    assert names_of(plan, f"clusterrolebindings.{RBAC}") == ("all-of-shop", "api-reads")
    assert names_of(plan, f"clusterroles.{RBAC}") == ("lister", "reader")
    reason = why(plan, f"clusterroles.{RBAC}")
    assert reason == "granted by clusterrolebinding all-of-shop, and 1 more like it"


def test_a_selected_service_account_brings_bindings_and_roles_of_its_namespace() -> None:
    """With item filters, RoleBindings that name a selected account come, and the Roles that they grant."""
    plan = planned(
        {
            "shop/serviceaccounts": [row("api", APP), row("db")],
            f"shop/rolebindings.{RBAC}": [
                binding("api", "Role/reads", "shop/api"), binding("db", "Role/writes", "shop/db")
            ],
            f"shop/roles.{RBAC}": named("reads", "writes"),
        },
        **SHOP,
        **WEB,
    )  # fmt: skip
    assert names_of(plan, f"shop/rolebindings.{RBAC}") == ("api",)
    assert names_of(plan, f"shop/roles.{RBAC}") == ("reads",)
    assert why(plan, f"shop/roles.{RBAC}") == "granted by rolebinding shop/api"


def test_a_role_binding_brings_its_cluster_role() -> None:
    """A selected RoleBinding may grant a ClusterRole, without which it is of no use after a restore."""
    plan = planned(
        {
            f"shop/rolebindings.{RBAC}": [binding("viewers", "ClusterRole/view"), binding("own", "Role/reads")],
            f"shop/roles.{RBAC}": named("reads"),
            f"clusterroles.{RBAC}": named("view", "edit"),
        },
        **SHOP,
    )
    assert names_of(plan, f"clusterroles.{RBAC}") == ("view",)
    assert why(plan, f"clusterroles.{RBAC}") == "granted by rolebinding shop/viewers"


def test_a_custom_resource_brings_its_definition() -> None:
    """Custom resource → CRD, for the types of which something is selected."""
    definitions = named("widgets.example.com", "gadgets.example.com")
    plan = planned(
        {
            "shop/widgets.example.com": named("w1"),
            "gadgets.example.com": named("g1"),
            "customresourcedefinitions.apiextensions.k8s.io": definitions,
        },
        **SHOP,
    )
    assert names_of(plan, "customresourcedefinitions.apiextensions.k8s.io") == ("widgets.example.com",)
    assert why(plan, "customresourcedefinitions.apiextensions.k8s.io") == "defines the selected widgets.example.com"


BOUND = {
    "shop/pods": [pod("web", "data", labels=APP)],
    "shop/persistentvolumeclaims": [claim("data", "pv-1")],
    "persistentvolumes": [volume("pv-1", "shop/data")],
}


@pytest.mark.parametrize(
    "spec",
    [
        {"excludedNamespaceScopedResources": ["pvc"]},
        {"excludedResources": ["persistentvolumeclaims"]},
        {"includedResources": ["pods", "persistentvolumes"]},
        {"excludedItems": [{"resource": "pvc", "name": "data"}]},
    ],
)
def test_exclusion_wins_over_relation(spec: dict[str, Any]) -> None:
    """A type or an item that is excluded does not come back through something that mounts it, nor does its volume."""
    assert counts(planned(BOUND, **SHOP, **WEB, **spec)) == {"shop/pods": 1}


@pytest.mark.parametrize("label", EXCLUDE_LABELS)
def test_the_exclude_label_wins_over_relation(label: str) -> None:
    """A volume that carries the exclude label does not come with its claim."""
    plan = planned({**BOUND, "persistentvolumes": [volume("pv-1", "shop/data", labels={label: "true"})]}, **SHOP, **WEB)
    assert counts(plan) == {"shop/pods": 1, "shop/persistentvolumeclaims": 1}


def test_cluster_scoped_items_come_only_where_they_are_wanted() -> None:
    """With includeClusterResources: false not even a claim's own volume comes."""
    plan = planned(BOUND, **SHOP, includeClusterResources=False)
    assert counts(plan) == {"shop/pods": 1, "shop/persistentvolumeclaims": 1}


def test_what_comes_by_relation_is_not_counted_as_left_out() -> None:
    """A claim that includedItems does not name, and that comes with its Pod, is stored and nowhere left out."""
    plan = planned(BOUND, **SHOP, includedItems=[{"resource": "pods", "name": "web"}])
    assert counts(plan) == {"shop/pods": 1, "shop/persistentvolumeclaims": 1, "persistentvolumes": 1}
    assert "not in includedItems" not in left_out(plan).values()
