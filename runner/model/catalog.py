"""Catalog: what a store holds of backups, as seen from the store alone; and what is said of one that was looked at."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

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
    size: int  # bytes of YAML
    deep: bool  # each item was also read as YAML
