"""Stored backups for tests: made by the engine's own archive writer, plan and manifest, then spoiled as a test wants.

backup = StoredBackup(items=[config_map("shop", "web")])
backup.contents[ARCHIVE] = hostile      # a lie that the manifest vouches for
backup.put(store)
store.objects[backup.key(ARCHIVE)] = …  # damage that it does not
"""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

from runner.archive.emitter import emit
from runner.archive.layout import ARCHIVE, INDEX, LOG, MANIFEST, PLAN, VOLUMES, backup_prefix, item_path
from runner.archive.render import entry_of
from runner.archive.writer import MEMBER_BYTES, ArchiveWriter
from runner.engine.execute import sealed_manifest
from runner.engine.fetch import Reading
from runner.engine.retry import Retrier
from runner.model.canonical import readable
from runner.model.cluster import Resource
from runner.model.event import Event
from runner.model.inventory import Row
from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, Listed, Manifest, StoredKey
from runner.model.plan import PLAN_FORMAT, Gap, LeftOut, Plan, PlannedCluster, Step
from runner.model.volumes import StoredVolume, VolumesRecord
from runner.plan.backup import sealed
from runner.ports import ObjectStore, Pending

T = TypeVar("T")

CLUSTER_UID = "11111111-2222-4333-8444-555555555555"


Made = tuple[Resource, Row, bytes]
"""An item as the engine has it when it stores it: its type, what the index says, and its YAML."""


def item(kind: str, resource: str, api_version: str, name: str, namespace: str = "", **more: Any) -> Made:
    """An item as a cluster would give it; `labels` go into its metadata, the rest beside it."""
    labels = more.pop("labels", None) or {}
    group, _, version = api_version.rpartition("/")
    about = Resource(
        group=group, plural=resource.partition(".")[0], version=version, kind=kind, namespaced=bool(namespace)
    )
    assert about.name == resource
    seen = Row(name=name, namespace=namespace, uid=f"uid-{name}", resource_version="7", labels=labels)
    metadata = {"name": name, "uid": seen.uid, "resourceVersion": "7"}
    metadata |= {"namespace": namespace} if namespace else {}
    document = {"apiVersion": api_version, "kind": kind, "metadata": {**metadata, "labels": labels}, **more}
    return about, seen, emit(document)


