"""Backups are found from the store alone, and a word leads to one of them or to an error that helps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from runner.archive.layout import ARCHIVE, MANIFEST
from runner.engine.catalog import Scope, list_backups, resolve
from runner.errors import (
    BackupDamaged,
    BackupNotFound,
    FormatError,
    StoreDenied,
    StoreUnreachable,
    UsageError,
)
from runner.model.canonical import canonical, digest, readable
from runner.model.catalog import Address, Unfinished, Unreadable
from runner.model.manifest import PARTIALLY_FAILED
from runner.model.plan import Gap
from runner.ports import StoredObject, UnfinishedUpload
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import StoredBackup, reading

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ALL = Scope()


def _backup(name: str, hours: int = 0, **more: Any) -> StoredBackup:
    """A backup of some hours after noon."""
    time = NOON + timedelta(hours=hours)
    return StoredBackup(name=name, started=time, completed=time + timedelta(seconds=3), **more)


def _names(store: MemoryStore, scope: Scope = ALL) -> list[str]:
    return [backup.address.name for backup in list_backups(reading(store), scope).committed]


def _spoil(store: MemoryStore, backup: StoredBackup) -> None:
    store.objects[backup.key(MANIFEST)] = store.objects[backup.key(MANIFEST)][:-5]


def _made_newer(store: MemoryStore, backup: StoredBackup) -> None:
    """A manifest as a later major version may write it, whole."""
    document = msgspec.json.decode(store.objects[backup.key(MANIFEST)]) | {"formatVersion": "2.0", "digest": ""}
    store.objects[backup.key(MANIFEST)] = readable({**document, "digest": digest(canonical(document))})


class Watched(MemoryStore):
    """Remembers which prefixes were listed."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """As the port has it."""
        self.listed.append(prefix)
        return super().keys(prefix)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """As the port has it; costs no listing of what is below."""
        before = list(self.listed)
        found = super().folders(prefix)
        self.listed = before
        return found


# list


def test_an_empty_store_has_no_backups() -> None:
    """And that is no error."""
    assert list_backups(reading(MemoryStore()), ALL).committed == ()


def test_committed_backups_are_listed_newest_first() -> None:
    """By when they were completed, not by name; those of all policies and clusters together."""
    store = MemoryStore()
    for backup in (_backup("b", 1), _backup("a", 3), _backup("c", 2, policy="other"), _backup("d", cluster="test")):
        backup.put(store)
    assert _names(store) == ["a", "c", "b", "d"]


def test_two_of_one_second_have_an_order() -> None:
    """The list is the same each time."""
    store = MemoryStore()
    for name in ("b", "c", "a"):
        _backup(name).put(store)
    assert _names(store) == ["c", "b", "a"]


def test_the_stored_size_is_that_of_all_keys() -> None:
    """The manifest's own bytes are in it."""
    store = MemoryStore()
    _backup("a").put(store)
    (backup,) = list_backups(reading(store), ALL).committed
    assert backup.stored == sum(map(len, store.objects.values()))


@pytest.mark.parametrize(
    ("scope", "names", "listed"),
    [
        (Scope(), ["a", "b", "c", "d"], [""]),
        (Scope("prod"), ["a", "b"], ["prod/", "backups/"]),
        (Scope(None, ("shop",)), ["a", "c"], ["prod/shop/", "test/shop/"]),
        (Scope("test", ("shop", "infra")), ["c", "d"], ["test/shop/", "test/infra/", "backups/"]),
        (Scope("tes"), [], ["tes/", "backups/"]),
    ],
)
def test_a_scope_lists_no_more_than_it_needs(scope: Scope, names: list[str], listed: list[str]) -> None:
    """A bucket may hold a million keys of others: only the prefixes that are meant are listed."""
    store = Watched()
    for backup in (
        _backup("a", 4),
        _backup("b", 3, policy="infra"),
        _backup("c", 2, cluster="test"),
        _backup("d", 1, cluster="test", policy="infra"),
    ):
        backup.put(store)
    assert _names(store, scope) == names
    assert store.listed == listed


