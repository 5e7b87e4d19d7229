"""restic as a process: files of a volume into a repository, and back. Passwords go by the environment, never by words.

restic.readthedocs.io/en/stable/075_scripting.html has its messages and exit codes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True)
class _Done:
    """A run of restic."""

    code: int
    messages: list[_Message]
    said: str  # the end of what it wrote on standard error


@dataclass(frozen=True)
class Restic:
    """One repository. `environment` has its credentials and its password."""

    repository: str
    environment: Mapping[str, str]
    options: Sequence[str] = ()
    program: str = "restic"
    cache: Path | None = None  # None: no cache at all
    _known: list[bool] = field(default_factory=list)

    def backup(self, folder: Path, *, host: str, tags: Sequence[str]) -> Moved:
        """Stores all files below `folder`. Files that could not be read are the result's error.

        Snapshots of one claim follow each other by their host and tags: only what has changed is read again.
        """
        self._make()
        words = ["backup", ".", "--host", host, "--group-by", "host,tags", "--ignore-inode", "--ignore-ctime"]
        for tag in tags:
            words += ["--tag", tag]
        done = self._run(words, folder=folder)
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
        done = self._run(["restore", snapshot, "--target", str(folder), "--sparse", "--verify"])
        if done.code != 0:
            raise self._error(done, "restore")
        summary = next((one for one in done.messages if one.message_type == "summary"), _Message())
        return Moved(snapshot=snapshot, files=summary.files_restored, size=summary.bytes_restored)

    def _make(self) -> None:
        """Makes the repository where there is none. Two who do so at once: one of them finds it made."""
        if self._run(["cat", "config"]).code != _NO_REPOSITORY:
            return
        made = self._run(["init"])
        if made.code != 0 and self._run(["cat", "config"]).code != 0:
            raise self._error(made, "init")

    def _run(self, words: Sequence[str], *, folder: Path | None = None) -> _Done:
        done = self._once(words, folder)
        if done.code != _LOCKED:
            return done
        self._once(["unlock"], None)  # only locks that nobody renews any more
        return self._once(words, folder)

    def _once(self, words: Sequence[str], folder: Path | None) -> _Done:
        program = shutil.which(self.program)
        if program is None:
            raise CommandNotStarted(
                f"{self.program} is not on the PATH", hint="the mover's image needs restic 0.17 or later"
            )
        cache = ["--no-cache"] if self.cache is None else ["--cache-dir", str(self.cache)]
        done = subprocess.run(  # noqa: S603 -- without a shell, and every word is ours
            [program, "--json", "--repo", self.repository, *cache, *self.options, *words],
            env={**os.environ, **self.environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        return _Done(done.returncode, [found for line in lines if (found := _read(line))], _tail(done.stderr))

    def _error(self, done: _Done, doing: str) -> VolumeError:
        said = next((one.message for one in done.messages if one.message_type == "exit_error"), "") or done.said
        words = f"restic {doing} failed: {' '.join(said.split()) or f'exit code {done.code}'}"
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
        if any(word in lower for word in ("connection refused", "no such host", "timeout", "i/o timeout", "eof")):
            return VolumesUnreachable(words)
        if any(word in lower for word in ("access denied", "accessdenied", "invalidaccesskeyid", "signature")):
            return VolumesDenied(words, hint="may the location's credential read, write, list and delete there?")
        return VolumeError(words)


def _read(line: bytes) -> _Message | None:
    try:
        return _MESSAGE.decode(line)
    except msgspec.DecodeError:
        return None


def _unread(done: _Done) -> str:
    errors = [one for one in done.messages if one.message_type == "error"]
    named = [f"{one.item} ({_words(one)})" for one in errors]
    more = f", and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f"{len(named)} files could not be read: {', '.join(named[:_SHOWN])}{more}"


def _words(message: _Message) -> str:
    try:
        return _ERROR.decode(message.error).message
    except msgspec.DecodeError:
        return "it could not be read"


def _tail(stderr: bytes) -> str:
    return stderr.decode(errors="replace")[-400:]


_MESSAGE = msgspec.json.Decoder(_Message)
_ERROR = msgspec.json.Decoder(_Error)
