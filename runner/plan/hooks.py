"""Which commands are run in which Pods around their snapshots: as the policy says, or the Pods' own annotations. Pure.

As in Velero, what a Pod's annotations ask for before (or after) its snapshots takes the place of the policy's hooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from runner.actions.storage_facts import HOOK_GROUPS
from runner.model.duration import seconds
from runner.model.hooks import BackupHook, ExecHook, PlannedHook
from runner.model.inventory import PodFacts, Row
from runner.model.labels import matches
from runner.model.policy import BackupPolicySpec
from runner.plan.globs import first_match
from runner.plan.needs import PODS
from runner.plan.picture import Picture

When = Literal["pre", "post"]

_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms))+")
_TIMEOUT = "30s"  # Velero's
_LONGEST = 24  # of a duration's text, as in policies
_FEW = 8  # containers that are named where a hook's is none of them
_TIMES: tuple[When, ...] = ("pre", "post")
_RUNS = frozenset({"Running", ""})  # phases of Pods that a command can be run in; "" where it is not known


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is run, what is wrong, and what is unanswered."""

    planned: tuple[PlannedHook, ...]  # sorted by Pod and order
    warnings: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)  # claim -> the annotation of its Pod that does not hold
    empty: tuple[str, ...] = ()  # hooks of the policy that match no Pod, or none with their container


def planned_hooks(picture: Picture, spec: BackupPolicySpec) -> Hooks:
    """Every hook of every selected Pod that runs."""
    resources = spec.hooks.resources if spec.hooks is not None else ()
    planned: list[PlannedHook] = []
    warnings: list[str] = []
    broken: dict[str, str] = {}
    found_in: dict[int, set[str]] = {}  # by the number of a hook: containers of the Pods that it selects
    for row in picture.rows(PODS):
        facts = row.facts
        if not isinstance(facts, PodFacts) or not runs(row, facts):
            continue
        claims = tuple(f"{row.namespace}/{claim}" for claim in facts.claims)
        if facts.frozen:
            warnings.append(f"{row.namespace}/{row.name} was left frozen{_by(facts.frozen)}: the run thaws it first")
        meant = {number: hook for number, hook in enumerate(resources) if _selects(hook, row)}
        for number in meant:
            found_in.setdefault(number, set()).update(facts.containers)
        try:
            found = [(when, hook) for when in _TIMES for hook in _of_pod(row, facts, when, tuple(meant.values()))]
        except ValueError as error:
            # None of its hooks is run: one half alone would leave it frozen.
            warnings.append(f"{row.namespace}/{row.name} {error}: none of its hooks is run")
            broken |= dict.fromkeys(claims, f"its Pod {row.namespace}/{row.name} {error}")
            continue
        for when in _TIMES:
            ordered = [hook for time, hook in found if time == when]
            planned += [msgspec.structs.replace(hook, claims=claims, order=at) for at, hook in enumerate(ordered)]
    empty = (words for number, hook in enumerate(resources) for words in _without_match(hook, found_in.get(number)))
    return Hooks(
        planned=in_order(planned),
        warnings=tuple(warnings),
        broken=broken,
        # What Pods that may not be read would match is a gap, and nobody's mistake.
        empty=() if _unread(picture) else tuple(empty),
    )


def in_order(hooks: Iterable[PlannedHook]) -> tuple[PlannedHook, ...]:
    """Pods by name, and their hooks as they are run."""
    return tuple(sorted(hooks, key=lambda hook: (hook.namespace, hook.pod, hook.when == "post", hook.order)))


def runs(row: Row, facts: PodFacts) -> bool:
    """Whether a command can be run in a Pod."""
    return facts.phase in _RUNS and not row.terminating


def _selects(hook: BackupHook, row: Row) -> bool:
    """Whether a hook of the policy means a Pod; which of its commands fit is another question."""
    return (
        first_match(hook.included_namespaces, row.namespace) is not None
        and first_match(hook.excluded_namespaces, row.namespace) is None
        and (hook.label_selector is None or matches(hook.label_selector, row.labels))
    )


def _without_match(hook: BackupHook, containers: set[str] | None) -> Iterator[str]:
    """Why a hook, or a command of it, is run nowhere. A freeze that is passed over everywhere is a misspelled one."""
    if containers is None:
        yield f"hooks.resources {hook.name} matches no Pod"
        return
    named = dict.fromkeys(one.exec.container for one in (*hook.pre, *hook.post) if one.exec.container is not None)
    for name in named:
        if name not in containers:
            there = f" (they have {', '.join(sorted(containers))})" if 0 < len(containers) <= _FEW else ""
            yield f"hooks.resources {hook.name}: none of its Pods has a container {name}{there}"


def _fits(hook: ExecHook, facts: PodFacts) -> bool:
    """A container that this Pod lacks is another Pod's: the hook is passed over, as in Velero."""
    return hook.container is None or hook.container in facts.containers


def _unread(picture: Picture) -> bool:
    return any(lost.resource == "pods" for lost in picture.inventory.unreadable)


def _of_pod(row: Row, facts: PodFacts, when: When, meant: Sequence[BackupHook]) -> Iterator[PlannedHook]:
    """Hooks of one Pod and time. ValueError where an annotation does not hold."""
    noted = _annotated(facts, when)
    if noted is not None:
        yield _planned(row, facts, when, *noted)
        return
    for hook in meant:
        for one in hook.pre if when == "pre" else hook.post:
            if _fits(one.exec, facts):
                yield _planned(row, facts, when, one.exec, f"hooks.resources {hook.name}")


def _planned(row: Row, facts: PodFacts, when: When, hook: ExecHook, why: str) -> PlannedHook:
    return PlannedHook(
        namespace=row.namespace,
        pod=row.name,
        container=hook.container or (facts.containers[0] if facts.containers else ""),
        when=when,
        command=hook.command,
        on_error=hook.on_error,
        timeout=seconds(hook.timeout),
        why=why,
    )


def _annotated(facts: PodFacts, when: When) -> tuple[ExecHook, str] | None:
    """The hook that a Pod asks for itself; ours before Velero's."""
    for group in HOOK_GROUPS:
        prefix = f"{when}.{group}"
        command = facts.hooks.get(f"{prefix}/command")
        if command is None:
            continue
        container = facts.hooks.get(f"{prefix}/container") or None
        if container is not None and container not in facts.containers:
            raise ValueError(f"asks for a hook in container {container}, which it does not have")
        on_error = facts.hooks.get(f"{prefix}/on-error") or "Fail"
        if on_error.lower() not in {"fail", "continue"}:
            raise ValueError(f"has {prefix}/on-error: it must be Fail or Continue")
        timeout = facts.hooks.get(f"{prefix}/timeout") or _TIMEOUT
        if len(timeout) > _LONGEST or not _DURATION.fullmatch(timeout) or not seconds(timeout):
            raise ValueError(f"has {prefix}/timeout: it must be a time with its unit, as 30s")
        words = _command(command, f"{prefix}/command")
        hook = ExecHook.model_validate(
            {"container": container, "command": words, "onError": on_error.lower(), "timeout": timeout}
        )
        return hook, f"annotation {prefix}/command"
    return None


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


def _by(frozen: str) -> str:
    """The backup that a frozen Pod names."""
    try:
        return f" by {_FROZEN.decode(frozen).backup}"
    except msgspec.DecodeError:
        return ""


class _Backup(msgspec.Struct):
    backup: str


_WORDS = msgspec.json.Decoder(list[str])
_FROZEN = msgspec.json.Decoder(_Backup)
