"""Thaws Pods that a run left frozen when it was killed: by the hooks that their records hold.

Where that run may still be at work, it is waited for: until its record goes, or the time is over that it gave itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from runner.engine.hooks import Hook, HookRunner
from runner.engine.volumes.frozen_records import FrozenRecords, LeftFrozen, in_force, over_at
from runner.errors import Cancelled, TrysailError
from runner.model.event import Warned
from runner.model.hooks import PlannedHook
from runner.ports import Clock, Executor

_LOOK: Final = 2.0  # seconds between looks at a Pod that another run works on
_MOST_WAIT: Final = 3600.0  # seconds that one run waits for another


@dataclass(frozen=True)
class Freed:
    """What became of a Pod that carried a record."""

    problem: str = ""  # in words; "" where it is thawed
    held: bool = False  # another run may still be at work on it: it was not touched
    left: str = ""  # the record that still lies there


@dataclass
class Thawing:
    """A Pod on its way: a signal may come in between, and then the rest is still to be done."""

    namespace: str
    pod: str
    hooks: deque[PlannedHook]  # that are still to be run, in order
    failed: list[str] = field(default_factory=list)  # problems of hooks that matter


@dataclass(frozen=True)
class ThawLeft:
    """What thawing touches. `alive` says whether the process that a record names still is; None where nobody knows."""

    records: FrozenRecords
    hooks: HookRunner
    clock: Clock
    holder: str  # this process
    alive: Callable[[str], bool | None]

    def all(self, left: Iterable[LeftFrozen], executor: Executor) -> tuple[str, ...]:
        """Frees each of them, several at once. Problems, in words, in the order of the Pods."""
        pods = {(one.namespace, one.pod): partial(self.free, one.namespace, one.pod) for one in sorted(left)}
        pending = [executor.submit(work) for work in pods.values()]
        return tuple(problem for one in pending if (problem := one.result().problem))

    def free(self, namespace: str, pod: str) -> Freed:
        """Sees to it that no other run's record lies on the Pod: waits for who may be at work, then thaws."""
        name = f"{namespace}/{pod}"
        deadline = self.clock.monotonic() + _MOST_WAIT
        waited_for = ""
        try:
            while text := self.records.look(namespace, pod):
                left = LeftFrozen(namespace, pod, text)
                record = left.record
                if record is None or not in_force(record, self.clock.now(), self.holder, self.alive):
                    return self.thaw(left)
                if self.clock.monotonic() >= deadline:
                    problem = f"{name} is frozen by {record.backup}, which may still be at work: it was not touched"
                    return Freed(problem, held=True, left=text)
                if waited_for != text:
                    waited_for = text
                    over = over_at(record)
                    until = f" until {over:%Y-%m-%d %H:%M:%S} UTC" if over is not None else ""
                    self._warn(f"{name} is frozen by {record.backup}, which may still be at work: waiting{until}")
                self.clock.sleep(_LOOK)
        except Cancelled:
            raise
        except TrysailError as error:
            return Freed(f"whether {name} is left frozen cannot be seen: {error.message}", held=True)
        return Freed()

    def thaw_as_seen(self, left: LeftFrozen, *, forget: bool = False) -> Freed:
        """Thaws what somebody has looked at and agreed to. That takes its time: what lies there by now is untouched."""
        try:
            text = self.records.look(left.namespace, left.pod)
        except Cancelled:
            raise
        except TrysailError as error:
            return Freed(f"whether {left.name} is still frozen cannot be seen: {error.message}", held=True)
        if text == left.text:
            return self.thaw(left, forget=forget)
        if text:
            return Freed(f"{left.name} is marked by another run by now: it was not touched", held=True, left=text)
        return Freed()

    def thaw(self, left: LeftFrozen, *, forget: bool = False) -> Freed:
        """Runs the hooks of the record now, each though another fails, and takes it off where those that matter held.

        With `forget` it is taken off in any case.
        """
        record = left.record
        if record is None:
            problems = [f"{left.name} is marked as frozen, and the mark cannot be read: nobody knows what thaws it"]
        else:
            thawing = Thawing(left.namespace, left.pod, deque(record.hooks))
            self.run(thawing)
            problems = thawing.failed
            what = "could not be thawed" if problems else "is thawed"
            self._warn(f"{left.name} was left frozen by {record.backup} since {record.since}, and {what}")
        if problems and not forget:
            return Freed("; ".join(problems), left=left.text)
        try:
            self.records.remove(left.namespace, left.pod, texts=(left.text,))
        except Cancelled:
            raise
        except TrysailError as error:
            problems.append(f"{left.name} is still marked as frozen: {error.message}")
            return Freed("; ".join(problems), left=left.text)
        return Freed("; ".join(problems))

    def run(self, thawing: Thawing) -> None:
        """Runs the hooks that thaw a Pod, each though another fails; none once the Pod is gone."""
        while thawing.hooks:
            hook = thawing.hooks[0]
            outcome = self.hooks.run(as_hook(hook))
            thawing.hooks.popleft()
            if outcome.not_found and self._gone(thawing.namespace, thawing.pod):
                thawing.hooks.clear()  # what was frozen has gone with it
                thawing.failed.clear()
            elif outcome.problem and hook.on_error == "fail":
                thawing.failed.append(outcome.problem)
            elif outcome.problem:
                self._warn(outcome.problem)

    def _gone(self, namespace: str, pod: str) -> bool:
        """Whether the Pod is not there, rather than its container."""
        try:
            return self.records.look(namespace, pod) is None
        except Cancelled:
            raise
        except TrysailError:
            return False

    def _warn(self, message: str) -> None:
        self.hooks.observer.notice(Warned(message=message))


def as_hook(hook: PlannedHook) -> Hook:
    """A hook of a plan, as it is run."""
    return Hook(
        what=f"{hook.when} hook of {hook.pod_name}, container {hook.container}",
        namespace=hook.namespace,
        pod=hook.pod,
        container=hook.container,
        command=hook.command,
        timeout=hook.timeout,
    )
