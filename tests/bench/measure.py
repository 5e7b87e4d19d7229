"""Runs a whole process and has the operating system account for it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took, from its start to its end."""

    seconds: float
    cpu: float  # user and system, in seconds
    memory_mib: float  # at its peak, resident


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Runs `command`; AssertionError with its output where it does not exit with 0."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert process.returncode == 0, output.read().decode()[-3000:]
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
