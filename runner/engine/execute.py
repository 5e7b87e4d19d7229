"""Does what a plan of a backup says, and nothing else: objects into the archive, keys into the store, manifest last.

Until the manifest is written, no backup is visible; whatever ends the run before takes its unfinished uploads back.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runner import __version__
from runner.archive.layout import ARCHIVE, INDEX, LOG, MANIFEST, PLAN, VOLUMES, layout_of
from runner.archive.writer import MEMBER_BYTES
from runner.engine.leftovers import Found, find_leftovers
from runner.engine.log import RunLog
from runner.engine.render_here import RenderHere
from runner.engine.retry import Retrier
from runner.engine.sources import ListLimits, Sources
from runner.engine.store_objects import ObjectsStored, store_objects
from runner.engine.upload import PART_BYTES, Sender, Stream, stored_key
from runner.engine.velero.keys import beside
from runner.engine.volumes.protect import Protection, VolumePorts
from runner.engine.volumes.run import VolumeRun, untouched
from runner.errors import Cancelled, ClusterError, KeyExists, StoreError
from runner.model.canonical import canonical, digest, readable
from runner.model.event import Finished, Missing, PhaseBegun, Started, Warned
from runner.model.hooks import PlannedHook
from runner.model.inventory import Inventory
from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, PARTIALLY_FAILED, Manifest, StoredKey
from runner.model.plan import Gap, Plan
from runner.model.policy import BackupPolicy
from runner.model.result import Result
from runner.model.volumes import StoredVolume, VolumesRecord
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
    volumes: VolumePorts | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes that a run works with. The defaults were measured; others are for clusters in miniature."""

    lists: ListLimits = field(default_factory=ListLimits)
    part_bytes: int = PART_BYTES
    member_bytes: int = MEMBER_BYTES


def execute(
    plan: Plan,
    backup: str,
    ports: Ports,
    inventory: Inventory,
    limits: Limits = Limits(),
    hooks: Sequence[PlannedHook] | None = None,
) -> Result:
    """Runs the plan as the backup of that name. `inventory` is of now: the plan was made from it or checked with it.

    `hooks` are those of the plan with the Pods of now, where it was made earlier. Raises what makes any backup
    impossible; what only leaves a gap is in the result.
    """
    return _Run(plan, backup, ports, inventory, limits, plan.hooks if hooks is None else hooks).run()


class _Run:
    def __init__(
        self,
        plan: Plan,
        backup: str,
        ports: Ports,
        inventory: Inventory,
        limits: Limits,
        hooks: Sequence[PlannedHook],
    ) -> None:
        self.plan, self.backup, self.ports, self.inventory = plan, backup, ports, inventory
        self.limits, self.hooks = limits, hooks
        self.in_doubt = False  # the manifest may have arrived
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
        found = self._look_around()
        for gap in plan.gaps:
            self.log.notice(Missing(what=gap.what, reason=gap.reason))
        for warning in plan.warnings:
            self.log.notice(Warned(message=warning))
        protection = self._protection()
        thawed = [] if protection is None else protection.thaw_left(self.ports.executor)
        volumes = None if protection is None else protection.run(found.committed)
        try:
            manifest, ledger = self._protect_and_store(volumes, thawed, started, begun)
        except BaseException:
            if volumes is not None and not self.in_doubt:
                self._give_up(volumes)
            raise
        if volumes is not None:
            volumes.keep()
        seconds = self.ports.clock.monotonic() - begun
        return Result(manifest=manifest, plan=plan, leftovers=found.leftovers, seconds=seconds, volumes=ledger)

    # parts of the run

    def _protect_and_store(
        self, volumes: VolumeRun | None, gaps: list[Gap], started: datetime, begun: float
    ) -> tuple[Manifest, tuple[StoredVolume, ...]]:
        """Volumes first, since somebody may be frozen for them; objects while their snapshots come along."""
        plan = self.plan
        if volumes is not None:
            self.log.notice(PhaseBegun(name="taking snapshots"))
            volumes.begin()
        self.log.notice(PhaseBegun(name="storing objects"))
        stored = self._store_objects()
        self._refuse_nothing(stored)
        ledger, gaps = tuple(map(untouched, plan.volumes)), [*plan.gaps, *gaps]
        if volumes is not None:
            self.log.notice(PhaseBegun(name="waiting for snapshots"))
            ledger = volumes.settle()
            gaps += volumes.gaps
        self.log.notice(PhaseBegun(name="committing"))
        missing = tuple(sorted({*gaps, *stored.missing}, key=lambda gap: (gap.what, gap.reason)))
        keys = dict(stored.keys)
        keys[PLAN] = self.sender.put(PLAN, readable(plan))
        record = VolumesRecord(ledger, plan.snapshot_location, plan.policy["spec"].get("fsBackup"))
        keys[VOLUMES] = self.sender.put(VOLUMES, readable(record))
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
            volumes=dict(sorted(Counter(line.outcome for line in ledger).items())),
        )
        return self._commit(manifest, self.ports.clock.monotonic() - begun), ledger

    def _protection(self) -> Protection | None:
        """What protects the volumes; None where the plan keeps none, runs no hooks, and nobody is frozen."""
        if self.ports.volumes is None:
            assert not self.hooks, "a plan with hooks is run with ports for them"
            assert not any(volume.keeps for volume in self.plan.volumes), "so is one that keeps volumes"
            return None
        return Protection(
            self.plan,
            self.hooks,
            self.backup,
            self.ports.store.url,
            self.spec,
            self.inventory,
            self.ports.volumes,
            self.ports.clock,
            self.retrier,
            self.log,
        )

    def _give_up(self, volumes: VolumeRun) -> None:
        try:
            volumes.give_up()
        except Cancelled:  # the first signal came just now: it ends the run, and not the tidying up
            volumes.give_up()
            raise

    def _look_around(self) -> Found:
        """Refuses a name that is taken; reports what runs that died have left."""
        prefix = self.layout.runs(self.plan.cluster.name, self.plan.policy_name)
        found = find_leftovers(self.ports.store, self.retrier, prefix, self.layout)
        if self.backup in found.committed:
            raise KeyExists(
                f'a backup named "{self.backup}" is there already',
                hint="choose another --name; a backup is never written over",
                location=self.ports.store.url,
            )
        for left in found.leftovers:
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
        return found

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
        self.in_doubt = True
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
