"""Hooks of a plan as their readers want them: by Pod, Pods of one workload said once; and commands on this machine.

Decides what is said, never how it looks; nothing here is made harmless.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from runner.model.hooks import BackupHooks, PlannedHook, RestoreHook, RestoreHooks, RunCommand
from runner.model.plan import Plan
from runner.model.restore import RestorePlan
from runner.plan.labels import as_query
from runner.report.volumes_outline import pods_named, workload_of


@dataclass(frozen=True, slots=True)
class HookedPods:
    """A Pod with its commands in order; or Pods of one workload that have the very same ones."""

    pods: tuple[str, ...]  # namespace/name
    hooks: tuple[PlannedHook, ...]  # those of the first Pod

    @property
    def name(self) -> str:
        """`shop/postgres-0`, or `shop/postgres-… (2 Pods)`."""
        return pods_named(self.pods)


@dataclass(frozen=True, slots=True)
class HereCommand:
    """A command on the machine that runs Trysail."""

    when: str  # `before the run`, `after a run that is Completed`
    command: str
    timeout: str
    on_error: str


def hooked_pods(plan: Plan) -> tuple[HookedPods, ...]:
    """Every Pod in which commands are run, in the plan's order; what is before the snapshots first."""
    by_pod: dict[str, list[PlannedHook]] = {}
    for hook in plan.hooks:
        by_pod.setdefault(hook.pod_name, []).append(hook)
    alike: dict[tuple[str, str, tuple[PlannedHook, ...]], list[str]] = {}
    for pod, hooks in by_pod.items():
        ordered = sorted(hooks, key=lambda hook: (hook.when != "pre", hook.order))
        key = (hooks[0].namespace, workload_of(hooks[0].pod), tuple(map(_anywhere, ordered)))
        alike.setdefault(key, []).append(pod)
    return tuple(HookedPods(tuple(pods), hooks) for (_, _, hooks), pods in alike.items())


def here_commands(plan: Plan) -> tuple[HereCommand, ...]:
    """What is run on this machine around the run, in the order of a run."""
    hooks = BackupHooks.model_validate(plan.policy.get("spec", {}).get("hooks") or {})
    return (
        *_here("before the run", hooks.before_run),
        *_here("after a run that is Completed", hooks.on_success),
        *_here("after a run that is not Completed", hooks.on_failure),
    )


@dataclass(frozen=True, slots=True)
class RestoredHook:
    """A command in Pods that a restore has brought back."""

    name: str
    pods: str  # which ones, in words
    container: str  # "" for the first one
    command: str
    limits: str


def restored_hooks(plan: RestorePlan) -> tuple[RestoredHook, ...]:
    """What the policy runs in Pods once they are back, in its order."""
    hooks = RestoreHooks.model_validate(plan.policy.get("spec", {}).get("hooks") or {})
    return tuple(
        RestoredHook(
            name=hook.name,
            pods=_which(hook),
            container=one.exec.container or "",
            command=spoken(one.exec.command),
            limits=f"{one.exec.exec_timeout} at most, onError: {one.exec.on_error}",
        )
        for hook in hooks.resources
        for one in hook.post_hooks
    )


def spoken(command: Sequence[str]) -> str:
    """The command as a shell would take it; whole, since a reviewer must see all that will be run."""
    return shlex.join(command)


def in_seconds(seconds: float) -> str:
    """`30s`, `0.5s`."""
    return f"{seconds:g}s"


def _which(hook: RestoreHook) -> str:
    words = ["Pods" if hook.included_namespaces == ("*",) else f"Pods in {', '.join(hook.included_namespaces)}"]
    if hook.excluded_namespaces:
        words.append(f"not in {', '.join(hook.excluded_namespaces)}")
    if hook.label_selector is not None:
        words.append(f"with {as_query(hook.label_selector)}")
    return " ".join(words)


def _here(when: str, commands: Sequence[RunCommand]) -> Iterator[HereCommand]:
    for command in commands:
        yield HereCommand(when, spoken(command.command), command.timeout, command.on_error)


def _anywhere(hook: PlannedHook) -> PlannedHook:
    """The hook without its Pod, so that Pods can be compared."""
    return msgspec.structs.replace(hook, pod="", claims=())
