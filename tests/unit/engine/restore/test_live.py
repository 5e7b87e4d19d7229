"""The live items beside the stored ones: found whatever the order, a page at a time where the order allows it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.live import LiveItems
from runner.engine.retry import Retrier
from runner.errors import BadResponse, Forbidden
from runner.model.cluster import Page, Resource
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.observer import RecordingObserver

MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
names = st.text("abc-.:AZ9", min_size=1, max_size=4)


def items(cluster: FakeCluster, *, ascending: bool = True) -> LiveItems:
    """The live ConfigMaps of `shop`."""
    return LiveItems(cluster, Retrier(SimulatedClock(), RecordingObserver()), MAPS, "shop", ascending=ascending)


def of(live: set[str]) -> FakeCluster:
    """A cluster with ConfigMaps of these names."""
    return FakeCluster(*(config_map("shop", name, me=name) for name in live), serves=["configmaps"])


@given(live=st.sets(names, max_size=12), asked=st.sets(names, max_size=12), data=st.data())
def test_each_is_found_or_not(live: set[str], asked: set[str], data: Any) -> None:
    """In ascending order, and in any other; with type and name, as a get would give it."""
    both = sorted(asked | set(data.draw(st.sets(st.sampled_from(sorted(live))))) if live else asked)
    cluster = of(live)
    ascending = items(cluster)
    for name in both:
        found = ascending.at(name)
        assert (found is not None) is (name in live)
        if found is not None:
            assert (found["apiVersion"], found["kind"], found["data"]) == ("v1", "ConfigMap", {"me": name})
    any_order = items(cluster, ascending=False)
    for name in data.draw(st.permutations(both)):
        assert (any_order.at(name) is not None) is (name in live)


def test_a_page_is_held_at_a_time() -> None:
    """Walking along a long list keeps no more than what is between two names."""
    cluster = of({f"c{n:04}" for n in range(1000)})
    live = items(cluster)
    most = 0
    for n in range(0, 1000, 7):
        assert live.at(f"c{n:04}") is not None
        most = max(most, len(live._waiting))
    assert most <= 7
    assert len([call for call in cluster.calls if call.verb == "page"]) >= 2


def test_names_after_the_last_do_not_list_on() -> None:
    """An ascending list that has passed a name does not have it."""
    cluster = of({f"c{n:04}" for n in range(1000)})
    live = items(cluster)
    assert live.at("a") is None
    assert len([call for call in cluster.calls if call.verb == "page"]) == 1


def test_a_server_that_does_not_sort() -> None:
    """As an aggregated API may: where names are not promised in order, all of them are looked through."""
    cluster = of({"a", "b", "c", "d"})
    cluster.on_page = lambda _, page: msgspec.structs.replace(page, items=page.items[::-1])
    live = items(cluster, ascending=False)
    assert [live.at(name) is not None for name in ("a", "b", "c", "d", "e")] == [True, True, True, True, False]


def test_what_may_not_be_listed_shows_at_once() -> None:
    """Before any name is asked for."""
    cluster = of({"a"})
    cluster.forbid("configmaps")
    with pytest.raises(Forbidden):
        items(cluster).open()


def test_an_item_that_is_none() -> None:
    """It is the server's fault, and said so."""
    cluster = of({"a"})

    def garbage(call: Call, page: Page) -> Page:
        del call
        return msgspec.structs.replace(page, items=(msgspec.Raw(b'{"metadata": 3}'),))

    cluster.on_page = garbage
    with pytest.raises(BadResponse):
        items(cluster).at("a")
