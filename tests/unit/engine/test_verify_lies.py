"""Verification does not believe a manifest: where it vouches for what does not fit together, each lie is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from runner.archive.index import IndexLine, encode_line
from runner.archive.layout import ARCHIVE, INDEX, PLAN, VOLUMES
from runner.archive.stream import Unpacked, index_lines
from runner.archive.tar import END, header, padding
from runner.engine.catalog import Scope, resolve
from runner.engine.verify import verify
from runner.errors import BackupDamaged
from runner.model.canonical import readable
from runner.model.manifest import Listed
from runner.plan.backup import sealed
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import StoredBackup, config_map, packed, reading, small_shop


def _verify(backup: StoredBackup, *, deep: bool = False) -> None:
    store = MemoryStore()
    source = reading(store)
    backup.put(store)
    verify(source, resolve(source, backup.name, Scope()).backup, deep=deep)


def _lie(backup: StoredBackup, *, deep: bool = False) -> tuple[str, ...]:
    """What is found in a backup whose manifest vouches for what it holds."""
    with pytest.raises(BackupDamaged) as caught:
        _verify(backup, deep=deep)
    assert caught.value.exit_code == 4
    return caught.value.damages


def _with_contents(**contents: bytes) -> StoredBackup:
    backup = StoredBackup()
    names = {"archive": ARCHIVE, "index": INDEX, "plan": PLAN}
    backup.contents |= {names[name]: content for name, content in contents.items()}
    return backup


def test_a_manifest_that_lacks_a_key_is_damage() -> None:
    """Every backup has all its keys."""
    backup = StoredBackup()
    del backup.contents[VOLUMES]
    assert _lie(backup) == ("volumes.json: the manifest does not have it",)


def test_another_plan_is_found() -> None:
    """The manifest names its plan by digest."""
    backup = StoredBackup()
    plan = sealed(msgspec.structs.replace(backup.plan, policy_name="other"))
    backup.contents[PLAN] = readable(plan)
    assert _lie(backup) == ("plan.json: it is not the plan that the manifest names",)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"[" * 100_000, b'{"formatVersion":"9.0","kind":"BackupPlan"}'])
def test_a_plan_that_is_none_is_found(raw: bytes) -> None:
    """Whatever lies there instead of a plan."""
    (damage,) = _lie(_with_contents(plan=raw))
    assert damage.startswith("plan.json: ")


def _index(change: Callable[[list[IndexLine]], list[IndexLine]]) -> bytes:
    lines = list(index_lines(Unpacked([StoredBackup().contents[INDEX]])))
    return gzip.compress(b"".join(map(encode_line, change(lines))))


def _first_changed(**changes: Any) -> bytes:
    return _index(lambda lines: [msgspec.structs.replace(lines[0], **changes), *lines[1:]])


def test_an_item_that_the_archive_lacks() -> None:
    """It is in the index alone."""
    archive, _ = packed(small_shop()[:-1])
    assert "shop/deployments.apps/web: it is missing from the archive" in _lie(_with_contents(archive=archive))


def test_an_item_that_the_archive_lacks_at_its_beginning() -> None:
    """Those after it are found all the same, in other places."""
    archive, _ = packed(small_shop()[1:])
    damages = _lie(_with_contents(archive=archive))
    assert [damage for damage in damages if "missing" in damage] == ["namespaces/shop: it is missing from the archive"]
    assert not [damage for damage in damages if "order" in damage]


def test_an_item_that_the_index_lacks() -> None:
    """It is in the archive alone, and the counts tell of it too."""
    damages = _lie(_with_contents(index=_index(lambda lines: lines[1:])))
    path = "resources/namespaces/cluster/shop.yaml"
    assert damages[0] == f"{path} in the archive: the index has no such item"
    assert "the index has 6 items, and the manifest 7" in damages
    assert "namespaces: the index has 1, and the manifest 2" in damages


def test_an_item_that_the_archive_has_twice() -> None:
    """A tar would unpack the second over the first."""
    archive, _ = packed([*small_shop(), small_shop()[0]])
    (damage,) = _lie(_with_contents(archive=archive))
    assert damage == "resources/namespaces/cluster/shop.yaml: the archive has it more than once"


def test_an_item_that_both_have_twice() -> None:
    """Index and archive agree, and are wrong."""
    items = [*small_shop(), small_shop()[0]]
    damages = _lie(StoredBackup(items=items))
    assert "namespaces/shop: the index has it more than once" in damages
    assert "resources/namespaces/cluster/shop.yaml: the archive has it more than once" in damages


def test_items_in_another_order() -> None:
    """The order of archive and index is one."""
    items = small_shop()
    archive, _ = packed([items[1], items[0], *items[2:]])
    assert "namespaces/shop: index and archive have it in another order" in _lie(_with_contents(archive=archive))


def test_an_item_with_another_content() -> None:
    """The index has the SHA-256 of each item."""
    items = small_shop()
    about, row, yaml = items[0]
    archive, _ = packed([(about, row, yaml.replace(b"shop", b"shoq")), *items[1:]])
    damages = _lie(_with_contents(archive=archive))
    assert damages == ("namespaces/shop: its YAML is not what the index recorded",)


@pytest.mark.parametrize("changes", [{"member": 3}, {"offset": 513}])
def test_an_item_in_another_place(changes: dict[str, int]) -> None:
    """`get` would read something else, or nothing."""
    damages = _lie(_with_contents(index=_first_changed(**changes)))
    assert damages == ("namespaces/shop: it is not where the index says",)


def test_an_item_under_another_name() -> None:
    """The path is made of type, namespace and name; another name is another item."""
    damages = _lie(_with_contents(index=_first_changed(name="other")))
    assert damages == (
        "namespaces/other: it is missing from the archive",
        "resources/namespaces/cluster/shop.yaml in the archive: the index has no such item",
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"uid": "x"}, "uid"),
        ({"api_version": "v2"}, "apiVersion"),
        ({"kind": "Room"}, "kind"),
        ({"resource_version": "8"}, "resourceVersion"),
        ({"labels": {"a": "b"}}, "labels"),
    ],
)
def test_deep_holds_the_yaml_against_the_index(changes: dict[str, Any], word: str) -> None:
    """What the index says of an item, beside its bytes, is in its YAML too."""
    backup = _with_contents(index=_first_changed(**changes))
    (damage,) = _lie(backup, deep=True)
    assert damage == f"namespaces/shop: the object in its YAML has another {word} than the index says"
    _verify(_with_contents(index=_first_changed(**changes)))  # the bytes alone do not show it


@pytest.mark.parametrize("yaml", [b"{", b"- a\n", b"metadata: 3\n", b"a: b\n---\na: b\n", b"\xff"])
def test_deep_finds_what_is_no_object(yaml: bytes) -> None:
    """An item whose recorded bytes are no object."""
    about, row, _ = small_shop()[0]
    (damage,) = _lie(StoredBackup(items=[(about, row, yaml)]), deep=True)
    assert damage.startswith("namespaces/shop: ")


def test_the_manifest_counts() -> None:
    """Items, bytes and types of the manifest are those of the index."""
    listed = Listed(resource="pods", namespace="a", planned=1, stored=1, resource_version="", consistent=True)
    damages = _lie(StoredBackup(lists=(listed,), items=[], manifest_changes={"size": 5}))
    assert damages == (
        "the index has 0 bytes of YAML, and the manifest 5",
        "pods in namespace a: the index has 0, and the manifest 1",
    )


def test_an_index_longer_than_the_manifest_is_not_read_further() -> None:
    """A hostile index does not grow in memory."""
    damages = _lie(StoredBackup(manifest_changes={"items": 3}))
    assert "index.jsonl.gz: it has more than the 3 items of the manifest" in damages


def test_many_findings_are_counted() -> None:
    """Ten of a kind are written out."""
    items = [config_map("shop", f"c{n}") for n in range(40)]
    backup = StoredBackup(items=items)
    backup.contents[ARCHIVE], _ = packed([])
    damages = _lie(backup)
    assert len(damages) == 11
    assert damages[-1] == "and 30 more items missing from the archive"


def _entry(path: str, content: bytes) -> bytes:
    return header(path, len(content)) + content + padding(len(content))


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        pytest.param(gzip.compress(_entry("../../x", b"x") + END), "leads out of the folder", id="dots"),
        pytest.param(gzip.compress(_entry("/etc/passwd", b"x") + END), "is absolute", id="absolute"),
        pytest.param(packed(small_shop())[0] + b"garbage " * 9, "no gzip", id="garbage after the end"),
        pytest.param(packed(small_shop())[0][:-10], "is cut off", id="a cut end"),
        pytest.param(b"", "has no end", id="empty"),
        pytest.param(b"no gzip at all", "no gzip", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 2000), "not understood", id="no tar"),
        pytest.param(gzip.compress(_entry("a\x1b[2J\nb", b"x") + END), "no such item", id="control characters"),
        pytest.param(gzip.compress(_entry("a", bytes(9 << 20)) + END), "unpacks to more", id="a bomb"),
    ],
)
def test_a_hostile_archive_is_named(archive: bytes, words: str) -> None:
    """One that the manifest vouches for is looked at as closely."""
    assert any(words in damage for damage in _lie(_with_contents(archive=archive)))


@pytest.mark.slow
def test_an_archive_that_has_nothing_of_the_index_is_given_up() -> None:
    """Memory has a bound, whatever lies there."""
    backup = StoredBackup(items=[config_map("shop", f"c{n}") for n in range(10_050)])
    backup.contents[ARCHIVE] = gzip.compress(b"".join(header(f"x{n}", 0) for n in range(20_000)) + END)
    assert any("too little in common" in damage for damage in _lie(backup))