def test_an_unfinished_run_is_listed_and_is_no_backup() -> None:
    """Keys without a manifest, and uploads that are visible to nobody else."""
    store = MemoryStore()
    _backup("a").put(store)
    store.objects["prod/shop/dead/" + ARCHIVE] = b"12345"
    store.upload("prod/shop/dead/index.jsonl.gz")
    store.upload("prod/shop/dying/" + ARCHIVE)
    store.upload("prod/shop/a/late")
    catalog = list_backups(reading(store), ALL)
    assert [backup.address.name for backup in catalog.committed] == ["a"]
    assert catalog.unfinished == (
        Unfinished(Address("prod", "shop", "dead"), stored=5, uploads=1),
        Unfinished(Address("prod", "shop", "dying"), stored=0, uploads=1),
    )


def test_who_may_not_list_uploads_lists_backups() -> None:
    """Read-only credentials often lack that one right."""

    class ReadOnly(MemoryStore):
        def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
            raise StoreDenied("no")

    store = ReadOnly()
    _backup("a").put(store)
    assert _names(store) == ["a"]


def test_what_others_keep_in_the_bucket_is_no_backup() -> None:
    """Keys of Velero's that are no backup, restic's, files anywhere; and names that no run gives."""
    store = MemoryStore()
    for key in (
        "restores/velero-1/restore-velero-1-results.gz",
        "backups/notes.txt",
        "backups/velero-1/notes.txt",
        "restic/ns/data/00/abc",
        "notes.txt",
        "a/b/c/d/e/f",
        "prod/shop/\x1b[2J/" + ARCHIVE,
        "prod//x/" + ARCHIVE,
    ):
        store.objects[key] = b"x"
    catalog = list_backups(reading(store), ALL)
    assert (catalog.committed, catalog.unreadable, catalog.unfinished) == ((), (), ())


def test_a_backup_that_cannot_be_read_is_listed_beside_the_others() -> None:
    """One bad manifest does not hide the good ones, and says what is wrong with it."""
    store = MemoryStore()
    _backup("a").put(store)
    _spoil(store, _backup("bad", 1).put(store))
    _made_newer(store, _backup("later", 2).put(store))
    catalog = list_backups(reading(store), ALL)
    assert [backup.address.name for backup in catalog.committed] == ["a"]
    assert [(one.address.name, one.newer) for one in catalog.unreadable] == [("bad", False), ("later", True)]
    assert all(isinstance(one, Unreadable) and one.reason for one in catalog.unreadable)


def test_a_manifest_of_many_megabytes_is_not_read() -> None:
    """Nobody's memory is filled by what lies under a manifest's name."""
    store = MemoryStore()
    backup = _backup("huge").put(store)
    store.objects[backup.key(MANIFEST)] = bytes((64 << 20) + 1)
    (one,) = list_backups(reading(store), ALL).unreadable
    assert "larger than 64 MiB" in one.reason


def test_a_manifest_that_was_moved_is_damage() -> None:
    """A backup is what its keys say it is: a copy under another name is not that backup."""
    store = MemoryStore()
    backup = _backup("a").put(store)
    for key, content in list(store.objects.items()):
        store.objects[key.replace("prod/shop/a/", "prod/shop/b/")] = content
    assert [one.address.name for one in list_backups(reading(store), ALL).unreadable] == ["b"]
    with pytest.raises(BackupDamaged, match="is that of prod/shop/a"):
        resolve(reading(store), "b", ALL)
    assert resolve(reading(store), backup.name, ALL).backup.address.name == "a"


def test_a_backup_that_goes_away_meanwhile_is_not_listed() -> None:
    """Retention may work while somebody lists."""

    class Vanishing(MemoryStore):
        def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            self.objects.pop(key, None)
            return super().read(key, start, length)

    store = Vanishing()
    _backup("a").put(store)
    assert _names(store) == []
    _backup("b").put(store)
    with pytest.raises(BackupNotFound):
        resolve(reading(store), "b", ALL)


def test_a_store_that_does_not_answer_is_an_error() -> None:
    """An outage is not an empty list."""

    class Away(MemoryStore):
        def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            raise StoreUnreachable("refused")

    store = Away()
    _backup("a").put(store)
    with pytest.raises(StoreUnreachable):
        list_backups(reading(store), ALL)


# the one that is meant


def test_a_name_leads_to_its_backup_whatever_its_phase() -> None:
    """A PartiallyFailed one too: it was named."""
    store = MemoryStore()
    _backup("a").put(store)
    _backup("b", 1, phase=PARTIALLY_FAILED, missing=(Gap("pods", "403"),)).put(store)
    assert resolve(reading(store), "b", ALL).backup.manifest.phase == PARTIALLY_FAILED
    assert resolve(reading(store), "a", ALL).notes == ()


