"""One server as a child process: started, waited for, stopped, with its output in a file.

It only ever signals the process group that it made itself. What a server is for, and when it is ready,
is known by its part.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.parts import PartUnavailable

_POLL_SECONDS: Final = 0.02
_GRACE_SECONDS: Final = 5.0
_TAIL_BYTES: Final = 4000


class ServerProcess:
    """A running server; `log` receives what it prints, after what is there already."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._command = command
        self._ended = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=log.parent,
                # A group of its own: children are stopped with it, and Ctrl-C reaches the tests first.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, for measurements."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll `ready` until it is true; an error with the log's end if the server dies or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None:
                raise PartUnavailable(self._obituary(f"ended with code {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise PartUnavailable(self._obituary(f"was not ready after {seconds:.0f} s"))
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server and its children: asked first, killed when they take too long."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the server and its children as a crash would."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._ended = True

    def _signal(self, number: signal.Signals) -> None:
        if self._ended:  # the number may be another's by now
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _obituary(self, what: str) -> str:
        end = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        return f"{' '.join(map(str, self._command[:2]))} {what}; the end of {self.log}:\n{end}"
