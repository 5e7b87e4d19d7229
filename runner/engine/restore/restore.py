"""Does what a plan of a restore says, and nothing else: tier by tier, many items at once, each held to its answer.

Whatever ends it, doing the same plan again completes it: what is done is found done, and nothing is created twice.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import msgspec

from runner.engine.restore.facts import CLAIMS, NAMESPACE, RestoreFacts, number
from runner.engine.restore.items import Done, ItemWriter, Work
from runner.engine.restore.volumes import Restorers, VolumesBack
from runner.engine.restore.waits import Patience, Waits
from runner.engine.restore.works import Works
from runner.engine.retry import Retrier
from runner.errors import ClusterError, ClusterUnreachable, NamespaceTerminating, TrysailError, Unauthorized
from runner.model.cluster import ItemId
from runner.model.event import ItemFailed, PhaseBegun, Progress, RestoreFinished, RestoreStarted, StepRestored
from runner.model.restore import CHANGING, RestorePlan, RestoreStep
from runner.model.restored import Failed, RestoreResult
from runner.plan.restore import OWNERS_ALONE
from runner.plan.restore_order import CRDS, NAMESPACES
from runner.plan.served import Served
from runner.ports import Clock, Cluster, Executor, Observer, Pending

USUAL_PATIENCE = Patience()
IN_FLIGHT = 64  # items prepared and not yet answered for: enough to keep every worker busy


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """All that a restore touches."""

    cluster: Cluster
    executor: Executor
    clock: Clock
    observer: Observer
    restorers: Restorers = field(default_factory=Restorers)


def restore(
    plan: RestorePlan, facts: RestoreFacts, ports: RestorePorts, *, patience: Patience = USUAL_PATIENCE, undo: str = ""
) -> RestoreResult:
    """Does the plan. `facts` are of now: the plan was made from them or checked with them.

    What cannot be done of it is in the result, item by item; only what ends everything (no answer, no credentials) is
    raised. `undo` names the backup of what is overwritten.
    """
    return _Restore(plan, facts, ports, patience, undo).run()


@dataclass
class _Restore:
    plan: RestorePlan
    facts: RestoreFacts
    ports: RestorePorts
    patience: Patience
    undo: str
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[Failed] = field(default_factory=list)
    uids: dict[int, str] = field(default_factory=dict)  # uid in the backup -> uid now, of owners that came
    ownerless: list[tuple[Work, str]] = field(default_factory=list)  # created before their owners; and their uid
    lost: dict[str, str] = field(default_factory=dict)  # namespace -> why nothing can be created in it
    undefined: dict[str, str] = field(default_factory=dict)  # type -> why the API server does not know it

    def __post_init__(self) -> None:
        self.retrier = Retrier(self.ports.clock, self.ports.observer)
        self.waits = Waits(self.ports.cluster, self.retrier, self.ports.clock, self.patience)
        self.writer = ItemWriter(self.ports.cluster, self.retrier, self.waits, self.facts.existing)
        self.works = Works(self.facts)
        self.back = VolumesBack(
            self.plan,
            self.facts,
            self.ports.cluster,
            self.ports.executor,
            self.ports.clock,
            self.retrier,
            self.ports.observer,
            self.waits,
            self.ports.restorers,
        )

    def run(self) -> RestoreResult:
        begun = self.ports.clock.monotonic()
        name = self.plan.backup.name
        self._notice(RestoreStarted(backup=name, cluster=self.plan.target.context, items=self.plan.items))
        changing = [step for step in self.plan.steps if step.action in CHANGING]
        try:
            self._tiers(changing)
            self._adopt()
        except TrysailError as error:
            error.hint = "; ".join(filter(None, (error.hint, "the same command goes on from here")))
            error.context["done"] = f"{self._done:,} of {self.plan.items:,} items"
            raise
        seconds = self.ports.clock.monotonic() - begun
        self._notice(RestoreFinished(backup=name, items=self._done, failed=len(self.failed), seconds=round(seconds, 3)))
        return RestoreResult(
            plan=self.plan,
            created=self.counts["create"],
            updated=self.counts["update"],
            recreated=self.counts["recreate"],
            already=self.counts["already"],
            failed=tuple(sorted(self.failed)),
            warnings=tuple(sorted(self.writer.warnings)),
            undo=self.undo,
            seconds=seconds,
            volumes=self.back.results(),
        )

    @property
    def _done(self) -> int:
        return self.counts.total()

    # tiers

    def _tiers(self, changing: list[RestoreStep]) -> None:
        """Tier by tier; the data of volumes around that of their claims, and before anything that would use them."""
        claims = self.facts.order.tier(CLAIMS)
        begun = brought = False
        for tier, steps in groupby(changing, key=lambda step: step.tier):
            if tier >= claims and not begun:
                self.back.before_claims()
                begun = True
            if tier > claims and not brought:
                self.lost |= self.back.after_claims()
                brought = True
            self._tier(list(steps))
        if not begun:
            self.back.before_claims()
        if not brought:
            self.back.after_claims()
        if standing := self.back.left_standing():
            self.writer.warnings.add(standing)

    def _tier(self, steps: list[RestoreStep]) -> None:
        """All items of a tier: first those whose owners are there, then those that waited for them."""
        names = sorted({step.resource for step in steps})
        self._notice(PhaseBegun(name=f"restoring {names[0] if len(names) == 1 else f'{len(names)} types'}"))
        if names == [NAMESPACES]:
            self._let_go(steps)
        waiting: list[Work] | None = []
        self._send(self._of(steps), waiting)
        while waiting:
            again: list[Work] | None = []
            if all(self._waits_for_owner(work) for work in waiting):
                again = None  # their owners come in a later tier, or not at all
            self._send(waiting, again)
            waiting = again
        if names == [CRDS]:
            self._define(steps)

    def _of(self, steps: Iterable[RestoreStep]) -> Iterator[Work]:
        """The works of some steps; a line is told when those of a step have all been sent."""
        for step in steps:
            hopeful = tuple(name for name in step.names if not self._hopeless(step, name))
            left = set(step.names)
            for work in self.works.of(msgspec.structs.replace(step, names=hopeful)) if hopeful else ():
                if not self._hopeless(step, work.name):
                    left.discard(work.name)
                    yield work
            for name in sorted(left):
                self._fail_named(step, name, self._hopeless(step, name) or "the backup does not give it any more")
            self._notice(
                StepRestored(
                    resource=step.resource, namespace=step.namespace, action=step.action, items=len(step.names)
                )
            )

    def _hopeless(self, step: RestoreStep, name: str) -> str:
        """Why nothing can come of an item of a step any more; "" where something can."""
        namespace = self.facts.rules.namespace(name) if step.resource == NAMESPACES else step.namespace
        return self.undefined.get(step.resource) or self.lost.get(namespace, "")

    def _send(self, works: Iterable[Work], waiting: list[Work] | None) -> None:
        """Has items written, many at once; answers are taken in order. With `waiting`, it gets who lacks an owner."""
        under_way: deque[tuple[Work, Pending[Done]]] = deque()
        try:
            for work in works:
                if waiting is not None and self._waits_for_owner(work):
                    waiting.append(work)
                    continue
                if work.why in OWNERS_ALONE:
                    self.ownerless.append((work, work.live))
                    continue
                if problem := self.back.edit(work):
                    self._fail(work, problem)
                    continue
                self._name_owners(work)
                under_way.append((work, self.ports.executor.submit(partial(self.writer.write, work))))
                if len(under_way) >= IN_FLIGHT:
                    self._take(*under_way.popleft())
            while under_way:
                self._take(*under_way.popleft())
        finally:
            for _, pending in under_way:
                pending.cancel()

    def _take(self, work: Work, pending: Pending[Done]) -> None:
        try:
            done = pending.result()
        except (Unauthorized, ClusterUnreachable):
            raise
        except ClusterError as error:
            done = Done(problem=error.message)
            if isinstance(error, NamespaceTerminating):
                self.lost.setdefault(work.item.namespace, f"its namespace is being deleted: {error.message}")
        work.body = {}
        if done.problem:
            self._fail(work, done.problem)
        else:
            self.counts[done.how] += 1
            old = number(work.uid)
            if old in self.facts.owners:
                self.uids[old] = done.uid
            if work.action != "update" and work.named < len(work.owners):
                self.ownerless.append((work, done.uid))
        self._notice(Progress(items=self._done + len(self.failed)))

    # owners

    def _uid_now(self, owner: dict[str, Any]) -> str:
        """The uid that an owner has now; "" while it is not there, or is to be another."""
        old = number(str(owner.get("uid", "")))
        return self.uids.get(old) or ("" if old in self.facts.leaving else self.facts.live.get(old, ""))

    def _waits_for_owner(self, work: Work) -> bool:
        """What is there and only updated keeps the owners it has."""
        names_them = work.action != "update" or work.why in OWNERS_ALONE
        return names_them and any(not self._uid_now(owner) for owner in work.owners)

    def _owners(self, work: Work) -> list[dict[str, Any]]:
        return [{**owner, "uid": uid} for owner in work.owners if (uid := self._uid_now(owner))]

    def _name_owners(self, work: Work) -> None:
        """Only owners that are there: the garbage collector deletes what names another uid."""
        owners = self._owners(work)
        if owners and work.action != "update":
            work.body = {**work.body, "metadata": {**work.body["metadata"], "ownerReferences": owners}}
            work.named = len(owners)

    def _adopt(self) -> None:
        """Gives those their owners that were created before them."""
        if not self.ownerless:
            return
        self._notice(PhaseBegun(name="naming owners that came later"))
        pending = []
        for work, uid in self.ownerless:
            owners = self._owners(work)
            adopt = None
            if len(owners) > work.named:
                adopt = self.ports.executor.submit(partial(self.writer.adopt, work, uid, owners))
            pending.append((work, adopt))
        for work, adopted in pending:
            self._adopted(work, adopted)

    def _adopted(self, work: Work, adopted: Pending[None] | None) -> None:
        try:
            if adopted is not None:
                adopted.result()
        except (Unauthorized, ClusterUnreachable):
            raise
        except ClusterError as error:
            self._fail(work, f"it is there, and its owner could not be named: {error.message}")
            return
        lost = ", ".join(f"{o.get('kind')} {o.get('name')}" for o in work.owners if not self._uid_now(o))
        if not lost:
            self.counts["update"] += work.why in OWNERS_ALONE
        elif work.why in OWNERS_ALONE:
            self._fail(work, f"its owner is not there: {lost}")
        else:
            self.writer.warnings.add(f"{work.item} was restored without its owner, which is not there: {lost}")

    # what others must do first

    def _let_go(self, steps: Iterable[RestoreStep]) -> None:
        """Waits for namespaces that are on their way out."""
        names = {self.facts.rules.namespace(name) for step in steps for name in step.names}
        for name in sorted(name for name in names if self.facts.namespaces.get(name)):
            self._notice(PhaseBegun(name=f"waiting for the old namespace {name} to go"))
            if not self.waits.gone(NAMESPACE, ItemId("", NAMESPACES, "", name), ""):
                self.lost[name] = (
                    "its namespace is being deleted, and does not go away: see kubectl get namespace -o yaml"
                )

    def _define(self, steps: Iterable[RestoreStep]) -> None:
        """Waits until new definitions are established, and asks anew what the API server serves."""
        for step in steps:
            route = self.facts.route(step.resource, step.api_version, step.kind)
            for name in (name for name in step.names if name not in self.undefined):
                assert route.resource is not None, "a step that changes has a route"
                if not self.waits.established(
                    route.resource, ItemId("apiextensions.k8s.io", route.resource.plural, "", name)
                ):
                    self.undefined[name] = reason = "the API server has not established its definition in time"
                    self._fail_named(step, name, reason)
        discovery = self.retrier.call("discovery", self.ports.cluster.discover)
        self.facts.discovered_anew(Served(discovery, self.facts.served.coming))

    # what goes wrong

    def _fail(self, work: Work, reason: str) -> None:
        if work.stored == NAMESPACES and work.action == "create":
            self.lost[work.item.name] = f"its namespace was not created: {reason}"
        if work.stored == CRDS and work.action == "create":
            self.undefined[work.item.name] = f"its definition was not created: {reason}"
        if work.stored == CLAIMS:
            self.back.claim_failed(work.item.namespace, work.item.name, reason)
        item = work.item
        self._failed(Failed(work.stored, item.namespace, item.name, work.action, reason), str(item))

    def _fail_named(self, step: RestoreStep, name: str, reason: str) -> None:
        if step.resource == CLAIMS:
            self.back.claim_failed(step.namespace, name, reason)
        plural, _, group = step.resource.partition(".")
        there = self.facts.rules.namespace(name) if step.resource == NAMESPACES else name
        item = ItemId(group, plural, step.namespace, there)
        self._failed(Failed(step.resource, step.namespace, there, step.action, reason), str(item))

    def _failed(self, failed: Failed, what: str) -> None:
        self.failed.append(failed)
        self._notice(ItemFailed(what=what, reason=failed.reason))

    def _notice(self, event: Any) -> None:
        self.ports.observer.notice(event)
