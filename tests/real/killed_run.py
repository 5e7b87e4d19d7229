"""Runs that kill themselves: what `trysail run` does, with ports that end the process at one of their calls.

    python -m tests.real.killed_run DEATHS.json

Each death is a run in a process of its own, forked from this one so that nothing is imported twice. Prints a JSON line
for each: what calls the ports had, and whether the run lived to its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

# The vendors are imported before the first fork, once for all.
import runner.adapters.filesystem
import runner.adapters.kubernetes
import runner.adapters.s3  # noqa: F401 -- see above
from runner import wiring
from runner.engine.execute import Limits, Ports, execute
from runner.engine.planning import make_plan
from runner.engine.sources import ListLimits
from runner.policies.load import load_policies
from runner.ports import ClusterReader, ObjectStore

T = TypeVar("T")

# A cluster in miniature: some pages, some members, some parts. What a store wants to be larger is.
PART_BYTES = 1024
WRITES = frozenset({"create", "upload", "part", "complete", "abort"})
LIMITS = Limits(lists=ListLimits(first_items=4, page_bytes=2048), part_bytes=PART_BYTES, member_bytes=512)


class Death(msgspec.Struct, rename="camel"):
    """When a run dies: at the `call`-th call of its ports (0: never), before its effect or after it."""

    policy: str
    kubeconfig: str | None
    manifests: str | None
    backup: str
    call: int
    after: bool


class Lived(msgspec.Struct):
    """What is known of a run afterwards."""

    calls: str  # a letter each, as far as it came: W where something is written, R where it is read
    lived: bool


class Fate:
    """Counts calls; the one that is meant is the last."""

    def __init__(self, death: Death, told: int) -> None:
        self._death, self._told = death, told
        self._calls, self._lock = count(1), Lock()

    def meets(self, name: str, work: Callable[[], T]) -> T:
        """The call itself."""
        with self._lock:
            number = next(self._calls)
            os.write(self._told, b"W" if name in WRITES else b"R")
        if number == self._death.call and not self._death.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work()
        if number == self._death.call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class Mortal:
    """A port whose every call may be the last one; so are those of the uploads that it begins."""

    def __init__(self, port: object, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        """The attribute; a method counts."""
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*arguments: object) -> Any:
            result = self._fate.meets(name, lambda: found(*arguments))
            return Mortal(result, self._fate) if name == "upload" else result

        return call


def run(death: Death, told: int) -> None:
    """As runner/cli/run.py does it, without its words."""
    fate = Fate(death, told)
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=death.kubeconfig, manifests=death.manifests))
    resolved = wiring.choose_policy(load_policies([death.policy]), None)
    mortal = cast("ClusterReader", Mortal(cluster, fate))
    with wiring.executor() as executor:
        planned = make_plan(resolved, mortal, executor, wiring.retrier(_Silent()))
        lasting = wiring.open_store(resolved.location, lambda: cluster)
        store = cast("ObjectStore", Mortal(lasting, fate))
        ports = Ports(mortal, store, executor, wiring.clock(), _Silent())
        execute(planned.plan, death.backup, ports, planned.inventory, LIMITS)


def forked(death: Death) -> Lived:
    """One run, in a child."""
    hears, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run(death, told)
        except BaseException as error:  # noqa: BLE001 -- whatever it was, the parent has to hear that it was not death
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    os.close(told)
    with os.fdopen(hears, "rb") as pipe:
        calls = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return Lived(calls, lived=os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0)


class _Silent:
    """An Observer that has no use for what it is told."""

    def notice(self, event: object) -> None:
        """Says nothing."""


def main() -> None:
    """Every death of the file, one after the other."""
    deaths: list[Any] = json.loads(Path(sys.argv[1]).read_text())
    for death in deaths:
        sys.stdout.write(msgspec.json.encode(forked(msgspec.convert(death, Death))).decode() + "\n")


if __name__ == "__main__":
    main()
