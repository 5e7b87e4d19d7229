"""Tests of whether a saved plan still fits: what forbids it, and what is merely worth reading."""

from __future__ import annotations

import msgspec

from runner.model.cluster import ClusterIdentity
from runner.model.inventory import Unreadable
from runner.plan.stale import differences, policy_reasons, stale_reasons
from tests.unit.plan.build import claim, named, namespace, planned, policy, seen, volume

CLUSTER = {
    "shop/configmaps": named("web", "api"),
    "shop/widgets.example.com": named("w"),
    "shop/persistentvolumeclaims": [claim("data", "pv-1")],
    "persistentvolumes": [volume("pv-1", "shop/data")],
}


def test_a_plan_fits_the_cluster_it_was_made_for() -> None:
    """Nothing has changed: nothing forbids it, and there is nothing to say."""
    plan, inventory = planned(CLUSTER), seen(CLUSTER)
    assert stale_reasons(plan, plan, inventory) == ()
    assert differences(plan, plan) == ()


def test_another_cluster_forbids_it() -> None:
    """Whatever else is the same: the UID is another, and that is the one reason that is given."""
    plan, inventory = planned(CLUSTER), seen({})
    elsewhere = msgspec.structs.replace(inventory, cluster=ClusterIdentity("other", "prod", "https://prod"))
    (reason,) = stale_reasons(plan, planned(elsewhere), elsewhere)
    assert "other" in reason


def test_a_type_a_namespace_or_a_volume_that_is_gone_forbids_it() -> None:
    """Each is named; volumes of a namespace that is gone are not named once more."""
    plan = planned({**CLUSTER, "old/persistentvolumeclaims": [claim("x", "pv-9")], "old/secrets": named("s")})
    left = {"shop/configmaps": named("web"), "persistentvolumes": [volume("pv-1")]}
    types = tuple(known for known in seen({}).resources if known.name != "widgets.example.com")
    inventory = seen(left, resources=types)
    assert stale_reasons(plan, planned(inventory), inventory) == (
        "type widgets.example.com is not served any more",
        "namespace old is gone",
        "persistentvolumeclaims/shop/data is gone, or not selected any more",
    )


def test_a_changed_policy_or_location_forbids_it() -> None:
    """What is in git now is compared with what the plan embeds."""
    plan = planned(CLUSTER)
    assert policy_reasons(plan, policy()) == ()
    assert policy_reasons(plan, policy(includedNamespaces=["shop"])) == ("the policy daily has changed since",)
    moved = policy(storageLocation={"provider": "filesystem", "path": "/elsewhere"})
    assert "the storage location has changed since" in policy_reasons(plan, moved)


def test_other_differences_are_worth_reading() -> None:
    """More, fewer, new and no items of a type, and what cannot be read any more: said, and no reason to stop."""
    plan = planned(CLUSTER)
    now = seen(
        {
            "shop/configmaps": named("web", "api", "more"),
            "shop/secrets": named("new"),
            "shop/persistentvolumeclaims": [claim("data", "pv-1")],
            "persistentvolumes": [volume("pv-1", "shop/data")],
        },
        namespaces=[namespace("shop")],
        unreadable=[Unreadable("pods", "", "forbidden")],
    )
    assert stale_reasons(plan, planned(now), now) == ()
    assert differences(plan, planned(now)) == (
        "secrets in shop: new since the plan, not stored",
        "widgets.example.com in shop: nothing of it is left",
        "configmaps in shop: 3 items now, 2 when it was planned",
        "pods cannot be read any more: forbidden",
    )
