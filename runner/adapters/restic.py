"""restic as a process: files of a volume into a repository, and back. Passwords go by the environment, never by words.

restic.readthedocs.io/en/stable/075_scripting.html has its messages and exit codes.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from runner.errors import (
    CommandNotStarted,
    SnapshotNotFound,
    VolumeError,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from runner.model.moved import Moved

PASSWORD = "RESTIC_PASSWORD"  # noqa: S105 -- the variable's name

_INCOMPLETE, _NO_REPOSITORY, _LOCKED, _WRONG_PASSWORD = 3, 10, 11, 12
_SHOWN = 5  # files that are named of those that could not be read
_ROOT = "root="  # the tag that has the rights and the owner of the volume's own folder, which restic does not keep
_EMPTY = ".trysail-empty-volume"  # stands in the snapshot of an empty volume, and is never restored
_EMPTY_SAID = "snapshot is empty"
_NEEDED = "the mover's image needs restic 0.18 or later"
# How often it says how far it is, which nobody hears: sixty times a second otherwise, for as long as it takes.
_QUIET = {"RESTIC_PROGRESS_FPS": "0.01"}


class _Message(msgspec.Struct):
    """A line of restic's --json output, as far as it is of interest."""

    message_type: str = ""
    snapshot_id: str = ""
    total_files_processed: int = 0
    total_bytes_processed: int = 0
    data_added: int = 0
    data_added_packed: int = 0
    files_restored: int = 0
    bytes_restored: int = 0
    message: str = ""
    item: str = ""
    error: msgspec.Raw = msgspec.Raw()
    code: int = 0


class _Error(msgspec.Struct):
    message: str = ""


class _Snapshot(msgspec.Struct):
    """What `cat snapshot` says, as far as it is of interest."""

    tags: list[str] = []


@dataclass(frozen=True)
class _Done:
    """A run of restic."""

    code: int
    messages: list[_Message]
    said: str  # the end of what it wrote on standard error
    output: bytes = b""


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
            return Moved(error=_unread(done)) if _errors(done) else self._backup_of_nothing(words)
        return self._stored(done)

    def _backup_of_nothing(self, words: Sequence[str]) -> Moved:
        """An empty volume is one too. But restic takes no snapshot of nothing, so that a file stands in for it."""
        with TemporaryDirectory(prefix="trysail-empty-") as scratch:
            (Path(scratch) / _EMPTY).touch()
            return msgspec.structs.replace(self._stored(self._run(words, folder=Path(scratch))), files=0)

    def _stored(self, done: _Done) -> Moved:
        summary = next((one for one in done.messages if one.message_type == "summary"), _Message())
        if done.code not in {0, _INCOMPLETE} or not summary.snapshot_id:
            raise self._error(done, "backup")
        return Moved(
            snapshot=summary.snapshot_id,
            files=summary.total_files_processed,
            size=summary.total_bytes_processed,
            added=summary.data_added_packed or summary.data_added,
            error=_unread(done) if done.code == _INCOMPLETE else "",
        )

    def restore(self, snapshot: str, folder: Path) -> Moved:
        """Writes the files of a snapshot into `folder`, and reads them again to see that they are right."""
        found = self._asked(["cat", "snapshot", snapshot])
        if found.code != 0:
            raise self._error(found, "restore")
        # A label of SELinux is the new volume's own: kubelet gives it, and a container may not.
        without = ["--exclude", f"/{_EMPTY}", "--exclude-xattr", "security.selinux"]
        done = self._run(["restore", snapshot, "--target", str(folder), *without, "--sparse", "--verify"])
        if done.code != 0:
            raise self._error(done, "restore")
        _set_root(folder, _snapshot(found.output).tags)
        summary = next((one for one in done.messages if one.message_type == "summary"), _Message())
        return Moved(snapshot=snapshot, files=summary.files_restored, size=summary.bytes_restored)

    def _there(self, *, make: bool) -> None:
        """Sees to it that there is a repository.

        Two who make one at once both succeed, and nobody can read it ever after, since each has written a key that the
        other's configuration does not fit. So one alone makes it.
        """
        until = time.monotonic() + self.wait
        while (found := self._asked(["cat", "config"])).code == _NO_REPOSITORY:
            if make:
                made = self._run(["init"])
                if made.code != 0:
                    raise self._error(made, "init")
                return
            if time.monotonic() >= until:
                raise VolumeError(
                    f"nobody has made the repository within {self.wait:g} seconds",
                    hint="how did the first of the run's movers end, which was to make it?",
                )
            time.sleep(self.pause)
        if found.code != 0:
            raise self._error(found, "cat config")

    def _asked(self, words: Sequence[str]) -> _Done:
        """A question that has a limit. VolumeError where there is no answer in time."""
        return self._once([*words, "--no-lock"], None, limit=self.patience)

    def _run(self, words: Sequence[str], *, folder: Path | None = None) -> _Done:
        done = self._once(words, folder)
        if done.code != _LOCKED:
            return done
        self._once(["unlock"], None)  # only locks that nobody renews any more
        return self._once(words, folder)

    def _once(self, words: Sequence[str], folder: Path | None, *, limit: float | None = None) -> _Done:
        program = shutil.which(self.program)
        if program is None:
            raise CommandNotStarted(f"{self.program} is not on the PATH", hint=_NEEDED)
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
            raise self._no_answer(_tail(error.stderr or b"")) from error
        except OSError as error:
            raise CommandNotStarted(f"{program} cannot be started: {error.strerror}", hint=_NEEDED) from error
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        found = [message for line in lines if (message := _read(line))]
        return _Done(done.returncode, found, _tail(done.stderr), done.stdout)

    def _no_answer(self, said: str) -> VolumeError:
        """It was still trying: what it ran into is in its words on that."""
        causes = _RETRYING.findall(said)
        cause = " ".join(causes[-1].split()) if causes else ""
        words = f"the repository gave no answer within {self.patience:g} seconds"
        if not cause:
            return VolumesUnreachable(words)
        found = _of_words(f"{words}: {cause}")
        return found if found is not None else VolumesUnreachable(f"{words}: {cause}")

    def _error(self, done: _Done, doing: str) -> VolumeError:
        said = next((one.message for one in done.messages if one.message_type == "exit_error"), "") or done.said
        said = " ".join(said.split()) or f"exit code {done.code}"
        if done.code < 0:
            name = signal.Signals(-done.code).name if -done.code in set(signal.Signals) else str(-done.code)
            return VolumeError(f"restic {doing} was ended by {name}", hint="does its Pod, or its node, lack memory?")
        words = f"restic {doing} failed: {said}"
        if errors := _errors(done):
            words = f"{words}: {_named(errors)}"
        match done.code:
            case 12:
                return VolumesDenied(words, hint="is repositoryPassword the one that the repository was made with?")
            case 11:
                return VolumesBusy(words)
            case 10:
                return VolumeRejected(words, hint="there is no repository at this place")
        lower = said.lower()
        if "no matching id" in lower or "failed to find snapshot" in lower:
            return SnapshotNotFound(words, hint="it was forgotten, or is in another repository")
        if "ciphertext verification failed" in lower or "already contains keys" in lower:
            return VolumeError(
                words, hint="two made it at once, or one was ended while it did: begin with an empty place"
            )
        if "unknown flag" in lower:
            return VolumeRejected(words, hint=_NEEDED)
        return _of_words(words) or VolumeError(words)


