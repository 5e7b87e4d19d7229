"""One run makes restic's repository: not two at once, not where it is, and not nobody for ever."""

from __future__ import annotations

from runner.engine.volumes.repository import RepositoryMaking
from runner.errors import StoreUnreachable
from tests.fakes.clock import SimulatedClock
from tests.fakes.faulty import FaultyStore, Script
from tests.fakes.store import MemoryStore

KEY = "restic/real"


def making(store: MemoryStore, clock: SimulatedClock, holder: str = "here") -> RepositoryMaking:
    """The question of one run."""
    return RepositoryMaking(store, clock, KEY, holder)


def test_the_first_one_makes_it() -> None:
    """Asked again, it is still the one; the other one waits for it."""
    store, clock = MemoryStore(), SimulatedClock()
    assert making(store, clock).may_make()
    assert not making(store, clock, "there").may_make()
    assert making(store, clock).may_make()


def test_nobody_makes_what_is_there() -> None:
    """And nothing is written."""
    store, clock = MemoryStore(), SimulatedClock()
    store.create(f"{KEY}/config", b"x")
    assert not making(store, clock).may_make()
    assert list(store.objects) == [f"{KEY}/config"]


def test_a_claim_is_over_some_time() -> None:
    """Whoever died over it does not keep all others from it; and of those, one alone follows."""
    store, clock = MemoryStore(), SimulatedClock()
    assert making(store, clock).may_make()
    clock.advance(301)
    assert making(store, clock, "there").may_make()
    assert not making(store, clock, "elsewhere").may_make()


class Raced(MemoryStore):
    """Somebody else's first key comes just before ours."""

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        if not self.objects:
            super().create(key, b"there\n2026-03-01T02:00:00+00:00")
        super().create(key, data)


def test_two_at_the_same_instant() -> None:
    """Neither has seen a claim, and one of them has it."""
    assert not making(Raced(), SimulatedClock()).may_make()


def test_an_answer_that_was_lost() -> None:
    """Asked again, the claim is found to be ours."""
    store, clock = MemoryStore(), SimulatedClock()
    faulty = FaultyStore(store, Script(after={"create": [StoreUnreachable("reset")]}))
    ours = RepositoryMaking(faulty, clock, KEY, "here")
    try:
        ours.may_make()
    except StoreUnreachable:
        assert ours.may_make()