def test_latest_is_the_newest_that_is_completed() -> None:
    """And a newer PartiallyFailed one is said to be there."""
    store = MemoryStore()
    _backup("old").put(store)
    _backup("new", 1).put(store)
    _backup("half", 2, phase=PARTIALLY_FAILED).put(store)
    found = resolve(reading(store), "latest", ALL)
    assert found.backup.address.name == "new"
    assert found.notes == ("half is newer and PartiallyFailed: to use it, name it",)


def test_latest_says_when_it_cannot_know() -> None:
    """A damaged manifest may be that of a newer backup."""
    store = MemoryStore()
    _backup("old").put(store)
    _spoil(store, _backup("bad", 1).put(store))
    found = resolve(reading(store), "latest", ALL)
    assert found.backup.address.name == "old"
    assert found.notes[0].startswith("bad may be newer and cannot be read: the manifest is damaged")


def test_latest_of_none_that_is_completed() -> None:
    """The hint names the one that needs its name."""
    store = MemoryStore()
    _backup("half", phase=PARTIALLY_FAILED).put(store)
    with pytest.raises(BackupNotFound) as caught:
        resolve(reading(store), "latest", ALL)
    assert caught.value.hint == "half is PartiallyFailed: it needs its name"


def test_latest_of_none_that_can_be_read() -> None:
    """The hint says that there is one, and what is wrong."""
    store = MemoryStore()
    _spoil(store, _backup("bad").put(store))
    with pytest.raises(BackupNotFound) as caught:
        resolve(reading(store), "latest", ALL)
    assert caught.value.hint.startswith("bad is there and cannot be read: ")


def test_latest_of_nothing() -> None:
    """An empty store has no latest."""
    with pytest.raises(BackupNotFound, match="no Completed backup"):
        resolve(reading(MemoryStore()), "latest", ALL)


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        ([{"cluster": "test"}], "choose with --cluster NAME"),
        ([{"policy": "infra"}], "choose with --policy NAME"),
        ([{"cluster": "test", "policy": "infra"}], "choose with --cluster NAME and --policy NAME"),
    ],
)
@pytest.mark.parametrize("word", ["latest", "a"])
def test_several_candidates_are_listed(word: str, others: list[dict[str, str]], hint: str) -> None:
    """Which cluster is meant is never guessed: neither for latest nor for a name that two have."""
    store = MemoryStore()
    _backup("a").put(store)
    for other in others:
        _backup("a", 1, **other).put(store)
    with pytest.raises(UsageError) as caught:
        resolve(reading(store), word, ALL)
    assert caught.value.hint == hint
    assert "policy shop of cluster prod" in caught.value.context["candidates"]
    assert resolve(reading(store), word, Scope("prod", ("shop",))).backup.address.cluster == "prod"


def test_a_name_that_is_not_there_brings_close_ones() -> None:
    """As a person mistypes it."""
    store = MemoryStore()
    _backup("shop-20260102030405-ab12").put(store)
    with pytest.raises(BackupNotFound) as caught:
        resolve(reading(store), "shop-20260102030405-ab21", ALL)
    assert caught.value.hint == "was shop-20260102030405-ab12 meant?"
    with pytest.raises(BackupNotFound) as caught:
        resolve(reading(store), "zzz", ALL)
    assert "trysail list" in caught.value.hint


def test_a_run_that_never_finished_is_no_backup() -> None:
    """Its name is known, and that is what is said."""
    store = MemoryStore()
    store.objects["prod/shop/dead/" + ARCHIVE] = b"x"
    with pytest.raises(BackupNotFound, match="was begun and never finished"):
        resolve(reading(store), "dead", ALL)


def test_the_one_that_is_named_and_cannot_be_read_is_an_error() -> None:
    """Damage is damage (4), and a newer format asks for an upgrade (1)."""
    store = MemoryStore()
    _spoil(store, _backup("bad").put(store))
    _made_newer(store, _backup("later").put(store))
    with pytest.raises(BackupDamaged):
        resolve(reading(store), "bad", ALL)
    with pytest.raises(FormatError):
        resolve(reading(store), "later", ALL)
