"""What the API server itself says before anything changes, and the rights that are missing: both in the plan."""

from __future__ import annotations

from typing import Any

import pytest

from runner.engine.restore.dry_run import DELETED_FIRST, NO_NAMESPACE, NO_TYPE, QUOTA
from runner.errors import (
    ApplyConflict,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ExitCode,
    OwnedField,
    QuotaExceeded,
    Rejected,
    Unauthorized,
)
from runner.model.cluster import Right
from runner.model.restore import RestorePlan
from runner.plan.restore_verdict import restore_exit_code
from tests.fakes.cluster import FakeCluster, config_map, definition
from tests.fakes.restore_stage import RestoreStage

RBAC = "rbac.authorization.k8s.io"


def said(plan: RestorePlan) -> dict[str, tuple[str, str, str]]:
    """What the plan says of each ConfigMap and Widget: action, why, unverifiable."""
    return {
        name: (step.action, step.why, step.unverifiable)
        for step in plan.steps
        if step.resource in {"configmaps", "widgets.example.com"}
        for name in step.names
    }


def shop(*names: str, **live: Any) -> RestoreStage:
    """A backup of ConfigMaps, and a target that has their namespace."""
    target = FakeCluster(config_map("shop", "other"), *live.values())
    return RestoreStage(*(config_map("shop", name, a="1") for name in names), target=target)


def test_what_is_valid_stays_as_planned() -> None:
    """Each item is asked for, nothing is changed, and the plan says that it was asked."""
    made = shop("a", "b", c=config_map("shop", "c", a="2"))
    before = dict(made.target.found("configmaps", "shop", "c"))
    plan = made.planned(server_dry_run=True, existingResourcePolicy="update").plan
    assert plan.server_dry_run
    assert {what[0] for what in said(plan).values()} == {"create"}
    writes = [call for call in made.target.calls if call.verb in {"create", "apply", "merge", "delete"}]
    assert [(call.name, call.dry_run) for call in writes] == [("a", True), ("b", True)]
    assert made.target.found("configmaps", "shop", "c") == before
    assert plan.digest != made.plan(existingResourcePolicy="update").digest


@pytest.mark.parametrize(
    ("error", "action", "why", "unverifiable"),
    [
        (Rejected("data: too long"), "invalid", "the API server refuses it: data: too long", ""),
        (QuotaExceeded("exceeded quota"), "invalid", "exceeded quota", ""),
        (ClusterBusy("failed calling webhook"), "create", "it is not there", "failed calling webhook"),
        (
            Rejected('admission webhook "x" does not support dry run'),
            "create",
            "it is not there",
            "a webhook that it meets has side effects, and is not asked in a dry run",
        ),
    ],
)
def test_what_the_api_server_says(error: ClusterError, action: str, why: str, unverifiable: str) -> None:
    """A refusal makes the item invalid; what it cannot tell is marked, and not called valid; others are as planned."""
    made = shop("a", "b")
    made.target.reject = lambda _v, _t, _s, name, _b: error if name == "a" else None
    plan = made.planned(server_dry_run=True).plan
    assert said(plan) == {"a": (action, why, unverifiable), "b": ("create", "it is not there", "")}
    assert restore_exit_code(plan, detailed=False) == (ExitCode.FINDINGS if action == "invalid" else ExitCode.DONE)
    made.target.reject = lambda *_: None
    assert made.restore(planned=made.planned(server_dry_run=True)).created == 2


def test_a_conflict_that_the_api_server_reports() -> None:
    """By field and owner; the item is left."""
    made = shop("a", a=config_map("shop", "a", a="2"))
    owned = ApplyConflict("conflict", fields=(OwnedField(".data.a", "helm"),))
    made.target.reject = lambda verb, *_: owned if verb == "apply" else None
    planned = made.planned(server_dry_run=True, existingResourcePolicy="update")
    assert said(planned.plan) == {"a": ("conflict", "others own what would change: .data.a (helm)", "")}
    assert made.restore(planned=planned).updated == 0


def test_what_cannot_be_known_yet() -> None:
    """A namespace or a type that comes with the restore, and what must be deleted first."""
    made = RestoreStage(config_map("new", "a"))
    assert said(made.planned(server_dry_run=True).plan)["a"][2] == NO_NAMESPACE
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}}
    made = RestoreStage(definition("widgets", "Widget", "example.com"), widget)
    assert said(made.planned(server_dry_run=True).plan)["w"][2] == NO_TYPE
    made = shop("a", a=config_map("shop", "a", a="2"))
    planned = made.planned(server_dry_run=True, existingResourcePolicy="recreate")
    assert said(planned.plan) == {"a": ("recreate", "it differs: existingResourcePolicy recreate", DELETED_FIRST)}


def test_what_is_still_being_deleted() -> None:
    """The API server would only say that it is there: that is no refusal, and not worth twenty seconds of retries."""
    going = config_map("shop", "a", a="2")
    going["metadata"] |= {"deletionTimestamp": "2026-03-01T01:59:00Z", "finalizers": ["x/y"]}
    made = shop("a", a=going)
    assert said(made.planned(server_dry_run=True).plan)["a"] == (
        "create",
        "it is being deleted: it is created when it is gone",
        DELETED_FIRST,
    )
    assert made.clock.passed == 0


