"""Brings the data of volumes back in a restore: disks and snapshots before their claims, files into them afterwards.

A claim whose data cannot be had is not created: an application that finds an empty volume begins anew in it. Nor is
what would create it so, such as the StatefulSet whose claim it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from runner.actions.fields import part
from runner.actions.storage import RESTORING
from runner.actions.volume_data import claim_for_files, claim_from_snapshot, claim_to_volume, makes_claim
from runner.engine.restore.data import STATEFUL_SETS, would_be_empty
from runner.engine.restore.facts import CLAIMS, RestoreFacts
from runner.engine.restore.items import Work
from runner.engine.restore.new_volumes import NewVolumes
from runner.engine.restore.waits import Waits
from runner.engine.retry import Retrier
from runner.errors import TrysailError
from runner.model.event import PhaseBegun, VolumeProgress
from runner.model.restore import RestorePlan, RestoreVolume
from runner.model.restored import BroughtVolume
from runner.model.volumes import Brought, Method, RestoringVolume, StoredVolume
from runner.ports import Clock, Cluster, Executor, Observer, Pending
from runner.volume_ports import VolumeRestorer

_NO_CLASS = 'its StorageClass is "", of which nobody makes volumes: give it another by resourceModifiers'
_FIRST_LOOK, _LONGEST_LOOK = 0.2, 5.0  # seconds between looks at what is on its way


@dataclass(frozen=True)
class Restorers:
    """Who brings data back, by how it was kept; and why nobody can, where that is so."""

    by_method: Mapping[Method, VolumeRestorer] = field(default_factory=dict)
    impossible: Mapping[Method, str] = field(default_factory=dict)
    movers: Executor | None = None  # Jobs that write files, as many at once as the policy says


@dataclass
class _Task:
    """One claim's data on its way."""

    decision: RestoreVolume
    asked: RestoringVolume
    restorer: VolumeRestorer | None
    brought: Brought | None = None
    volume: str = ""  # the PersistentVolume that was made for it
    problem: str = ""
    left_out: bool = False  # its claim was not created
    binds: bool = False  # its claim is about to get its volume
    waits: bool = False  # its claim has no volume before a Pod uses it
    away: bool = False  # what stood for it on its way was taken away

    @property
    def key(self) -> tuple[str, str]:
        return self.decision.namespace, self.decision.claim

    @property
    def name(self) -> str:
        return f"{self.decision.namespace}/{self.decision.claim}"

    @property
    def useless(self) -> bool:
        """Whether objects stand in the cluster for a claim that is not there; a disk is kept, since it has the data."""
        return self.left_out and bool(self.standing) and not self.away

    @property
    def standing(self) -> str:
        """What stands, or stood, for its data in the cluster; "" for a disk."""
        return self.brought.object if self.brought is not None and not self.brought.handle else ""

    @property
    def reason(self) -> str:
        """Why its data is not back, and what that leaves behind; "" where it is."""
        if self.problem and self.standing and not self.away:
            return f"{self.problem}; {self.standing} stays in the cluster"
        return self.problem or ("" if self.brought is not None else "its claim was not created")


