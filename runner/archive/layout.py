"""Every key in a store and every path in an archive is made here, and nowhere else."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from runner.model.entry import LayoutName

ARCHIVE = "k8s-objects.tar.gz"
INDEX = "index.jsonl.gz"
PLAN = "plan.json"
VOLUMES = "volumes.json"
LOG = "log.jsonl.gz"
MANIFEST = "manifest.json"

# In the place of a policy: what was saved because a restore was about to overwrite it.
UNDO_POLICY = "before-restore"

# Those that a manifest vouches for; the manifest itself is written after them.
CONTENT_KEYS = (ARCHIVE, INDEX, PLAN, VOLUMES, LOG)

# Velero's: https://velero.io/docs/main/output-file-format/. The others of its keys have the backup's name before them.
VELERO_BACKUP = "velero-backup.json"
# All that it suffers at the root of a location.
VELERO_FOLDERS = frozenset(("backups", "restores", "restic", "metadata", "plugins", "kopia"))
VELERO_VERSION_PATH = "metadata/version"
_VELERO_ROOT = "backups"

# Files of volumes, as restic keeps them: no cluster and no policy has such a name.
FILES_FOLDER = ".restic"

# A path's part holds at most 255 bytes on the common file systems; ".yaml" and a digest need their place.
_LONGEST_PART = 255
_DIGEST_LENGTH = 16
_RESTORE_TEST = re.compile(r"restore-test-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(passed|failed)\.json")
_UNSAFE = re.compile(r"[^a-z0-9._-]|^\.+$|[. ]$")


def cluster_prefix(cluster: str) -> str:
    """All backups of a cluster lie under this."""
    return f"{cluster}/"


def policy_prefix(cluster: str, policy: str) -> str:
    """All backups of a policy and cluster lie under this."""
    return f"{cluster}/{policy}/"


def backup_prefix(cluster: str, policy: str, backup: str) -> str:
    """All keys of a backup lie under this."""
    return f"{cluster}/{policy}/{backup}/"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the keys of a backup lie, and the form of what is in its archive. This one is our own."""

    name: LayoutName = "trysail"
    form: Literal["yaml", "json"] = "yaml"  # of an item
    mode: int = 0o644  # of an entry
    commit: str = MANIFEST  # the key that is written last, and makes a backup of the others
    unindexed: frozenset[str] = frozenset()  # paths in the archive that are no items

    def runs(self, cluster: str, policy: str) -> str:
        """The prefix under which the backups of a policy and cluster lie side by side."""
        return policy_prefix(cluster, policy)

    def prefix(self, cluster: str, policy: str, backup: str) -> str:
        """All keys of a backup lie under this."""
        return backup_prefix(cluster, policy, backup)

    def key(self, key: str, backup: str) -> str:  # noqa: ARG002 -- Velero's has the backup's name in it
        """What one of the CONTENT_KEYS is called here."""
        return key

    def content_keys(self, backup: str) -> tuple[str, ...]:
        """Those that every manifest of such a backup vouches for."""
        return tuple(self.key(key, backup) for key in CONTENT_KEYS)

    def files(self, cluster: str) -> str:
        """Under which a cluster's files lie, in restic's own form."""
        return f"{FILES_FOLDER}/{cluster}"

    def item_path(self, resource: str, namespace: str, name: str) -> str:
        """Where an item lies in the archive. ValueError where no path can hold its name."""
        return item_path(resource, namespace, name)


