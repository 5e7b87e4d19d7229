"""From policy and cluster to a plan, and from a saved plan back to a cluster that it still fits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runner.engine.planning import Planned, make_plan, plan_from, recheck, resolved_of
from runner.engine.retry import Retrier
from runner.errors import FormatError, PlanStale, UsageError
from runner.model.inventory import Inventory
from runner.model.plan import Plan
from runner.model.policy_set import ResolvedPolicy
from runner.ports import ClusterReader
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import FakeCluster, config_map
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.unit.plan.build import policy


def cluster_of(*objects: dict[str, Any]) -> FakeCluster:
    """A cluster of few types."""
    return FakeCluster(*objects, serves=["configmaps", "secrets"])


def made(cluster: ClusterReader, resolved: ResolvedPolicy) -> Planned:
    """A plan, made now."""
    return make_plan(resolved, cluster, SimulatedExecutor(), Retrier(SimulatedClock(), RecordingObserver()))


def rechecked(saved: Plan, current: ResolvedPolicy | None, cluster: ClusterReader) -> Planned:
    """A saved plan, held against a cluster."""
    return recheck(saved, current, cluster, SimulatedExecutor(), Retrier(SimulatedClock(), RecordingObserver()))


def nameless(inventory: Inventory) -> Inventory:
    """As if kube-system could not be read."""
    return msgspec.structs.replace(inventory, cluster=msgspec.structs.replace(inventory.cluster, uid=""))


def test_a_plan_comes_with_what_it_rests_on() -> None:
    """Steps of what is there; the inventory is that of now."""
    planned = made(cluster_of(config_map("shop", "web")), policy())
    assert [(step.resource, step.namespace, step.count) for step in planned.plan.steps] == [
        ("namespaces", "", 3),
        ("configmaps", "shop", 1),
    ]
    assert {row.name for row in planned.inventory.namespaces} == {"default", "kube-system", "shop"}
    assert planned.differences == ()


def test_the_same_cluster_gives_the_same_plan() -> None:
    """Byte for byte, and so with one digest."""
    plans = [made(cluster_of(config_map("shop", "web")), policy()).plan for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0].digest.startswith("sha256:")


def test_a_cluster_without_a_name_needs_one_in_the_policy() -> None:
    """The error says how to give it; with it, everything is well."""
    unnamed = policy(clusterName=None)
    inventory = made(cluster_of(), unnamed).inventory
    assert plan_from(unnamed, inventory).cluster.name == inventory.cluster.uid
    with pytest.raises(UsageError) as nobody:
        plan_from(unnamed, nameless(inventory))
    assert "spec.clusterName" in nobody.value.hint
    assert plan_from(policy(clusterName="prod"), nameless(inventory)).cluster.name == "prod"


def test_a_saved_plan_that_fits_is_run_as_it_is() -> None:
    """What has changed is told, and not planned."""
    cluster = cluster_of(config_map("shop", "web"))
    saved = made(cluster, policy()).plan
    cluster.put(config_map("shop", "api"), config_map("other", "x"))
    planned = rechecked(saved, policy(), cluster)
    assert planned.plan == saved
    assert "configmaps in shop: 2 items now, 1 when it was planned" in planned.differences
    assert "configmaps in other: new since the plan, not stored" in planned.differences
    assert "other" in {row.name for row in planned.inventory.namespaces}


def test_a_saved_plan_needs_no_policy_at_hand() -> None:
    """It embeds the policy that it was made from."""
    cluster = cluster_of(config_map("shop", "web"))
    saved = made(cluster, policy(includedNamespaces=["shop"])).plan
    assert rechecked(saved, None, cluster).differences == ()


def test_a_changed_policy_makes_a_plan_stale_before_the_cluster_is_asked() -> None:
    """The reason names it."""
    cluster = cluster_of(config_map("shop", "web"))
    saved = made(cluster, policy()).plan
    cluster.calls.clear()
    with pytest.raises(PlanStale) as stale:
        rechecked(saved, policy(excludedNamespaces=["shop"]), cluster)
    assert stale.value.reasons == ("the policy daily has changed since",)
    assert cluster.calls == []


def test_a_plan_whose_namespace_is_gone_is_stale() -> None:
    """Each reason is named, and the hint makes a new one."""
    cluster = cluster_of(config_map("shop", "web"))
    saved = made(cluster, policy()).plan
    cluster.delete("configmaps", "shop", "web")
    cluster.delete("namespaces", "", "shop")
    with pytest.raises(PlanStale) as stale:
        rechecked(saved, policy(), cluster)
    assert stale.value.reasons == ("namespace shop is gone",)


def test_a_plan_gives_its_policy_back() -> None:
    """What a plan embeds is the policy and the location it was made from."""
    resolved = policy(includedNamespaces=["shop"], labelSelector={"matchLabels": {"a": "b"}})
    again = resolved_of(made(cluster_of(), resolved).plan)
    assert again.policy == resolved.policy
    assert again.location == resolved.location


def test_a_plan_with_a_policy_that_is_none_is_refused() -> None:
    """As a later version may write it: an error of ours, with what to do."""
    plan = made(cluster_of(), policy()).plan
    spec = {**plan.policy["spec"], "fromTheFuture": True}
    for strange in (
        msgspec.structs.replace(plan, policy={**plan.policy, "spec": spec}),
        msgspec.structs.replace(plan, location={"provider": "tape"}),
    ):
        with pytest.raises(FormatError) as refused:
            resolved_of(strange)
        assert "anew" in refused.value.hint
