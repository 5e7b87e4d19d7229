"""Tests of what changed since the last backup: items by identity and version, and what the policy covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from runner.model.cluster import DiscoveryFailure, ItemId
from runner.model.inventory import Inventory, Row, Unreadable
from runner.plan.changes import Changes, Dropped, FieldChange, LastBackup, compare, selected_rows
from runner.plan.selection import Selection
from tests.unit.plan.build import claim, named, namespace, planned, policy, row, seen, volume

CLUSTER: dict[str, list[Row]] = {
    "shop/configmaps": named("api", "web"),
    "shop/secrets": named("tls"),
    "nodes": named("n1"),
}


def stored(contents: Mapping[str, Iterable[Row]] | Inventory, **spec: Any) -> LastBackup:
    """The backup that a run would have made of these contents."""
    inventory = contents if isinstance(contents, Inventory) else seen(contents)
    plan = planned(inventory, **spec)
    rows = selected_rows(plan, Selection(policy(**spec).policy.spec), inventory)
    assert rows is not None
    items = [(found.item, found.uid, found.resource_version) for found in rows if not found.terminating]
    return LastBackup("daily-1", plan.policy, items)


def changed(last: LastBackup, contents: Mapping[str, Iterable[Row]] | Inventory, **spec: Any) -> Changes:
    """What differs now."""
    inventory = contents if isinstance(contents, Inventory) else seen(contents)
    plan = planned(inventory, **spec)
    rows = selected_rows(plan, Selection(policy(**spec).policy.spec), inventory)
    assert rows is not None
    return compare(plan, rows, last)


def config_map(name: str) -> ItemId:
    """In the namespace shop."""
    return ItemId("", "configmaps", "shop", name)


# items


def test_nothing_has_changed() -> None:
    """The same objects in the same versions: nothing to say, and every item is counted."""
    changes = changed(stored(CLUSTER), CLUSTER)
    assert changes.nothing
    assert changes.unchanged == 5  # with the Namespace itself
    assert not changes.shrinks


def test_added_removed_changed_and_replaced_items_are_named() -> None:
    """By uid and resourceVersion: another version is a change, another uid another object of that name."""
    now = {
        **CLUSTER,
        "shop/configmaps": [
            msgspec.structs.replace(row("api"), resource_version="2"),
            msgspec.structs.replace(row("web"), uid="another", resource_version="2"),
            row("new"),
        ],
        "shop/secrets": [],
    }
    changes = changed(stored(CLUSTER), now)
    assert changes.added == (config_map("new"),)
    assert changes.removed == (ItemId("", "secrets", "shop", "tls"),)
    assert changes.changed == (config_map("api"),)
    assert changes.replaced == (config_map("web"),)
    assert changes.unchanged == 2
    assert not changes.nothing


def test_an_item_without_uid_is_compared_by_version_alone() -> None:
    """A folder of manifests may have no uids: that alone makes nothing another object."""
    bare = [msgspec.structs.replace(found, uid="") for found in CLUSTER["shop/configmaps"]]
    assert changed(stored(CLUSTER), {**CLUSTER, "shop/configmaps": bare}).nothing


def test_items_that_are_being_deleted_are_named_apart() -> None:
    """They are there and will not be stored: neither unchanged, nor added, nor gone."""
    dying = [row("api", terminating=True), row("web"), row("new", terminating=True)]
    changes = changed(stored(CLUSTER), {**CLUSTER, "shop/configmaps": dying})
    assert changes.being_deleted == (config_map("api"), config_map("new"))
    assert (changes.added, changes.removed, changes.changed) == ((), (), ())
    assert not changes.nothing


def test_what_has_been_going_for_long_is_no_change() -> None:
    """An item that hangs in deletion, and that the last backup left out too: a run would store the very same."""
    dying = {**CLUSTER, "shop/pods": [row("stuck", terminating=True)]}
    changes = changed(stored(dying), dying)
    assert changes.being_deleted == (ItemId("", "pods", "shop", "stuck"),)
    assert changes.nothing


def test_what_cannot_be_read_is_unknown_and_not_gone() -> None:
    """A type, a type in a namespace, or a group that cannot be read now says nothing about what it holds."""
    widgets = {"shop/widgets.example.com": named("w1", "w2")}
    last = stored({**CLUSTER, **widgets})
    lost = seen(
        {"nodes": named("n1"), "shop/configmaps": CLUSTER["shop/configmaps"]},
        unreadable=[Unreadable("secrets", "shop", "forbidden")],
        failures=[DiscoveryFailure("example.com/v1", "503")],
    )
    changes = changed(last, lost)
    assert changes.unknown == 3
    assert (changes.removed, changes.dropped) == ((), ())
    assert not changes.nothing


def test_namespaces_that_cannot_be_seen_are_unknown_and_not_gone() -> None:
    """Where namespaces may not be listed, items of those that nobody named are unknown, those of the others not."""
    spec = {"includedNamespaces": ["shop", "team-*"]}
    last = stored({"shop/configmaps": named("a", "b"), "team-x/configmaps": named("c")}, **spec)
    lost = seen(
        {"shop/configmaps": named("a")},
        namespaces=[Row("shop")],
        unreadable=[Unreadable("namespaces", "", "forbidden")],
    )
    changes = changed(last, lost, **spec)
    assert changes.removed == (config_map("b"),)
    assert changes.unknown == 3  # the ConfigMap in team-x, and both Namespaces


# the rows that a plan stores


def test_rows_are_those_that_a_run_would_store() -> None:
    """What the filters take, what is related to it, and Namespaces; nothing else of the inventory."""
    inventory = seen(
        {
            "shop/configmaps": [row("web", {"app": "web"}), row("api")],
            "shop/persistentvolumeclaims": [claim("data", "pv-1", labels={"app": "web"})],
            "persistentvolumes": [volume("pv-1", "shop/data"), volume("pv-2")],
            "nodes": named("n1"),
        },
        namespaces=[namespace("shop"), namespace("empty")],
    )
    spec = {"includedNamespaces": ["shop", "empty"], "labelSelector": {"matchLabels": {"app": "web"}}}
    plan = planned(inventory, **spec)
    rows = selected_rows(plan, Selection(policy(**spec).policy.spec), inventory)
    assert rows is not None
    assert [str(found.item) for found in rows] == [
        "namespaces/shop",
        "persistentvolumes/pv-1",
        "shop/persistentvolumeclaims/data",
        "shop/configmaps/web",
    ]
    assert len(rows) == plan.items


def test_there_are_no_rows_of_what_was_only_counted() -> None:
    """An inventory that has numbers alone cannot be compared item by item, and says so."""
    inventory = seen({"shop/configmaps": named("web")})
    (holding,) = inventory.holdings
    counted = msgspec.structs.replace(inventory, holdings=(msgspec.structs.replace(holding, rows=None),))
    assert selected_rows(planned(counted), Selection(policy().policy.spec), counted) is None


# coverage


def test_changed_fields_of_the_policy_are_named_with_both_values() -> None:
    """Field by field, as deep as mappings go; a field that is new or gone has no value on the other side."""
    last = stored(CLUSTER, excludedNamespaces=["x"], labelSelector={"matchLabels": {"a": "1", "b": "2"}})
    changes = changed(last, CLUSTER, includedNamespaces=["shop"], labelSelector={"matchLabels": {"a": "1", "b": "3"}})
    assert changes.policy == (
        FieldChange("spec.excludedNamespaces", ["x"], None),
        FieldChange("spec.includedNamespaces", None, ["shop"]),
        FieldChange("spec.labelSelector.matchLabels.b", "2", "3"),
    )


def test_a_change_that_covers_less_says_so() -> None:
    """A type and a namespace that were stored and are now left out are named with the rule and the number of items."""
    last = stored({**CLUSTER, "other/configmaps": named("x")})
    changes = changed(
        last,
        {**CLUSTER, "other/configmaps": named("x")},
        excludedNamespaces=["other"],
        excludedNamespaceScopedResources=["secrets"],
    )
    assert changes.shrinks
    assert changes.dropped == (
        Dropped("namespace other", 1, 'excludedNamespaces "other"'),
        # With a namespace left out, only what is related to the others is taken of the cluster's own.
        Dropped("type nodes", 1, "nothing selected is related to them"),
        Dropped("type secrets", 1, 'excludedNamespaceScopedResources "secrets"'),
    )


@pytest.mark.parametrize("gone", ["shop/secrets", "nodes"])
def test_what_is_gone_from_the_cluster_is_no_fault_of_the_policy(gone: str) -> None:
    """Nothing of a type is left: it is named, and coverage does not shrink by it."""
    changes = changed(stored(CLUSTER), {key: rows for key, rows in CLUSTER.items() if key != gone})
    assert changes.dropped == (Dropped(f"type {gone.rpartition('/')[2]}", 1, ""),)
    assert not changes.shrinks


def test_a_volume_that_went_with_its_claim_is_no_fault_of_the_policy() -> None:
    """Where only related items are taken, one that nothing is related to any more was not left out by a rule."""
    bound = {"shop/persistentvolumeclaims": [claim("data", "pv-1")], "persistentvolumes": [volume("pv-1", "shop/data")]}
    changes = changed(stored({**CLUSTER, **bound}, includedNamespaces=["shop"]), CLUSTER, includedNamespaces=["shop"])
    assert [dropped.what for dropped in changes.dropped] == ["type persistentvolumeclaims", "type persistentvolumes"]
    assert not changes.shrinks


def test_the_last_backup_is_read_once_and_as_it_comes() -> None:
    """Its index may be long: it is an iterator, and nothing is asked of it twice."""
    last = stored(CLUSTER)
    streamed = LastBackup(last.name, last.policy, iter(last.items))
    assert changed(streamed, CLUSTER).nothing