def config_map(namespace: str, name: str, *, labels: dict[str, str] | None = None, size: int = 20) -> Made:
    """A ConfigMap with `size` characters of data that gzip can do little with."""
    noise = Random(name).randbytes(size // 2).hex()
    return item("ConfigMap", "configmaps", "v1", name, namespace, labels=labels, data={"value": noise})


def deployment(namespace: str, name: str, *, labels: dict[str, str] | None = None) -> Made:
    """A Deployment."""
    return item("Deployment", "deployments.apps", "apps/v1", name, namespace, labels=labels, spec={"replicas": 2})


def namespace_item(name: str) -> Made:
    """A Namespace."""
    return item("Namespace", "namespaces", "v1", name)


def small_shop() -> list[Made]:
    """Two namespaces with two types; the order is that of an archive."""
    return [
        namespace_item("shop"),
        namespace_item("stage"),
        config_map("shop", "settings", labels={"app": "web"}),
        config_map("shop", "Zettings:a"),
        config_map("stage", "settings", labels={"app": "web"}),
        deployment("shop", "api", labels={"app": "api", "tier": "back"}),
        deployment("shop", "web", labels={"app": "web", "tier": "front"}),
    ]


@dataclass
class StoredBackup:
    """A backup; `contents` may be altered before `put`, and are vouched for as they are then."""

    name: str = "shop-20260102030405-ab12"
    cluster: str = "prod"
    policy: str = "shop"
    phase: str = COMPLETED
    started: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    completed: datetime = datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)
    items: Sequence[Made] = field(default_factory=small_shop)
    missing: tuple[Gap, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    volumes: tuple[StoredVolume, ...] = ()
    warnings: tuple[str, ...] = ()
    lists: tuple[Listed, ...] | None = None
    member_bytes: int = MEMBER_BYTES
    manifest_changes: dict[str, Any] = field(default_factory=dict)  # fields, before it is sealed
    plan: Plan = field(init=False)
    contents: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        archive, index = packed(self.items, member_bytes=self.member_bytes)
        counts = Counter((about.name, seen.namespace) for about, seen, _ in self.items)
        types = {about.name: about for about, _, _ in self.items}
        self._counts = counts
        self.plan = sealed(
            Plan(
                format_version=PLAN_FORMAT,
                kind="BackupPlan",
                digest="",
                cluster=PlannedCluster(name=self.cluster, uid=CLUSTER_UID),
                policy_name=self.policy,
                policy={
                    "apiVersion": "trysail.dev/v1alpha1",
                    "kind": "BackupPolicy",
                    "metadata": {"name": self.policy},
                },
                location={"provider": "filesystem", "path": "backups"},
                keys=f"backups/{self.cluster}/{self.policy}/{{backup}}/",
                basis="sha256:basis",
                volumes=tuple(volume.planned for volume in self.volumes),
                steps=tuple(
                    Step(r, types[r].api_version, types[r].kind, n, count, why="all")
                    for (r, n), count in counts.items()
                ),
                left_out=(LeftOut(what="type events", why="excludedNamespaceScopedResources", count=12),),
                gaps=self.missing,
                empty_includes=(),
                warnings=self.warnings,
            )
        )
        self.contents = {
            ARCHIVE: archive,
            INDEX: index,
            PLAN: readable(self.plan),
            VOLUMES: readable(VolumesRecord(volumes=self.volumes)),
            LOG: gzip.compress(b'{"event":"started"}\n', mtime=0),
        }

    @property
    def prefix(self) -> str:
        """What its keys begin with."""
        return backup_prefix(self.cluster, self.policy, self.name)

    def key(self, name: str) -> str:
        """Where one of its objects lies."""
        return self.prefix + name

    def manifest(self) -> Manifest:
        """The record of `contents` as they are now."""
        keys = {
            name: StoredKey(size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in self.contents.items()
        }
        lists = tuple(
            Listed(resource=r, namespace=n, planned=count, stored=count, resource_version="100", consistent=True)
            for (r, n), count in self._counts.items()
        )
        fields: dict[str, Any] = {
            "format_version": MANIFEST_FORMAT,
            "kind": "Backup",
            "digest": "",
            "name": self.name,
            "phase": self.phase,
            "cluster": self.plan.cluster,
            "server": "https://10.0.0.1:6443",
            "server_version": "v1.37.1",
            "policy_name": self.policy,
            "policy": self.plan.policy,
            "plan_digest": self.plan.digest,
            "started": self.started.isoformat(timespec="seconds"),
            "completed": self.completed.isoformat(timespec="seconds"),
            "trysail_version": "0.1.0",
            "items": len(self.items),
            "size": sum(len(yaml) for _, _, yaml in self.items),
            "keys": keys,
            "lists": self.lists if self.lists is not None else lists,
            "left_out": self.left_out,
            "missing": self.missing,
            "warnings": self.warnings,
            "volumes": dict(sorted(Counter(volume.outcome for volume in self.volumes).items())),
        }
        return sealed_manifest(Manifest(**{**fields, **self.manifest_changes}), keys)

    def put(self, store: ObjectStore) -> StoredBackup:
        """Stores all of it, the manifest last."""
        for name, content in self.contents.items():
            store.create(self.key(name), content)
        store.create(self.key(MANIFEST), readable(self.manifest()))
        return self


def packed(items: Iterable[Made], *, member_bytes: int = MEMBER_BYTES) -> tuple[bytes, bytes]:
    """Archive and index of items; a gzip member ends with the item that fills it to `member_bytes`."""
    writer = ArchiveWriter(member_bytes=member_bytes)
    parts = [
        writer.add(about, seen, entry_of(item_path(about.name, seen.namespace, seen.name), yaml))
        for about, seen, yaml in items
    ]
    parts.append(writer.finish())
    return b"".join(archive for archive, _ in parts), b"".join(index for _, index in parts)


class Inline:
    """An Executor that does the work when its result is asked for."""

    def submit(self, work: Callable[[], T]) -> Pending[T]:
        """As the port has it."""
        return _Later(work)


class _Later(Pending[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work

    def result(self) -> T:
        return self._work()

    def cancel(self) -> bool:
        return True


class Unhurried:
    """A Clock that never waits."""

    def now(self) -> datetime:
        """Always the same."""
        return datetime(2026, 1, 4, 3, 4, 9, tzinfo=UTC)

    def monotonic(self) -> float:
        """Always the same."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Returns at once."""

    def jitter(self) -> float:
        """Always the same."""
        return 0.5


class Silent:
    """An Observer that is told and says nothing."""

    def notice(self, event: Event) -> None:
        """As the port has it."""


def reading(store: ObjectStore) -> Reading:
    """Reads from the store in the order in which it is asked."""
    return Reading(store, Inline(), Retrier(Unhurried(), Silent()))
