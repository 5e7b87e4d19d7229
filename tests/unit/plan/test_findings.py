"""Tests of what a person must know before trusting a plan: includes that match nothing, and what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from runner.errors import ExitCode
from runner.model.cluster import DiscoveryFailure
from runner.model.inventory import Row, Unreadable
from runner.plan.verdict import blocked_by_volumes, plan_exit_code
from tests.unit.plan.build import RBAC, claim, counts, named, namespace, planned, pod, seen, volume
from tests.unit.plan.ledgers import FILES

CLUSTER = {"shop/configmaps": named("web"), "shop/secrets": named("tls"), "nodes": named("n1")}

# includes that match nothing


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        ({"includedNamespaces": ["shop", "shp-*"]}, 'includedNamespaces "shp-*" matches no namespace'),
        ({"includedResources": ["secrets", "secretz"]}, '"secretz" matches no type'),
        ({"includedNamespaceScopedResources": ["secrets", "*.shop.io"]}, '"*.shop.io" matches no type'),
        ({"includedClusterScopedResources": ["nodez"]}, '"nodez" matches no type'),
        (
            {"includedItems": [{"name": "web"}, {"resource": "secrets", "name": "x*"}]},
            "includedItems secrets/x* in * matches nothing",
        ),
        (
            {"namespaceSelector": {"matchLabels": {"backup": "yes"}}},
            "namespaceSelector backup=yes matches no namespace",
        ),
        (
            {"includedNamespaces": ["shop"], "includedNamespaceScopedResources": ["pods"]},
            "the policy selects no item at all",
        ),
        ({"labelSelector": {"matchLabels": {"no": "where"}}}, "the policy selects no item at all"),
    ],
)
def test_an_include_that_matches_nothing_is_a_finding(spec: dict[str, Any], finding: str) -> None:
    """A misspelt include must not make a green, empty backup (velero#9566): it is named, and decides the exit code."""
    plan = planned(CLUSTER, **spec)
    assert finding in plan.empty_includes
    assert plan_exit_code(plan) is ExitCode.FINDINGS


def test_includes_that_match_are_no_findings() -> None:
    """Patterns that find what they name, be it nothing but a type without items, are well."""
    plan = planned(CLUSTER, includedNamespaces=["sh?p"], includedResources=["secrets", "pods", "nodes"])
    assert plan.empty_includes == ()
    assert plan_exit_code(plan) is ExitCode.DONE


def test_allow_empty_accepts_it() -> None:
    """With allowEmpty an include that matches nothing is meant."""
    plan = planned(CLUSTER, includedNamespaces=["nowhere"], allowEmpty=True)
    assert plan.empty_includes == ()
    assert plan_exit_code(plan) is ExitCode.DONE


def test_the_namespace_itself_can_be_what_an_include_means() -> None:
    """An entry of includedItems that names a Namespace finds it, though items alone are counted elsewhere."""
    plan = planned(CLUSTER, includedItems=[{"resource": "namespaces", "name": "shop"}, {"name": "tls"}])
    assert plan.empty_includes == ()


# what cannot be read


@pytest.mark.parametrize(
    ("lost", "spec", "what"),
    [
        (Unreadable("secrets", "", "no"), {}, "secrets"),
        (Unreadable("secrets", "shop", "no"), {}, "secrets in namespace shop"),
        (Unreadable(f"clusterroles.{RBAC}", "", "no"), {"includedNamespaces": ["shop"]}, f"clusterroles.{RBAC}"),
    ],
)
def test_what_is_selected_and_cannot_be_read_is_a_gap(lost: Unreadable, spec: dict[str, Any], what: str) -> None:
    """A 403 for something selected, or for something related to it, is a line of the plan, and exit code 4."""
    plan = planned(seen(CLUSTER, unreadable=[lost]), **spec)
    assert [(gap.what, gap.reason) for gap in plan.gaps] == [(what, "no")]
    assert plan_exit_code(plan) is ExitCode.FINDINGS


@pytest.mark.parametrize(
    ("lost", "spec"),
    [
        (Unreadable("secrets", "", "no"), {"excludedResources": ["secrets"]}),
        (Unreadable("secrets", "kube-system", "no"), {"includedNamespaces": ["shop"]}),
        (Unreadable("nodes", "", "no"), {"includedNamespaces": ["shop"]}),
        (Unreadable("nodes", "", "no"), {"includeClusterResources": False}),
    ],
)
def test_what_is_not_selected_may_be_unreadable(lost: Unreadable, spec: dict[str, Any]) -> None:
    """Nobody misses what the policy leaves out, nor cluster-scoped types that nothing is related to."""
    assert planned(seen(CLUSTER, unreadable=[lost]), **spec).gaps == ()


def test_several_gaps_are_sorted_and_said_once() -> None:
    """The order in which requests failed is not the plan's."""
    lost = [Unreadable("secrets", "shop", "no"), Unreadable("configmaps", "shop", "no")]
    plan = planned(seen(CLUSTER, unreadable=[*lost, *lost]))
    assert [gap.what for gap in plan.gaps] == ["configmaps in namespace shop", "secrets in namespace shop"]


def test_namespaces_named_one_by_one_need_not_be_listed() -> None:
    """Where namespaces may not be listed, those that are named without globs were asked for by name: no gap."""
    inventory = seen(CLUSTER, unreadable=[Unreadable("namespaces", "", "no")])
    assert planned(inventory, includedNamespaces=["shop"]).gaps == ()


def test_a_glob_over_namespaces_that_may_not_be_listed_is_a_gap() -> None:
    """Nobody knows what `team-*` would have matched."""
    inventory = seen(CLUSTER, unreadable=[Unreadable("namespaces", "", "no")])
    plan = planned(inventory, includedNamespaces=["shop", "team-*"])
    assert [gap.what for gap in plan.gaps] == ["namespaces"]
    assert plan.empty_includes == ()


def test_a_namespace_that_may_not_be_read_itself_is_a_gap() -> None:
    """Its items are stored, the Namespace object is not: a line, unless the policy leaves Namespaces out."""
    inventory = seen(CLUSTER, namespaces=[Row("shop")], unreadable=[Unreadable("namespaces", "", "no")])
    plan = planned(inventory, includedNamespaces=["shop"])
    assert counts(plan) == {"shop/configmaps": 1, "shop/secrets": 1}
    assert [gap.what for gap in plan.gaps] == ["namespaces shop"]
    without = planned(inventory, includedNamespaces=["shop"], excludedClusterScopedResources=["namespaces"])
    assert without.gaps == ()


DOWN = DiscoveryFailure("metrics.example.io/v1", "503 service unavailable")


@pytest.mark.parametrize(
    ("spec", "is_gap"),
    [
        ({}, True),
        ({"includedResources": ["*.example.io"]}, True),
        # No type that is known answers to this: it may be one of the group that is down.
        ({"includedResources": ["secrets", "nodes.metrics.example.io"]}, True),
        ({"includedResources": ["secrets", "nodemetrics"]}, True),
        ({"includedNamespaceScopedResources": ["secrets"], "includedClusterScopedResources": "all"}, True),
        ({"includedNamespaceScopedResources": ["secrets"], "includedClusterScopedResources": ["*"]}, True),
        ({"excludedNamespaceScopedResources": ["*.metrics.example.io"], "includeClusterResources": None}, True),
        ({"includedResources": ["secrets"]}, False),
        ({"excludedResources": ["*.metrics.example.io"]}, False),
        (
            {
                "excludedNamespaceScopedResources": ["*.metrics.example.io"],
                "excludedClusterScopedResources": ["*.metrics.example.io"],
            },
            False,
        ),
        ({"includedNamespaceScopedResources": ["secrets"], "includedClusterScopedResources": ["nodes"]}, False),
    ],
)
def test_a_group_that_is_down_is_a_gap_where_it_might_be_selected(spec: dict[str, Any], is_gap: bool) -> None:
    """An aggregated API without a backend hides its types: a line if any filter might have taken one, else none."""
    plan = planned(seen(CLUSTER, failures=[DOWN]), **{key: value for key, value in spec.items() if value is not None})
    expected = [("every type of metrics.example.io/v1", "503 service unavailable")] if is_gap else []
    assert [(gap.what, gap.reason) for gap in plan.gaps] == expected


# uncovered volumes and the exit code


@pytest.mark.parametrize(
    ("wish", "code"), [("fail", ExitCode.FINDINGS), ("warn", ExitCode.DONE), ("ignore", ExitCode.DONE)]
)
def test_uncovered_volumes_decide_as_the_policy_wants(wish: str, code: ExitCode) -> None:
    """With onUncovered: fail the plan is a finding and blocks a run; the other two let it go on."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1")],
        "persistentvolumes": [volume("pv-1", "shop/data")],
    }
    plan = planned(contents, onUncovered=wish)
    assert plan_exit_code(plan) is code
    assert blocked_by_volumes(plan) is (wish == "fail")


def test_uncovered_volumes_block_by_default() -> None:
    """A policy that says nothing of uncovered volumes wants to know of them before anything is written."""
    contents = {"shop/persistentvolumeclaims": [claim("data", "pv-1")]}
    assert blocked_by_volumes(planned(contents))


def test_namespaces_without_anything_are_still_backed_up() -> None:
    """An empty namespace is an object too; that alone is a finding, since the policy selects no item."""
    plan = planned(seen({}, namespaces=[namespace("empty")]))
    assert [step.names for step in plan.steps] == [("empty",)]
    assert plan.empty_includes == ("the policy selects no item at all",)


def test_labels_that_may_not_be_read_are_a_gap() -> None:
    """A namespaceSelector that asks for labels nobody may read is named, and is no silence."""
    unseen = Row(name="shop")  # without uid: it was named, and may not be got
    forbidden = Unreadable(resource="namespaces", namespace="", reason="forbidden")
    plan = planned(
        seen({}, namespaces=[unseen], unreadable=[forbidden]),
        includedNamespaces=["shop"],
        namespaceSelector={"matchLabels": {"team": "a"}},
    )
    assert any(gap.what == "namespaces shop" and "namespaceSelector" in gap.reason for gap in plan.gaps)


# warnings

ONE_MAP = {"shop/configmaps": named("web")}


def test_commands_on_this_machine_are_a_warning() -> None:
    """Whoever reviews the plan must see what would be run outside the cluster."""
    hooks = {"beforeRun": [{"command": ["notify", "--begin"]}], "onFailure": [{"command": ["page"]}]}
    assert planned(ONE_MAP, hooks=hooks).warnings == (
        "this policy runs 2 commands on the machine that runs it: notify --begin; page",
    )
    (alone,) = planned(ONE_MAP, hooks={"onSuccess": [{"command": ["notify"]}]}).warnings
    assert alone == "this policy runs a command on the machine that runs it: notify"
    assert planned(ONE_MAP, hooks={}).warnings == ()


def test_files_that_may_change_meanwhile_are_one_warning() -> None:
    """Those that Pods mount and no hook freezes, as a number; others are not counted."""
    contents = {
        "shop/persistentvolumeclaims": [claim(name, f"pv-{name}") for name in ("a", "b", "frozen", "idle", "job")],
        "shop/pods": [
            pod("x", "a", "b", phase="Running"),
            pod("db", "frozen", phase="Running", containers=("db",), labels={"app": "db"}),
            pod("job", "job", phase="Succeeded"),
        ],
        "persistentvolumes": [volume(f"pv-{name}", f"shop/{name}") for name in ("a", "b", "frozen", "idle", "job")],
    }
    freeze = {
        "name": "freeze",
        "labelSelector": {"matchLabels": {"app": "db"}},
        "pre": [{"exec": {"command": ["sync"]}}],
    }
    spec = {**FILES, "hooks": {"resources": [freeze]}, "volumePolicies": [{"action": {"type": "fs-backup"}}]}
    assert planned(contents, **spec).warnings == (
        "2 volumes are stored file by file while Pods may write, and no hook freezes them: files may not fit together",
    )
    assert planned({**contents, "shop/pods": []}, **{**spec, "hooks": {}}).warnings == ()
