"""Commands in Pods that a restore has brought back, once their containers run: by the policy, or by the Pods' own word.

As in Velero, what a Pod's annotations ask for takes the place of the policy's hooks. A Pod is waited for only while
there may be one: where neither policy, Pods nor the templates of workloads ask for hooks, nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import msgspec

from runner.engine.hooks import Hook, HookRunner
from runner.engine.listing import Listing
from runner.engine.restore.hook_pods import Asked, LivePod, asked_by, read_pod, unheard
from runner.engine.retry import Retrier
from runner.errors import Cancelled, ItemNotFound, TrysailError
from runner.model.cluster import ListRequest, Resource
from runner.model.event import PhaseBegun, Warned
from runner.model.hooks import RestoreHooks
from runner.ports import Clock, ClusterReader, Executor, Observer
from runner.volume_ports import PodExec

PODS: Final = Resource("", "pods", "v1", "Pod", namespaced=True)
# Whose Pods may still be to come, with hooks in the annotations of their templates.
_WORKLOADS: Final = (
    Resource("apps", "deployments", "v1", "Deployment", namespaced=True),
    Resource("apps", "statefulsets", "v1", "StatefulSet", namespaced=True),
    Resource("apps", "daemonsets", "v1", "DaemonSet", namespaced=True),
    Resource("apps", "replicasets", "v1", "ReplicaSet", namespaced=True),
    Resource("batch", "jobs", "v1", "Job", namespaced=True),
)
_ASKS: Final = b".hook.restore."

_LOOK: Final = 0.5  # seconds between looks, at first
_LONGEST_LOOK: Final = 5.0
_QUIET: Final = 2.0  # seconds without a new Pod, after which no more are expected
_LONGEST: Final = 3600.0  # seconds after which new Pods are no longer looked for: a Job may make them for ever


@dataclass(frozen=True)
class RestoreHookPorts:
    """All that hooks after a restore touch."""

    cluster: ClusterReader
    exec: PodExec
    executor: Executor
    clock: Clock
    retrier: Retrier
    observer: Observer
    redact: Callable[[str], str]


class RestoreHookOutcome(NamedTuple):
    """What went wrong, in words."""

    failed: tuple[str, ...] = ()  # hooks with onError: fail
    warnings: tuple[str, ...] = ()


def pods_there(cluster: ClusterReader, retrier: Retrier, namespaces: Iterable[str]) -> frozenset[str]:
    """The uids of the Pods that are there before a restore begins: those that no hook of it is for."""
    found = set()
    for namespace in namespaces:
        listing = Listing(cluster, retrier, ListRequest(resource=PODS, namespace=namespace, metadata_only=True))
        while not listing.done:
            found |= {read_pod(item).metadata.uid for item in listing.next_page().items}
    return frozenset(found)


def run_restore_hooks(
    hooks: RestoreHooks | None,
    namespaces: Sequence[str],
    since: datetime,
    ports: RestoreHookPorts,
    *,
    before: Collection[str] | None = None,
) -> RestoreHookOutcome:
    """Runs the hooks of every Pod of these namespaces that came since the restore began.

    `before` has the uids of those that were there already (`pods_there`); without it the Pods' own time of creation
    decides, by the clock of the API server. Pods are found until none has come for two seconds.
    """
    return _RestoreHooks(hooks or RestoreHooks(), tuple(dict.fromkeys(namespaces)), since, ports, before).run()


@dataclass
class _Due:
    """A Pod with hooks that are still to be run."""

    pod: LivePod
    hooks: list[Asked]
    seen: float  # monotonic seconds, when it was first seen


@dataclass
class _RestoreHooks:
    hooks: RestoreHooks
    namespaces: tuple[str, ...]
    since: datetime
    ports: RestoreHookPorts
    before: Collection[str] | None
    failed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)  # uids that were looked at
    due: dict[str, _Due] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = self.ports
        self.runner = HookRunner(ports.exec, ports.clock, ports.retrier, ports.observer, ports.redact)

    def run(self) -> RestoreHookOutcome:
        if self.namespaces and (self.hooks.resources or self._asked_for()):
            self.ports.observer.notice(PhaseBegun(name="running hooks"))
            self._serve()
        return RestoreHookOutcome(tuple(self.failed), tuple(self.warnings))

    def _asked_for(self) -> bool:
        """Whether a Pod, or the template of one, asks for a hook by its annotations."""
        return any(
            _ASKS in bytes(item)
            for resource in (PODS, *_WORKLOADS)
            for namespace in self.namespaces
            for item in self._readable(resource, namespace)
        )

    def _readable(self, resource: Resource, namespace: str) -> Iterable[msgspec.Raw]:
        """What may be read of a type; a warning where it may not."""
        try:
            yield from self._items(resource, namespace)
        except (Cancelled, ItemNotFound) as error:
            if isinstance(error, Cancelled):
                raise
        except TrysailError as error:
            self._warn(f"hooks of {resource.name} in {namespace} cannot be looked for: {error.message}")

    def _items(self, resource: Resource, namespace: str) -> Iterable[msgspec.Raw]:
        listing = Listing(self.ports.cluster, self.ports.retrier, ListRequest(resource=resource, namespace=namespace))
        while not listing.done:
            yield from listing.next_page().items

    # round after round

    def _serve(self) -> None:
        clock = self.ports.clock
        last_came = begun = clock.monotonic()
        wait = _LOOK
        while True:
            try:
                live = self._look()
            except Cancelled:
                raise
            except TrysailError as error:
                self._warn(f"the Pods of hooks cannot be looked at: {error.message}")
                for uid in sorted(self.due):
                    self._drop(uid, "cannot be looked at")
                return
            looking = clock.monotonic() - begun < _LONGEST
            came = looking and self._take_up(live)
            if came:
                wait = _LOOK
            if self._run_what_is_ready(live) or came:
                last_came = clock.monotonic()  # commands take their time, and nobody looked meanwhile
            if not self.due and (not looking or clock.monotonic() - last_came >= _QUIET):
                return
            clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_LOOK if self.due else _QUIET)

    def _look(self) -> dict[str, LivePod]:
        pods = (read_pod(item) for namespace in self.namespaces for item in self._items(PODS, namespace))
        return {pod.metadata.uid: pod for pod in pods}

    def _take_up(self, live: dict[str, LivePod]) -> bool:
        """Notes the hooks of Pods that are new; whether there are such Pods."""
        now = self.ports.clock.monotonic()
        came = [pod for uid, pod in sorted(live.items()) if uid not in self.known and self._is_ours(pod)]
        self.known |= set(live)
        for pod in came:
            if words := unheard(pod):
                self._warn(f"{pod.name} {words}")
            try:
                asked = asked_by(pod, self.hooks)
            except ValueError as error:
                self._warn(f"{pod.name} {error}")
                continue
            if asked:
                self.due[pod.metadata.uid] = _Due(pod, list(asked), now)
        return bool(came)

    def _is_ours(self, pod: LivePod) -> bool:
        if pod.metadata.deletion_timestamp is not None:
            return False
        if self.before is not None:
            return pod.metadata.uid not in self.before
        created = pod.metadata.creation_timestamp
        return created is not None and created >= self.since.replace(microsecond=0)  # it is told in whole seconds

    def _run_what_is_ready(self, live: dict[str, LivePod]) -> bool:
        """Runs, in several Pods at once, what can be run; gives up what cannot be any more. Whether anything ran."""
        ready = []
        for uid, due in sorted(self.due.items(), key=lambda item: item[1].pod.name):
            pod = live.get(uid)
            if pod is None or pod.metadata.deletion_timestamp is not None:
                self._drop(uid, "is gone")
            elif pod.status.phase in {"Succeeded", "Failed"}:
                self._drop(uid, f"has ended ({pod.status.phase}) before it")
            elif pod.waits_for(due.hooks[0]):
                late = due.hooks[0].wait_timeout
                if self.ports.clock.monotonic() - due.seen >= late:
                    what = "be ready" if due.hooks[0].wait_for_ready else "run"
                    self._drop(uid, f"did not {what} within {late:g} s")
            else:
                due.pod = pod
                ready.append((uid, self.ports.executor.submit(partial(self._run_hooks, due))))
        for uid, pending in ready:
            done, went_on = pending.result()
            due = self.due[uid]
            del due.hooks[:done]
            if not due.hooks:
                del self.due[uid]
            elif not went_on:
                self._drop(uid, "had a hook that failed before it")
        return bool(ready)

    def _run_hooks(self, due: _Due) -> tuple[int, bool]:
        """On a worker: runs the hooks of a Pod as far as their containers are ready; how many, and whether to go on."""
        for number, asked in enumerate(due.hooks):
            if due.pod.waits_for(asked):
                return number, True
            metadata = due.pod.metadata
            what = f"post-restore hook of {due.pod.name}, container {asked.container} ({asked.why})"
            hook = Hook(what, metadata.namespace, metadata.name, asked.container, asked.command, asked.exec_timeout)
            problem = self.runner.run(hook).problem
            if problem:
                self._note(asked, problem)
                if asked.on_error == "fail":
                    return number + 1, False
        return len(due.hooks), True

    def _drop(self, uid: str, why: str) -> None:
        """Gives up what is left of a Pod's hooks."""
        due = self.due.pop(uid)
        for asked in due.hooks:
            what = f"the post-restore hook {asked.command[0]} of {due.pod.name} ({asked.why}) was not run"
            self._note(asked, f"{what}: the Pod {why}")

    def _note(self, asked: Asked, problem: str) -> None:
        if asked.on_error == "fail":
            self.failed.append(problem)
            self.ports.observer.notice(Warned(message=problem))
        else:
            self._warn(problem)

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            self.ports.observer.notice(Warned(message=message))
