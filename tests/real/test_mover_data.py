"""The mover's data path as a plain process: whatever lies in a volume comes back as it was, through SeaweedFS."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts.restic import restic_program
from tests.parts.seaweedfs import SeaweedFS
from tests.real.trysail import COMMAND
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]
PASSWORD = "moved-by-night-9"
MANY = 100_000


@dataclass(frozen=True)
class Mover:
    """`mover("backup", folder)`: how it ended, and what it said."""

    repository: str
    environment: dict[str, str]

    def words(self, verb: str, folder: Path, *more: str) -> list[str]:
        """The command, as a Job has it."""
        words = [*COMMAND, "mover", verb, "--path", str(folder), "--repository", self.repository]
        usual = ["--cluster", "real", "--claim", "shop/data", "--backup", "b1"] if verb == "backup" else []
        return [*words, "--option", "s3.bucket-lookup=path", *usual, *more]

    def __call__(
        self, verb: str, folder: Path, *more: str, code: int = 0, under: tuple[str, ...] = (), **env: str
    ) -> Json:
        """Runs it to its end, `under` another command where that is given; its word."""
        done = subprocess.run(
            [*under, *self.words(verb, folder, *more)],
            env={**os.environ, **self.environment, **env},
            capture_output=True,
            check=False,
            cwd=folder.parent,
        )
        assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
        assert PASSWORD.encode() not in done.stdout + done.stderr
        answer: Json = json.loads(done.stdout)
        return answer


@pytest.fixture
def mover(seaweedfs: SeaweedFS, bucket: str) -> Mover:
    """With a repository of its own."""
    place = f"{seaweedfs.endpoint}/{bucket}/files-{secrets.token_hex(4)}"
    return Mover(
        f"s3:{place}",
        {
            "PATH": f"{restic_program().parent}:{os.environ['PATH']}",
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
            "TRYSAIL_REPOSITORY_PASSWORD": PASSWORD,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty one."""
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another one."""
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


def test_everything_comes_back_as_it_was(mover: Mover, volume: Path, other: Path) -> None:
    """Bytes, rights, owners, times, links of both sorts, holes, empty folders, and names that no shell likes."""
    (volume / "plain").write_bytes(b"\0\xff" * 1000)
    (volume / "plain").chmod(0o640)
    os.chown(volume / "plain", 1234, 4321)
    os.utime(volume / "plain", ns=(10**18, 10**18 + 5))
    (volume / "empty").mkdir(mode=0o711)
    (volume / "sub").mkdir()
    (volume / "sub" / "twin").hardlink_to(volume / "plain")
    (volume / "sub" / "broken").symlink_to("/nowhere")
    with (volume / "hole").open("wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"in the middle")
    odd = [b"line\nbreak", b"quote'\"", b"-rf", b"\xff\xfe not utf-8", "grüße".encode(), b" blank "]
    for name in odd:
        (Path(os.fsdecode(bytes(volume) + b"/" + name))).write_bytes(name)

    stored = mover("backup", volume)
    mover("restore", other, "--snapshot", stored["snapshot"])

    assert tree(other) == tree(volume)
    assert (other / "plain").stat().st_ino == (other / "sub" / "twin").stat().st_ino
    assert (other / "hole").stat().st_blocks * 512 < 8 << 20
    assert not (other / ".trysail-restoring").exists()


def tree(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """What a user can tell of each file."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = path.readlink()
        elif path.is_file():
            content = path.read_bytes()
        times = None if path.is_dir() or path.is_symlink() else status.st_mtime_ns
        found[os.fsencode(path.relative_to(folder))] = (status.st_mode, status.st_uid, status.st_gid, times, content)
    return found


def test_a_second_backup_adds_what_has_changed(mover: Mover, volume: Path) -> None:
    """A volume's snapshots follow each other: the same bytes are in the repository once."""
    (volume / "large").write_bytes(secrets.token_bytes(8 << 20))
    first = mover("backup", volume)
    (volume / "small").write_text("new")
    second = mover("backup", volume)
    assert first["added"] > 8 << 20
    assert second["added"] < 100_000
    assert second["files"] == 2


