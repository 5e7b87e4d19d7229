"""What is the folder's own among stores: rights, paths, durability, full disks, filesystems without links."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.adapters.filesystem import FilesystemStore
from runner.errors import (
    KeyExists,
    KeyNotFound,
    LocationNotFound,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnreachable,
)
from runner.ports import UnfinishedUpload


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "not" / "yet"


@pytest.fixture
def store(root: Path) -> FilesystemStore:
    """A store in it."""
    return FilesystemStore(root)


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_only_the_owner_may_read(store: FilesystemStore, root: Path) -> None:
    """Archives hold Secrets: files are 0600 and folders 0700, by both ways of writing, the root included."""
    store.create("a/created", b"")
    upload = store.upload("b/uploaded")
    upload.part(1, 0, b"data")
    during = {path.name: path.stat().st_mode & 0o777 for path in root.rglob("*.partial")}
    assert list(during.values()) == [0o600]
    upload.complete()
    modes = {str(path.relative_to(root.parent)): path.stat().st_mode & 0o777 for path in root.parent.rglob("*")}
    assert modes == {
        "yet": 0o700,
        "yet/a": 0o700,
        "yet/a/created": 0o600,
        "yet/b": 0o700,
        "yet/b/uploaded": 0o600,
    }
    assert root.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "a/./b",
        "x\0y",
        "a/.k.0123456789abcdef.partial",
    ],
)
def test_keys_that_are_no_paths(store: FilesystemStore, root: Path, key: str) -> None:
    """What would lie elsewhere, in two places, or look like a partial file is refused by every verb."""
    for ask in (store.upload, store.read, store.stat, lambda key: store.create(key, b"")):
        with pytest.raises(StoreError):
            ask(key)
    assert not root.exists()


@pytest.mark.parametrize("prefix", ["../", "/etc/", "a/../../"])
def test_listing_does_not_leave_the_root(store: FilesystemStore, prefix: str) -> None:
    """A prefix that leads out of the root is refused too."""
    for ask in (store.keys, store.folders, store.unfinished):
        with pytest.raises(StoreError):
            ask(prefix)


def test_discard_takes_no_other_file(store: FilesystemStore, root: Path) -> None:
    """The id of an upload is the name of a partial file, and nothing else is removed by it."""
    store.create("a/b", b"data")
    for name in ("b", "../a/b", ".b.partial"):
        with pytest.raises(StoreError):
            store.discard(UnfinishedUpload("a/x", name))
    assert _files(root) == ["a", "a/b"]


def test_links_and_foreign_folders(store: FilesystemStore, root: Path, tmp_path: Path) -> None:
    """Links are not followed, not even in circles, and a folder without an object is no folder."""
    store.create("a/b", b"data")
    (root / "empty" / "deeper").mkdir(parents=True)
    (root / "loop").symlink_to(root)
    (root / "a" / "link").symlink_to(root / "a" / "b")
    upload = store.upload("begun/key")
    upload.part(1, 0, b"data")
    assert [item.key for item in store.keys("")] == ["a/b"]
    assert store.folders("") == ("a",)


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that changes later does not move the store; its url says where it is."""
    monkeypatch.chdir(tmp_path)
    store = FilesystemStore(Path("backups"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    store.create("key", b"data")
    assert (tmp_path / "backups" / "key").read_bytes() == b"data"
    assert store.url == str(tmp_path / "backups")
    assert repr(store) == f"FilesystemStore({store.url!r})"


def test_aborting_removes_the_folders_it_made(store: FilesystemStore, root: Path) -> None:
    """No empty folder is left by a run that ended early; folders with something in them stay."""
    store.create("a/keep", b"")
    for key in ("a/b/c/key", "d/key"):
        upload = store.upload(key)
        upload.part(1, 0, b"data")
        upload.abort()
    assert _files(root) == ["a", "a/keep"]


def test_a_file_where_a_folder_must_be(store: FilesystemStore, root: Path) -> None:
    """An object cannot have others below it here: that is said, and nothing is left of the attempt."""
    store.create("a", b"data")
    with pytest.raises(LocationNotFound):
        store.create("a/b", b"data")
    with pytest.raises(KeyNotFound):
        store.read("a/b")
    assert _files(root) == ["a"]


def test_a_folder_where_a_file_must_be(store: FilesystemStore, root: Path) -> None:
    """A key that is a folder already is no KeyExists, since there is nothing to read; nothing is left of it."""
    store.create("a/b", b"data")
    with pytest.raises(StoreError) as caught:
        store.create("a", b"data")
    assert not isinstance(caught.value, KeyExists)
    with pytest.raises(KeyNotFound):
        store.stat("a")
    assert _files(root) == ["a", "a/b"]


_CHILD = """
import os, resource, signal, sys
from pathlib import Path
from runner.adapters.filesystem import FilesystemStore
from runner.errors import StoreFull
store = FilesystemStore(Path(sys.argv[1]))
"""


def _run_child(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _CHILD + script, str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_room_for_the_file(store: FilesystemStore, root: Path) -> None:
    """The kernel refuses to let a file grow, half way through one: StoreFull, and nothing is left.

    A limit on the file's size stands in for a full disk: it needs no rights, and takes the same way.
    """
    store.create("before", b"")
    done = _run_child(
        root,
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.create("folder/created", bytes(150_000))
except StoreFull as error:
    print(error.hint)
upload = store.upload("folder/uploaded")
upload.part(1, 0, bytes(60_000))
try:
    upload.part(2, 60_000, bytes(60_000))
except StoreFull as error:
    print(error.hint)
upload.abort()
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("free some space") == 2
    assert _files(root) == ["before"]


def test_a_process_that_is_killed_leaves_nothing_visible(store: FilesystemStore, root: Path) -> None:
    """After SIGKILL in the middle there is no object, and what lies there is found and removed by name."""
    done = _run_child(
        root,
        """
upload = store.upload("folder/key")
upload.part(1, 0, b"data")
os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    assert done.returncode == -9
    assert (list(store.keys("")), store.folders("")) == ([], ())
    [left] = store.unfinished("folder/")
    assert left.key == "folder/key"
    store.discard(left)
    assert _files(root) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreDenied),
        (errno.EACCES, StoreDenied),
        (errno.ESTALE, StoreUnreachable),
        (errno.ETIMEDOUT, StoreUnreachable),
        (errno.EMFILE, StoreBusy),
        (errno.EIO, StoreError),
    ],
)
@pytest.mark.parametrize("call", ["open", "pwrite", "fsync"])
def test_what_the_system_says(
    store: FilesystemStore,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    expected: type[StoreError],
) -> None:
    """Every refusal while writing, at whichever step, is the error it means, and leaves no file behind."""

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    store.create("before", b"")
    with monkeypatch.context() as system:
        system.setattr(os, call, refuse)
        with pytest.raises(StoreError) as caught:
            store.create("folder/key", b"data")
    assert type(caught.value) is expected
    assert caught.value.retriable is (expected in {StoreBusy, StoreUnreachable})
    assert str(root) in caught.value.message
    assert [path for path in _files(root) if path != "folder"] == ["before"]


def test_bytes_are_on_the_disk_before_they_have_a_name(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced, then named, then its folder is synced: a power cut leaves all of it or none."""
    steps: list[str] = []
    sync, link = os.fsync, Path.hardlink_to

    def recorded_sync(file: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        sync(file)

    def recorded_link(self: Path, target: Path) -> None:
        steps.append("name")
        link(self, target)

    store.create("a/before", b"")
    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(Path, "hardlink_to", recorded_link)
    store.create("a/key", b"data")
    assert steps == ["file", "name", "folder"]


def test_a_shorter_part_replaces_a_longer_one(store: FilesystemStore) -> None:
    """Nothing of a part's first sending is left behind the end of its second."""
    upload = store.upload("key")
    upload.part(1, 0, b"0123456789")
    upload.part(1, 0, b"abc")
    upload.complete()
    assert store.read("key") == b"abc"


def test_a_link_whose_answer_was_lost(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that makes the link and says EEXIST, as NFS does after a lost answer, has not been refused."""
    link = Path.hardlink_to

    def linked_twice(self: Path, target: Path) -> None:
        link(self, target)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", linked_twice)
    store.create("key", b"data")
    assert store.read("key") == b"data"
    assert store.unfinished("") == ()


class TestWithoutHardLinks:
    """On filesystems that have none, as FAT and some shares."""

    @pytest.fixture(autouse=True, params=[errno.EPERM, errno.EOPNOTSUPP])
    def _no_links(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Path, target: Path) -> None:
            raise OSError(request.param, "no links here")

        monkeypatch.setattr(Path, "hardlink_to", refuse)

    def test_files_come_into_place_all_the_same(self, store: FilesystemStore, root: Path) -> None:
        """Written whole, create-only, and nothing else is left."""
        store.create("key", b"first")
        with pytest.raises(KeyExists):
            store.create("key", b"second")
        assert store.read("key") == b"first"
        assert _files(root) == ["key"]

    def test_of_two_writers_one_wins(self, store: FilesystemStore, root: Path) -> None:
        """The others are told that the key is taken, or that somebody is at it."""

        def race(data: bytes) -> bytes:
            try:
                store.create("key", data)
            except (KeyExists, StoreBusy):
                return b""
            return data

        with ThreadPoolExecutor(8) as threads:
            winners = [data for data in threads.map(race, [bytes([number]) for number in range(50)]) if data]
        assert winners == [store.read("key")]
        assert _files(root) == ["key"]

    def test_a_dead_writer_s_reservation(self, store: FilesystemStore, root: Path) -> None:
        """It keeps others off without showing, is listed as unfinished, and discarding it frees the key."""
        root.mkdir(parents=True)
        (root / ".key.0000000000000000.partial").touch()
        with pytest.raises(StoreBusy) as caught:
            store.create("key", b"data")
        assert ".key.0000000000000000.partial" in caught.value.hint
        assert list(store.keys("")) == []
        [left] = store.unfinished("")
        store.discard(left)
        store.create("key", b"data")
        assert _files(root) == ["key"]