@dataclass
class VolumesBack:
    """The volumes of one restore: `before_claims`, `edit` for each of them, `after_claims`; then `results`."""

    plan: RestorePlan
    facts: RestoreFacts
    cluster: Cluster
    executor: Executor
    clock: Clock
    retrier: Retrier
    observer: Observer
    waits: Waits
    restorers: Restorers
    _tasks: dict[tuple[str, str], _Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._volumes = NewVolumes(self.facts, self.cluster, self.retrier)
        for decision, stored in self.facts.data.restored():
            asked = self._asked(decision, stored)
            task = _Task(decision, asked, self.restorers.by_method.get(decision.method))
            if task.restorer is None:
                task.problem = self.restorers.impossible.get(decision.method, "nothing here can bring it back")
            self._tasks[task.key] = task

    def before_claims(self) -> None:
        """Has disks and snapshots made ready that claims will name."""
        tasks = [task for task in self._open() if task.restorer is not None and task.restorer.when == "before"]
        if tasks:
            self.observer.notice(PhaseBegun(name=f"bringing {len(tasks)} volumes back"))
        native = [task for task in tasks if task.decision.method == "native-snapshot"]
        self._volumes.read({task.asked.stored.planned.volume for task in native})
        self._all(tasks, self.executor, self._before)

    def edit(self, work: Work) -> str:
        """Points a claim's body at its data. Why an item is not to be written, where it would be without its data."""
        if work.stored == STATEFUL_SETS:
            return self._held_back(work)
        # Much of an application may have its claim's name.
        task = self._tasks.get((work.item.namespace, work.item.name)) if work.stored == CLAIMS else None
        if task is None or work.action != "create":
            return ""
        if task.problem:
            return f"its data could not be brought back: {task.problem}"
        if task.volume:
            claim_to_volume(work.body, task.volume)
        elif task.brought is not None and task.brought.object:
            return self._from_snapshot(task, task.brought, work.body)
        else:
            claim_for_files(work.body)
            self._note_begun(task, work.body)
        return ""

    def _from_snapshot(self, task: _Task, brought: Brought, body: dict[str, Any]) -> str:
        """Has a claim begin as a snapshot, where somebody makes volumes of the class that it has by now."""
        named = part(body, "spec").get("storageClassName")  # without a name, it is given the default one
        task.asked = msgspec.structs.replace(task.asked, storage_class=named or "")
        none = named == "" and not self.facts.identity.is_folder
        task.problem = problem = _NO_CLASS if none else self._volumes.unprovisioned(task.asked)
        if problem:
            return f"its data could not be brought back: {problem}"
        snapshot = task.asked.stored.snapshot
        size = snapshot.size if snapshot is not None else 0
        claim_from_snapshot(body, brought.object.rpartition("/")[2], size)
        if not self.facts.identity.is_folder:
            self._note_begun(task, body)
        return ""

    def _note_begun(self, task: _Task, body: dict[str, Any]) -> None:
        """By which the same restore, done again, knows that the claim is not complete, and goes on with it."""
        metadata = body["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTORING: task.decision.snapshot}

    def claim_failed(self, namespace: str, name: str, reason: str) -> None:
        """A claim was not created: what was made for it stays, and the same command goes on with it."""
        task = self._tasks.get((namespace, name))
        if task is None:
            return
        task.left_out = True
        if task.problem:
            return
        made = task.brought.handle if task.brought is not None else ""
        task.problem = f"its claim was not created: {reason}" + (f"; {made} is kept for it" if made else "")

    def after_claims(self) -> dict[str, str]:
        """Takes back what stands for claims that are not there, waits until others have volumes, has files written.

        Namespaces to hold back, with the reason: a claim that is there with half of its files looks like a whole one.
        """
        self._all([task for task in self._tasks.values() if task.useless], self.executor, self._discard)
        tasks = self._open()
        self._until_bound([task for task in tasks if task.brought is not None])
        files = [task for task in tasks if task.restorer is not None and task.restorer.when == "after"]
        if files:
            self.observer.notice(PhaseBegun(name=f"bringing the files of {len(files)} volumes back"))
        self._all(files, self.restorers.movers or self.executor, self._after)
        return {
            task.decision.namespace: f"the data of claim {task.decision.claim} could not be brought back, and nothing "
            f"shall begin without it: {task.problem}"
            for task in files
            if task.problem
        }

    def left_standing(self) -> str:
        """Which claims still need what stands for their snapshots, in words; "" where none does."""
        names = sorted(task.name for task in self._tasks.values() if task.waits)
        if not names or self.facts.identity.is_folder:
            return ""
        return (
            f"claims whose class waits for a Pod have their data once a Pod uses them, and need their VolumeSnapshots "
            f"until then: {', '.join(names)}; the same command, given again, takes these away"
        )

    def results(self) -> tuple[BroughtVolume, ...]:
        """How it went, sorted."""
        return tuple(
            sorted(
                BroughtVolume(
                    namespace=task.decision.namespace,
                    claim=task.decision.claim,
                    outcome="failed" if task.problem or task.brought is None else "restored",
                    reason=task.reason,
                    handle=task.brought.handle if task.brought is not None else "",
                )
                for task in self._tasks.values()
            )
        )

    def _held_back(self, work: Work) -> str:
        """Why a StatefulSet is not written: its controller would make a claim that was left out, empty."""
        for (namespace, claim), task in sorted(self._tasks.items()):
            if task.left_out and namespace == work.item.namespace and makes_claim(work.body, claim):
                return would_be_empty(claim, task.problem)
        return ""

    # one volume, on a worker

    def _before(self, task: _Task) -> None:
        self._bring(task, self.waits.patience.snapshot)
        if task.problem or task.brought is None or not task.brought.handle:
            return
        task.volume = self._volumes.create(task.asked, task.brought)

    def _after(self, task: _Task) -> None:
        self._bring(task, self.waits.patience.files)
        if not task.problem and task.restorer is not None and task.brought is not None:
            self._volumes.note_complete(task.asked)
            self._tidy(task)

    def _look_bound(self, task: _Task) -> None:
        at_once = self._volumes.binds_at_once(task.asked, by_name=bool(task.volume))
        nobody = at_once and not self.waits.patience.binding
        task.binds = task.waits = False
        if nobody or self.waits.bound(task.decision.namespace, task.decision.claim):
            if not task.volume and not self.facts.identity.is_folder:
                self._tidy(task)  # the claim has its own copy, and the snapshot's data stays
                self._volumes.note_complete(task.asked)
        else:
            task.binds, task.waits = at_once, not at_once

    def _bring(self, task: _Task, limit: float) -> None:
        restorer = task.restorer
        assert restorer is not None, "only what somebody can bring is brought"
        self._tell(task, "bringing back", task.decision.snapshot)
        # Noted at each step: whatever goes wrong from here, something stands there for it.
        task.brought = brought = self.retrier.call(f"volume {task.name}", partial(restorer.bring, task.asked))
        deadline = self.clock.monotonic() + limit
        wait = _FIRST_LOOK
        # A folder has nobody who would make anything ready.
        while brought.state == "pending" and limit:
            if self.clock.monotonic() >= deadline:
                task.problem = f"not ready after {limit:g} s" + (f": {brought.reason}" if brought.reason else "")
                break
            self.clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_LOOK)
            look = partial(restorer.look, task.asked, brought)
            task.brought = brought = self.retrier.call(f"volume {task.name}", look)
        if brought.state == "failed":
            task.problem = brought.reason or "the provider says that it failed"
            self._discard(task)

    def _discard(self, task: _Task) -> None:
        restorer, brought = task.restorer, task.brought
        assert restorer is not None, "only what somebody can bring is brought"
        assert brought is not None, "it was brought"
        self.retrier.call(f"volume {task.name}", partial(restorer.discard, task.asked, brought))
        task.away = True

    def _tidy(self, task: _Task) -> None:
        """What stood for it on its way is not needed any more."""
        self._discard(task)
        self._tell(task, "brought back", task.decision.snapshot)

    # all of them

    def _until_bound(self, tasks: Sequence[_Task]) -> None:
        """Looks at all of them until each has its volume: a driver may copy a snapshot for a while, several at once."""
        deadline = self.clock.monotonic() + self.waits.patience.binding
        wait = _FIRST_LOOK
        while tasks:
            self._all(tasks, self.executor, self._look_bound)
            tasks = [task for task in tasks if task.binds and not task.problem]
            if tasks and self.clock.monotonic() >= deadline:
                for task in tasks:
                    task.problem = "its claim is not bound to its volume: see kubectl describe pvc"
                    self._tell(task, "failed", task.problem)
                return
            if tasks:
                self.clock.sleep(wait)
                wait = min(wait * 1.5, _LONGEST_LOOK)

    def _open(self) -> list[_Task]:
        return [task for task in self._tasks.values() if not task.problem]

    def _all(self, tasks: Sequence[_Task], executor: Executor, work: Callable[[_Task], None]) -> None:
        pending: list[tuple[_Task, Pending[None]]] = [(task, executor.submit(partial(work, task))) for task in tasks]
        try:
            for task, one in pending:
                self._settle(task, one)
        finally:
            for _, one in pending:
                one.cancel()

    def _settle(self, task: _Task, pending: Pending[None]) -> None:
        try:
            pending.result()
        except TrysailError as error:
            if error.exit_code != 1:
                raise  # a signal, and not this volume's own matter
            words = f"{error.message} ({error.hint})" if error.hint else error.message
            task.problem = f"{task.problem}; {words}" if task.problem else words
        if task.problem:
            self._tell(task, "failed", task.problem)

    def _asked(self, decision: RestoreVolume, stored: StoredVolume) -> RestoringVolume:
        location = self.facts.data.record.snapshot_location or {}
        tags: Any = location.get("tags", {})
        old = stored.planned.storage_class
        return RestoringVolume(
            stored=stored,
            namespace=decision.namespace,
            claim=decision.claim,
            backup=self.plan.backup.name,
            cluster=self.plan.target.uid,
            storage_class=self.facts.rules.storage_classes.get(old, old),
            user_tags=dict(tags),
        )

    def _tell(self, task: _Task, state: str, detail: str) -> None:
        self.observer.notice(VolumeProgress(volume=task.name, state=state, method=task.decision.method, detail=detail))
