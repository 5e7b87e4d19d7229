"""Trysail as its users run it: arguments in; exit code, standard output and standard error out.

Quick in this process, or as a process of its own where signals, sockets or terminals matter. Every outcome is looked
through for secret values that must not be there, so that no test can forget it.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from unittest.mock import patch

import yaml

from runner.cli.main import exit_code
from tests.real.estate import PASSWORDS
from tests.real.shop import SECRET_VALUES, encoded

COMMAND: Final = (sys.executable, "-m", "runner")
PRINTS_SECRETS: Final = {"get", "download"}  # is what they are for
PATIENCE: Final = 120.0  # seconds, for a process that should take one or two


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Standard output without its line breaks, which come where the text is too wide."""
        return " ".join(self.out.split())


@dataclass(frozen=True)
class Trysail:
    """`trysail("plan", "-f", policy, code=4)`; `env` is what it finds in the environment, beside the machine's own."""

    folder: Path  # files of its own, and the working directory of processes
    env: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, code: int = 0) -> Ended:
        """Runs it in this process; any other exit code than `code` fails the test."""
        words = [str(argument) for argument in arguments]
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            patch.dict(os.environ, self.environment(), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
            _signals_kept(),
        ):
            ended = exit_code(words)
        return checked(words, Ended(ended, _content(out), _content(err)), code)

    def process(self, *arguments: str | Path, code: int = 0, command: tuple[str, ...] = COMMAND) -> Ended:
        """Runs it as a process, to its end."""
        return self.start(*arguments, command=command).wait(code)

    def start(self, *arguments: str | Path, command: tuple[str, ...] = COMMAND) -> Running:
        """Begins it as a process in a session of its own, without a terminal."""
        words = [str(argument) for argument in arguments]
        process = subprocess.Popen(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(),
            start_new_session=True,
        )
        return Running(process, words)

    def with_env(self, **env: str) -> Trysail:
        """The same with more in the environment."""
        return Trysail(self.folder, {**self.env, **env})

    def policy(self, name: str = "shop", /, *, location: Mapping[str, Any], **spec: Any) -> Path:
        """Writes a policy, of the cluster `real` and content with uncovered volumes unless `spec` says otherwise.

        None in `spec` leaves a field out.
        """
        usual = {"clusterName": "real", "onUncovered": "warn", "storageLocation": dict(location)}
        given = {key: value for key, value in (usual | spec).items() if value is not None}
        path = self.folder / f"{name}.yaml"
        document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupPolicy", "metadata": {"name": name}}
        path.write_text(yaml.safe_dump({**document, "spec": given}, sort_keys=False))
        return path

    def environment(self) -> dict[str, str]:
        """All that it finds in the environment."""
        # What the machine has of these must not lead a test to the machine's own clusters and buckets.
        apart = {"KUBECONFIG": str(self.folder / "no-kubeconfig"), "HOME": str(self.folder), "CI": "true"}
        return {**os.environ, **apart, "AWS_EC2_METADATA_DISABLED": "true", **self.env}


class Running:
    """A command that has begun as a process; leaving its `with` block ends it."""

    def __init__(self, process: subprocess.Popen[bytes], words: list[str]) -> None:
        self._process, self._words = process, words

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process."""
        self._process.send_signal(number)

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    def wait(self, code: int) -> Ended:
        """Its end; a process that is late is killed, and fails the test."""
        with self:
            out, err = self._process.communicate(timeout=PATIENCE)
        return checked(self._words, Ended(self._process.returncode, out.decode(), err.decode()), code)


def checked(words: list[str], ended: Ended, code: int) -> Ended:
    """The outcome, if its exit code is `code` and it gave no secret away."""
    assert ended.code == code, f"trysail {' '.join(words)}\n{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err, ended.err
    if words[0] not in PRINTS_SECRETS:
        assert_no_secret(ended.out, ended.err)
    return ended


def assert_no_secret(*texts: str | bytes, more: tuple[str, ...] = ()) -> None:
    """No Secret of the shop or the estate, and none of `more`, is in the texts, as it is or encoded."""
    for text in texts:
        content = text.encode() if isinstance(text, str) else text
        for value in (*SECRET_VALUES, *PASSWORDS, *more):
            assert value.strip().encode() not in content
            assert encoded(value).rstrip("=").encode() not in content


def backup_name(ended: Ended) -> str:
    """The name of the backup that `run` says it made."""
    found = re.search(r"^(\S+) (Completed|PartiallyFailed):", ended.out, re.MULTILINE)
    assert found, ended.out
    return found[1]


def _content(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """`run` takes signals over for good, as a process may; here they are given back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
