"""Restores into scratch namespaces, to see that a backup can be: each item is sent, compared, and removed again.

What only lies there (ConfigMaps, Secrets, accounts, rights) is created for real. Whatever a controller would act upon,
beyond its namespace or with a pod, is sent as the API server's own dry run: a second copy of an application must not
begin to work.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from runner.actions.drift import drift
from runner.actions.restored import BACKUP_LABEL
from runner.engine.restore.facts import NAMESPACE, RestoreFacts
from runner.engine.restore.items import Work
from runner.engine.restore.restore import RestorePorts
from runner.engine.restore.works import Works
from runner.engine.retry import Retrier
from runner.errors import (
    AlreadyExists,
    Cancelled,
    ClusterError,
    ClusterUnreachable,
    ItemNotFound,
    TrysailError,
    Unauthorized,
)
from runner.model.event import ItemFailed, PhaseBegun, Progress, RestoreFinished, RestoreStarted
from runner.model.restore import RestorePlan, RestoreStep
from runner.model.restored import Failed
from runner.model.scratch import RestoreTest
from runner.plan.restore_order import NAMESPACES
from runner.ports import Pending, Written

IN_FLIGHT = 64

# Nothing runs, is reached or is billed because one of these is there.
INERT = frozenset(
    {
        "configmaps",
        "limitranges",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "secrets",
        "serviceaccounts",
    }
)
SERVICES = "services"


@dataclass
class Scratch:
    """One restore test. The plan maps every namespace to a scratch one that is not there yet."""

    plan: RestorePlan
    facts: RestoreFacts
    ports: RestorePorts
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[Failed] = field(default_factory=list)
    made: list[tuple[str, str]] = field(default_factory=list)  # namespaces: name, uid

    def __post_init__(self) -> None:
        self.retrier = Retrier(self.ports.clock, self.ports.observer)

    def run(self) -> RestoreTest:
        """Tries every item, and takes back what it made, whatever happens."""
        begun, started = self.ports.clock.monotonic(), self.ports.clock.now()
        notice = self.ports.observer.notice
        steps = [step for step in self.plan.steps if step.action == "create"]
        notice(RestoreStarted(backup=self.plan.backup.name, cluster=self.plan.target.context, items=self.plan.items))
        self._refused_in_plan()
        try:
            for step in steps:
                self._step(step)
        finally:
            notice(PhaseBegun(name="removing the scratch namespaces"))
            self._remove()
        seconds = self.ports.clock.monotonic() - begun
        items = self.counts.total()
        notice(
            RestoreFinished(
                backup=self.plan.backup.name, items=items, failed=len(self.failed), seconds=round(seconds, 3)
            )
        )
        return RestoreTest(
            backup=self.plan.backup,
            cluster=self.plan.target.uid,
            server=self.plan.target.server,
            started=started.isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            created=self.counts["created"],
            checked=self.counts["checked"],
            failed=tuple(sorted(self.failed)),
        )

    def _refused_in_plan(self) -> None:
        for step in self.plan.steps:
            if step.action in {"invalid", "conflict"}:
                self.failed += [
                    Failed(step.resource, step.source or step.namespace, name, "create", step.why)
                    for name in step.names
                ]

    def _step(self, step: RestoreStep) -> None:
        for_real = step.resource in INERT or step.resource == NAMESPACES
        under_way: deque[tuple[Work, Pending[str]]] = deque()
        try:
            for work in Works(self.facts).of(step):
                if for_real:
                    work.body["metadata"].pop("finalizers", None)  # nobody would come and let it go
                elif step.resource == SERVICES:
                    _give_up_node_ports(work.body)
                under_way.append((work, self.ports.executor.submit(partial(self._try, work, dry_run=not for_real))))
                if len(under_way) >= IN_FLIGHT:
                    self._take(step, *under_way.popleft(), for_real=for_real)
            while under_way:
                self._take(step, *under_way.popleft(), for_real=for_real)
        finally:
            for _, pending in under_way:
                if not pending.cancel():
                    with suppress(TrysailError):
                        pending.result()  # what it makes is there before all is removed

    def _take(self, step: RestoreStep, work: Work, pending: Pending[str], *, for_real: bool) -> None:
        problem = pending.result()
        if problem:
            self.failed.append(Failed(step.resource, step.source or step.namespace, work.name, "create", problem))
            self.ports.observer.notice(ItemFailed(what=str(work.item), reason=problem))
        else:
            self.counts["created" if for_real else "checked"] += 1
        self.ports.observer.notice(Progress(items=self.counts.total() + len(self.failed)))

    def _try(self, work: Work, *, dry_run: bool) -> str:
        """What is wrong with an item; "" where it is accepted, and comes back as it was stored."""
        body = _encode(work.body)
        create = partial(
            self.ports.cluster.create, work.resource, work.item.namespace, body, dry_run=dry_run, strict=work.strict
        )
        try:
            written: Written = self.retrier.call(f"trying {work.item}", create)
        except (Unauthorized, ClusterUnreachable):
            raise
        except AlreadyExists as error:
            if work.stored == NAMESPACES:
                return ""  # its name is ours alone: the answer to our first try was lost
            if work.stored == "serviceaccounts" and work.name == "default":
                return ""  # each namespace gets its own, sometimes before we come
            return error.message if dry_run else self._compared(work, self._get(work), taken=error.message)
        except ClusterError as error:
            return error.message
        if work.stored == NAMESPACES:
            self.made.append((work.item.name, written.uid))
        return self._compared(work, _DECODER.decode(written.raw))

    def _get(self, work: Work) -> dict[str, Any]:
        get = partial(self.ports.cluster.get, work.resource, work.item.namespace, work.item.name)
        return _DECODER.decode(self.retrier.call(str(work.item), get))

    def _compared(self, work: Work, came: dict[str, Any], taken: str = "") -> str:
        """What an item came back as. Where its name was taken, by our first try perhaps, whose answer was lost."""
        if taken and (came["metadata"].get("labels") or {}).get(BACKUP_LABEL) != self.facts.existing.backup:
            return taken
        changes = drift(work.item, work.body, came)
        return "" if not changes else "it comes back otherwise: " + ", ".join(change.path for change in changes[:3])

    def _remove(self) -> None:
        """Takes back every namespace, whatever becomes of the others; then tells of those that are left."""
        left: dict[str, TrysailError] = {}
        cancelled: Cancelled | None = None
        for name in self._tried():
            try:
                try:
                    self._remove_one(name)
                except Cancelled as error:
                    cancelled = error  # not in the middle of taking back; a second signal ends at once
                    self._remove_one(name)
            except TrysailError as error:
                left[name] = error
        if cancelled is not None and not left:
            raise cancelled
        if left:
            first = next(iter(left.values()))
            first.context["left"] = ", ".join(left)
            first.hint = f"delete the scratch namespaces that are left: kubectl delete namespace {' '.join(left)}"
            raise first

    def _tried(self) -> Iterator[str]:
        """Those we made, or may have made: an answer may have been lost. Never one that was there before."""
        for step in self.plan.steps:
            if step.action == "create" and step.resource == NAMESPACES:
                names = (self.facts.rules.namespace(name) for name in step.names)
                yield from (name for name in names if name not in self.facts.namespaces)

    def _remove_one(self, name: str) -> None:
        call = self.retrier.call
        with suppress(ItemNotFound):
            uid = dict(self.made).get(name)
            if uid is None:
                raw = call(f"namespace {name}", partial(self.ports.cluster.get, NAMESPACE, "", name))
                metadata = _DECODER.decode(raw)["metadata"]
                if (metadata.get("labels") or {}).get(BACKUP_LABEL) != self.facts.existing.backup:
                    return
                uid = str(metadata["uid"])
            call(f"deleting namespace {name}", partial(self.ports.cluster.delete, NAMESPACE, "", name, uid=uid))


def _give_up_node_ports(service: dict[str, Any]) -> None:
    """A node port belongs to one Service of the whole cluster: the one that is tried, if it lives, has it still."""
    spec = service.get("spec") or {}
    spec.pop("healthCheckNodePort", None)
    for port in spec.get("ports") or ():
        port.pop("nodePort", None)


_encode = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(dict[str, Any])
