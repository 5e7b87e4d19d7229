"""Pods in a fake cluster, commands that are scripted, and a clock that stands still: for tests of freezing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from runner.engine.retry import Retrier
from runner.engine.volumes.freeze import FreezePorts, Freezer, Frozen
from runner.engine.volumes.thaw_left import ThawLeft
from runner.model.canonical import canonical
from runner.model.event import HookRan, Warned
from runner.model.hooks import FrozenPod, PlannedHook
from tests.fakes.clock import BEGIN, SimulatedClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec
from tests.unit.engine.volume_stage import PODS, hook, pod

FREEZE, THAW = hook("pre", "freeze"), hook("post", "thaw")


def record(*hooks: PlannedHook, **fields: Any) -> FrozenPod:
    """What another run left, a minute ago."""
    given: dict[str, Any] = {
        "backup": "b0",
        "policy": "daily",
        "holder": "there",
        "since": BEGIN.isoformat(),
        "seconds": 600.0,
        **fields,
    }
    return FrozenPod(hooks=hooks or (THAW,), **given)


class FreezeStage:
    """A few Pods of `shop`, and a run that freezes them."""

    def __init__(self, *pods: str, alive: Callable[[str], bool | None] = lambda _: None) -> None:
        self.cluster = FakeCluster(*map(pod, pods or ("db-0",)), serves=["pods"])
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.exec = FakePodExec(takes=self.clock.advance)
        self.ports = FreezePorts(
            cluster=self.cluster,
            exec=self.exec,
            clock=self.clock,
            retrier=Retrier(self.clock, self.observer),
            observer=self.observer,
            redact=lambda text: text.replace("hunter2", "***"),
            holder="here",
            alive=alive,
        )

    def freezer(self, backup: str = "b1") -> Freezer:
        """Of a run."""
        return Freezer(self.ports, PODS, backup=backup, policy="daily")

    def freeze(self, pre: Sequence[PlannedHook] = (FREEZE,), post: Sequence[PlannedHook] = (THAW,)) -> Frozen:
        """Freezes, with a minute for the snapshots."""
        return self.freezer().freeze("g", pre, post, limit=60)

    def through(self, pre: Sequence[PlannedHook] = (FREEZE,), post: Sequence[PlannedHook] = (THAW,)) -> tuple[str, ...]:
        """Freezes and thaws; what went wrong."""
        freezer = self.freezer()
        frozen = freezer.freeze("g", pre, post, limit=60)
        return (*filter(None, [frozen.problem]), *freezer.thaw(frozen))

    def thaw_left(self) -> ThawLeft:
        """What thaws what others left."""
        return self.ports.thaw_left(PODS)

    def leave(self, left: FrozenPod | str, name: str = "db-0") -> None:
        """Puts the record of another run on a Pod."""
        text = left if isinstance(left, str) else canonical(left).decode().strip()
        value = pod(name)
        value["metadata"]["annotations"] = {"trysail.dev/frozen": text, "keep": "this"}
        self.cluster.put(value)

    def frozen(self, name: str = "db-0") -> dict[str, Any] | None:
        """The record on a Pod; None where there is none."""
        notes = self.cluster.found("pods", "shop", name)["metadata"].get("annotations") or {}
        text = notes.get("trysail.dev/frozen")
        found: dict[str, Any] | None = None if text is None else json.loads(text)
        return found

    @property
    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.observer.of(Warned)]

    @property
    def ran(self) -> list[tuple[str, int, str]]:
        """The commands that ended: what, code and output."""
        return [(event.what, event.code, event.output) for event in self.observer.of(HookRan)]
