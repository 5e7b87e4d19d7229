"""Names a process, so that another one can tell later whether it still is there: a frozen Pod remembers its run so."""

from __future__ import annotations

from typing import NamedTuple

_UNKNOWN = "-"


class Holder(NamedTuple):
    """A process. Fields that a machine does not tell are ""; then nobody can say that it is gone."""

    host: str  # for people
    boot: str  # names one boot of one machine
    space: str  # the numbers of processes are those of this pid namespace: containers of one machine differ in it
    pid: int
    started: str  # in the machine's own ticks: a number is given out again

    def __str__(self) -> str:
        """`host/boot/space/pid/started`."""
        words = (self.host, self.boot, self.space, str(self.pid), self.started)
        return "/".join(word.replace("/", "_") or _UNKNOWN for word in words)


def read_holder(text: str) -> Holder | None:
    """The process that `str` of a Holder names; None for anything else."""
    words = text.split("/")
    if len(words) != len(Holder._fields) or not words[3].isascii() or not words[3].isdigit():
        return None
    host, boot, space, pid, started = ("" if word == _UNKNOWN else word for word in words)
    return Holder(host, boot, space, int(pid), started)
