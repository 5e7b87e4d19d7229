"""Hooks: commands that are run in Pods and on this machine, as policies say; and as a plan freezes them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import msgspec
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from runner.model.document import Strict, mistake, tuple_from_list
from runner.model.duration import Duration
from runner.model.filters import LabelSelector, NamespaceGlobs, SomeNamespaceGlobs
from runner.model.location import Word


def _lower(value: object) -> object:
    """Velero writes Fail and Continue."""
    return value.lower() if isinstance(value, str) and value in {"Fail", "Continue"} else value


Command = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(min_length=1), BeforeValidator(tuple_from_list)
]
OnError = Annotated[
    Literal["fail", "continue"],
    BeforeValidator(_lower),
    Field(json_schema_extra={"enum": ["fail", "continue", "Fail", "Continue"]}),
]


class ExecHook(Strict):
    """A command in a container of a Pod."""

    container: Word | None = Field(default=None, description="The container; the Pod's first one without.")
    command: Command = Field(description="The command and its arguments; run without a shell.")
    on_error: OnError = Field(
        default="fail",
        alias="onError",
        description="`fail` takes no snapshot of the Pod's volumes; `continue` warns and goes on.",
    )
    timeout: Duration = Field(default="30s", description="How long the command may take.")


class BackupExec(Strict):
    """One hook of a backup."""

    exec: ExecHook = Field(description="A command in a container of each Pod.")


class RestoreExecHook(Strict):
    """A command in a container of a Pod that a restore has brought back."""

    container: Word | None = Field(default=None, description="The container; the Pod's first one without.")
    command: Command = Field(description="The command and its arguments; run without a shell.")
    on_error: OnError = Field(
        default="continue", alias="onError", description="`fail` makes the restore partial; `continue` warns."
    )
    exec_timeout: Duration = Field(default="30s", alias="execTimeout", description="How long the command may take.")
    wait_timeout: Duration = Field(
        default="10m", alias="waitTimeout", description="How long to wait for the container to run, or to be ready."
    )
    wait_for_ready: bool = Field(
        default=False, alias="waitForReady", description="Wait until the container is ready, not only running."
    )


class RestoreExec(Strict):
    """One hook of a restore."""

    exec: RestoreExecHook = Field(description="A command in a container of each Pod.")


class _HookedPods(Strict):
    """Which Pods are meant."""

    name: Word = Field(description="The hook's name, for people.")
    included_namespaces: SomeNamespaceGlobs = Field(
        default=("*",), alias="includedNamespaces", description="Namespaces of the Pods; globs."
    )
    excluded_namespaces: NamespaceGlobs = Field(
        default=(), alias="excludedNamespaces", description="Namespaces to leave out; globs."
    )
    label_selector: LabelSelector | None = Field(
        default=None, alias="labelSelector", description="Labels of the Pods; all of them without."
    )


BackupExecs = Annotated[tuple[BackupExec, ...], BeforeValidator(tuple_from_list)]
RestoreExecs = Annotated[tuple[RestoreExec, ...], BeforeValidator(tuple_from_list)]


class BackupHook(_HookedPods):
    """Commands in Pods, before and after the snapshots of their volumes. In Velero's words."""

    pre: BackupExecs = Field(default=(), description="Commands before the snapshots, in this order.")
    post: BackupExecs = Field(default=(), description="Commands after them, once each has its point in time.")

    @model_validator(mode="after")
    def _runs_something(self) -> Self:
        if not self.pre and not self.post:
            raise mistake("a hook runs something: pre, post or both", hint="say what it runs, or take it out")
        return self


class RunCommand(Strict):
    """A command on the machine that runs Trysail."""

    command: Command = Field(description="The command and its arguments; run without a shell.")
    timeout: Duration = Field(default="5m", description="How long it may take.")
    on_error: OnError = Field(
        default="fail", alias="onError", description="`fail` ends the run (before it) or makes it partial (after it)."
    )


RunCommands = Annotated[tuple[RunCommand, ...], BeforeValidator(tuple_from_list)]


class BackupHooks(Strict):
    """Commands in Pods around their snapshots, and on this machine around the whole run."""

    resources: Annotated[tuple[BackupHook, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), description="Commands in Pods."
    )
    before_run: RunCommands = Field(
        default=(), alias="beforeRun", description="Commands on this machine before a run; never for plan or validate."
    )
    on_success: RunCommands = Field(
        default=(), alias="onSuccess", description="Commands on this machine after a run that is Completed."
    )
    on_failure: RunCommands = Field(
        default=(), alias="onFailure", description="Commands on this machine after any other run."
    )


class RestoreHook(_HookedPods):
    """Commands in Pods that a restore has brought back. In Velero's words."""

    post_hooks: Annotated[RestoreExecs, Field(min_length=1)] = Field(
        alias="postHooks", description="Commands once the Pod runs, in this order."
    )


class RestoreHooks(Strict):
    """Commands in Pods, after a restore."""

    resources: Annotated[tuple[RestoreHook, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), description="Commands in Pods."
    )


class PlannedHook(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A command in a Pod's container, as a plan has it. Everything but the Pod's name must be as planned at the run."""

    namespace: str
    pod: str
    container: str
    when: Literal["pre", "post"]
    command: tuple[str, ...]
    on_error: Literal["fail", "continue"]
    timeout: float  # seconds
    why: str  # the policy's hook by name, or the annotation
    claims: tuple[str, ...] = ()  # namespace/name of the claims that the Pod mounts: what is frozen with it
    order: int = 0  # among the hooks of its Pod and time

    @property
    def pod_name(self) -> str:
        """`namespace/name` of the Pod."""
        return f"{self.namespace}/{self.pod}"


class FrozenPod(msgspec.Struct, frozen=True, rename="camel"):
    """What lies as an annotation on a Pod while it is frozen: enough to thaw it after a run that was killed."""

    backup: str
    policy: str
    holder: str  # the process that froze it, as wiring names it
    since: str  # RFC 3339, UTC
    seconds: float  # how long it may stay so, by the limits of that run
    hooks: tuple[PlannedHook, ...]  # that thaw it, in order
