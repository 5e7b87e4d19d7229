"""What dead runs have left is found, and told apart from backups."""

from __future__ import annotations

import pytest

from runner.engine.leftovers import find_leftovers
from runner.engine.retry import Retrier
from runner.errors import StoreDenied, StoreUnreachable
from runner.model.result import Leftover
from runner.ports import ObjectStore
from tests.fakes.clock import SimulatedClock
from tests.fakes.faulty import FaultyStore, Script
from tests.fakes.observer import RecordingObserver
from tests.fakes.store import MemoryStore

PREFIX = "prod/daily/"


def store_with(*keys: str, uploads: tuple[str, ...] = ()) -> MemoryStore:
    """Keys of three bytes each, and unfinished uploads."""
    store = MemoryStore()
    for key in keys:
        store.create(key, b"123")
    for key in uploads:
        store.upload(key)
    return store


def found(store: ObjectStore, backup: str = "new") -> tuple[bool, tuple[Leftover, ...]]:
    """Whether the name is taken, and what is left."""
    there = find_leftovers(store, Retrier(SimulatedClock(), RecordingObserver()), PREFIX)
    return backup in there.committed, there.leftovers


def test_an_empty_store_has_nothing() -> None:
    """The first run of all."""
    assert found(store_with()) == (False, ())


def test_backups_are_no_leftovers() -> None:
    """What has a manifest is whole."""
    assert found(store_with("prod/daily/b1/plan.json", "prod/daily/b1/manifest.json")) == (False, ())


def test_a_name_that_is_committed_is_taken() -> None:
    """And no other."""
    store = store_with("prod/daily/b1/manifest.json", "prod/daily/b10/plan.json")
    assert found(store, "b1")[0]
    assert not found(store, "b10")[0]
    assert not found(store, "b")[0]


def test_what_has_no_manifest_is_left() -> None:
    """Each with its keys, bytes and unfinished uploads, sorted by name."""
    store = store_with(
        "prod/daily/b2/k8s-objects.tar.gz",
        "prod/daily/b2/index.jsonl.gz",
        "prod/daily/b0/plan.json",
        uploads=("prod/daily/b2/x", "prod/daily/b1/k8s-objects.tar.gz", "prod/daily/b1/index.jsonl.gz"),
    )
    assert found(store)[1] == (
        Leftover(backup="b0", keys=1, size=3, uploads=0),
        Leftover(backup="b1", keys=0, size=0, uploads=2),
        Leftover(backup="b2", keys=2, size=6, uploads=1),
    )


def test_an_upload_beside_a_backup_is_left_and_the_backup_is_not() -> None:
    """Parts that take space under the name of a whole backup: its keys are not counted."""
    store = store_with("prod/daily/b1/manifest.json", uploads=("prod/daily/b1/k8s-objects.tar.gz",))
    assert found(store)[1] == (Leftover(backup="b1", keys=0, size=0, uploads=1),)


def test_other_policies_and_clusters_are_not_looked_at() -> None:
    """Not even where their names begin alike."""
    keys = ("prod/daily-2/b1/plan.json", "prod2/daily/b1/plan.json", "prod/other/b1/plan.json")
    assert found(store_with(*keys, uploads=("prod/daily-2/b1/x",))) == (False, ())


def test_a_manifest_of_something_else_is_none() -> None:
    """Only the key of that very name, right below the backup's, commits it."""
    store = store_with("prod/daily/b1/manifest.json.minisig", "prod/daily/b1/old/manifest.json")
    assert found(store, "b1") == (False, (Leftover(backup="b1", keys=2, size=6, uploads=0),))


def test_listing_is_retried_and_its_end_is_an_error() -> None:
    """A busy store is asked again; one that forbids is not."""
    store = store_with("prod/daily/b1/plan.json")
    script = Script(before={"keys": [StoreUnreachable("reset")], "unfinished": [StoreUnreachable("reset")]})
    assert len(found(FaultyStore(store, script))[1]) == 1
    for verb in ("keys", "unfinished"):
        with pytest.raises(StoreDenied):
            found(FaultyStore(store, Script(before={verb: [StoreDenied("403")]})))
