"""Backups as Velero writes them, made from its documented format alone; then spoiled as a test wants.

backup = VeleroBackupFiles(paths="preferred")
backup.entries.append(Entry("../escape", b"x"))
backup.put(store)
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from runner.ports import ObjectStore

Object = dict[str, Any]

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def stored(resource: str, api_version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Stored:
    """An object as an API server gives it; `labels` go into its metadata, the rest beside it."""
    labels = more.pop("labels", None)
    metadata: Object = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= {"labels": labels} if labels else {}
    metadata["managedFields"] = [{"manager": "kubectl", "operation": "Update"}]
    return Stored(resource, {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more})


@dataclass(frozen=True)
class Stored:
    """An object, and the type under which it lies."""

    resource: str  # deployments.apps
    value: Object

    @property
    def where(self) -> str:
        """The end of its path."""
        metadata = self.value["metadata"]
        folder = f"namespaces/{metadata['namespace']}" if "namespace" in metadata else "cluster"
        return f"{folder}/{metadata['name']}.json"

    @property
    def version(self) -> str:
        """Of its API."""
        return str(self.value["apiVersion"]).rpartition("/")[2]

    @property
    def content(self) -> bytes:
        """Compact JSON with sorted keys, as Go writes it."""
        return json.dumps(self.value, sort_keys=True, separators=(",", ":")).encode()


@dataclass
class Entry:
    """A tar entry; `kind` is tar's word for a type that is no file, and `link` what it leads to."""

    path: str
    content: bytes
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def small_shop() -> list[Stored]:
    """In the order in which Velero has them: a claim brings its volume, and is not sorted by type."""
    return [
        stored("persistentvolumes", "v1", "PersistentVolume", "pv-1"),
        stored("persistentvolumeclaims", "v1", "PersistentVolumeClaim", "data", "shop"),
        stored("configmaps", "v1", "ConfigMap", "settings", "shop", labels={"app": "web"}, data={"on": "y"}),
        stored("configmaps", "v1", "ConfigMap", "Zettings:a", "shop"),
        stored("configmaps", "v1", "ConfigMap", "settings", "stage"),
        stored("services", "v1", "Service", "web", "shop"),
        stored("namespaces", "v1", "Namespace", "stage"),
        stored("namespaces", "v1", "Namespace", "shop"),
        stored("deployments.apps", "apps/v1", "Deployment", "web", "shop", labels={"app": "web"}),
    ]


@dataclass
class VeleroBackupFiles:
    """A backup of Velero's: `entries` are those of its archive, `keys` what lies in its folder; both may be altered."""

    name: str = "nightly-20260102120000"
    phase: str = "Completed"
    schedule: str = "nightly"  # "" for a backup that somebody asked for
    started: datetime = NOON
    objects: list[Stored] = field(default_factory=small_shop)
    paths: Literal["both", "plain", "preferred"] = "both"
    sidecars: bool = True
    changes: Object = field(default_factory=dict)  # in the status
    entries: list[Entry] = field(init=False)
    keys: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = [Entry("metadata/version", b"1.1.0\n"), *self._entries()]
        listed: dict[str, list[str]] = defaultdict(list)
        for one in self.objects:
            metadata = one.value["metadata"]
            name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
            listed[f"{one.value['apiVersion']}/{one.value['kind']}"].append(name)
        self.keys = {"velero-backup.json": json.dumps(self.resource(), indent=2).encode()}
        if self.sidecars:
            warnings = {"velero": [" message: /a group was not there\n"], "namespaces": {"shop": ["slow"]}}
            skipped = {"skipped": True, "skippedReason": "not asked for; ", "snapshotDataMoved": False}
            volume = {
                "pvcName": "data",
                "pvcNamespace": "shop",
                "pvName": "pv-1",
                "pvInfo": {"labels": None},
                **skipped,
            }
            self.keys |= {
                f"{self.name}-resource-list.json.gz": packed(listed),
                f"{self.name}-results.gz": packed({"errors": {}, "warnings": warnings}),
                f"{self.name}-volumeinfo.json.gz": packed([volume]),
                f"{self.name}-volumesnapshots.json.gz": packed(None),
                f"{self.name}-podvolumebackups.json.gz": packed(None),
                f"{self.name}-itemoperations.json.gz": packed([]),
                f"{self.name}-logs.gz": gzip.compress(b'time="2026" level=info msg="Backed up"\n', mtime=0),
            }

    def _entries(self) -> Iterator[Entry]:
        for one in self.objects:
            if self.paths in {"both", "plain"}:
                yield Entry(f"resources/{one.resource}/{one.where}", one.content)
            if self.paths in {"both", "preferred"}:
                yield Entry(f"resources/{one.resource}/{one.version}-preferredversion/{one.where}", one.content)

    def resource(self) -> Object:
        """velero-backup.json."""
        completed = {"completionTimestamp": stamp(self.started + timedelta(seconds=9))}
        labels = {"velero.io/storage-location": "default"}
        labels |= {"velero.io/schedule-name": self.schedule} if self.schedule else {}
        return {
            "kind": "Backup",
            "apiVersion": "velero.io/v1",
            "metadata": {
                "name": self.name,
                "namespace": "velero",
                "creationTimestamp": stamp(self.started),
                "labels": labels,
                "annotations": {"velero.io/source-cluster-k8s-gitversion": "v1.36.2"},
            },
            "spec": {"includedNamespaces": ["shop", "stage"], "ttl": "720h0m0s", "storageLocation": "default"},
            "status": {
                "version": 1,
                "formatVersion": "1.1.0",
                "expiration": stamp(self.started + timedelta(hours=720)),
                "phase": self.phase,
                "startTimestamp": stamp(self.started),
                **(completed if self.phase not in {"InProgress", "New"} else {}),
                "progress": {"totalItems": len(self.objects), "itemsBackedUp": len(self.objects)},
                **self.changes,
            },
        }

    @property
    def prefix(self) -> str:
        """What its keys begin with."""
        return f"backups/{self.name}/"

    @property
    def archive(self) -> bytes:
        """One gzip stream around a tar of `entries`."""
        return gzip.compress(tarred(self.entries), mtime=0)

    def put(self, store: ObjectStore) -> VeleroBackupFiles:
        """Stores all of it."""
        for name, content in {f"{self.name}.tar.gz": self.archive, **self.keys}.items():
            store.create(self.prefix + name, content)
        return self


def tarred(entries: list[Entry]) -> bytes:
    """A tar as Go's archive/tar ends it: with two empty blocks."""
    parts = []
    for entry in entries:
        header = tarfile.TarInfo(entry.path)
        header.mode, header.mtime, header.type, header.linkname = 0o755, 1795373692, entry.kind, entry.link
        header.size = len(entry.content) if entry.kind == tarfile.REGTYPE else 0
        content = io.BytesIO(entry.content if header.size else b"")
        parts += [header.tobuf(tarfile.PAX_FORMAT), content.read(), bytes(-header.size % 512)]
    return b"".join(parts) + bytes(1024)


def packed(value: Any) -> bytes:
    """JSON in gzip."""
    return gzip.compress(json.dumps(value).encode() + b"\n", mtime=0)


def stamp(time: datetime) -> str:
    """As Kubernetes writes times."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
