"""Commands on this machine: started without a shell, bounded in time and output, and ended with all they started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from runner.errors import CommandNotStarted, ExecTimedOut
from runner.volume_ports import Ended

_PIECE = 65_536  # bytes read at once
_LOOK = 0.1  # seconds between looks at whether it has ended, while something it started keeps its output open
_GRACE = 2.0  # seconds that a command has to end when it is asked to
_SIGNALLED = 128  # as shells have it: a command that signal N ends has the code 128 + N


class LocalCommands:
    """A CommandRunner."""

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, timeout: float, most: int) -> Ended:
        """See volume_ports. Standard input is empty. What a command leaves in the background goes on, as in a shell."""
        try:
            process = subprocess.Popen(  # noqa: S603 -- running what the policy says is what this is for
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # A group of its own: all of it is ended together. A signal for us reaches us alone, and we end it.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a null byte
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CommandNotStarted(
                f"{command[0]} cannot be started: {reason}",
                hint="it is run without a shell, and looked for in PATH; its first word is the program alone",
            ) from error
        tail = Tail(most)
        try:
            in_time = _drain(process, tail, monotonic() + timeout)
        except BaseException:
            _end(process)
            raise
        if not in_time:
            _end(process)
            raise ExecTimedOut(f"{command[0]} did not end within {timeout:g} s, and was ended")
        _close(process)
        code = process.returncode
        return tail.ended(code if code >= 0 else _SIGNALLED - code)


class Tail:
    """The last bytes of a stream, in bounded memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self._seen = 0

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """More of the stream."""
        self._seen += len(data)
        self._kept += data[-self._most :] if self._most else b""
        if len(self._kept) > 2 * self._most:
            del self._kept[: -self._most]

    def ended(self, code: int) -> Ended:
        """The end of a command that printed all this."""
        kept = bytes(self._kept[-self._most :]) if self._most else b""
        return Ended(code, kept.decode(errors="replace"), cut=self._seen > self._most)


def _drain(process: subprocess.Popen[bytes], tail: Tail, deadline: float) -> bool:
    """Reads until the command has ended; whether that was in time."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        open_ = True
        while open_:
            left = deadline - monotonic()
            if left <= 0:
                return False
            selector.select(min(left, _LOOK))
            ended = process.poll() is not None  # before the last read, so that nothing it wrote is missed
            open_ = _read(process.stdout.fileno(), tail) and not ended
    try:
        process.wait(max(deadline - monotonic(), 0))
    except subprocess.TimeoutExpired:
        return False
    return True


def _read(pipe: int, tail: Tail) -> bool:
    """Takes what is there, some of it where it never ends; whether more may come."""
    for _ in range(64):
        try:
            data = os.read(pipe, _PIECE)
        except BlockingIOError:
            return True
        if not data:
            return False
        tail.add(data)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the command's group: asks first."""
    try:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()
        _close(process)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group's number is the leader's, and is not given out again while any of the group is there.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.close()
