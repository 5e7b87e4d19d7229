"""Runs a whole process and has the operating system account for it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A process of its own, and a small one: the peak that is told of a process begins with that of whoever has started it.
_LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - begun
told = [os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
with open(sys.argv[1], "w") as report:
    json.dump(told, report)
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took, from its start to its end."""

    seconds: float
    cpu: float  # user and system, in seconds
    memory_mib: float  # at its peak, resident


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Runs `command`; AssertionError with its output where it does not exit with 0."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory(prefix="trysail-bench-") as folder:
        report = Path(folder) / "usage.json"
        launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report), *command]
        subprocess.run(launched, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
        code, seconds, cpu, memory_mib = json.loads(report.read_bytes())
        output.seek(0)
        assert code == 0, output.read().decode()[-3000:]
    return Usage(seconds, cpu, memory_mib)