def test_a_quota_counts_the_sum() -> None:
    """Each item alone may have room: what is created in such a namespace is unverifiable."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"}}
    assert said(shop("a", quota=quota).planned(server_dry_run=True).plan)["a"][2] == QUOTA
    made = shop("a")
    made.target.forbid("resourcequotas")
    assert said(made.planned(server_dry_run=True).plan)["a"][2] == QUOTA


@pytest.mark.parametrize("error", [ClusterUnreachable("connection refused"), Unauthorized("401")])
def test_a_dry_run_that_ends(error: ClusterError) -> None:
    """No answer at all is no answer to an item."""
    made = shop("a")
    made.target.reject = lambda *_: error
    with pytest.raises(type(error)):
        made.planned(server_dry_run=True)


# rights


class Limited(FakeCluster):
    """A cluster in which we may do what `allowed` says, and nothing else."""

    allowed: frozenset[tuple[str, str, str]] = frozenset()  # verb, type, namespace

    def may(self, right: Right) -> bool:
        """As the port has it."""
        return (right.verb, right.resource.name, right.namespace) in self.allowed


def gaps(made: RestoreStage, **spec: Any) -> list[str]:
    """What a plan says is missing."""
    return [gap.what for gap in made.plan(**spec).gaps]


def test_rights_that_are_missing() -> None:
    """By verb: create for what is new, patch for updates, delete and create for what is recreated."""
    made = RestoreStage(
        config_map("shop", "new"),
        config_map("shop", "other", a="1"),
        target=Limited(config_map("shop", "other", a="2")),
    )
    assert gaps(made) == ["the right to create configmaps in namespace shop"]
    assert gaps(made, existingResourcePolicy="update") == [
        "the right to create configmaps in namespace shop",
        "the right to patch configmaps in namespace shop",
    ]
    assert len(gaps(made, existingResourcePolicy="recreate")) == 2
    plan = made.plan()
    assert restore_exit_code(plan, detailed=False) == ExitCode.FINDINGS


def test_rights_by_namespace_or_everywhere() -> None:
    """Either is enough, and none is asked for that is not needed."""
    target = Limited(config_map("shop", "other"))
    made = RestoreStage(config_map("shop", "new"), target=target)
    for namespace in ("", "shop"):
        target.allowed = frozenset({("create", "configmaps", namespace)})
        assert gaps(made) == []
    target.allowed = frozenset({("create", "configmaps", "else")})
    assert gaps(made) == ["the right to create configmaps in namespace shop"]


def test_rights_to_grant() -> None:
    """Roles need `escalate`, bindings `bind`: without, the API server refuses what grants more than we have."""
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "shop"}, "rules": []}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": "shop"},
        "roleRef": {"kind": "Role", "name": "r", "apiGroup": RBAC},
    }
    target = Limited(config_map("shop", "other"))
    made = RestoreStage(role, binding, target=target)
    target.allowed = frozenset({("create", f"{plural}.{RBAC}", "shop") for plural in ("roles", "rolebindings")})
    assert gaps(made) == [
        f"the right to bind clusterroles.{RBAC} in namespace shop",
        f"the right to bind roles.{RBAC} in namespace shop",
        f"the right to escalate roles.{RBAC} in namespace shop",
    ]
    target.allowed |= {
        ("bind", f"clusterroles.{RBAC}", ""),
        ("bind", f"roles.{RBAC}", ""),
        ("escalate", f"roles.{RBAC}", "shop"),
    }
    assert gaps(made) == []


def test_who_may_do_everything_is_asked_once() -> None:
    """As administrators are."""
    made = shop("a")
    made.plan()
    assert len([call for call in made.target.calls if call.verb == "may"]) == 1


def test_a_type_that_may_not_be_listed_is_a_gap() -> None:
    """Whether its items are there is not known then: they are created, and found there if they are."""
    made = shop("a", a=config_map("shop", "a", a="1"))
    made.target.forbid("configmaps", verbs=["list"])
    assert gaps(made) == ["configmaps in namespace shop"]
    result = made.restore()
    assert (result.already, result.failed, result.exit_code) == (1, (), ExitCode.FINDINGS)


def test_namespaces_that_may_not_be_listed() -> None:
    """Who may not list them may still read those that are meant: nothing is unknown then."""
    made = shop("a")
    made.target.forbid("namespaces", verbs=["list", "create"])
    assert gaps(made, excludedResources=["namespaces"]) == []
    assert made.restore(excludedResources=["namespaces"]).created == 1


def test_namespaces_that_may_not_be_read_are_a_gap() -> None:
    """Who may not see them may still write into them: what is not there shows itself then."""
    made = shop("a")
    made.target.forbid("namespaces", verbs=["list", "get", "create"])
    assert "namespaces" in gaps(made, excludedResources=["namespaces"])
    assert made.restore(excludedResources=["namespaces"]).created == 1