@dataclass(frozen=True, slots=True)
class VeleroLayout(Layout):
    """Velero's, with keys of ours beside its own: it looks for those that it knows."""

    name: LayoutName = "velero"
    form: Literal["yaml", "json"] = "json"
    mode: int = 0o755  # Velero makes the folders with it, too, when it unpacks
    commit: str = VELERO_BACKUP
    unindexed: frozenset[str] = frozenset((VELERO_VERSION_PATH,))

    def runs(self, cluster: str, policy: str) -> str:
        """Those of every policy and cluster."""
        del cluster, policy
        return f"{_VELERO_ROOT}/"

    def prefix(self, cluster: str, policy: str, backup: str) -> str:
        """See Layout."""
        return f"{self.runs(cluster, policy)}{backup}/"

    def key(self, key: str, backup: str) -> str:
        """See Layout."""
        return {ARCHIVE: f"{backup}.tar.gz", LOG: velero_key("logs", backup)}.get(key, key)

    def content_keys(self, backup: str) -> tuple[str, ...]:
        """See Layout."""
        ours = (self.key(key, backup) for key in CONTENT_KEYS)
        return (*ours, *(velero_key(what, backup) for what in VELERO_SIDECARS), VELERO_BACKUP)

    def files(self, cluster: str) -> str:
        """See Layout. One of the folders that Velero suffers."""
        return f"restic/trysail/{cluster}"

    def item_path(self, resource: str, namespace: str, name: str) -> str:
        """See Layout. Names stand in it as they are."""
        folder = f"namespaces/{_unescaped(namespace)}" if namespace else "cluster"
        return f"resources/{_unescaped(resource)}/{folder}/{_unescaped(name)}.json"


VELERO_SIDECARS = ("resource-list", "results", "volumeinfo")  # those that we write too, beside the log

TRYSAIL = Layout()
VELERO = VeleroLayout()
LAYOUTS: dict[LayoutName, Layout] = {"trysail": TRYSAIL, "velero": VELERO}


def velero_key(what: str, backup: str) -> str:
    """The key of what Velero has beside its archive: `logs`, `results`, `resource-list` and others."""
    ending = "gz" if what in {"logs", "results"} else "json.gz"
    return f"{backup}-{what}.{ending}"


def velero_place(key: str) -> tuple[str, str] | None:
    """The backup that a key of a store belongs to in Velero's layout, and its name there; None for any other key."""
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != _VELERO_ROOT or not all(parts) or not key.isprintable():
        return None
    return parts[1], parts[2]


def restore_test_key(started: str, *, passed: bool) -> str:
    """Where a restore test is recorded, beside the backup; its name alone tells how it went. `started` is ISO 8601."""
    time = re.sub(r"[-:]", "", started.partition("+")[0])
    return f"restore-test-{time}Z-{'passed' if passed else 'failed'}.json"


def restore_test_of(key: str) -> str:
    """When, and how, the restore test that a key records went: `2026-01-02T03:04:05Z passed`; "" for other keys."""
    found = _RESTORE_TEST.fullmatch(key)
    return "{}-{}-{}T{}:{}:{}Z {}".format(*found.groups()) if found else ""


def layout_of(policy: dict[str, Any]) -> Layout:
    """The layout that a BackupPolicy's document asks for."""
    archive = policy.get("spec", {}).get("archive") or {}
    return LAYOUTS[archive.get("layout", TRYSAIL.name)]


def _unescaped(part: str) -> str:
    """A part of a path in Velero's layout, which escapes nothing."""
    if part in {".", ".."} or "/" in part or "\0" in part:
        raise ValueError("Velero's layout has no path for its name")
    if len(part.encode()) > _LONGEST_PART - len(".json"):
        raise ValueError(f"its name has more than {_LONGEST_PART - len('.json')} bytes, and Velero could not unpack it")
    return part


def item_path(resource: str, namespace: str, name: str) -> str:
    """Where an item lies in the archive. `resource` is `deployments.apps`, `namespace` "" for the cluster's own.

    What a file system may not take is %-encoded (capitals too, for those that fold case; `%` itself is illegal in
    Kubernetes' names), and what is too long is cut and ends in `%` and a digest of the whole.
    """
    return f"{_folder(resource, namespace)}/{safe_part(name, room=len('.yaml'))}.yaml"


@lru_cache(maxsize=1024)
def _folder(resource: str, namespace: str) -> str:
    folder = f"namespaces/{safe_part(namespace)}" if namespace else "cluster"
    return f"resources/{safe_part(resource)}/{folder}"


def safe_part(part: str, *, room: int = 0) -> str:
    """One part of a path that every common file system takes; `room` bytes are kept for an ending."""
    encoded = _UNSAFE.sub(lambda match: _percent(match.group()), part)
    if len(encoded) + room <= _LONGEST_PART:
        return encoded
    digest = hashlib.sha256(part.encode()).hexdigest()[:_DIGEST_LENGTH]
    kept = encoded[: _LONGEST_PART - room - _DIGEST_LENGTH - 1]
    return f"{kept.rstrip('%')}%{digest}"


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
