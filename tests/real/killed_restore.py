"""Restores that are killed: the real command, as a process, at one of its writes, which a proxy sees."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.real.fault_proxy import Ask, FaultProxy, Forward, Reply
from tests.real.trysail import Running, Trysail
from tests.real.waiting import wait_for


@dataclass
class Deadly:
    """Kills a restore at its so-manieth write, before its effect or after it."""

    proxy: FaultProxy
    method: str = ""
    write: int = 1
    after: bool = False
    met: bool = field(default=False, init=False)

    def ends(self, trysail: Trysail, *words: str | Path) -> bool:
        """Whether the restore came to its end, which must be a good one."""
        numbers = count(1)
        begun: list[Running] = []

        def kill(_: Ask, forward: Forward) -> Reply:
            if next(numbers) != self.write:
                return forward()
            self.met = True
            reply = forward() if self.after else Reply(0, sent=0)
            wait_for(lambda: begun, "the process to be known")[0].send(signal.SIGKILL)
            return reply

        self.proxy.always(lambda ask: ask.writes and self.method in {"", ask.method}, kill)
        with trysail.start(*words) as running:
            begun.append(running)
            wait_for(lambda: running.ended, "an end")
            self.proxy.forget()
            running.wait(-signal.SIGKILL if self.met else 0)
        return not self.met
