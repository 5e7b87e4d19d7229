"""A list comes whole, whatever happens between its pages; and where it cannot, it says so."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from runner.engine.listing import MOST_EXPIRIES, Listing
from runner.engine.retry import Retrier
from runner.errors import ClusterUnreachable, ContinueExpired, PageTooLarge
from runner.model.cluster import ListRequest, Page, Resource
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster, config_map
from tests.fakes.faulty import FaultyCluster
from tests.fakes.observer import RecordingObserver

CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)


def cluster_of(*sizes: int) -> FakeCluster:
    """ConfigMaps a, b, c … with so many bytes each."""
    objects = (config_map("shop", chr(ord("a") + n), text="x" * size) for n, size in enumerate(sizes))
    return FakeCluster(*objects, serves=["configmaps"])


def listing_of(cluster: FakeCluster, limit: int = 2, *, max_bytes: int = 0, page_bytes: int = 0) -> Listing:
    """A list of all of them."""
    request = ListRequest(CONFIG_MAPS, "shop", limit=limit, max_bytes=max_bytes)
    return Listing(cluster, Retrier(SimulatedClock(), RecordingObserver()), request, page_bytes)


def names(page: Page) -> str:
    """Those of a page's items, which are letters, in a row."""
    return "".join(msgspec.json.decode(item)["metadata"]["name"] for item in page.items)


def rest(listing: Listing) -> list[str]:
    """The pages to come."""
    pages = []
    while not listing.done:
        pages.append(names(listing.next_page()))
    return pages


def limits_asked(cluster: FakeCluster) -> list[tuple[int, int]]:
    """(limit, max_bytes) of each page that was asked for."""
    return [(call.request.limit, call.request.max_bytes) for call in cluster.calls if call.request is not None]


def at(number: int, action: Callable[[], None]) -> Callable[[Call], None]:
    """Something that happens at one call."""
    return lambda call: action() if call.number == number else None


def test_pages_follow_each_other() -> None:
    """All items, once, in order; at the end the list is done, and shows one version."""
    cluster = cluster_of(1, 1, 1, 1, 1)
    listing = listing_of(cluster)
    first = listing.next_page()
    assert (names(first), listing.done) == ("ab", False)
    assert rest(listing) == ["cd", "e"]
    assert listing.resource_version == first.resource_version
    assert listing.consistent


def test_a_failed_page_is_asked_for_again() -> None:
    """A connection that breaks between pages costs a retry and no item."""
    cluster = cluster_of(1, 1, 1)
    listing = listing_of(cluster)
    listing.next_page()

    def reset() -> None:
        raise ClusterUnreachable("reset")

    cluster.on_call = at(2, reset)
    assert rest(listing) == ["c"]


def test_an_expired_token_goes_on_with_the_one_of_the_error() -> None:
    """Nothing comes twice; the list is marked, and keeps the version of its first page."""
    cluster = cluster_of(1, 1, 1, 1)
    listing = listing_of(cluster)
    first = listing.next_page()
    cluster.delete("configmaps", "shop", "c")
    cluster.expire_tokens()
    assert rest(listing) == ["d"]
    assert not listing.consistent
    assert listing.resource_version == first.resource_version


def test_an_expired_token_without_a_way_on_ends_the_list() -> None:
    """An empty token is raised: beginning anew would list again what is written already."""
    cluster = cluster_of(1, 1, 1)
    listing = listing_of(cluster)
    listing.next_page()
    cluster.expire_tokens(resumable=False)
    with pytest.raises(ContinueExpired):
        listing.next_page()


def test_a_server_that_takes_no_token_is_not_asked_for_ever() -> None:
    """Even the newest token is refused: after some attempts the error is raised."""
    cluster = cluster_of(1, 1, 1)
    listing = listing_of(cluster)
    listing.next_page()

    def expire(call: Call) -> None:
        assert call.number < 50, "it is asked for ever"
        cluster.expire_tokens()

    cluster.on_call = expire
    with pytest.raises(ContinueExpired):
        listing.next_page()
    assert len(cluster.calls) == 1 + MOST_EXPIRIES


def test_a_page_too_large_is_asked_for_with_fewer_items() -> None:
    """The limit shrinks until the page fits; every item comes, once."""
    cluster = cluster_of(*[300] * 9)
    listing = listing_of(cluster, 64, max_bytes=1500)
    assert "".join(rest(listing)) == "abcdefghi"
    assert [limit for limit, _ in limits_asked(cluster)] == [64, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_one_object_may_be_as_large_as_it_is() -> None:
    """What alone is over the limit is read without one; the pages after it are bounded again."""
    cluster = cluster_of(5000, 100, 100, 900, 900, 900)
    listing = listing_of(cluster, 1, max_bytes=2000, page_bytes=1500)
    assert "".join(rest(listing)) == "abcdef"
    assert limits_asked(cluster)[:3] == [(1, 2000), (1, 0), (1, 2000)]
    assert [most for _, most in limits_asked(cluster)].count(0) == 1


def test_pages_of_several_items_never_pass_the_limit() -> None:
    """Small objects make the limit grow; the large ones behind them still come in pages that fit."""
    cluster = cluster_of(3000, *[10] * 6, *[900] * 6)
    faulty = FaultyCluster(cluster, lambda _: None)
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    listing = Listing(faulty, retrier, ListRequest(CONFIG_MAPS, limit=1, max_bytes=2500), page_bytes=2000)
    assert "".join(rest(listing)) == "abcdefghijklm"
    assert PageTooLarge in faulty.refusals
    assert not [size for items, size in faulty.pages if items > 1 and size > 2500]


def test_the_limit_follows_the_size_of_items() -> None:
    """With a size to aim at, small items come in large pages, and large ones in small pages."""
    cluster = cluster_of(*[10] * 3, *[1000] * 5)
    listing = listing_of(cluster, 3, page_bytes=2000)
    assert names(listing.next_page()) == "abc"
    assert listing.request.limit > 3
    assert rest(listing) == ["defgh"]
    assert listing.request.limit == 1


def test_the_first_limit_may_be_chosen_late() -> None:
    """Before its first page a list can be told how many items to ask for."""
    cluster = cluster_of(1, 1, 1)
    listing = listing_of(cluster)
    listing.start_with(1)
    assert names(listing.next_page()) == "a"
