"""Asks the API server itself what it would say to each item (dryRun=All), and writes the answers into the plan.

Admission, webhooks and schemas speak; what they cannot know yet is marked unverifiable, and not valid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import msgspec

from runner.engine.listing import Listing
from runner.engine.restore.facts import RestoreFacts
from runner.engine.restore.items import Work, applied
from runner.engine.restore.plan import sealed_restore
from runner.engine.restore.works import Works
from runner.engine.retry import Retrier
from runner.errors import (
    AlreadyExists,
    ApplyConflict,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    Forbidden,
    ItemNotFound,
    NamespaceTerminating,
    QuotaExceeded,
    Unauthorized,
)
from runner.model.cluster import ListRequest, Resource
from runner.model.restore import CHANGING, Action, RestorePlan, RestoreStep
from runner.plan.restore import GOING, OWNERS_ALONE, RELEASED
from runner.ports import Cluster, Executor, Pending

IN_FLIGHT = 64
NO_NAMESPACE = "its namespace is not there yet"
NO_TYPE = "its type is not there yet"
DELETED_FIRST = "what is there must be deleted first"
QUOTA = "its namespace has a quota, which counts what is restored as a sum"
# Only these validate without changing anything: a namespace that is always there, for what has none yet.
_ELSEWHERE = "default"

_QUOTAS = Resource("", "resourcequotas", "v1", "ResourceQuota", namespaced=True)


class Answer(NamedTuple):
    """What the API server said to one item; the planned action and why where it had nothing against it."""

    action: Action
    why: str
    unverifiable: str


@dataclass
class DryRun:
    """One pass over the changing steps of a plan."""

    facts: RestoreFacts
    cluster: Cluster
    executor: Executor
    retrier: Retrier
    quotas: set[str] = field(default_factory=set)  # namespaces with one

    def checked(self, plan: RestorePlan, *, everything: bool) -> RestorePlan:
        """The plan with the API server's answers: for all that changes, or for items in a mapped version alone."""
        mapped = {route.resource.name for route in self.facts.routes() if route.mapped and route.resource is not None}
        asked = [step for step in plan.steps if step.action in CHANGING and (everything or step.resource in mapped)]
        if not asked:
            return _with(plan, plan.steps, everything=everything)
        self.quotas = self._quotas(plan) if everything else set()
        answers = {id(step): self._ask(step, mapped=step.resource in mapped) for step in asked}
        steps = tuple(new for step in plan.steps for new in _split(step, answers.get(id(step))))
        return _with(plan, steps, everything=everything)

    def _ask(self, step: RestoreStep, *, mapped: bool) -> dict[str, Answer]:
        """By name, in the step's order."""
        blanket = self._blanket(step)
        if blanket and not (mapped and blanket == NO_NAMESPACE):
            return dict.fromkeys(step.names, Answer(step.action, step.why, blanket))
        answers: dict[str, Answer] = {}
        under_way: deque[tuple[Work, Pending[Answer]]] = deque()
        for work in Works(self.facts).of(step):
            under_way.append((work, self.executor.submit(partial(self._one, work, step, blanket))))
            if len(under_way) >= IN_FLIGHT:
                _take(answers, under_way)
        while under_way:
            _take(answers, under_way)
        return answers

    def _blanket(self, step: RestoreStep) -> str:
        """Why nothing can be said of any item of a step."""
        if step.action == "recreate" or step.why == GOING:
            return DELETED_FIRST
        route = self.facts.route(step.resource, step.api_version, step.kind)
        if route.after:
            return NO_TYPE
        if step.namespace and self.facts.namespaces.get(step.namespace, True):
            return NO_NAMESPACE
        return ""

    def _one(self, work: Work, step: RestoreStep, blanket: str) -> Answer:
        try:
            self.retrier.call(f"dry run of {work.item}", partial(self._send, work, elsewhere=bool(blanket)))
        except (Unauthorized, ClusterUnreachable):
            raise
        except AlreadyExists:
            return Answer(step.action, step.why, blanket)  # in the other namespace; it was found valid before that
        except ClusterError as error:
            return _refused(step, error)
        quota = QUOTA if step.action == "create" and step.namespace in self.quotas else ""
        return Answer(step.action, step.why, blanket or quota)

    def _send(self, work: Work, *, elsewhere: bool) -> object:
        namespace = _ELSEWHERE if elsewhere else work.item.namespace
        body = (
            work.body if not elsewhere else {**work.body, "metadata": {**work.body["metadata"], "namespace": namespace}}
        )
        if work.action == "create":
            return self.cluster.create(work.resource, namespace, _encode(body), dry_run=True, strict=work.strict)
        if work.why in {RELEASED, *OWNERS_ALONE}:
            return None
        return applied(self.cluster, work, force=self.facts.existing.force_conflicts, dry_run=True)

    def _quotas(self, plan: RestorePlan) -> set[str]:
        restored = {step.namespace for step in plan.steps if step.resource == _QUOTAS.name}
        listing = Listing(self.cluster, self.retrier, ListRequest(_QUOTAS, metadata_only=True))
        try:
            while not listing.done:
                restored |= {_NAMED.decode(raw).metadata.namespace for raw in listing.next_page().items}
        except Forbidden:
            return {step.namespace for step in plan.steps}  # there may be one in each
        return restored


def _take(answers: dict[str, Answer], under_way: deque[tuple[Work, Pending[Answer]]]) -> None:
    work, pending = under_way.popleft()
    answers[work.name] = pending.result()


def _refused(step: RestoreStep, error: ClusterError) -> Answer:
    match error:
        case ApplyConflict():
            owned = ", ".join(f"{field.path} ({field.manager})" for field in error.fields)
            return Answer("conflict", f"others own what would change: {owned or error.message}", "")
        case ItemNotFound():
            return Answer(step.action, step.why, NO_NAMESPACE)
        case NamespaceTerminating():
            return Answer(step.action, step.why, "its namespace is being deleted")
        case ClusterBusy():
            return Answer(step.action, step.why, error.message)
        case _ if "dry run" in error.message and "support" in error.message:
            return Answer(
                step.action, step.why, "a webhook that it meets has side effects, and is not asked in a dry run"
            )
        case QuotaExceeded():
            return Answer("invalid", error.message, "")
        case _:
            return Answer("invalid", f"the API server refuses it: {error.message}", "")


def _split(step: RestoreStep, answers: dict[str, Answer] | None) -> Iterator[RestoreStep]:
    """A step for each answer, in the order in which they first came."""
    if answers is None:
        yield step
        return
    by_answer: dict[Answer, list[str]] = {}
    for name in step.names:
        by_answer.setdefault(answers.get(name, Answer(step.action, step.why, "")), []).append(name)
    for answer, names in by_answer.items():
        yield msgspec.structs.replace(
            step, action=answer.action, why=answer.why, unverifiable=answer.unverifiable, names=tuple(names)
        )


def _with(plan: RestorePlan, steps: Iterable[RestoreStep], *, everything: bool) -> RestorePlan:
    return sealed_restore(msgspec.structs.replace(plan, steps=tuple(steps), server_dry_run=everything))


class _Metadata(msgspec.Struct):
    namespace: str = ""


class _Named(msgspec.Struct):
    metadata: _Metadata


_NAMED = msgspec.json.Decoder(_Named)
_encode = msgspec.json.Encoder().encode