def _of_words(words: str) -> VolumeError | None:
    """What the store has against it, where that can be told."""
    lower = words.lower()
    if any(word in lower for word in _DENIED):
        return VolumesDenied(words, hint="may the location's credential read, write, list and delete there?")
    if "bucket does not exist" in lower or "container does not exist" in lower:
        return VolumeRejected(words, hint="is it made, and is its name right?")
    if any(word in lower for word in _UNREACHABLE):
        return VolumesUnreachable(words)
    return None


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


def _read(line: bytes) -> _Message | None:
    try:
        return _MESSAGE.decode(line)
    except msgspec.DecodeError:
        return None


def _errors(done: _Done) -> list[_Message]:
    return [one for one in done.messages if one.message_type == "error"]


def _unread(done: _Done) -> str:
    errors = _errors(done)
    return f"{len(errors)} files could not be read: {_named(errors)}"


def _named(errors: Sequence[_Message]) -> str:
    more = f", and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return ", ".join(f"{one.item} ({_words(one)})" for one in errors[:_SHOWN]) + more


def _words(message: _Message) -> str:
    try:
        return _ERROR.decode(message.error).message
    except msgspec.DecodeError:
        return "it could not be read"


def _tail(stderr: bytes) -> str:
    return stderr.decode(errors="replace")[-400:]


_UNREACHABLE = ("connection refused", "connection reset", "no such host", "no route to host", "timeout", " eof")
_DENIED = ("access denied", "accessdenied", "invalidaccesskeyid", "signature we calculated", "authorizationfailure")
_RETRYING = re.compile(r"retrying after [^:\n]*: ([^\n]+)")
_ROOT_TAG = re.compile(r"root=([0-7]{1,4}):([0-9]+):([0-9]+)")

_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
_MESSAGE = msgspec.json.Decoder(_Message)
_ERROR = msgspec.json.Decoder(_Error)
