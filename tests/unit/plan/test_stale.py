"""Tests of whether a saved plan still fits: what forbids it, and what is merely worth reading."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from runner.model.cluster import ClusterIdentity
from runner.model.inventory import Unreadable
from runner.plan.stale import differences, policy_reasons, stale_reasons
from tests.unit.plan.build import (
    SNAPSHOT_CLASSES,
    SNAPSHOT_LOCATION,
    claim,
    named,
    namespace,
    planned,
    pod,
    pod_volume,
    policy,
    seen,
    snapshot_class,
    volume,
)

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


def test_a_changed_snapshot_location_forbids_it() -> None:
    """It may stand in a document of its own, which the policy only names."""
    plan = planned(CLUSTER, snapshotLocation=SNAPSHOT_LOCATION)
    resolved = policy(snapshotLocation=SNAPSHOT_LOCATION)
    assert policy_reasons(plan, resolved) == ()
    elsewhere = policy(snapshotLocation={**SNAPSHOT_LOCATION, "config": {"region": "us-east-1"}}).snapshot_location
    for moved in (elsewhere, None):
        reasons = policy_reasons(plan, dataclasses.replace(resolved, snapshot_location=moved))
        assert reasons == ("the snapshot location has changed since",)


def test_a_volume_that_was_replaced_forbids_it() -> None:
    """Under the same name is another disk now: a run would snapshot what nobody means."""
    plan = planned(CLUSTER)
    other = msgspec.structs.replace(volume("pv-1", "shop/data"), uid="another")
    now = {**CLUSTER, "persistentvolumes": [other]}
    assert stale_reasons(plan, planned(now), seen(now)) == ("persistentvolumes/pv-1 is another one now",)


def test_a_claim_that_has_another_volume_forbids_it() -> None:
    """Both volumes are there: a run would keep the old one's data in the claim's name. A claim that is left out may."""
    now = {
        **CLUSTER,
        "shop/persistentvolumeclaims": [claim("data", "pv-2")],
        "persistentvolumes": [volume("pv-1", "shop/data"), volume("pv-2", "shop/data")],
    }
    waits = {**now, "shop/persistentvolumeclaims": [claim("data", "pv-1", phase="Pending")]}
    kept: dict[str, Any] = {"snapshotLocation": SNAPSHOT_LOCATION}
    left: dict[str, Any] = {"volumePolicies": [{"action": {"type": "skip"}}]}
    reason = "persistentvolumeclaims/shop/data has {} now, and had pv-1"
    plan = planned(CLUSTER, **kept)
    assert stale_reasons(plan, planned(now, **kept), seen(now)) == (reason.format("pv-2"),)
    assert stale_reasons(plan, planned(waits, **kept), seen(waits)) == (reason.format("no volume"),)
    assert stale_reasons(planned(CLUSTER, **left), planned(now, **left), seen(now)) == ()


def test_a_volume_that_may_not_be_read_any_more_is_not_gone() -> None:
    """The claim still names it: that is a difference, and no proof that it went."""
    plan = planned(CLUSTER)
    unread = seen(
        {key: rows for key, rows in CLUSTER.items() if key != "persistentvolumes"},
        unreadable=[Unreadable("persistentvolumes", "", "forbidden")],
    )
    assert stale_reasons(plan, planned(unread), unread) == ()


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


DISKS: dict[str, Any] = {
    "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("logs", "pv-2")],
    "shop/pods": [pod("web", volumes=(pod_volume("cache"),))],
    "persistentvolumes": [
        volume("pv-1", "shop/data", source="disk.example.com"),
        volume("pv-2", "shop/logs", source="disk.example.com"),
    ],
    SNAPSHOT_CLASSES: [snapshot_class("fast", "disk.example.com")],
}
ONLY: dict[str, Any] = {"includedNamespaces": ["shop"], "volumePolicies": [{"action": {"type": "snapshot"}}]}


def test_a_volume_that_would_be_kept_otherwise_is_a_difference() -> None:
    """Its class is gone, or is another; it has grown; one is new. What is within Pods comes and goes."""
    plan = planned(DISKS, **ONLY)
    gone = planned({**DISKS, SNAPSHOT_CLASSES: []}, **ONLY)
    said = "would be uncovered now, and was planned as csi-snapshot: volumePolicies[0]: every volume; but no"
    assert [text.partition(" VolumeSnapshotClass")[0] for text in differences(plan, gone)] == [
        f"volume shop/data {said}",
        f"volume shop/logs {said}",
    ]
    other = {
        **DISKS,
        "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("logs", "pv-2", capacity="20Gi"), claim("new")],
        "shop/pods": [pod("web", volumes=(pod_volume("tmp"),))],
        SNAPSHOT_CLASSES: [snapshot_class("slow", "disk.example.com")],
    }
    now = planned(other, **ONLY)
    assert differences(plan, now) == (
        "persistentvolumeclaims in shop: 3 items now, 2 when it was planned",
        "volume shop/new is new since the plan, and not stored",
        "volume shop/data would be snapshotted by class slow now, and was planned with fast",
        "volume shop/logs would be snapshotted by class slow now, and was planned with fast",
        "volume shop/logs has 20Gi now, and had 10Gi when it was planned",
    )
    assert stale_reasons(plan, now, seen(other)) == ()
