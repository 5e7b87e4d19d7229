"""The planned items come in the plan's order, by the cheapest lists, in a bounded window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import msgspec
import pytest

from runner.engine.retry import Retrier
from runner.engine.sources import Fetched, ListLimits, Sources
from runner.errors import BadResponse, Forbidden, Unauthorized
from runner.model.cluster import ListRequest, Page, Resource
from runner.model.plan import Step
from runner.ports import ClusterReader
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyCluster
from tests.fakes.observer import RecordingObserver

SMALL = ListLimits(window_pages=3, page_bytes=600, first_items=2, few_namespaces=2, items_per_request=2)


def cluster_of(namespaces: int, each: int) -> FakeCluster:
    """ConfigMaps c0, c1 and so on, in the namespaces n0, n1 and so on."""
    objects = (config_map(f"n{n}", f"c{c}", text="x" * 50) for n in range(namespaces) for c in range(each))
    return FakeCluster(*objects, serves=["configmaps", "secrets"])


def step(namespace: str, count: int, *names: str, resource: str = "configmaps", kind: str = "ConfigMap") -> Step:
    """A step of the plan; with names, exactly those."""
    return Step(resource, "v1", kind, namespace, count, "test", names or None)


def fetched(
    cluster: ClusterReader,
    steps: Sequence[Step],
    limits: ListLimits = SMALL,
    executor: SimulatedExecutor | None = None,
    query: Callable[[Resource], str] = lambda _: "",
) -> list[Fetched]:
    """All that comes of some steps."""
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    sources = Sources(cluster, executor or SimulatedExecutor(), retrier, query, limits)
    return list(sources.fetch(steps, {one.name: one for one in cluster.discover().resources}))


def items(found: Sequence[Fetched]) -> list[str]:
    """namespace/name of each item, in the order it came."""
    pages = [one.page for one in found if one.page is not None]
    metadata = [msgspec.json.decode(item)["metadata"] for page in pages for item in page.items]
    return [f"{each['namespace']}/{each['name']}" if "namespace" in each else each["name"] for each in metadata]


def requests(cluster: FakeCluster) -> list[ListRequest]:
    """Every page that was asked for."""
    return [call.request for call in cluster.calls if call.request is not None]


def refuse(namespace: str, name: str, error: Exception) -> Callable[[Call], None]:
    """Fails the lists of one type in one namespace."""

    def strike(call: Call) -> None:
        if call.resource is not None and (call.namespace, call.resource.name) == (namespace, name):
            raise error

    return strike


def test_items_come_in_the_order_of_the_plan() -> None:
    """Whatever list is done first: the pages come as the steps stand."""
    steps = [step("n1", 5), step("n0", 5), step("n2", 5)]
    wanted = [f"n{n}/c{c}" for n in (1, 0, 2) for c in range(5)]
    for seed in range(20):
        executor = SimulatedExecutor(Random(seed))
        limits = replace(SMALL, few_namespaces=20)
        assert items(fetched(cluster_of(3, 5), steps, limits, executor)) == wanted


def test_each_source_ends_once() -> None:
    """The last page of a list says so, and no other."""
    found = fetched(cluster_of(3, 5), [step(f"n{n}", 5) for n in range(3)], replace(SMALL, few_namespaces=20))
    ends = [one.source.steps[0].namespace for one in found if one.last]
    assert ends == ["n0", "n1", "n2"]
    assert len(found) > 3


def test_the_window_is_bounded() -> None:
    """No more pages wait than the window has, however many steps and pages there are."""
    executor = SimulatedExecutor()
    fetched(cluster_of(12, 5), [step(f"n{n}", 5) for n in range(12)], replace(SMALL, few_namespaces=20), executor)
    assert executor.most_waiting == SMALL.window_pages


def test_pages_are_fitted_to_a_size() -> None:
    """The first page of a type asks for few; what is learnt of its items is used for the next namespace's."""
    cluster = cluster_of(2, 8)
    limits = replace(SMALL, few_namespaces=20, window_pages=1)
    fetched(cluster, [step("n0", 8), step("n1", 8)], limits)
    first, *_, last = [(one.namespace, one.limit) for one in requests(cluster) if not one.continue_token]
    assert first == ("n0", 2)
    assert last == ("n1", 600 // (cluster.page(ListRequest(requests(cluster)[0].resource)).size // 16))
    assert {one.max_bytes for one in requests(cluster)[:-1]} == {SMALL.largest_page}


def test_many_namespaces_are_listed_at_once_where_that_is_cheaper() -> None:
    """Almost everything there is planned: one list over the cluster, and its items in the same order."""
    cluster = cluster_of(4, 3)
    found = fetched(cluster, [step(f"n{n}", 3) for n in range(4)])
    assert {one.namespace for one in requests(cluster)} == {""}
    assert [one.source.steps for one in found if one.last] == [tuple(step(f"n{n}", 3) for n in range(4))]
    assert items(found) == [f"n{n}/c{c}" for n in range(4) for c in range(3)]


def test_each_namespace_is_listed_where_the_cluster_holds_much_more() -> None:
    """Few of many items are planned: the lists of their namespaces transfer less."""
    cluster = cluster_of(10, 5)
    fetched(cluster, [step(f"n{n}", 5) for n in range(4)])
    assert {one.namespace for one in requests(cluster)} == {"", "n0", "n1", "n2", "n3"}
    counting = [one for one in requests(cluster) if not one.namespace]
    assert [(one.limit, one.metadata_only) for one in counting] == [(1, True)]


def test_a_few_namespaces_are_not_counted_first() -> None:
    """The question which is cheaper is not worth a request of its own."""
    cluster = cluster_of(2, 3)
    fetched(cluster, [step(f"n{n}", 3) for n in range(2)])
    assert {one.namespace for one in requests(cluster)} == {"n0", "n1"}


def test_each_namespace_is_listed_where_the_cluster_may_not_be() -> None:
    """A refused count is no end: each namespace may be allowed."""
    cluster = cluster_of(4, 3)
    cluster.forbid("configmaps", "")
    found = fetched(cluster, [step(f"n{n}", 3) for n in range(4)])
    assert len(items(found)) == 12
    assert not [one for one in found if one.error]


def test_the_label_query_is_asked() -> None:
    """Lists by namespace and over the cluster carry it; items by name do not."""
    for namespaces in (2, 4):
        cluster = cluster_of(namespaces, 1)
        fetched(cluster, [step(f"n{n}", 1) for n in range(namespaces)], query=lambda _: "app=web")
        assert {one.label_selector for one in requests(cluster) if not one.metadata_only} == {"app=web"}
    cluster = cluster_of(1, 2)
    fetched(cluster, [step("n0", 2, "c0", "c1")], query=lambda _: "app=web")
    assert {one.label_selector for one in requests(cluster)} == {""}


def test_a_few_names_are_asked_for_one_by_one() -> None:
    """By field selector, so that nothing else is transferred; a name that is gone is an empty page."""
    cluster = cluster_of(1, 9)
    found = fetched(cluster, [step("n0", 3, "c1", "c7", "gone")])
    assert items(found) == ["n0/c1", "n0/c7"]
    assert [one.field_selector for one in requests(cluster)] == [f"metadata.name={n}" for n in ("c1", "c7", "gone")]
    assert [one.last for one in found] == [False, False, True]
    assert all(one.source.listing is None for one in found)


def test_many_names_are_picked_out_of_a_list() -> None:
    """More than a few names: one list, unfiltered, of which the caller takes what it wants."""
    cluster = cluster_of(1, 9)
    found = fetched(cluster, [step("n0", 3, "c1", "c3", "c7")], replace(SMALL, named_one_by_one=2))
    assert len(items(found)) == 9
    assert {one.field_selector for one in requests(cluster)} == {""}


def test_a_namespace_that_may_be_got_and_not_listed_is_got() -> None:
    """As with rights in that namespace alone: its Namespace is had by name; one that is gone is an empty page."""
    cluster = cluster_of(1, 1)

    def no_lists(call: Call) -> None:
        if call.verb == "page":
            raise Forbidden("may not be listed")

    found = fetched(
        FaultyCluster(cluster, no_lists), [step("", 2, "gone", "n0", resource="namespaces", kind="Namespace")]
    )
    assert items(found) == ["n0"]
    assert [one.error for one in found] == [None, None]


def test_what_may_neither_be_listed_nor_got_is_an_error_of_its_source() -> None:
    """Both answers are no: that is told, and the other steps go on."""
    cluster = cluster_of(2, 1)
    cluster.forbid("configmaps", "n0")
    found = fetched(cluster, [step("n0", 1, "c0"), step("n1", 1)])
    assert [(type(one.error), one.last) for one in found] == [(Forbidden, True), (type(None), True)]
    assert items(found) == ["n1/c0"]


def test_an_error_ends_its_source_alone() -> None:
    """What came before it is kept, nothing comes after it, and the next list is whole."""
    cluster = cluster_of(2, 5)

    def second_page_is_garbled(call: Call) -> None:
        if call.namespace == "n0" and call.request is not None and call.request.continue_token:
            raise BadResponse("no list")

    cluster.on_call = second_page_is_garbled
    found = fetched(cluster, [step("n0", 5), step("n1", 5)])
    assert items(found) == ["n0/c0", "n0/c1", *(f"n1/c{c}" for c in range(5))]
    assert [one.source.steps[0].namespace for one in found if one.error] == ["n0"]
    assert [one.source.steps[0].namespace for one in found if one.last] == ["n0", "n1"]


def test_an_error_of_one_name_ends_its_source() -> None:
    """The names after it are not waited for."""
    cluster = cluster_of(1, 3)

    def second_is_garbled(call: Call) -> None:
        if call.request is not None and call.request.field_selector == "metadata.name=c1":
            raise BadResponse("no list")

    cluster.on_call = second_is_garbled
    found = fetched(cluster, [step("n0", 3, "c0", "c1", "c2")])
    assert items(found) == ["n0/c0"]
    assert [one.last for one in found] == [False, True]


def test_expired_credentials_end_everything() -> None:
    """A 401 would meet every step alike: it is raised, by a list, a name, and the count."""
    for steps in ([step("n1", 1)], [step("n1", 1, "c0")]):
        cluster = cluster_of(4, 1)
        cluster.on_call = refuse("n1", "configmaps", Unauthorized("401"))
        with pytest.raises(Unauthorized):
            fetched(cluster, steps)
    cluster.on_call = refuse("", "configmaps", Unauthorized("401"))
    with pytest.raises(Unauthorized):
        fetched(cluster, [step(f"n{n}", 1) for n in range(4)])


def test_an_empty_list_is_one_page() -> None:
    """Planned items that are all gone: the source still ends, without an error."""
    (only,) = fetched(cluster_of(1, 1), [step("n0", 3, resource="secrets", kind="Secret")])
    assert only.page == Page(items=(), resource_version=only.page.resource_version if only.page else "")
    assert only.last