def test_many_small_files(mover: Mover, volume: Path, other: Path) -> None:
    """A hundred thousand, in a hundred folders: stored and brought back whole."""
    for number in range(MANY):
        folder = volume / f"d{number % 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_text(f"{number}")
    stored = mover("backup", volume)
    assert stored["files"] == MANY
    mover("restore", other, "--snapshot", stored["snapshot"])
    assert {path.relative_to(other): path.read_text() for path in other.rglob("f*")} == {
        path.relative_to(volume): path.read_text() for path in volume.rglob("f*")
    }


def test_a_file_that_changes_meanwhile_is_stored_as_it_was_at_some_time(mover: Mover, volume: Path) -> None:
    """Somebody writes on while its volume is copied: that is no error, and no surprise to who takes no snapshot."""
    log = volume / "log"
    log.write_bytes(b"")
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys\nwhile True: open(sys.argv[1], 'a').write('x' * 1000)", str(log)]
    )
    try:
        wait_for(lambda: log.stat().st_size > 100_000, "somebody to write")
        stored = mover("backup", volume)
    finally:
        writer.kill()
        writer.wait()
    assert stored["files"] == 1
    assert stored["size"] > 0


def test_a_file_that_cannot_be_read_is_named(mover: Mover, volume: Path) -> None:
    """The rest is stored, the mover's exit code is 3, and the name is in its word: a backup that lacks it says so."""
    (volume / "good").write_text("good")
    bad = volume / "bad"
    bad.write_text("bad")
    bad.chmod(0)
    os.chown(bad, 1234, 1234)
    # Root reads everything, but for what takes this right from it; so it is in namespaces with strict Pod security.
    weak = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    stored = mover("backup", volume, code=3, under=weak)
    assert stored["snapshot"]
    assert stored["error"].startswith("1 files could not be read: ")
    assert "bad" in stored["error"]


def test_a_volume_that_holds_something_is_left_alone(mover: Mover, volume: Path, other: Path) -> None:
    """Nothing that is there is written over."""
    (volume / "a").write_text("stored")
    stored = mover("backup", volume)
    (other / "a").write_text("newer")
    refused = mover("restore", other, "--snapshot", stored["snapshot"], code=1)
    assert "the volume is not empty: it holds a" in refused["error"]
    assert (other / "a").read_text() == "newer"


def test_a_wrong_password_is_said(mover: Mover, volume: Path) -> None:
    """And nothing is stored with it."""
    (volume / "a").write_text("x")
    mover("backup", volume)
    refused = mover("backup", volume, code=1, TRYSAIL_REPOSITORY_PASSWORD="another")
    assert "wrong password" in refused["error"]


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_killed_and_started_again(mover: Mover, volume: Path, other: Path, verb: str) -> None:
    """SIGKILL in the middle: the same command goes on, and what comes back is whole."""
    for number in range(40):
        (volume / f"f{number}").write_bytes(secrets.token_bytes(1 << 20))
    stored = mover("backup", volume) if verb == "restore" else {"snapshot": ""}
    words = mover.words("backup", volume)
    if verb == "restore":
        words = mover.words("restore", other, "--snapshot", stored["snapshot"])
    process = subprocess.Popen(
        words,
        env={**os.environ, **mover.environment},
        cwd=volume.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    began = time.monotonic()
    if verb == "restore":
        wait_for(lambda: len(list(other.iterdir())) > 3 or process.poll() is not None, "files to come")
    else:
        wait_for(lambda: time.monotonic() - began > 1.5 or process.poll() is not None, "it to be under way")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if verb == "backup":
        stored = mover("backup", volume)
    elif not (other / ".trysail-restoring").exists():
        return  # it was quicker than the kill
    mover("restore", other, "--snapshot", stored["snapshot"])
    assert tree(other) == tree(volume)
