"""Every key in a store and every path in an archive is made here, and nowhere else."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

ARCHIVE = "k8s-objects.tar.gz"
INDEX = "index.jsonl.gz"
PLAN = "plan.json"
VOLUMES = "volumes.json"
LOG = "log.jsonl.gz"
MANIFEST = "manifest.json"

# Those that a manifest vouches for; the manifest itself is written after them.
CONTENT_KEYS = (ARCHIVE, INDEX, PLAN, VOLUMES, LOG)

# A path's part holds at most 255 bytes on the common file systems; ".yaml" and a digest need their place.
_LONGEST_PART = 255
_DIGEST_LENGTH = 16
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
