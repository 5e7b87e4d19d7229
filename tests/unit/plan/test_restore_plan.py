"""The pure parts of a restore's plan: the order of types, as which type they are sent, when a saved plan is stale."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runner.errors import ExitCode
from runner.model.cluster import Discovery, DiscoveryFailure, Resource
from runner.model.plan import Gap
from runner.model.restore import Action, BackupRef, RestorePlan, RestoreStep, TargetCluster
from runner.plan.restore import ADOPTED, MERGED, OURS
from runner.plan.restore_order import CRDS, NAMESPACES, Order
from runner.plan.restore_stale import already_done, restore_stale_reasons
from runner.plan.restore_verdict import restore_exit_code
from runner.plan.served import Coming, Served, coming

WIDGETS = "widgets.example.com"
WEBHOOKS = "validatingwebhookconfigurations.admissionregistration.k8s.io"


# order


def test_definitions_and_namespaces_are_first_whatever_is_asked_for() -> None:
    """Nothing can be created before them."""
    order = Order(high=("secrets", NAMESPACES), low=("pods", CRDS))
    names = ["pods", "configmaps", "secrets", NAMESPACES, CRDS]
    assert sorted(names, key=order.tier) == [CRDS, NAMESPACES, "secrets", "configmaps", "pods"]


def test_types_without_a_priority_share_a_tier() -> None:
    """Many at once."""
    order = Order()
    assert order.tier("deployments.apps") == order.tier(WIDGETS) > order.tier("services")


def test_late_types_and_webhooks_are_last() -> None:
    """An API that needs workloads comes after them, and what could refuse it after that."""
    order = Order(late=[WIDGETS])
    assert order.tier("apps.kappctrl.k14s.io") < order.tier(WIDGETS) < order.tier(WEBHOOKS)
    asked = Order(high=(WEBHOOKS, "secrets"), late=[WIDGETS])
    assert asked.tier(WIDGETS) < asked.tier(WEBHOOKS)


# served


def crd(*versions: tuple[str, bool, bool], webhook: bool = False) -> dict[str, Any]:
    """A definition; a version is its name, whether it is served, and whether it is stored."""
    spec: dict[str, Any] = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": name, "served": served, "storage": storage} for name, served, storage in versions],
    }
    spec |= {"conversion": {"strategy": "Webhook"}} if webhook else {}
    return {"metadata": {"name": WIDGETS}, "spec": spec}


def deployments(version: str, *others: str) -> Served:
    """A cluster that serves Deployments alone."""
    resource = Resource("apps", "deployments", version, "Deployment", namespaced=True, other_versions=others)
    return Served(Discovery((resource,), (DiscoveryFailure("x.com/v1", "no backend"),)), Coming())


@pytest.mark.parametrize(
    ("served", "version", "mapped"),
    [(("v1",), "v1", ""), (("v2", "v1"), "v1", ""), (("v2",), "v2", "apps/v1"), (("v2", "v1beta1"), "v2", "apps/v1")],
)
def test_the_version_that_items_are_sent_in(served: tuple[str, ...], version: str, mapped: str) -> None:
    """The stored one where it is served, else the preferred one: that is said, and validated strictly."""
    route = deployments(*served).route("deployments.apps", "apps/v1", "Deployment")
    assert route.resource is not None
    assert (route.resource.version, route.mapped, route.problem) == (version, mapped, "")


def test_a_type_that_nobody_serves() -> None:
    """It is refused in the plan; where its API is just down, that is the reason."""
    made = deployments("v1")
    assert "serves no widgets.example.com" in made.route(WIDGETS, "example.com/v1", "Widget").problem
    assert made.route("widgets.x.com", "x.com/v1", "W").problem == "x.com/v1 cannot be discovered: no backend"


@pytest.mark.parametrize(
    ("versions", "stored", "sent", "mapped"),
    [
        ([("v1", True, True)], "v1", "v1", ""),
        ([("v1", True, False), ("v2", True, True)], "v1", "v1", ""),
        ([("v1", False, True), ("v2", True, False)], "v1", "v2", "example.com/v1"),
        ([("v1", True, False), ("v2", True, True)], "v0", "v2", "example.com/v0"),
    ],
)
def test_a_type_that_comes_with_the_restore(
    versions: list[tuple[str, bool, bool]], stored: str, sent: str, mapped: str
) -> None:
    """In its stored version where its definition serves it, else in that which it stores, or serves."""
    served = Served(Discovery(()), coming([crd(*versions)], []))
    route = served.route(WIDGETS, f"example.com/{stored}", "Widget")
    assert route.resource is not None
    assert (route.resource.version, route.mapped, route.after) == (sent, mapped, f"customresourcedefinition {WIDGETS}")


def test_types_that_need_workloads() -> None:
    """A conversion webhook, or an APIService with a service behind it."""
    service = {"spec": {"group": "metrics.example.com", "version": "v1", "service": {"name": "m", "namespace": "x"}}}
    local = {"spec": {"group": "apps", "version": "v1"}}
    brings = coming([crd(("v1", True, True), webhook=True)], [service, local])
    assert brings.late == {WIDGETS}
    assert brings.aggregated == {"metrics.example.com/v1"}
    route = Served(Discovery(()), brings).route("pods.metrics.example.com", "metrics.example.com/v1", "PodMetrics")
    assert route.after == "apiservice v1.metrics.example.com"


def test_a_definition_that_serves_nothing() -> None:
    """It brings no type; nor does one that is none."""
    assert not coming([crd(("v1", False, True)), {"spec": "none"}], [{"spec": "none"}]).definitions


# stale


def plan(*fates: tuple[str, Action, str], uid: str = "u", digest: str = "d", **more: Any) -> RestorePlan:
    """A plan of ConfigMaps in one namespace: name, action, why."""
    steps = tuple(
        RestoreStep(14, "configmaps", "v1", "ConfigMap", "shop", action, why, (name,)) for name, action, why in fates
    )
    fields: dict[str, Any] = {
        "format_version": "1.0",
        "kind": "RestorePlan",
        "digest": "",
        "backup": BackupRef("b1", "demo", "daily", digest, ""),
        "target": TargetCluster(uid, "", ""),
        "policy_name": "try",
        "policy": {},
        "location": {},
        "steps": steps,
        "changes": (),
        "left_out": (),
        "gaps": (),
        "empty_includes": (),
        "warnings": (),
    }
    return RestorePlan(**{**fields, **more})


@pytest.mark.parametrize(
    ("saved", "now", "why", "stale"),
    [
        ("create", "create", "", False),
        ("create", "unchanged", "", False),
        ("create", "update", MERGED, False),  # the namespace's own account came first
        ("create", "update", ADOPTED, False),
        ("create", "skip", OURS, False),
        ("create", "skip", "it is there and differs", True),
        ("create", "update", "it differs", True),
        ("create", "recreate", "it differs", True),
        ("update", "update", "", False),
        ("update", "unchanged", "", False),
        ("update", "create", "", True),
        ("update", "conflict", "", True),
        ("recreate", "create", "", False),
        ("recreate", "recreate", "", False),
        ("recreate", "update", "", True),
        ("unchanged", "unchanged", "", False),
        ("unchanged", "skip", "", False),
        ("unchanged", "create", "", True),
        ("skip", "update", "", True),
        ("invalid", "create", "", True),
    ],
)
def test_what_may_have_become_of_an_item(saved: Action, now: Action, why: str, stale: bool) -> None:
    """Only what the saved plan names may change, and only as it names it, or as a run that was killed left it."""
    reasons = restore_stale_reasons(plan(("web", saved, "")), plan(("web", now, why)))
    assert bool(reasons) is stale
    if stale:
        assert "shop/configmaps/web would be" in reasons[0]


def test_an_item_that_the_saved_plan_does_not_have() -> None:
    """Nothing that nobody has seen is changed."""
    assert restore_stale_reasons(plan(), plan(("web", "create", ""))) == (
        "shop/configmaps/web would be created now, and the plan does not have it",
    )
    assert not restore_stale_reasons(plan(), plan(("web", "skip", "")))
    assert not restore_stale_reasons(plan(("web", "create", "")), plan())


def test_an_item_that_is_refused_and_made_otherwise() -> None:
    """A damaged Namespace is in a plan twice: refused as it was stored, and made from its name."""
    twice = plan(("shop", "create", "needed"), ("shop", "invalid", "damaged"))
    assert not restore_stale_reasons(twice, twice)


def test_another_cluster_or_backup() -> None:
    """That is told alone: no item need be looked at."""
    saved = plan(("web", "create", ""))
    assert "UID u, this one is v" in restore_stale_reasons(saved, plan(("x", "create", ""), uid="v"))[0]
    assert "is not the one" in restore_stale_reasons(saved, plan(("x", "create", ""), digest="e"))[0]


def test_many_reasons_are_cut() -> None:
    """Ten are enough to see."""
    reasons = restore_stale_reasons(plan(), plan(*((f"c{n}", "create", "") for n in range(15))))
    assert (len(reasons), reasons[-1]) == (11, "and 5 more")


def test_how_much_is_done_already() -> None:
    """What the saved plan was to change, and needs nothing any more."""
    saved = plan(("a", "create", ""), ("b", "create", ""), ("c", "update", ""), ("d", "skip", ""))
    assert already_done(saved, plan(("a", "unchanged", ""), ("b", "create", ""))) == 2


# verdict


@pytest.mark.parametrize("action", ["conflict", "invalid"])
def test_findings_of_a_plan(action: Action) -> None:
    """Conflicts, refusals, gaps and includes that match nothing are findings, whatever else there is."""
    assert restore_exit_code(plan(("a", action, ""), ("b", "create", "")), detailed=True) == ExitCode.FINDINGS
    for more in ({"gaps": (Gap("a right", "missing"),)}, {"empty_includes": ("includedNamespaces: x",)}):
        assert restore_exit_code(plan(**more), detailed=False) == ExitCode.FINDINGS


def test_changes_of_a_plan() -> None:
    """Only where the detailed code is asked for; skipped items are no change."""
    changing = plan(("a", "create", ""))
    assert restore_exit_code(changing, detailed=True) == ExitCode.CHANGES
    assert restore_exit_code(changing, detailed=False) == ExitCode.DONE
    assert restore_exit_code(plan(("a", "skip", "")), detailed=True) == ExitCode.DONE
    assert msgspec.json.decode(msgspec.json.encode(changing), type=RestorePlan) == changing
