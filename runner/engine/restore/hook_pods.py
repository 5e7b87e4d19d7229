"""What a live Pod says of itself, as far as hooks after a restore need it, and which of them are for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

from runner.errors import BadResponse
from runner.model.duration import seconds
from runner.model.hooks import RestoreHook, RestoreHooks
from runner.model.labels import matches
from runner.plan.globs import first_match

# Ours before Velero's.
_PREFIXES: Final = ("post.hook.restore.trysail.dev", "post.hook.restore.velero.io")
_INIT: Final = "init.hook.restore.velero.io/"
_DURATION: Final = re.compile(r"([0-9]{1,5}(h|m|s|ms))+")
_EXEC_TIMEOUT, _WAIT_TIMEOUT = "30s", "10m"
_TRUTHS: Final = {"true": True, "false": False, "": False}


class Asked(NamedTuple):
    """A hook for one Pod."""

    container: str
    command: tuple[str, ...]
    on_error: Literal["fail", "continue"]
    exec_timeout: float  # seconds
    wait_timeout: float
    wait_for_ready: bool
    why: str  # the policy's hook by name, or the annotation


class _State(msgspec.Struct):
    running: dict[str, object] | None = None


class _ContainerStatus(msgspec.Struct):
    name: str
    ready: bool = False
    state: _State | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class _Container(msgspec.Struct):
    name: str = ""


class _Spec(msgspec.Struct):
    containers: list[_Container] | None = None


class _PodStatus(msgspec.Struct, rename="camel"):
    phase: str = ""
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None


class LivePod(msgspec.Struct):
    """A Pod as it is now."""

    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def containers(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(container.name for container in self.spec.containers or ())

    def waits_for(self, asked: Asked) -> bool:
        """Whether the hook's container does not run yet, or is not ready where the hook wants that."""
        for status in (*(self.status.container_statuses or ()), *(self.status.init_container_statuses or ())):
            if status.name == asked.container and status.state is not None and status.state.running is not None:
                return asked.wait_for_ready and not status.ready
        return True


def read_pod(item: msgspec.Raw) -> LivePod:
    """A Pod of a list, or its metadata alone."""
    try:
        return _POD.decode(item)
    except msgspec.DecodeError as error:
        raise BadResponse(f"a Pod is not what Kubernetes' API promises: {error}") from error


def asked_by(pod: LivePod, hooks: RestoreHooks) -> Sequence[Asked]:
    """The hooks for a Pod, in order. ValueError where an annotation does not hold."""
    annotated = _annotated(pod)
    if annotated is not None:
        return [annotated]
    return [asked for hook in hooks.resources if _means(hook, pod) for asked in _of_policy(hook, pod)]


def unheard(pod: LivePod) -> str:
    """What a Pod asks for that no restore does; "" where there is no such thing."""
    if any(name.startswith(_INIT) for name in pod.metadata.annotations or {}):
        return f"asks for an init container by {_INIT}…: none is added, write it into the Pod's own initContainers"
    return ""


def _means(hook: RestoreHook, pod: LivePod) -> bool:
    namespace = pod.metadata.namespace
    return (
        first_match(hook.included_namespaces, namespace) is not None
        and first_match(hook.excluded_namespaces, namespace) is None
        and (hook.label_selector is None or matches(hook.label_selector, pod.metadata.labels or {}))
    )


def _of_policy(hook: RestoreHook, pod: LivePod) -> Iterator[Asked]:
    for one in hook.post_hooks:
        run = one.exec
        # A container that this Pod lacks is another Pod's: the hook is passed over, as in Velero.
        if run.container is not None and run.container not in pod.containers:
            continue
        yield Asked(
            container=run.container or _first(pod),
            command=run.command,
            on_error=run.on_error,
            exec_timeout=seconds(run.exec_timeout),
            wait_timeout=seconds(run.wait_timeout),
            wait_for_ready=run.wait_for_ready,
            why=f"hooks.resources {hook.name}",
        )


def _annotated(pod: LivePod) -> Asked | None:
    """The hook that a Pod asks for itself."""
    notes = pod.metadata.annotations or {}
    for prefix in _PREFIXES:
        command = notes.get(f"{prefix}/command")
        if command is None:
            continue
        container = notes.get(f"{prefix}/container") or _first(pod)
        if container not in pod.containers:
            raise ValueError(f"asks for a hook in container {container}, which it does not have")
        on_error = (notes.get(f"{prefix}/on-error") or "continue").lower()
        if on_error not in {"fail", "continue"}:
            raise ValueError(f"has {prefix}/on-error: it must be Fail or Continue")
        ready = notes.get(f"{prefix}/wait-for-ready", "").lower()
        if ready not in _TRUTHS:
            raise ValueError(f"has {prefix}/wait-for-ready: it must be true or false")
        return Asked(
            container=container,
            command=_command(command, f"{prefix}/command"),
            on_error="fail" if on_error == "fail" else "continue",
            exec_timeout=_seconds(notes, f"{prefix}/exec-timeout", _EXEC_TIMEOUT),
            wait_timeout=_seconds(notes, f"{prefix}/wait-timeout", _WAIT_TIMEOUT),
            wait_for_ready=_TRUTHS[ready],
            why=f"annotation {prefix}/command",
        )
    return None


def _first(pod: LivePod) -> str:
    return pod.containers[0] if pod.containers else ""


def _seconds(notes: Mapping[str, str], name: str, usual: str) -> float:
    text = notes.get(name) or usual
    if not _DURATION.fullmatch(text) or not seconds(text):
        raise ValueError(f"has {name}: it must be a time with its unit, as 30s")
    return seconds(text)


def _command(text: str, name: str) -> tuple[str, ...]:
    """A JSON list of words, or one word, as in Velero."""
    if not text.startswith("["):
        if not text:
            raise ValueError(f"has {name}: it is empty")
        return (text,)
    try:
        words = _WORDS.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"has {name}: it must be a JSON list of texts") from error
    if not words or not all(words):
        raise ValueError(f"has {name}: it must not be empty")
    return tuple(words)


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_POD = msgspec.json.Decoder(LivePod)
_WORDS = msgspec.json.Decoder(list[str])
