"""What restic's words and exit codes mean: lines of JSON in, one of our errors out.

restic.readthedocs.io/en/stable/075_scripting.html has them.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from runner.errors import (
    SnapshotNotFound,
    VolumeError,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)

NEEDED = "the mover's image needs restic 0.18 or later"
INCOMPLETE, NO_REPOSITORY, LOCKED, WRONG_PASSWORD = 3, 10, 11, 12  # exit codes

_BY_CODE: dict[int, tuple[type[VolumeError], str]] = {
    WRONG_PASSWORD: (VolumesDenied, "is repositoryPassword the one that the repository was made with?"),
    LOCKED: (VolumesBusy, ""),
    NO_REPOSITORY: (VolumeRejected, "there is no repository at this place"),
}
_SHOWN = 5  # files that are named of those that could not be read
_UNREACHABLE = ("connection refused", "connection reset", "no such host", "no route to host", "timeout", " eof")
_DENIED = ("access denied", "accessdenied", "invalidaccesskeyid", "signature we calculated", "authorizationfailure")
_RETRYING = re.compile(r"retrying after [^:\n]*: ([^\n]+)")


class Message(msgspec.Struct):
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
class Done:
    """A run of restic."""

    code: int
    messages: list[Message]
    said: str  # the end of what it wrote on standard error
    output: bytes = b""

    @property
    def errors(self) -> list[Message]:
        """What it says of single files."""
        return [one for one in self.messages if one.message_type == "error"]


def done_of(code: int, stdout: bytes, stderr: bytes) -> Done:
    """A run that has ended."""
    lines = [*stdout.splitlines(), *stderr.splitlines()]
    return Done(code, [message for line in lines if (message := _read(line))], tail(stderr), stdout)


def tail(stderr: bytes) -> str:
    """The end of what it wrote."""
    return stderr.decode(errors="replace")[-400:]


def no_answer(said: str, patience: float) -> VolumeError:
    """The error for a run that was still trying after so many seconds: what it ran into is in its words on that."""
    causes = _RETRYING.findall(said)
    cause = " ".join(causes[-1].split()) if causes else ""
    words = f"the repository gave no answer within {patience:g} seconds"
    if not cause:
        return VolumesUnreachable(words)
    found = _of_words(f"{words}: {cause}")
    return found if found is not None else VolumesUnreachable(f"{words}: {cause}")


def error_of(done: Done, doing: str) -> VolumeError:
    """The error for a run of restic that did not do what it was asked for."""
    said = next((one.message for one in done.messages if one.message_type == "exit_error"), "") or done.said
    said = " ".join(said.split()) or f"exit code {done.code}"
    if done.code < 0:
        name = signal.Signals(-done.code).name if -done.code in set(signal.Signals) else str(-done.code)
        return VolumeError(f"restic {doing} was ended by {name}", hint="does its Pod, or its node, lack memory?")
    words = f"restic {doing} failed: {said}"
    if errors := done.errors:
        words = f"{words}: {_named(errors)}"
    if done.code in _BY_CODE:
        kind, hint = _BY_CODE[done.code]
        return kind(words, hint=hint)
    lower = said.lower()
    if "no matching id" in lower or "failed to find snapshot" in lower:
        return SnapshotNotFound(words, hint="it was forgotten, or is in another repository")
    if "ciphertext verification failed" in lower or "already contains keys" in lower:
        return VolumeError(words, hint="two made it at once, or one was ended while it did: begin with an empty place")
    if "unknown flag" in lower:
        return VolumeRejected(words, hint=NEEDED)
    return _of_words(words) or VolumeError(words)


def unread(done: Done) -> str:
    """Which files could not be read."""
    errors = done.errors
    return f"{len(errors)} files could not be read: {_named(errors)}"


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


def _read(line: bytes) -> Message | None:
    try:
        return _MESSAGE.decode(line)
    except msgspec.DecodeError:
        return None


def _named(errors: Sequence[Message]) -> str:
    more = f", and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return ", ".join(f"{one.item} ({_words(one)})" for one in errors[:_SHOWN]) + more


def _words(message: Message) -> str:
    try:
        return _ERROR.decode(message.error).message
    except msgspec.DecodeError:
        return "it could not be read"


_MESSAGE = msgspec.json.Decoder(Message)
_ERROR = msgspec.json.Decoder(_Error)
