"""What is taken out of a backup was checked, and costs no more than what it lies in."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import msgspec
import pytest

from runner.archive.index import IndexLine, encode_line
from runner.archive.layout import ARCHIVE, INDEX, MANIFEST, PLAN
from runner.archive.stream import Unpacked, index_lines
from runner.engine.catalog import Scope, resolve
from runner.engine.extract import Backup
from runner.errors import BackupDamaged
from runner.plan.lookup import Lookup, Wanted, parse_targets
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import StoredBackup, config_map, reading, small_shop


class Metered(MemoryStore):
    """Remembers what was read of which key."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, int]] = []

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """As the port has it."""
        data = super().read(key, start, length)
        self.reads.append((key.rpartition("/")[2], len(data)))
        return data

    def of(self, name: str) -> list[int]:
        """Bytes of each read of a key."""
        return [size for key, size in self.reads if key == name]


def _open(store: MemoryStore, backup: StoredBackup) -> Backup:
    source = reading(store)
    return Backup(source, resolve(source, backup.name, Scope()).backup)


def _get(opened: Backup, *words: str, everywhere: bool = True) -> list[bytes]:
    chosen = opened.choose(Lookup(Wanted(parse_targets(words), everywhere=everywhere)))
    return [content for _, content in opened.contents(chosen)]


def _altered(key: str, change: Callable[[bytes], bytes], member_bytes: int = 1 << 20) -> Backup:
    store = MemoryStore()
    backup = StoredBackup(member_bytes=member_bytes).put(store)
    store.objects[backup.key(key)] = change(store.objects[backup.key(key)])
    return _open(store, backup)


def _lying(change: Callable[[IndexLine], IndexLine]) -> Backup:
    """A backup whose index lies, with a manifest that vouches for it."""
    backup = StoredBackup(member_bytes=600)
    lines = index_lines(Unpacked([backup.contents[INDEX]]))
    backup.contents[INDEX] = gzip.compress(b"".join(encode_line(change(line)) for line in lines))
    store = MemoryStore()
    return _open(store, backup.put(store))


@pytest.mark.parametrize("member_bytes", [1, 600, 1 << 20])
def test_every_item_comes_out_as_it_went_in(member_bytes: int) -> None:
    """Wherever the members are cut; in the archive's order."""
    store = MemoryStore()
    opened = _open(store, StoredBackup(member_bytes=member_bytes).put(store))
    assert _get(opened) == [yaml for _, _, yaml in small_shop()]


def test_one_object_costs_the_index_and_a_member() -> None:
    """Of an archive of 20 MiB, one range of about a MiB is read, and nothing twice."""
    store = Metered()
    items = [config_map("shop", f"c{n:03}", size=50_000) for n in range(400)]
    opened = _open(store, StoredBackup(items=items).put(store))
    store.reads.clear()
    assert _get(opened, "configmaps/c200") == [items[200][2]]
    keys = opened.committed.manifest.keys
    assert store.of(INDEX) == [keys[INDEX].size]
    (archive,) = store.of(ARCHIVE)
    assert archive < keys[ARCHIVE].size / 10


def test_members_that_follow_each_other_are_one_read() -> None:
    """A small backup is one request, and what lies far apart is not read through."""
    store = Metered()
    items = [config_map("shop", f"c{n:02}", size=5000) for n in range(20)]
    opened = _open(store, StoredBackup(items=items, member_bytes=1000).put(store))
    store.reads.clear()
    assert len(_get(opened)) == 20
    assert len(store.of(ARCHIVE)) == 1
    store.reads.clear()
    assert len(_get(opened, "configmaps", "c00", "c01", "c10")) == 3
    assert len(store.of(ARCHIVE)) == 2
    assert sum(store.of(ARCHIVE)) < opened.committed.manifest.keys[ARCHIVE].size / 4


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_an_altered_archive_gives_nothing_wrong(place: float) -> None:
    """What was checked before is given; at the altered place comes the error, with the way to see all of it."""

    def change(raw: bytes) -> bytes:
        at = int(len(raw) * place)
        return raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :]

    opened = _altered(ARCHIVE, change, member_bytes=400)
    given: list[bytes] = []
    contents = opened.contents(opened.choose(Lookup(Wanted(everywhere=True))))
    with pytest.raises(BackupDamaged) as caught:
        given.extend(content for _, content in contents)
    assert given == [yaml for _, _, yaml in small_shop()][: len(given)]
    assert "trysail verify" in caught.value.hint
    assert caught.value.context["key"].endswith(ARCHIVE)


