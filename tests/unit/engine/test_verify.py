"""Verification finds every single change to a backup, names what is wrong, and says nothing of what is whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.archive.layout import ARCHIVE, CONTENT_KEYS, INDEX, LOG, MANIFEST, PLAN, VOLUMES
from runner.engine.catalog import Scope, resolve
from runner.engine.verify import verify
from runner.errors import BackupDamaged, StoreUnreachable
from runner.model.catalog import Verified
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import Made, StoredBackup, config_map, deployment, reading, small_shop


def _verify(store: MemoryStore, backup: StoredBackup, *, deep: bool = False) -> Verified:
    source = reading(store)
    return verify(source, resolve(source, backup.name, Scope()).backup, deep=deep)


def _damages(store: MemoryStore, backup: StoredBackup, *, deep: bool = False) -> tuple[str, ...]:
    with pytest.raises(BackupDamaged) as caught:
        _verify(store, backup, deep=deep)
    assert caught.value.exit_code == 4
    return caught.value.damages


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    "items",
    [
        pytest.param(small_shop(), id="a few items"),
        pytest.param([], id="none"),
        pytest.param([config_map("shop", "x" * 253), config_map("shop", "a:B%")], id="long and odd names"),
        pytest.param([config_map("shop", f"c{n}", size=3000) for n in range(50)], id="many members"),
    ],
)
def test_a_whole_backup_verifies(items: Sequence[Made], *, deep: bool) -> None:
    """All is counted, and nothing is found."""
    store = MemoryStore()
    backup = StoredBackup(items=items, member_bytes=10_000).put(store)
    assert _verify(store, backup, deep=deep) == Verified(
        name=backup.name,
        phase="Completed",
        keys=6,
        stored=sum(map(len, store.objects.values())),
        items=len(items),
        size=sum(len(yaml) for _, _, yaml in items),
        deep=deep,
    )


@given(st.sampled_from([*CONTENT_KEYS, MANIFEST]), st.integers(0), st.integers(0, 7))
@settings(max_examples=300)
def test_any_flipped_bit_is_found(name: str, place: int, bit: int) -> None:
    """One bit, anywhere in any key: BackupDamaged, which names the key."""
    store = MemoryStore()
    key = StoredBackup().put(store).key(name)
    spoiled = bytearray(store.objects[key])
    spoiled[place % len(spoiled)] ^= 1 << bit
    store.objects[key] = bytes(spoiled)
    with pytest.raises(BackupDamaged) as caught:
        _verify(store, StoredBackup())
    told = " ".join((*caught.value.damages, *caught.value.context.values()))
    assert f"{name}: " in told or key in told


@pytest.mark.parametrize("name", CONTENT_KEYS)
def test_a_missing_key_is_named(name: str) -> None:
    """Each key of the manifest must be there."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    del store.objects[backup.key(name)]
    assert f"{name}: it is missing from the store" in _damages(store, backup)


@pytest.mark.parametrize("name", CONTENT_KEYS)
@pytest.mark.parametrize("left", [0, 1, -1])
def test_a_truncated_key_is_named_with_both_sizes(name: str, left: int) -> None:
    """What is there, and what was recorded."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    whole = store.objects[backup.key(name)]
    store.objects[backup.key(name)] = whole[:left]
    wanted = f"{name}: it has {len(whole[:left]):,} bytes, and {len(whole):,} were recorded"
    assert wanted in _damages(store, backup)


def test_a_key_that_grew_is_named() -> None:
    """Bytes after the end are damage as well."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    store.objects[backup.key(LOG)] += b"x"
    assert _damages(store, backup) == ("log.jsonl.gz: it has 41 bytes, and 40 were recorded",)


def test_a_surplus_key_is_named() -> None:
    """Somebody put something beside the backup."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    store.objects[backup.key("deeper/more.txt")] = b"x"
    assert _damages(store, backup) == ("deeper/more.txt: it lies beside the backup and is no part of it",)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Findings do not hide each other."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    del store.objects[backup.key(VOLUMES)]
    store.objects[backup.key("extra")] = b""
    store.objects[backup.key(PLAN)] = b"{}"
    damages = _damages(store, backup)
    assert [damage.partition(":")[0] for damage in damages] == ["volumes.json", "extra", "plan.json", "plan.json"]


def test_what_follows_a_cut_is_counted_and_not_called_missing() -> None:
    """A truncated archive says where it ends; its rest is one finding, not a thousand."""
    backup = StoredBackup(items=[config_map("shop", f"c{n}", size=2000) for n in range(100)], member_bytes=20_000)
    store = MemoryStore()
    backup.put(store)
    store.objects[backup.key(ARCHIVE)] = store.objects[backup.key(ARCHIVE)][:50_000]
    size, cut, unmet = _damages(store, backup)
    assert size.startswith(f"{ARCHIVE}: it has 50,000 bytes")
    assert "is cut off" in cut
    assert "items that are not in the part that can be read" in unmet


def test_a_broken_index_does_not_make_items_surplus() -> None:
    """Where the index cannot be read on, nothing is said of the archive's other items."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    raw = store.objects[backup.key(INDEX)]
    store.objects[backup.key(INDEX)] = raw[: len(raw) // 2]
    assert not [damage for damage in _damages(store, backup) if "no such item" in damage]


def test_a_store_that_fails_now_and_then_is_read_on() -> None:
    """What is retriable is retried, piece by piece."""

    class Flaky(MemoryStore):
        calls = 0

        def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            self.calls += 1
            if self.calls % 2:
                raise StoreUnreachable("reset")
            return super().read(key, start, length)

    store = Flaky()
    backup = StoredBackup().put(store)
    assert _verify(store, backup).items == 7


@pytest.mark.slow
def test_memory_does_not_grow_with_the_archive() -> None:
    """Three times the items, the same peak: what is read is let go."""

    def peak(items: int) -> int:
        store = MemoryStore()
        # An archive of some 15 MiB fills the pieces that are read ahead; only beyond them can memory show itself flat.
        shop = [config_map("shop", f"c{n}", size=100_000) for n in range(items)]
        backup = StoredBackup(items=shop).put(store)
        tracemalloc.start()
        try:
            _verify(store, backup)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(900) < peak(300) + (1 << 20)


def test_other_types_are_not_mixed_up() -> None:
    """Two types with one plural are two types."""
    store = MemoryStore()
    _verify(store, StoredBackup(items=[config_map("shop", "a"), deployment("shop", "a")]).put(store))
