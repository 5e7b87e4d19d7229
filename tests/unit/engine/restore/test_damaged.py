"""A backup that is known to be damaged, restored item by item: what holds comes, what does not is named."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from runner.archive.layout import ARCHIVE, INDEX
from runner.engine.catalog import LATEST, Scope, resolve
from runner.engine.open_stored import open_stored
from runner.engine.restore.planning import make_restore_plan
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.waits import NO_CONTROLLERS
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.engine.stored_damaged import DamagedObjects
from runner.errors import BackupDamaged
from runner.model.restored import RestoreResult
from tests.fakes.cluster import FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.restore_stage import LOCATION, fates, restore_policy
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import (
    Made,
    Silent,
    StoredBackup,
    Unhurried,
    config_map,
    item,
    namespace_item,
    packed,
    reading,
)

ITEMS = [namespace_item("shop"), *(config_map("shop", f"c{n}", size=400) for n in range(6))]


def opened(store: MemoryStore) -> StoredObjects:
    """The backup in a store."""
    found = reading(store)
    return open_stored(found, resolve(found, LATEST, Scope()).backup)


def spoilt(*names: str, items: list[Made] = ITEMS, member_bytes: int = 1) -> MemoryStore:
    """A backup in which the contents of some items are not what the index says; every item has its own member."""
    store = MemoryStore()
    backup = StoredBackup(items=items, member_bytes=member_bytes)
    twisted = [(about, seen, _twisted(yaml) if seen.name in names else yaml) for about, seen, yaml in items]
    lies, _ = packed(twisted, member_bytes=member_bytes)
    assert len(names) == 0 or lies != backup.contents[ARCHIVE]
    backup.contents[ARCHIVE] = lies
    if member_bytes == 1 and len(lies) != len(packed(items, member_bytes=1)[0]):
        # Members of another length lie elsewhere: the index of the lie, with the digests of the truth.
        backup.contents[INDEX] = _with_digests(packed(twisted, member_bytes=1)[1], packed(items, member_bytes=1)[1])
    backup.put(store)
    return store


def _twisted(yaml: bytes) -> bytes:
    return yaml[:-3] + b"ff\n"


def _with_digests(index: bytes, truth: bytes) -> bytes:
    lines = [json.loads(line) for line in gzip.decompress(index).splitlines()]
    for line, true in zip(lines, map(json.loads, gzip.decompress(truth).splitlines()), strict=True):
        line["sha256"] = true["sha256"]
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines), mtime=0)


def restored(store: MemoryStore, target: FakeCluster, **spec: Any) -> RestoreResult:
    """A restore of what holds."""
    executor, retrier = SimulatedExecutor(), Retrier(Unhurried(), Silent())
    stored = DamagedObjects(opened(store))
    made = make_restore_plan(stored, restore_policy(**spec), LOCATION, target, executor, retrier)
    ports = RestorePorts(target, executor, Unhurried(), Silent())
    return restore(made.plan, made.facts, ports, patience=NO_CONTROLLERS)


def test_a_damaged_item_is_refused_and_the_others_come() -> None:
    """In the plan, by name and with what is wrong with it; what was before and after it is restored."""
    target = FakeCluster()
    result = restored(spoilt("c2", "c4"), target)
    assert {name for name, action in fates(result.plan).items() if action == "invalid"} == {
        "shop/configmaps/c2",
        "shop/configmaps/c4",
    }
    assert (result.created, result.failed) == (5, ())
    assert all(step.why for step in result.plan.steps if step.action == "invalid")
    for name in ("c0", "c1", "c3", "c5"):
        assert target.found("configmaps", "shop", name)


def test_a_damaged_item_that_is_not_selected_is_not_told() -> None:
    """What nobody asked for is not looked at."""
    result = restored(spoilt("c2"), FakeCluster(), excludedItems=[{"resource": "configmaps", "name": "c2"}])
    assert "invalid" not in fates(result.plan).values()
    assert result.created == 6


def test_a_damaged_namespace_is_made_from_its_name() -> None:
    """What lives in it is worth more than its labels; the damage is told."""
    target = FakeCluster()
    result = restored(spoilt("shop"), target)
    assert sorted(s.action for s in result.plan.steps if s.resource == "namespaces") == ["create", "invalid"]
    assert (result.created, result.failed) == (7, ())
    assert target.found("configmaps", "shop", "c0")


def test_without_being_told_so_a_damaged_backup_is_refused() -> None:
    """Nothing is planned from it."""
    executor, retrier = SimulatedExecutor(), Retrier(Unhurried(), Silent())
    stored = opened(spoilt("c2"))
    with pytest.raises(BackupDamaged):
        make_restore_plan(stored, restore_policy(), LOCATION, FakeCluster(), executor, retrier)


def test_all_is_damaged() -> None:
    """Then each item is named, and nothing is created but the namespace that none needs."""
    result = restored(spoilt(*(f"c{n}" for n in range(6))), FakeCluster())
    assert list(fates(result.plan).values()).count("invalid") == 6
    assert result.created == 1


def test_a_damaged_item_that_the_selection_reads_is_named() -> None:
    """A claim's contents tell which volume is its: damaged, it is still selected, and refused by name."""
    claim = item("PersistentVolumeClaim", "persistentvolumeclaims", "v1", "db", "shop", spec={"volumeName": "pv"})
    result = restored(spoilt("db", items=[*ITEMS, claim]), FakeCluster())
    assert fates(result.plan)["shop/persistentvolumeclaims/db"] == "invalid"
    assert result.created == 7
