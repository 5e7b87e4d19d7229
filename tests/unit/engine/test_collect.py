"""A cluster is read as far as a plan needs it, by few requests, and what may not be read never ends it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest

from runner.engine.collect import collect, collect_everything
from runner.engine.retry import Retrier
from runner.errors import (
    BadResponse,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ContinueExpired,
    Forbidden,
    ItemNotFound,
    TrysailError,
    Unauthorized,
)
from runner.model.canonical import canonical
from runner.model.cluster import ListRequest, Page, Resource
from runner.model.inventory import Inventory, Unreadable
from runner.plan.backup import plan_backup
from runner.plan.selection import Selection
from runner.ports import ClusterReader
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import UID, Call, FakeCluster, config_map, definition
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyCluster
from tests.fakes.observer import RecordingObserver
from tests.unit.plan.build import policy

MANY = 130  # ConfigMaps in each of two namespaces: more than fit in a first page, and worth counting
# Read by pages, by counts, and by a selector that matches everything.
SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"includedNamespaces": ["n*"]},
    {"labelSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}},
)
SERVED = ("configmaps", "secrets", "pods", "persistentvolumeclaims", "persistentvolumes")


def cluster_of(*objects: dict[str, Any]) -> FakeCluster:
    """A cluster of few types."""
    return FakeCluster(*objects, serves=SERVED)


def crowd() -> FakeCluster:
    """Two namespaces with many ConfigMaps, some of them excluded by label, one being deleted; a third with one."""
    objects = [config_map(f"n{n % 2}", f"c{n:03}") for n in range(2 * MANY)]
    for n in (3, 4, 10):
        objects[n]["metadata"]["labels"] = {"trysail.dev/exclude-from-backup": "true"}
    objects[10]["metadata"]["labels"]["velero.io/exclude-from-backup"] = "true"
    objects[20]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return cluster_of(*objects, config_map("other", "c"))


def collected(cluster: ClusterReader, **spec: Any) -> Inventory:
    """What a policy with this spec needs of it."""
    return ordered(None, cluster, **spec)


def ordered(order: Random | None, cluster: ClusterReader, **spec: Any) -> Inventory:
    """The same, with requests that are answered in some order."""
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    return collect(cluster, SimulatedExecutor(order), retrier, Selection(policy(**spec).policy.spec))


def plan_bytes(inventory: Inventory, **spec: Any) -> bytes:
    """The plan, as it would be written."""
    return canonical(plan_backup(policy(**spec), inventory))


def counts(inventory: Inventory) -> dict[tuple[str, str], int]:
    """Items by type and namespace."""
    return {(one.resource.name, one.namespace): one.count for one in inventory.holdings}


def unreadable(inventory: Inventory) -> list[tuple[str, str]]:
    """What could not be read, by type and namespace."""
    return [(lost.resource, lost.namespace) for lost in inventory.unreadable]


def pages(cluster: FakeCluster, name: str) -> list[ListRequest]:
    """What was asked of one type."""
    found = (call.request for call in cluster.calls if call.request is not None)
    return [request for request in found if request.resource.name == name]


def fail(error: TrysailError, name: str, verb: str = "page") -> Callable[[Call], None]:
    """Fails every question about one type."""

    def strike(call: Call) -> None:
        if call.verb == verb and call.resource is not None and call.resource.name == name:
            raise error

    return strike


# what is read


def test_a_small_cluster_is_one_request_a_type() -> None:
    """What fits in a first page is had whole with it, over all namespaces, and never asked for again."""
    cluster = cluster_of(config_map("a", "x"), config_map("b", "y"), {**config_map("b", "s"), "kind": "Secret"})
    inventory = collected(cluster)
    assert counts(inventory) == {("configmaps", "a"): 1, ("configmaps", "b"): 1, ("secrets", "b"): 1}
    assert sorted(call.resource.name for call in cluster.calls if call.resource) == sorted((*SERVED, "namespaces"))
    assert inventory.cluster.uid == UID


def test_many_items_are_counted() -> None:
    """A number a namespace, and those that a label excludes: no list of all of them."""
    cluster = crowd()
    inventory = collected(cluster, includedNamespaces=["n*"])
    assert counts(inventory) == {("configmaps", "n0"): MANY, ("configmaps", "n1"): MANY}
    assert {holding.namespace: len(holding.marked) for holding in inventory.holdings} == {"n0": 2, "n1": 1}
    first, *rest = pages(cluster, "configmaps")
    assert first.limit == 200
    assert sorted((one.namespace, one.limit) for one in rest if not one.label_selector) == [("n0", 1), ("n1", 1)]
    assert all(one.metadata_only for one in rest)


def test_however_they_were_counted_the_plan_is_the_same() -> None:
    """Counts, metadata in pages of any size, with or without remainders, and everything there is: the same bytes."""

    def without_remainder(page: Page) -> Page:
        return msgspec.structs.replace(page, remaining=None)

    for spec in ({"includedNamespaces": ["n*"]}, {}, {"excludedNamespaces": ["n1"]}, {"includedNamespaces": ["n0"]}):
        expected = plan_bytes(collected(crowd(), **spec), **spec)
        for most in (1, 7, 100):
            assert plan_bytes(collected(FaultyCluster(crowd(), _calm, most_items=most), **spec), **spec) == expected
        blind = FaultyCluster(crowd(), _calm, alter=without_remainder)
        assert plan_bytes(collected(blind, **spec), **spec) == expected
        retrier = Retrier(SimulatedClock(), RecordingObserver())
        everything = collect_everything(crowd(), SimulatedExecutor(), retrier)
        assert plan_bytes(everything, **spec) == expected
        assert everything.complete


def test_whatever_is_done_first_the_inventory_is_the_same() -> None:
    """Requests are answered in any order."""
    expected = canonical(collected(crowd()))
    for seed in range(10):
        assert canonical(ordered(Random(seed), crowd())) == expected


def test_what_no_decision_needs_is_not_asked_for() -> None:
    """Types that the policy leaves out, and those that cannot be backed up."""
    cluster = FakeCluster(config_map("a", "x"), serves=["bindings", "configmaps", "secrets"])
    collected(cluster, includedNamespaceScopedResources=["configmaps"])
    assert {call.resource.name for call in cluster.calls if call.resource} == {"configmaps", "namespaces"}


def test_selectors_are_left_to_the_server() -> None:
    """With a label selector the server is asked with it, and metadata are read."""
    cluster = cluster_of(config_map("a", "x"))
    collected(cluster, labelSelector={"matchLabels": {"app": "web"}})
    assert {(one.label_selector, one.metadata_only) for one in pages(cluster, "configmaps")} == {("app=web", True)}


# what may not be read


def test_a_list_of_the_cluster_that_is_forbidden_falls_to_the_namespaces() -> None:
    """Each selected namespace is listed instead, and nothing is missing."""
    for objects in (3, 2 * MANY):
        cluster = cluster_of(*(config_map(f"n{n % 2}", f"c{n}") for n in range(objects)))
        cluster.forbid("configmaps", "")
        inventory = collected(cluster, includedNamespaces=["n0"])
        assert counts(inventory) == {("configmaps", "n0"): -(-objects // 2)}
        assert inventory.unreadable == ()


def test_namespaces_that_are_forbidden_too_are_named() -> None:
    """Those that may be read are read; the others are named, one by one."""
    cluster = cluster_of(config_map("a", "x"), config_map("b", "y"))
    cluster.forbid("configmaps", "")
    cluster.forbid("configmaps", "b")
    inventory = collected(cluster, includedNamespaces=["a", "b"])
    assert counts(inventory) == {("configmaps", "a"): 1}
    assert unreadable(inventory) == [("configmaps", "b")]


def test_forbidden_types_of_the_cluster_are_named() -> None:
    """There are no namespaces to fall back to."""
    cluster = cluster_of(config_map("a", "x"))
    cluster.forbid("persistentvolumes")
    assert unreadable(collected(cluster)) == [("persistentvolumes", "")]


def test_without_the_right_to_list_namespaces_those_that_are_named_are_got() -> None:
    """Names without globs are asked for one by one; one that is not there is no error."""
    cluster = cluster_of(config_map("a", "x"), config_map("b", "y"))
    lists_forbidden = FaultyCluster(cluster, fail(Forbidden("may not list namespaces"), "namespaces"))
    inventory = collected(lists_forbidden, includedNamespaces=["a", "gone", "b*"])
    assert [(row.name, bool(row.uid)) for row in inventory.namespaces] == [("a", True)]
    assert inventory.unreadable == (Unreadable("namespaces", "", "may not list namespaces"),)
    assert counts(inventory) == {("configmaps", "a"): 1}


def test_a_namespace_that_may_not_even_be_got_may_still_be_read() -> None:
    """What is in it is listed; its own row has no uid, so that nobody plans to store the object."""
    cluster = cluster_of(config_map("a", "x"))
    cluster.forbid("namespaces")
    inventory = collected(cluster, includedNamespaces=["a"])
    assert [(row.name, row.uid) for row in inventory.namespaces] == [("a", "")]
    assert counts(inventory) == {("configmaps", "a"): 1}


def test_without_the_right_to_list_namespaces_and_without_names_there_is_no_plan() -> None:
    """Nobody knows what there is: the error says what would help."""
    cluster = cluster_of()
    cluster.forbid("namespaces")
    with pytest.raises(Forbidden) as forbidden:
        collected(cluster, includedNamespaces=["a*"])
    assert "includedNamespaces without globs" in forbidden.value.hint


def test_who_asks_for_everything_is_not_told_to_name_namespaces() -> None:
    """An inventory and a coverage have no list to name them in."""
    cluster = cluster_of()
    cluster.forbid("namespaces")
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    with pytest.raises(Forbidden) as forbidden:
        collect_everything(cluster, SimulatedExecutor(), retrier)
    assert forbidden.value.hint == "grant list on namespaces"


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("403"),
        ClusterBusy("503"),
        ClusterUnreachable("reset"),
        BadResponse("no list"),
        ContinueExpired("410", token=""),
        ClusterError("400"),
    ],
)
def test_what_cannot_be_read_never_ends_the_plan(error: TrysailError) -> None:
    """Whatever is wrong with one type: it is named, and the others are read."""
    inventory = collected(FaultyCluster(cluster_of(config_map("a", "x")), fail(error, "persistentvolumes")))
    assert inventory.unreadable == (Unreadable("persistentvolumes", "", error.message),)
    assert counts(inventory) == {("configmaps", "a"): 1}


@pytest.mark.parametrize("spec", SPECS)
def test_a_failure_after_the_first_page_is_named(spec: dict[str, Any]) -> None:
    """Counting, reading on, and the search for excluded items may fail alone: never silence, never the end."""
    struck = set()
    for number in range(2, 7):
        seen: list[Call] = []

        def strike(call: Call, number: int = number, seen: list[Call] = seen) -> None:
            if call.resource is not None and call.resource.name == "configmaps":
                seen.append(call)
                if len(seen) == number:
                    raise ClusterError("400")

        most = 0 if "includedNamespaces" in spec else 50
        inventory = collected(FaultyCluster(crowd(), strike, most_items=most), **spec)
        if len(seen) >= number:
            struck.add(number)
            assert {name for name, _ in unreadable(inventory)} == {"configmaps"}
    assert struck


def test_expired_credentials_end_it() -> None:
    """A 401 would meet everything alike: it is raised, whichever question meets it."""
    for spec in SPECS:
        cluster = FaultyCluster(crowd(), _calm, most_items=100)
        collected(cluster, **spec)
        asked = len(cluster.pages) + 2
        for number in range(1, asked + 1):

            def strike(call: Call, number: int = number) -> None:
                if call.number >= number:
                    raise Unauthorized("401")

            with pytest.raises(Unauthorized):
                collected(FaultyCluster(crowd(), strike, most_items=100), **spec)


def test_a_cluster_that_does_not_answer_ends_it() -> None:
    """Without identity, discovery or namespaces there is nothing to plan from."""
    for verb in ("identity", "discover"):

        def strike(call: Call, verb: str = verb) -> None:
            if call.verb == verb:
                raise ClusterUnreachable("refused")

        with pytest.raises(ClusterUnreachable):
            collected(FaultyCluster(cluster_of(), strike))
    with pytest.raises(ClusterUnreachable):
        collected(FaultyCluster(cluster_of(), fail(ClusterUnreachable("refused"), "namespaces")))


def test_a_type_that_went_away_is_nothing_to_miss() -> None:
    """It was discovered, and is not served any more: there is nothing of it."""
    cluster = FaultyCluster(cluster_of(config_map("a", "x")), fail(ItemNotFound("404"), "secrets"))
    assert collected(cluster).unreadable == ()


def test_a_group_that_is_down_is_in_the_inventory() -> None:
    """What discovery could not name is told on, with its reason."""
    cluster = FakeCluster(definition("widgets", "Widget", "x.example.com"))
    cluster.break_group("x.example.com/v1", "no backend")
    (failure,) = collected(cluster).failures
    assert (failure.group_version, failure.reason) == ("x.example.com/v1", "no backend")


@pytest.mark.parametrize("spec", [{}, {"includedNamespaces": ["n*"]}])
def test_a_list_with_something_that_is_no_object_is_named(spec: dict[str, Any]) -> None:
    """A malformed item makes its type unreadable, and no other; its bytes are not in the reason."""

    def spoilt(page: Page) -> Page:
        if not any(b'"name":"pv"' in bytes(item) for item in page.items):
            return page
        return msgspec.structs.replace(page, items=(*page.items, msgspec.Raw(b'{"metadata":{"name":17,"hunter2":1}}')))

    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}}
    cluster = FaultyCluster(cluster_of(config_map("n0", "x"), volume), _calm, alter=spoilt)
    inventory = collected(cluster, **spec)
    assert unreadable(inventory) == [("persistentvolumes", "")]
    assert "hunter2" not in inventory.unreadable[0].reason
    assert counts(inventory) == {("configmaps", "n0"): 1}


def test_a_namespace_that_is_no_object_is_an_error_of_ours() -> None:
    """An answer that is not understood is a BadResponse, wherever it comes from."""
    strike = fail(Forbidden("may not list namespaces"), "namespaces")

    class Garbling(FaultyCluster):
        """Answers a GET with something else."""

        def get(self, resource: Resource, namespace: str, name: str) -> bytes:
            """Not an object."""
            return b'{"kind":"Status"}'

    with pytest.raises(BadResponse):
        collected(Garbling(cluster_of(), strike), includedNamespaces=["a"])


def _calm(call: Call) -> None:
    """Nothing happens."""
