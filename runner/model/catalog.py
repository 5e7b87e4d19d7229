"""Catalog: what a store holds of backups, as seen from the store alone; and what is said of one that was looked at."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from runner.model.entry import LayoutName
from runner.model.manifest import Manifest


class Address(NamedTuple):
    """Where a backup lies: the three parts that its keys begin with."""

    cluster: str
    policy: str
    name: str


class Committed(msgspec.Struct, frozen=True):
    """A backup with its manifest, which was read and holds."""

    address: Address
    manifest: Manifest
    stored: int  # bytes of all its keys, as the store lists them
    layout: LayoutName = "trysail"
    tested: str = ""  # when, and how, its last restore test went: `2026-01-02T03:04:05Z passed`

    @property
    def by_velero(self) -> bool:
        """Whether Velero wrote it: its manifest was made from velero-backup.json, and it has no index and no digests.

        Its address has its schedule for a policy; what Velero does not know is called `velero` there.
        """
        return self.layout == "velero" and not self.manifest.trysail_version

    @property
    def age_key(self) -> tuple[datetime, datetime, str]:
        """Sorts from the oldest to the newest."""
        manifest = self.manifest
        return datetime.fromisoformat(manifest.completed), datetime.fromisoformat(manifest.started), manifest.name


class Unreadable(msgspec.Struct, frozen=True):
    """A backup whose manifest is damaged, or of a format that is not known here (`newer`)."""

    address: Address
    stored: int  # bytes
    reason: str
    newer: bool


class Unfinished(msgspec.Struct, frozen=True):
    """What a run that ended before its manifest has left; or a run that still goes on."""

    address: Address
    stored: int  # bytes
    uploads: int  # parts of objects that are not visible, but billed


class Catalog(msgspec.Struct, frozen=True):
    """Everything of a store that is a backup, or would be one. Committed ones newest first, the others by name."""

    committed: tuple[Committed, ...]
    unreadable: tuple[Unreadable, ...]
    unfinished: tuple[Unfinished, ...]


class Verified(msgspec.Struct, frozen=True):
    """A backup that was looked at and holds in every respect."""

    name: str
    phase: str
    keys: int  # the manifest included
    stored: int  # bytes of those keys
    items: int
    size: int  # bytes of YAML, or of JSON
    deep: bool  # each item was also read
    form: str = "yaml"
    proven: bool = True  # its content has digests to be held against; Velero's has none
