"""restic as a process: files of a volume into a repository, and back. Passwords go by the environment, never by words.

restic.readthedocs.io/en/stable/075_scripting.html has its messages and exit codes.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from runner.adapters.restic_answers import (
    INCOMPLETE,
    LOCKED,
    NEEDED,
    NO_REPOSITORY,
    Done,
    Message,
    done_of,
    error_of,
    no_answer,
    tail,
    unread,
)
from runner.errors import CommandNotStarted, VolumeError
from runner.model.moved import Moved

PASSWORD = "RESTIC_PASSWORD"  # noqa: S105 -- the variable's name

_ROOT = "root="  # the tag that has the rights and the owner of the volume's own folder, which restic does not keep
_EMPTY = ".trysail-empty-volume"  # stands in the snapshot of an empty volume, and is never restored
_EMPTY_SAID = "snapshot is empty"
# How often it says how far it is, which nobody hears: sixty times a second otherwise, for as long as it takes.
_QUIET = {"RESTIC_PROGRESS_FPS": "0.01"}


class _Snapshot(msgspec.Struct):
    """What `cat snapshot` says, as far as it is of interest."""

    tags: list[str] = []


@dataclass(frozen=True)
class Restic:
    """One repository. `environment` has its credentials and its password.

    restic itself tries for a quarter of an hour to reach a store, whatever is wrong. So the first question is asked
    with a limit of its own, `patience` seconds; from then on restic may bridge what it can.
    """

    repository: str
    environment: Mapping[str, str]
    options: Sequence[str] = ()
    program: str = "restic"
    cache: Path | None = None  # None: no cache at all
    patience: float = 30
    wait: float = 300  # seconds for somebody else to make the repository
    pause: float = 2  # between looks for that

    def backup(
        self, folder: Path, *, host: str, tags: Sequence[str], without: Sequence[str] = (), make: bool = True
    ) -> Moved:
        """Stores all files below `folder` but those named `without`. What could not be read is the result's error.

        Snapshots of one claim follow each other by their host and tags: only what has changed is read again. `make`
        the repository where there is none; else somebody else is about to.
        """
        self._there(make=make)
        # Not --ignore-inode, which overlooks a file whose time was set back: it is for ctime as well.
        words = ["backup", ".", "--host", host, "--group-by", "host,tags"]
        for tag in (*tags, _root_tag(folder)):
            words += ["--tag", tag]
        for name in without:
            words += ["--exclude", glob.escape(str(folder.resolve() / name))]
        done = self._run(words, folder=folder)
        if done.code == 1 and _EMPTY_SAID in " ".join(one.message for one in done.messages):
            return Moved(error=unread(done)) if done.errors else self._backup_of_nothing(words)
        return self._stored(done)

    def _backup_of_nothing(self, words: Sequence[str]) -> Moved:
        """An empty volume is one too. But restic takes no snapshot of nothing, so that a file stands in for it."""
        with TemporaryDirectory(prefix="trysail-empty-") as scratch:
            (Path(scratch) / _EMPTY).touch()
            return msgspec.structs.replace(self._stored(self._run(words, folder=Path(scratch))), files=0)

    def _stored(self, done: Done) -> Moved:
        summary = next((one for one in done.messages if one.message_type == "summary"), Message())
        if done.code not in {0, INCOMPLETE} or not summary.snapshot_id:
            raise error_of(done, "backup")
        return Moved(
            snapshot=summary.snapshot_id,
            files=summary.total_files_processed,
            size=summary.total_bytes_processed,
            added=summary.data_added_packed or summary.data_added,
            error=unread(done) if done.code == INCOMPLETE else "",
        )

    def restore(self, snapshot: str, folder: Path) -> Moved:
        """Writes the files of a snapshot into `folder`, and reads them again to see that they are right."""
        found = self._asked(["cat", "snapshot", snapshot])
        if found.code != 0:
            raise error_of(found, "restore")
        # A label of SELinux is the new volume's own: kubelet gives it, and a container may not.
        without = ["--exclude", f"/{_EMPTY}", "--exclude-xattr", "security.selinux"]
        done = self._run(["restore", snapshot, "--target", str(folder), *without, "--sparse", "--verify"])
        if done.code != 0:
            raise error_of(done, "restore")
        _set_root(folder, _snapshot(found.output).tags)
        summary = next((one for one in done.messages if one.message_type == "summary"), Message())
        return Moved(snapshot=snapshot, files=summary.files_restored, size=summary.bytes_restored)

    def _there(self, *, make: bool) -> None:
        """Sees to it that there is a repository.

        Two who make one at once both succeed, and nobody can read it ever after, since each has written a key that the
        other's configuration does not fit. So one alone makes it.
        """
        until = time.monotonic() + self.wait
        while (found := self._asked(["cat", "config"])).code == NO_REPOSITORY:
            if make:
                made = self._run(["init"])
                if made.code != 0:
                    raise error_of(made, "init")
                return
            if time.monotonic() >= until:
                raise VolumeError(
                    f"nobody has made the repository within {self.wait:g} seconds",
                    hint="how did the first of the run's movers end, which was to make it?",
                )
            time.sleep(self.pause)
        if found.code != 0:
            raise error_of(found, "cat config")

    def _asked(self, words: Sequence[str]) -> Done:
        """A question that has a limit. VolumeError where there is no answer in time."""
        return self._once([*words, "--no-lock"], None, limit=self.patience)

    def _run(self, words: Sequence[str], *, folder: Path | None = None) -> Done:
        done = self._once(words, folder)
        if done.code != LOCKED:
            return done
        self._once(["unlock"], None)  # only locks that nobody renews any more
        return self._once(words, folder)

    def _once(self, words: Sequence[str], folder: Path | None, *, limit: float | None = None) -> Done:
        program = shutil.which(self.program)
        if program is None:
            raise CommandNotStarted(f"{self.program} is not on the PATH", hint=NEEDED)
        cache = ["--no-cache"] if self.cache is None else ["--cache-dir", str(self.cache)]
        try:
            done = subprocess.run(  # noqa: S603 -- without a shell, and every word is ours
                [program, "--json", "--repo", self.repository, *cache, *self.options, *words],
                env={**os.environ, **_QUIET, **self.environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=limit,
            )
        except subprocess.TimeoutExpired as error:
            raise no_answer(tail(error.stderr or b""), self.patience) from error
        except OSError as error:
            raise CommandNotStarted(f"{program} cannot be started: {error.strerror}", hint=NEEDED) from error
        return done_of(done.returncode, done.stdout, done.stderr)


def _root_tag(folder: Path) -> str:
    found = folder.stat()
    return f"{_ROOT}{stat.S_IMODE(found.st_mode):o}:{found.st_uid}:{found.st_gid}"


def _set_root(folder: Path, tags: Sequence[str]) -> None:
    """The volume's own folder as it was. Who is not root may not give it away; restic lets that pass for files too."""
    for tag in tags:
        if (found := _ROOT_TAG.fullmatch(tag)) is not None:
            with suppress(PermissionError):
                os.chown(folder, int(found[2]), int(found[3]))
            with suppress(PermissionError):
                folder.chmod(int(found[1], 8))


def _snapshot(output: bytes) -> _Snapshot:
    try:
        return _SNAPSHOT.decode(output)
    except msgspec.DecodeError:
        return _Snapshot()


_ROOT_TAG = re.compile(r"root=([0-7]{1,4}):([0-9]+):([0-9]+)")

_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