def test_a_truncated_archive_is_damage() -> None:
    """A range that ends too early."""
    with pytest.raises(BackupDamaged, match="ends after 50 bytes"):
        _get(_altered(ARCHIVE, lambda raw: raw[:50]))


def test_another_index_is_damage_before_anything_is_given() -> None:
    """Nothing is chosen from an index that is not the one that was recorded, however well it reads."""
    lines = [encode_line(line) for line in index_lines(Unpacked([StoredBackup().contents[INDEX]]))]
    forged = gzip.compress(b"".join(reversed(lines)), 0)
    with pytest.raises(BackupDamaged):
        _get(_altered(INDEX, lambda raw: forged[: len(raw)]))
    backup = StoredBackup()
    recorded = backup.contents[INDEX]
    backup.contents[INDEX] = gzip.compress(b"".join(lines), 0)
    store = MemoryStore()
    backup.put(store)
    # As long as the other, and with the same lines: only its SHA-256 tells.
    store.objects[backup.key(INDEX)] = gzip.compress(b"".join(lines), 0, mtime=7)
    assert recorded != backup.contents[INDEX]
    with pytest.raises(BackupDamaged, match="SHA-256"):
        _get(_open(store, backup))


def test_an_index_that_is_missing_is_damage() -> None:
    """The manifest has it, the store does not."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    del store.objects[backup.key(INDEX)]
    with pytest.raises(BackupDamaged, match=INDEX):
        _get(_open(store, backup))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: msgspec.structs.replace(line, sha256="0" * 64), "is not what the index recorded"),
        (lambda line: msgspec.structs.replace(line, offset=line.offset + 1), "is not what the index recorded"),
        (lambda line: msgspec.structs.replace(line, size=line.size + 1), "is not what the index recorded"),
        (lambda line: msgspec.structs.replace(line, size=1 << 40), "which no object has"),
        (lambda line: msgspec.structs.replace(line, offset=1 << 40), "nothing at offset"),
        (lambda line: msgspec.structs.replace(line, member=9999 - line.member), "do not follow each other"),
        (lambda line: msgspec.structs.replace(line, member=line.member + (1 << 40)), "do not follow each other"),
        (lambda line: msgspec.structs.replace(line, member=line.member + 1), "gzip"),
    ],
)
def test_an_index_that_lies_is_damage(change: Callable[[IndexLine], IndexLine], words: str) -> None:
    """No lie in it leads to a wrong object, to another file, or to a lot of memory."""
    with pytest.raises(BackupDamaged, match=words):
        _get(_lying(change))


def test_the_plan_comes_back() -> None:
    """The very plan that was run."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    assert _open(store, backup).plan() == backup.plan


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw.replace(b"shop", b"shoq")])
def test_an_altered_plan_is_damage(change: Callable[[bytes], bytes]) -> None:
    """It is held against the manifest before it is read."""
    with pytest.raises(BackupDamaged, match=PLAN):
        _altered(PLAN, change).plan()


def test_the_manifest_is_given_as_it_is_stored() -> None:
    """To the byte: somebody may want to check its digest."""
    store = MemoryStore()
    backup = StoredBackup().put(store)
    assert _open(store, backup).manifest() == store.objects[backup.key(MANIFEST)]


def test_a_download_is_the_archive() -> None:
    """All of it, in pieces, and what was recorded of it."""
    store = MemoryStore()
    items = [config_map("shop", f"c{n}", size=200_000) for n in range(100)]
    backup = StoredBackup(items=items).put(store)
    pieces: list[bytes] = []
    stored = _open(store, backup).download(pieces.append)
    assert b"".join(pieces) == store.objects[backup.key(ARCHIVE)]
    assert len(pieces) > 1
    assert stored.size == sum(map(len, pieces))


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: raw[:-1] + b"\1", lambda raw: b""]
)
def test_a_download_of_another_archive_is_damage(change: Callable[[bytes], bytes]) -> None:
    """Shorter, longer or altered."""
    with pytest.raises(BackupDamaged, match=ARCHIVE):
        _altered(ARCHIVE, change).download(lambda piece: None)
