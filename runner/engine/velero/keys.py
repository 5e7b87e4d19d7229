"""What a backup in Velero's layout has beside archive, index and plan, so that a real Velero lists and restores it.

Velero finds a backup by its velero-backup.json, so that is the last key of all. What else it looks for is made here
from the manifest, but for the list of items, which is kept compressed while they are stored.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from runner.archive.layout import VELERO, VELERO_BACKUP, VELERO_FOLDERS, VELERO_VERSION_PATH, Layout, velero_key
from runner.archive.render import entry_of
from runner.archive.tar import VELERO_MODE
from runner.engine.retry import Retrier
from runner.engine.store_objects import Form
from runner.model.cluster import Resource
from runner.model.entry import Entry
from runner.model.inventory import Row
from runner.model.manifest import Manifest
from runner.model.policy import ArchiveSpec, BackupPolicySpec
from runner.ports import ObjectStore

FORMAT_VERSION = "1.1.0"  # of Velero's archives
_NAMESPACE = "velero"  # where its server runs; it writes its own over it when it finds the backup
_SERVER_VERSION = re.compile(r"v?(\d+)\.(\d+)\b")
_LABEL_LENGTH = 63
_GZIP = 31  # window bits that ask for a gzip header


class Beside:
    """What a layout wants beside index and plan. Our own wants nothing."""

    form = Form()  # of the archive

    def warnings(self, store: ObjectStore, retrier: Retrier) -> tuple[str, ...]:
        """What people should know of the place that a backup goes to."""
        del store, retrier
        return ()

    def log(self, lines: bytes) -> bytes:
        """The run's log, which comes as JSON lines, as it is stored."""
        return lines

    def before_manifest(self, manifest: Manifest) -> dict[str, bytes]:
        """Keys with their contents, which the manifest will vouch for."""
        del manifest
        return {}

    def after_manifest(self, manifest: Manifest) -> dict[str, bytes]:
        """Keys that make the backup visible; the manifest vouches for them too."""
        del manifest
        return {}


class BesideVelero(Beside):
    """All that Velero looks for."""

    def __init__(self, spec: BackupPolicySpec) -> None:
        self._spec = spec
        self._listed = ResourceList()
        self.form = Form(VELERO.name, _version_entry(), self._listed.add)

    def warnings(self, store: ObjectStore, retrier: Retrier) -> tuple[str, ...]:
        """Velero calls a location unavailable that has a folder which is not its own."""
        folders = retrier.call("looking at the location", partial(store.folders, ""))
        others = sorted({*folders} - VELERO_FOLDERS)
        if not others:
            return ()
        return (f"Velero will not use this location: it holds folders that are not Velero's: {', '.join(others)}",)

    def log(self, lines: bytes) -> bytes:
        """As text: what `velero backup logs` prints."""
        return b"".join(map(_plain_line, lines.splitlines()))

    def before_manifest(self, manifest: Manifest) -> dict[str, bytes]:
        """See Beside."""
        results = {
            "errors": _result([f"{gap.what}: {gap.reason}" for gap in manifest.missing]),
            "warnings": _result(manifest.warnings),
        }
        contents = {"resource-list": self._listed.content(), "results": _packed(results), "volumeinfo": _packed([])}
        return {velero_key(what, manifest.name): content for what, content in contents.items()}

    def after_manifest(self, manifest: Manifest) -> dict[str, bytes]:
        """See Beside."""
        return {VELERO_BACKUP: velero_backup(manifest, self._spec)}


def beside(layout: Layout, spec: BackupPolicySpec) -> Beside:
    """What a layout wants."""
    return BesideVelero(spec) if layout is VELERO else Beside()


@dataclass
class ResourceList:
    """`{"apps/v1/Deployment": ["shop/web"]}`, while items come in, type after type."""

    _packed: Any = field(default_factory=lambda: zlib.compressobj(6, zlib.DEFLATED, _GZIP))
    _parts: list[bytes] = field(default_factory=list)
    _open: str = ""  # the type whose items are coming

    def add(self, resource: Resource, row: Row) -> None:
        """The next item."""
        kind = f"{resource.api_version}/{resource.kind}"
        named = msgspec.json.encode(f"{row.namespace}/{row.name}" if row.namespace else row.name)
        if kind == self._open:
            self._write(b"," + named)
            return
        self._write((b"]," if self._open else b"{") + msgspec.json.encode(kind) + b":[" + named)
        self._open = kind

    def content(self) -> bytes:
        """All of it, compressed."""
        self._write(b"]}" if self._open else b"{}")
        self._parts.append(self._packed.flush())
        return b"".join(self._parts)

    def _write(self, text: bytes) -> None:
        self._parts.append(self._packed.compress(text))


def velero_backup(manifest: Manifest, spec: BackupPolicySpec) -> bytes:
    """The custom resource that a Velero makes of the backup when it finds it."""
    archive = spec.archive or ArchiveSpec(layout="velero")
    location = spec.storage_location if isinstance(spec.storage_location, str) else "default"
    started = datetime.fromisoformat(manifest.started)
    namespaces = sorted({listed.namespace for listed in manifest.lists if listed.stored} - {""})
    document = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": manifest.name,
            "namespace": _NAMESPACE,
            "creationTimestamp": _time(started),
            "labels": {
                "velero.io/storage-location": location[:_LABEL_LENGTH].rstrip("-"),
                "velero.io/schedule-name": manifest.policy_name,
            },
            "annotations": _annotations(manifest),
        },
        "spec": {
            "includedNamespaces": namespaces or ["*"],
            "storageLocation": location,
            "ttl": _duration(archive.ttl_minutes),
            "snapshotVolumes": False,
        },
        "status": {
            "version": 1,
            "formatVersion": FORMAT_VERSION,
            "phase": manifest.phase,
            "startTimestamp": _time(started),
            "completionTimestamp": _time(datetime.fromisoformat(manifest.completed)),
            "expiration": _time(started + timedelta(minutes=archive.ttl_minutes)),
            "progress": {"totalItems": manifest.items + len(manifest.missing), "itemsBackedUp": manifest.items},
            **({"errors": len(manifest.missing)} if manifest.missing else {}),
            **({"warnings": len(manifest.warnings)} if manifest.warnings else {}),
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _version_entry() -> Entry:
    """What every archive of Velero's begins with."""
    return entry_of(VELERO_VERSION_PATH, f"{FORMAT_VERSION}\n".encode(), VELERO_MODE)


def _plain_line(raw: bytes) -> bytes:
    event: dict[str, Any] = msgspec.json.decode(raw)
    level = "warning" if event["event"] in {"warning", "missing"} else "info"
    told = {"time": event.pop("time"), "level": level, "msg": event.pop("message", "") or event["event"], **event}
    return b" ".join(word.encode() + b"=" + msgspec.json.encode(value) for word, value in told.items()) + b"\n"


def _result(messages: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {"velero": list(messages)} if messages else {}


def _packed(value: Any) -> bytes:
    return gzip.compress(msgspec.json.encode(value), mtime=0)


def _annotations(manifest: Manifest) -> dict[str, str]:
    version = manifest.server_version
    match = _SERVER_VERSION.match(version)
    if match is None:
        return {}
    names = ("gitversion", "major-version", "minor-version")
    values = (version, match[1], match[2])
    return {f"velero.io/source-cluster-k8s-{name}": value for name, value in zip(names, values, strict=True)}


def _time(moment: datetime) -> str:
    """As Kubernetes writes times: whole seconds, in UTC, with a Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _duration(minutes: int) -> str:
    """As Go writes durations."""
    return f"{minutes // 60}h{minutes % 60}m0s"
