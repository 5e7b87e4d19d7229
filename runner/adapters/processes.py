"""Which process this is, and whether another one still runs: Linux' /proc. Elsewhere nobody can tell, and says so."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from runner.model.holder import Holder, read_holder

_BOOT = "sys/kernel/random/boot_id"
_SPACE = "self/ns/pid"
_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat, counted after the name in parentheses: proc_pid_stat(5)
_DEAD = frozenset("ZXx")  # zombies: nobody has asked how they ended, and they do nothing any more


def this_process(proc: Path = Path("/proc")) -> str:
    """The text that names this process: see `model.holder`."""
    pid = os.getpid()
    stat = _stat(proc, pid)
    return str(Holder(socket.gethostname(), *_here(proc), pid, stat[_STARTED] if stat else ""))


def alive(holder: str, proc: Path = Path("/proc")) -> bool | None:
    """Whether that process still runs; None where that cannot be known: another machine, container or boot."""
    named = read_holder(holder)
    here = _here(proc)
    # After a boot of this machine the process is gone; but hosts of one name may be many.
    if named is None or not all(here) or (named.boot, named.space) != here or not named.started:
        return None
    stat = _stat(proc, named.pid)
    return stat is not None and stat[_STARTED] == named.started and stat[_STATE] not in _DEAD


def _here(proc: Path) -> tuple[str, str]:
    """Boot and pid namespace; "" where the machine does not tell."""
    try:
        return (proc / _BOOT).read_text(encoding="ascii").strip(), os.readlink(proc / _SPACE)  # noqa: PTH115
    except (OSError, UnicodeDecodeError):
        return "", ""


def _stat(proc: Path, pid: int) -> list[str] | None:
    """The fields after the process' name, which may hold anything; None where there is no such process."""
    try:
        words = (proc / str(pid) / "stat").read_bytes().decode(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return words if len(words) > _STARTED else None
