"""Reads what Velero wrote: paths and objects of its archive, its record of a backup. Trusts nothing of it.

Owns Velero's forms; must not know stores. The archive as a tar, and gzip, are stream.py's.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from runner.archive.index import IndexLine
from runner.archive.stream import TarEntry
from runner.errors import BackupDamaged
from runner.model.manifest import COMPLETED, FAILED, PARTIALLY_FAILED, Manifest
from runner.model.plan import PlannedCluster
from runner.model.velero import VELERO

TERMINAL = frozenset((COMPLETED, PARTIALLY_FAILED, FAILED))

_SCHEDULE = "velero.io/schedule-name"
_SERVER_VERSION = "velero.io/source-cluster-k8s-gitversion"
_PREFERRED = "-preferredversion"
_ENDING = ".json"
_VERSION = re.compile(r"v(?P<major>\d{1,9})(?:(?P<stage>alpha|beta)(?P<minor>\d{1,9}))?")
_HINT = "it was altered or cut after it was written: use another backup, and find out who writes to the store"


# the record


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None


class _Progress(msgspec.Struct, rename="camel"):
    total_items: int = 0
    items_backed_up: int = 0


class _Status(msgspec.Struct, rename="camel"):
    phase: str = ""
    format_version: str = ""
    start_timestamp: str | None = None
    completion_timestamp: str | None = None
    expiration: str | None = None
    progress: _Progress | None = None


class _Spec(msgspec.Struct, rename="camel"):
    included_namespaces: list[str] | None = None
    storage_location: str = ""


class VeleroBackupResource(msgspec.Struct, rename="camel"):
    """velero-backup.json: Velero's custom resource, as far as it is of use."""

    api_version: str
    kind: str
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


_RESOURCE = msgspec.json.Decoder(VeleroBackupResource)


def read_velero_backup(raw: bytes, source: str, name: str) -> VeleroBackupResource:
    """The resource of the backup in the folder `name`. BackupDamaged where it is none, or another one's."""
    try:
        resource = _RESOURCE.decode(raw)
    except (ValueError, RecursionError) as error:  # msgspec's DecodeError is a ValueError, as UnicodeDecodeError
        raise _damaged(f"it is no Backup of Velero's: {error}", source) from error
    if resource.kind != "Backup" or resource.api_version.partition("/")[0] != "velero.io":
        raise _damaged("it is no Backup of Velero's", source)
    if resource.metadata.name != name:
        raise _damaged("it is that of another backup", source)
    return resource


def velero_manifest(raw: bytes, source: str, name: str) -> Manifest:
    """What Velero's record says, as a manifest; what it does not say is empty. The digest is that of its bytes.

    Its phase may be any of Velero's: the backup is finished in those of TERMINAL alone.
    """
    resource = read_velero_backup(raw, source, name)
    metadata, status = resource.metadata, resource.status
    started = _time(status.start_timestamp or metadata.creation_timestamp, source)
    completed = _time(status.completion_timestamp or status.start_timestamp or metadata.creation_timestamp, source)
    progress = status.progress or _Progress()
    return Manifest(
        format_version=status.format_version,
        kind="Backup",
        digest="sha256:" + hashlib.sha256(raw).hexdigest(),
        name=name,
        phase=status.phase,
        cluster=PlannedCluster(name=VELERO, uid=""),
        server="",
        server_version=(metadata.annotations or {}).get(_SERVER_VERSION, ""),
        policy_name=_shown_name((metadata.labels or {}).get(_SCHEDULE, "")) or VELERO,
        policy={},
        plan_digest="",
        started=started,
        completed=completed,
        trysail_version="",
        items=max(progress.items_backed_up or progress.total_items, 0),
        size=0,
        keys={},
        lists=(),
        left_out=(),
        missing=(),
        warnings=(),
    )


def _shown_name(name: str) -> str:
    return name if name.isprintable() and "/" not in name else ""


def _time(text: str | None, source: str) -> str:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise _damaged("it has no time, or one that is not understood", source) from error
    if time.tzinfo is None:
        raise _damaged("it has a time without its zone", source)
    return time.isoformat(timespec="seconds")


def _damaged(what: str, source: str) -> BackupDamaged:
    return BackupDamaged(f"Velero's record of the backup is damaged: {what}", hint=_HINT, key=source)


# the archive


class Folder(NamedTuple):
    """Where the items of a type lie. Velero may keep a type several times, in several versions."""

    resource: str  # deployments.apps
    version: str  # "" for the items without a version in their path
    preferred: bool

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Of the folders of a type, the one with the largest is read: that without a version, else the preferred one.

        Among others the most stable, as Kubernetes orders versions.
        """
        match = _VERSION.fullmatch(self.version)
        stable = (0, 0, 0)
        if match is not None:
            stage = {None: 3, "beta": 2, "alpha": 1}[match["stage"]]
            stable = (stage, int(match["major"]), int(match["minor"] or 0))
        return (2 if not self.version else 1 if self.preferred else 0, *stable)


class Place(NamedTuple):
    """What a path in the archive says of its item."""

    folder: Folder
    namespace: str
    name: str


def place(path: str) -> Place | None:
    """Which item lies at a path of the archive; None for none, ValueError for a path that Velero does not write."""
    if not path.isprintable():
        raise ValueError("no archive of Velero's has such a path")
    if path.startswith("metadata/"):
        return None
    match path.split("/"):
        case ["resources", resource, "cluster", name]:
            found = Place(Folder(resource, "", preferred=False), "", name)
        case ["resources", resource, "namespaces", namespace, name] if namespace:
            found = Place(Folder(resource, "", preferred=False), namespace, name)
        case ["resources", resource, version, "cluster", name] if version:
            found = Place(_folder(resource, version), "", name)
        case ["resources", resource, version, "namespaces", namespace, name] if version and namespace:
            found = Place(_folder(resource, version), namespace, name)
        case _:
            raise ValueError("no archive of Velero's has such a path")
    if not found.folder.resource or not found.name.endswith(_ENDING) or found.name == _ENDING:
        raise ValueError("no archive of Velero's has such a path")
    return found._replace(name=found.name.removesuffix(_ENDING))


def _folder(resource: str, version: str) -> Folder:
    return Folder(resource, version.removesuffix(_PREFERRED), version.endswith(_PREFERRED))


class _ItemMetadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None


class _Item(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    metadata: _ItemMetadata


_ITEM = msgspec.json.Decoder(_Item)
_ANY = msgspec.json.Decoder()


def index_line(entry: TarEntry, found: Place, offset: int) -> IndexLine:
    """The index line of an item, whose JSON lies at `offset` of wherever it is kept.

    ValueError where it is no object, or not the one that its path says.
    """
    try:
        item = _ITEM.decode(entry.content or b"")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its JSON is no Kubernetes object: {error}") from error
    metadata = item.metadata
    group = item.api_version.rpartition("/")[0]
    if (metadata.name, metadata.namespace) != (found.name, found.namespace):
        raise ValueError("the object in it has another name or namespace than its path says")
    if group != found.folder.resource.partition(".")[2]:
        raise ValueError("the object in it is of another type than its path says")
    return IndexLine(
        resource=found.folder.resource,
        namespace=found.namespace,
        name=found.name,
        api_version=item.api_version,
        kind=item.kind,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        labels=metadata.labels or {},
        sha256=entry.sha256,
        size=entry.size,
        member=0,
        offset=offset,
    )


def read_json(content: bytes) -> Any:
    """The value of an item's JSON; ValueError where it has none."""
    try:
        return _ANY.decode(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
