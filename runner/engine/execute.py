"""Does what a plan of a backup says, and nothing else: objects into the archive, keys into the store, manifest last.

Until the manifest is written, no backup is visible; whatever ends the run before takes its unfinished uploads back.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

from runner import __version__
from runner.archive.layout import ARCHIVE, INDEX, LOG, MANIFEST, PLAN, VOLUMES, layout_of
from runner.archive.writer import MEMBER_BYTES
from runner.engine.leftovers import find_leftovers
from runner.engine.log import RunLog
from runner.engine.render_here import RenderHere
from runner.engine.retry import Retrier
from runner.engine.sources import ListLimits, Sources
from runner.engine.store_objects import ObjectsStored, store_objects
from runner.engine.upload import PART_BYTES, Sender, Stream, stored_key
from runner.engine.velero_keys import beside
from runner.errors import Cancelled, ClusterError, KeyExists, StoreError
from runner.model.canonical import canonical, digest, readable
from runner.model.event import Finished, Missing, PhaseBegun, Started, Warned
from runner.model.inventory import Inventory
from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, PARTIALLY_FAILED, Manifest, StoredKey
from runner.model.plan import Plan
from runner.model.policy import BackupPolicy
from runner.model.result import Leftover, Result
from runner.plan.needs import query
from runner.plan.selection import Selection
from runner.ports import Clock, ClusterReader, Executor, ObjectStore, Observer, Renderer

# A manifest may have arrived although its reply did not.
IN_DOUBT = "trysail list shows whether the backup is there after all"


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a run touches."""

    cluster: ClusterReader
    store: ObjectStore
    executor: Executor
    clock: Clock
    observer: Observer
    renderer: Renderer = field(default_factory=RenderHere)


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes that a run works with. The defaults were measured; others are for clusters in miniature."""

    lists: ListLimits = field(default_factory=ListLimits)
    part_bytes: int = PART_BYTES
    member_bytes: int = MEMBER_BYTES


def execute(plan: Plan, backup: str, ports: Ports, inventory: Inventory, limits: Limits = Limits()) -> Result:
    """Runs the plan as the backup of that name. `inventory` is of now: the plan was made from it or checked with it.

    Raises what makes any backup impossible; what only leaves a gap is in the result.
    """
    return _Run(plan, backup, ports, inventory, limits).run()


class _Run:
    def __init__(self, plan: Plan, backup: str, ports: Ports, inventory: Inventory, limits: Limits) -> None:
        self.plan, self.backup, self.ports, self.inventory = plan, backup, ports, inventory
        self.limits = limits
        self.log = RunLog(ports.clock, ports.observer)
        self.retrier = Retrier(ports.clock, self.log)
        self.layout = layout_of(plan.policy)
        self.spec = BackupPolicy.model_validate(plan.policy).spec
        self.beside = beside(self.layout, self.spec)
        prefix = self.layout.prefix(plan.cluster.name, plan.policy_name, backup)
        self.sender = Sender(ports.store, ports.executor, self.retrier, prefix, limits.part_bytes)

    def run(self) -> Result:
        started = self.ports.clock.now()
        begun = self.ports.clock.monotonic()
        plan = self.plan
        self.log.notice(
            Started(backup=self.backup, policy=plan.policy_name, cluster=plan.cluster.name, items=plan.items)
        )
        leftovers = self._look_around()
        for gap in plan.gaps:
            self.log.notice(Missing(what=gap.what, reason=gap.reason))
        for warning in plan.warnings:
            self.log.notice(Warned(message=warning))
        self.log.notice(PhaseBegun(name="storing objects"))
        stored = self._store_objects()
        self._refuse_nothing(stored)
        self.log.notice(PhaseBegun(name="committing"))
        missing = tuple(sorted({*plan.gaps, *stored.missing}, key=lambda gap: (gap.what, gap.reason)))
        keys = dict(stored.keys)
        keys[PLAN] = self.sender.put(PLAN, readable(plan))
        keys[VOLUMES] = self.sender.put(VOLUMES, readable({"formatVersion": "1.0", "volumes": plan.uncovered}))
        manifest = Manifest(
            format_version=MANIFEST_FORMAT,
            kind="Backup",
            digest="",
            name=self.backup,
            phase=PARTIALLY_FAILED if missing else COMPLETED,
            cluster=plan.cluster,
            server=self.inventory.cluster.server,
            server_version=self.inventory.cluster.version,
            policy_name=plan.policy_name,
            policy=plan.policy,
            plan_digest=plan.digest,
            started=started.isoformat(timespec="seconds"),
            completed=self.ports.clock.now().isoformat(timespec="seconds"),
            trysail_version=__version__,
            items=stored.items,
            size=stored.size,
            keys=keys,
            lists=stored.lists,
            left_out=stored.left_out,
            missing=missing,
            warnings=tuple(self.log.warnings),
        )
        seconds = self.ports.clock.monotonic() - begun
        manifest = self._commit(manifest, seconds)
        return Result(manifest=manifest, plan=plan, leftovers=leftovers, seconds=seconds)

    # parts of the run

    def _look_around(self) -> tuple[Leftover, ...]:
        """Refuses a name that is taken; reports what runs that died have left."""
        prefix = self.layout.runs(self.plan.cluster.name, self.plan.policy_name)
        taken, leftovers = find_leftovers(self.ports.store, self.retrier, prefix, self.backup, self.layout)
        if taken:
            raise KeyExists(
                f'a backup named "{self.backup}" is there already',
                hint="choose another --name; a backup is never written over",
                location=self.ports.store.url,
            )
        for left in leftovers:
            if left.backup == self.backup:
                raise KeyExists(
                    f'a run named "{self.backup}" was begun and never finished (or still goes on)',
                    hint="choose another --name; what a run has written is never written over",
                    location=self.ports.store.url,
                )
            parts = f", {left.uploads} unfinished uploads" if left.uploads else ""
            self.log.notice(
                Warned(
                    message=f"{left.backup} was begun and never finished (or still goes on): "
                    f"{left.keys} keys, {left.size} bytes{parts} lie in the store"
                )
            )
        for warning in self.beside.warnings(self.ports.store, self.retrier):
            self.log.notice(Warned(message=warning))
        return leftovers

    def _store_objects(self) -> ObjectsStored:
        selection = Selection(self.spec)
        sources = Sources(
            self.ports.cluster,
            self.ports.executor,
            self.retrier,
            query=lambda resource: query(selection, resource),
            limits=self.limits.lists,
        )
        resources = {resource.name: resource for resource in self.inventory.resources}
        archive, index = self.sender.stream(self._key(ARCHIVE)), self.sender.stream(INDEX)
        try:
            stored = store_objects(
                self.plan.steps,
                selection,
                sources,
                resources,
                (archive, index),
                self.log,
                self.ports.renderer,
                self.limits.member_bytes,
                self.beside.form,
            )
            keys = {archive.key: archive.finish(), INDEX: index.finish()}
            self.sender.sweep()
        except BaseException:
            try:
                self._take_back(archive, index)
            except Cancelled:  # the first signal came just now: it ends the run, and not the tidying up
                self._take_back(archive, index)
                raise
            raise
        return stored.with_keys(keys)

    def _key(self, key: str) -> str:
        return self.layout.key(key, self.backup)

    def _take_back(self, *streams: Stream) -> None:
        for stream in streams:
            stream.abort()
        self.sender.sweep()

    def _refuse_nothing(self, stored: ObjectsStored) -> None:
        """A backup that should hold something and holds nothing is a failure, not a backup."""
        if self.plan.items and not stored.items and stored.missing:
            first = stored.missing[0]
            raise ClusterError(
                "nothing of what was planned could be read: no backup was made",
                hint="see the reason, and the log above",
                first=f"{first.what}: {first.reason}",
            )

    def _commit(self, manifest: Manifest, seconds: float) -> Manifest:
        finished = Finished(backup=self.backup, phase=manifest.phase, items=manifest.items, seconds=round(seconds, 3))
        self.log.record(finished)
        keys = dict(manifest.keys)
        log = gzip.compress(self.beside.log(self.log.content()), mtime=0)
        before = {**self.beside.before_manifest(manifest), self._key(LOG): log}
        keys |= {key: self.sender.put(key, content) for key, content in before.items()}
        last = self.beside.after_manifest(manifest)
        keys |= {key: stored_key(content) for key, content in last.items()}
        manifest = sealed_manifest(manifest, keys)
        try:
            for key, content in {MANIFEST: readable(manifest), **last}.items():
                self.sender.put(key, content)
            self.ports.observer.notice(finished)
        except Cancelled as error:
            raise Cancelled("cancelled while the backup was being committed", hint=IN_DOUBT) from error
        except StoreError as error:
            error.hint = f"{error.hint}; {IN_DOUBT}" if error.hint else IN_DOUBT
            raise
        return manifest


def sealed_manifest(manifest: Manifest, keys: dict[str, StoredKey]) -> Manifest:
    """The manifest with its keys, and with its own digest over all the rest."""
    fields = {name: getattr(manifest, name) for name in manifest.__struct_fields__}
    fields |= {"keys": keys, "digest": ""}
    return Manifest(**{**fields, "digest": digest(canonical(Manifest(**fields)))})
