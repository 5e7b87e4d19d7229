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

from tests.parts.ports import free_port
from tests.parts.restic import restic_program
from tests.parts.seaweedfs import SeaweedFS
from tests.real.trysail import COMMAND
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]
PASSWORD = "moved-by-night-9"
MANY = 100_000
WEAK = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


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
    os.mkfifo(volume / "pipe", 0o620)
    os.setxattr(volume / "plain", "user.colour", b"blue")
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

    volume.chmod(0o750)
    os.chown(volume, 999, 998)

    stored = mover("backup", volume)
    mover("restore", other, "--snapshot", stored["snapshot"])

    assert tree(other) == tree(volume)
    root = other.stat()
    assert (root.st_mode & 0o7777, root.st_uid, root.st_gid) == (0o750, 999, 998)
    assert os.getxattr(other / "plain", "user.colour") == b"blue"
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
    stored = mover("backup", volume, code=3, under=WEAK)
    assert stored["snapshot"]
    assert stored["error"].startswith("1 files could not be read: ")
    assert "bad" in stored["error"]


def test_a_volume_with_nothing_in_it(mover: Mover, volume: Path, other: Path) -> None:
    """There is no snapshot of nothing in restic. A volume that nobody has written into yet is stored all the same."""
    stored = mover("backup", volume)
    assert stored.get("files", 0) == 0
    volume.joinpath("first").write_text("x")
    assert mover("backup", volume)["files"] == 1
    mover("restore", other, "--snapshot", stored["snapshot"])
    assert list(other.iterdir()) == []


def test_a_volume_of_which_nothing_can_be_read_is_no_empty_one(mover: Mover, volume: Path) -> None:
    """Its only file is named, and there is no snapshot that would look like a good one."""
    (volume / "only").touch(mode=0)
    os.chown(volume / "only", 1234, 1234)
    said = mover("backup", volume, code=3, under=WEAK)
    assert "only" in said["error"]
    assert "snapshot" not in said


def test_what_fsck_has_found_is_no_reason_to_fail(mover: Mover, volume: Path) -> None:
    """Root's own lost+found is in every ext4 volume, and movers without rights cannot read it."""
    (volume / "good").write_text("good")
    (volume / "lost+found").mkdir(mode=0o700)
    os.chown(volume / "lost+found", 1234, 1234)
    assert mover("backup", volume, under=WEAK)["files"] == 1


def test_a_file_that_vanishes_meanwhile_is_no_error(mover: Mover, volume: Path) -> None:
    """Somebody deletes what the mover is about to read: it might as well have been deleted before."""
    for number in range(3000):
        (volume / f"f{number:04}").write_text("x")
    script = "import os,sys\nfor name in sorted(os.listdir(sys.argv[1]))[::-1]: os.unlink(sys.argv[1] + '/' + name)"
    words = mover.words("backup", volume)
    environment = {**os.environ, **mover.environment}
    mover("backup", volume)  # so that the next one comes to the files soon
    with subprocess.Popen(words, env=environment, cwd=volume.parent, stdout=subprocess.PIPE) as process:
        subprocess.run([sys.executable, "-c", script, str(volume)], check=True)
        out, _ = process.communicate()
    assert process.returncode == 0, out
    assert json.loads(out)["snapshot"]


def test_what_has_changed_is_read_again_though_its_time_and_size_are_the_same(
    mover: Mover, volume: Path, other: Path
) -> None:
    """Some set times back, as rsync -t does: an unchanged mtime does not say that a file is unchanged."""
    file = volume / "data"
    file.write_text("before")
    os.utime(file, ns=(10**18, 10**18))
    mover("backup", volume)
    file.write_text("after!")
    os.utime(file, ns=(10**18, 10**18))
    stored = mover("backup", volume)
    mover("restore", other, "--snapshot", stored["snapshot"])
    assert (other / "data").read_text() == "after!"


def test_a_volume_that_is_half_restored_is_not_stored_as_a_whole_one(mover: Mover, volume: Path, other: Path) -> None:
    """What is there is stored and the result says so; and the mark itself never comes back."""
    (volume / "a").write_text("half")
    (volume / ".trysail-restoring").write_text("some snapshot")
    stored = mover("backup", volume, code=3)
    assert "a restore into it has not come to its end" in stored["error"]
    mover("restore", other, "--snapshot", stored["snapshot"])
    assert [path.name for path in other.iterdir()] == ["a"]


def test_a_store_that_does_not_answer_is_said(mover: Mover, volume: Path) -> None:
    """Within a minute, though restic itself would go on trying for a quarter of an hour."""
    (volume / "a").write_text("x")
    away = Mover(f"s3:http://127.0.0.1:{free_port()}/backups/files", mover.environment)
    began = time.monotonic()
    said = away("backup", volume, code=1)
    assert "gave no answer within" in said["error"]
    assert "connection refused" in said["error"]
    assert time.monotonic() - began < 60


def test_a_bucket_that_is_not_there_is_said(mover: Mover, volume: Path) -> None:
    """It is never made by a mover."""
    (volume / "a").write_text("x")
    nowhere = Mover(mover.repository.replace("/backups/", "/no-such-bucket/"), mover.environment)
    assert "bucket" in nowhere("backup", volume, code=1)["error"].lower()


def test_a_mover_waits_for_the_one_that_makes_the_repository(mover: Mover, volume: Path, other: Path) -> None:
    """Both at once, where there is none: both are stored, and both can be read."""
    (volume / "a").write_text("one")
    (other / "b").write_text("two")
    words = [*mover.words("backup", other), "--wait-for-repository"]
    environment = {**os.environ, **mover.environment}
    with subprocess.Popen(words, env=environment, cwd=other.parent, stdout=subprocess.PIPE) as waiting:
        first = mover("backup", volume)
        out, _ = waiting.communicate()
    for number, snapshot in enumerate((first["snapshot"], json.loads(out)["snapshot"])):
        target = volume.parent / f"target{number}"
        target.mkdir()
        mover("restore", target, "--snapshot", snapshot)
    assert (volume.parent / "target1" / "b").read_text() == "two"


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
