"""Freezes Pods for a snapshot and thaws them: what is about to be frozen is recorded on the Pod before it is frozen.

SIGKILL cannot be answered. So the hooks that thaw a Pod lie on it as an annotation while it is frozen, and whoever
comes next completes them: `thaw_left.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.engine.hooks import HookRunner, Outcome
from runner.engine.retry import Retrier, RetryLimits
from runner.engine.volumes.frozen_records import FrozenRecords
from runner.engine.volumes.thaw_left import Thawing, ThawLeft, as_hook
from runner.errors import Cancelled, ItemNotFound, TrysailError
from runner.model.cluster import Resource
from runner.model.event import Froze, Thawed, Warned
from runner.model.hooks import FrozenPod, PlannedHook
from runner.ports import Clock, Cluster, Observer
from runner.volume_ports import PodExec

_TRIES = 3  # to mark a Pod that another run marks too
# A restarted API server is back in a few minutes; a Pod that is given up before stays frozen till the next run.
_PATIENT = RetryLimits(attempts=45)  # about five minutes
_FRESH = 60.0  # seconds that marking may take, and the first record still be as good as the last


def _nobody_knows(_: str) -> bool | None:
    return None


@dataclass(frozen=True)
class FreezePorts:
    """All that freezing touches."""

    cluster: Cluster
    exec: PodExec
    clock: Clock
    retrier: Retrier
    observer: Observer
    redact: Callable[[str], str]
    holder: str  # this process, as wiring names it
    alive: Callable[[str], bool | None] = _nobody_knows  # whether another such process is

    def hooks(self, retrier: Retrier) -> HookRunner:
        """What runs commands, as patient as `retrier` is."""
        return HookRunner(self.exec, self.clock, retrier, self.observer, self.redact)

    def thaw_left(self, pods: Resource) -> ThawLeft:
        """What thaws Pods, also those that other runs left frozen."""
        hooks = self.hooks(Retrier(self.clock, self.observer, _PATIENT))
        return ThawLeft(FrozenRecords(self.cluster, pods, self.retrier), hooks, self.clock, self.holder, self.alive)


@dataclass
class Frozen:
    """A group that is frozen, or that was to be."""

    group: str
    problem: str = ""  # why nothing may be snapshotted; "" where every pre hook holds
    began: float | None = None  # monotonic seconds, when the first pre hook was started
    seconds_frozen: float = 0.0  # from there to the end of the last post hook
    thawing: dict[str, Thawing] = field(default_factory=dict)  # by Pod: those whose pre hooks may be begun, or lack
    recorded: dict[str, PlannedHook] = field(default_factory=dict)  # by Pod: a hook of each that carries the record
    inherited: set[str] = field(default_factory=set)  # Pods that an earlier run left frozen, and nobody could thaw yet


class Freezer:
    """Runs the hooks of one backup."""

    def __init__(self, ports: FreezePorts, pods: Resource, *, backup: str, policy: str) -> None:
        self._ports = ports
        self._left = ports.thaw_left(pods)
        self._records, self._hooks = self._left.records, ports.hooks(ports.retrier)
        self._backup, self._policy = backup, policy

    def freeze(self, group: str, pre: Sequence[PlannedHook], post: Sequence[PlannedHook], *, limit: float) -> Frozen:
        """Marks every Pod, then runs the pre hooks, Pod after Pod; the first that fails and matters ends it.

        `limit` is how many seconds the snapshots may take: with the hooks' own timeouts it says until when the record
        speaks of somebody who still works on it. Whatever is raised from here, nothing is left frozen.
        """
        frozen = Frozen(group)
        try:
            self._freeze(frozen, pre, post, limit + sum(hook.timeout for hook in (*pre, *post)))
        except BaseException:
            for problem in self.thaw(frozen):
                self._warn(problem)
            raise
        if not frozen.problem:
            self._ports.observer.notice(Froze(group=group, hooks=len(pre)))
        return frozen

    def thaw(self, frozen: Frozen) -> tuple[str, ...]:
        """Runs the post hooks of every Pod whose pre hooks were begun, each though another fails. Problems, in words.

        The record goes only where every hook that matters has succeeded, or the Pod is gone. A signal does not end it
        halfway.
        """
        try:
            return self._thaw(frozen)
        except Cancelled:
            for problem in self._thaw(frozen):
                self._warn(problem)
            raise

    def _freeze(self, frozen: Frozen, pre: Sequence[PlannedHook], post: Sequence[PlannedHook], seconds: float) -> None:
        hooked = _pods(pre)
        for pod, hooks in _pods(post).items():
            if pod not in hooked:
                frozen.thawing[pod] = _thawing(hooks)
        thaws = {pod: tuple(hook for hook in post if hook.pod_name == pod) for pod in hooked}
        # All are marked before any is frozen: to mark one may take a while, and no other stands still meanwhile.
        left_out = self._mark_all(frozen, hooked, thaws, seconds)
        for pod, hooks in hooked.items():
            if frozen.problem:
                return
            if pod not in left_out:
                self._freeze_pod(frozen, hooks, thaws[pod])

    def _mark_all(
        self,
        frozen: Frozen,
        hooked: Mapping[str, Sequence[PlannedHook]],
        thaws: Mapping[str, tuple[PlannedHook, ...]],
        seconds: float,
    ) -> set[str]:
        """Puts the record on every Pod that something thaws; those that are left out, since they cannot be marked.

        Anew where one of them was waited for: the time of the first ones' records has gone on, and may be over.
        """
        left_out: set[str] = set()
        for _ in range(_TRIES):
            begun = self._ports.clock.monotonic()
            for pod, hooks in hooked.items():
                if pod in left_out or not thaws[pod]:
                    continue
                if not (problem := self._mark(frozen, hooks[0], thaws[pod], seconds)):
                    continue
                # Nothing is frozen that could not be thawed by whoever comes next.
                if any(hook.on_error == "fail" for hook in hooks):
                    frozen.problem = problem
                    return left_out
                self._warn(f"{problem}: its hooks are left out")
                left_out.add(pod)
            if self._ports.clock.monotonic() - begun < _FRESH:
                break
        return left_out

    def _freeze_pod(self, frozen: Frozen, pre: Sequence[PlannedHook], post: Sequence[PlannedHook]) -> None:
        pod = pre[0].pod_name
        if post:
            frozen.thawing[pod] = _thawing(post)
        ran = self._run(frozen, pre)
        frozen.problem = ran.problem
        if not ran.begun and pod not in frozen.inherited:
            frozen.thawing.pop(pod, None)  # nothing was frozen: no hook need thaw it, and no record stay

    def _run(self, frozen: Frozen, hooks: Iterable[PlannedHook]) -> Outcome:
        """Runs the pre hooks of a Pod; why that failed, and whether any of them was begun."""
        begun = False
        for hook in hooks:
            if frozen.began is None:
                frozen.began = self._ports.clock.monotonic()
            outcome = self._hooks.run(as_hook(hook))
            begun = begun or outcome.begun
            if outcome.problem and hook.on_error == "fail":
                return outcome._replace(begun=begun)
            if outcome.problem:
                self._warn(outcome.problem)
        return Outcome(begun=begun)

    def _mark(self, frozen: Frozen, hook: PlannedHook, post: tuple[PlannedHook, ...], seconds: float) -> str:
        """Puts the record on a Pod, once no other run's lies there; why that failed."""
        over = ""
        for _ in range(_TRIES):
            record = FrozenPod(
                backup=self._backup,
                policy=self._policy,
                holder=self._ports.holder,
                since=self._ports.clock.now().isoformat(timespec="seconds"),
                seconds=seconds,
                hooks=post,
            )
            frozen.recorded[hook.pod_name] = hook  # before: the answer may be lost, and the record lie there
            if over:
                frozen.inherited.add(hook.pod_name)
                frozen.thawing[hook.pod_name] = _thawing(post)
            try:
                if self._records.write(hook.namespace, hook.pod, record, over=over):
                    return ""
            except Cancelled:
                raise
            except TrysailError as error:
                if isinstance(error, ItemNotFound):
                    del frozen.recorded[hook.pod_name]
                return f"{hook.pod_name} could not be marked as frozen: {error.message}"
            del frozen.recorded[hook.pod_name]
            freed = self._left.free(hook.namespace, hook.pod)
            if freed.held:
                return freed.problem
            if freed.problem:  # it was tried: from here on, our own hooks answer for this Pod
                self._warn(freed.problem)
            over = freed.left
        return f"{hook.pod_name} is marked as frozen by one run after the other"

    def _thaw(self, frozen: Frozen) -> tuple[str, ...]:
        for thawing in frozen.thawing.values():
            self._left.run(thawing)
        if frozen.began is not None and not frozen.seconds_frozen:
            frozen.seconds_frozen = self._ports.clock.monotonic() - frozen.began
            self._ports.observer.notice(Thawed(group=frozen.group, seconds=round(frozen.seconds_frozen, 3)))
        problems = [problem for thawing in frozen.thawing.values() for problem in thawing.failed]
        for pod, hook in list(frozen.recorded.items()):
            if pod not in frozen.thawing or not frozen.thawing[pod].failed:
                problems += self._forget(hook, was_frozen=pod in frozen.thawing and not frozen.problem)
            del frozen.recorded[pod]
        return tuple(problems)

    def _forget(self, hook: PlannedHook, *, was_frozen: bool) -> list[str]:
        try:
            still = self._records.remove(hook.namespace, hook.pod, backup=self._backup)
        except Cancelled:
            raise
        except TrysailError as error:
            return [f"{hook.pod_name} is thawed, and still marked as frozen: {error.message}"]
        if was_frozen and not still:
            # Another run or `trysail thaw` took it for left behind, or this is another Pod of the same name.
            return [f"{hook.pod_name} lost its mark while it was frozen: it may have been at work during its snapshots"]
        return []

    def _warn(self, message: str) -> None:
        self._ports.observer.notice(Warned(message=message))


def _pods(hooks: Iterable[PlannedHook]) -> dict[str, list[PlannedHook]]:
    """The hooks of each Pod, in order."""
    found: dict[str, list[PlannedHook]] = {}
    for hook in hooks:
        found.setdefault(hook.pod_name, []).append(hook)
    return found


def _thawing(hooks: Sequence[PlannedHook]) -> Thawing:
    return Thawing(hooks[0].namespace, hooks[0].pod, deque(hooks))
