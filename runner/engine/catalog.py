"""Finds backups in a store, from the store alone, and the one that a command line means.

Reads keys' names and manifests; what a backup holds is the business of extract.py, whether it holds that of verify.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

from runner.archive.layout import CONTENT_KEYS, MANIFEST, backup_prefix, cluster_prefix, policy_prefix
from runner.archive.manifest import read_manifest
from runner.engine.fetch import Reading
from runner.errors import (
    BackupDamaged,
    BackupNotFound,
    FormatError,
    KeyNotFound,
    StoreDenied,
    TrysailError,
    UsageError,
)
from runner.model.catalog import Address, Catalog, Committed, Unfinished, Unreadable
from runner.model.manifest import COMPLETED, PARTIALLY_FAILED

LATEST = "latest"

_OWN_KEYS = frozenset((*CONTENT_KEYS, MANIFEST))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which backups are meant: all of the store, or those of a cluster or of some policies."""

    cluster: str | None = None
    policies: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The backup that is meant, and what a person should know of the choice."""

    backup: Committed
    notes: tuple[str, ...] = ()


def list_backups(reading: Reading, scope: Scope) -> Catalog:
    """All that is a backup, or was meant to become one. One that cannot be read is listed, and no error."""
    prefixes = _prefixes(reading, scope)
    found = _find(reading, prefixes)
    committed, unreadable = _read_all(reading, [one for one in found if one.committed])
    unfinished = [one for one in found if not one.committed and not _OWN_KEYS.isdisjoint(one.keys)]
    uploads = _uploads(reading, prefixes, {one.address for one in found if one.committed})
    stored = {one.address: one.stored for one in unfinished}
    return Catalog(
        committed=tuple(committed),
        unreadable=tuple(unreadable),
        unfinished=tuple(
            Unfinished(address=address, stored=stored.get(address, 0), uploads=uploads.get(address, 0))
            for address in sorted({*stored, *uploads})
        ),
    )


def resolve(reading: Reading, word: str, scope: Scope) -> Resolved:
    """The backup of that name, or the newest Completed one of one policy and cluster for `latest`.

    BackupNotFound, with names that are close; UsageError where several answer; BackupDamaged or FormatError where the
    one that is named cannot be read.
    """
    found = _find(reading, _prefixes(reading, scope))
    if word == LATEST:
        return _latest(reading, [one for one in found if one.committed])
    named = [one for one in found if one.address.name == word]
    committed = [one for one in named if one.committed]
    if len(committed) > 1:
        raise _several(
            f'{len(committed)} backups are named "{word}"',
            {(one.address.cluster, one.address.policy) for one in committed},
        )
    if not committed:
        raise _not_found(reading, word, found, begun=bool(named))
    raw = _fetch(reading, committed[0])
    if raw is None:
        raise _not_found(reading, word, found, begun=False)
    return Resolved(_understood(committed[0], raw))


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies under one backup's prefix."""

    address: Address
    keys: dict[str, int] = field(default_factory=dict)  # sizes in bytes

    @property
    def committed(self) -> bool:
        return MANIFEST in self.keys

    @property
    def stored(self) -> int:
        return sum(self.keys.values())


def _find(reading: Reading, prefixes: Iterable[str]) -> list[_Found]:
    """Everything that lies where a backup would, sorted."""
    found: dict[Address, _Found] = {}
    for prefix in prefixes:
        for stored in reading.keys(prefix):
            address, key = _parts(stored.key)
            if address is not None:
                found.setdefault(address, _Found(address)).keys[key] = stored.size
    return [found[address] for address in sorted(found)]


def _prefixes(reading: Reading, scope: Scope) -> list[str]:
    """As few and as narrow as the scope allows: the store may hold a lot that is not ours."""
    if scope.policies:
        clusters: Iterable[str] = (
            (scope.cluster,)
            if scope.cluster is not None
            else reading.retrier.call("listing the store", partial(reading.store.folders, ""))
        )
        return [policy_prefix(cluster, policy) for cluster in clusters for policy in scope.policies]
    return [cluster_prefix(scope.cluster)] if scope.cluster is not None else [""]


def _parts(key: str) -> tuple[Address | None, str]:
    """The backup that a key belongs to, and its name there; None where it is no backup's."""
    parts = key.split("/", 3)
    if len(parts) < 4 or not key.isprintable() or not all(parts[:3]):
        return None, ""
    return Address(*parts[:3]), parts[3]


def _uploads(reading: Reading, prefixes: Iterable[str], committed: set[Address]) -> dict[Address, int]:
    """Unfinished uploads of runs that did not come to their manifest."""
    uploads: dict[Address, int] = {}
    # Who may only read often lacks this right (s3:ListBucketMultipartUploads): then they are not shown.
    with suppress(StoreDenied):
        for prefix in prefixes:
            for upload in reading.retrier.call("listing uploads", partial(reading.store.unfinished, prefix)):
                address, key = _parts(upload.key)
                if address is not None and key in _OWN_KEYS and address not in committed:
                    uploads[address] = uploads.get(address, 0) + 1
    return uploads


# manifests


def _read_all(reading: Reading, found: Iterable[_Found]) -> tuple[list[Committed], list[Unreadable]]:
    """Those with a manifest that holds, newest first; and the others, by name."""
    committed: list[Committed] = []
    unreadable: list[Unreadable] = []
    pending = [(one, reading.executor.submit(partial(_fetch, reading, one))) for one in found]
    try:
        for one, fetched in pending:
            try:
                raw = fetched.result()
                # Not in the executor: msgspec 0.22 crashes where several threads are the first to read one type.
                committed += [] if raw is None else [_understood(one, raw)]
            except (BackupDamaged, FormatError) as error:
                newer = isinstance(error, FormatError)
                unreadable.append(Unreadable(one.address, one.stored, error.message, newer=newer))
    finally:
        for _, fetched in pending:
            fetched.cancel()
    committed.sort(key=lambda backup: backup.age_key, reverse=True)
    return committed, unreadable


def _fetch(reading: Reading, found: _Found) -> bytes | None:
    """The manifest's bytes; None where it went away since it was listed."""
    try:
        return reading.document(backup_prefix(*found.address) + MANIFEST)
    except KeyNotFound:
        return None


def _understood(found: _Found, raw: bytes) -> Committed:
    key = backup_prefix(*found.address) + MANIFEST
    manifest = read_manifest(raw, key)
    if (manifest.cluster.name, manifest.policy_name, manifest.name) != found.address:
        raise BackupDamaged(
            f"the manifest is that of {manifest.cluster.name}/{manifest.policy_name}/{manifest.name}",
            hint="somebody has moved it: a backup is read from where it was written",
            key=key,
        )
    return Committed(address=found.address, manifest=manifest, stored=found.stored)


# the one that is meant


def _latest(reading: Reading, found: list[_Found]) -> Resolved:
    groups = {(one.address.cluster, one.address.policy) for one in found}
    if len(groups) > 1:
        raise _several(f'"{LATEST}" is the newest of one policy and cluster, and there are several', groups)
    committed, unreadable = _read_all(reading, found)
    newest = next((backup for backup in committed if backup.manifest.phase == COMPLETED), None)
    partial_names = [b.address.name for b in committed if b.manifest.phase == PARTIALLY_FAILED]
    if newest is None:
        hint = "make one with: trysail run"
        if partial_names:
            hint = f"{partial_names[0]} is {PARTIALLY_FAILED}: it needs its name"
        elif unreadable:
            hint = f"{unreadable[0].address.name} is there and cannot be read: {unreadable[0].reason}"
        raise BackupNotFound("there is no Completed backup", hint=hint, location=reading.store.url)
    notes = []
    newer = [b.address.name for b in committed[: committed.index(newest)]]
    if newer:
        notes.append(f"{newer[0]} is newer and {PARTIALLY_FAILED}: to use it, name it")
    notes += [f"{one.address.name} may be newer and cannot be read: {one.reason}" for one in unreadable]
    return Resolved(newest, tuple(notes))


def _several(message: str, groups: Iterable[tuple[str, str]]) -> UsageError:
    candidates = sorted(groups)
    clusters = {cluster for cluster, _ in candidates}
    flag = "--policy NAME" if len(clusters) == 1 else "--cluster NAME"
    if len({policy for _, policy in candidates}) > 1 and len(clusters) > 1:
        flag = "--cluster NAME and --policy NAME"
    return UsageError(
        message,
        hint=f"choose with {flag}",
        candidates=", ".join(f"policy {policy} of cluster {cluster}" for cluster, policy in candidates),
    )


def _not_found(reading: Reading, word: str, found: list[_Found], *, begun: bool) -> TrysailError:
    if begun:
        return BackupNotFound(
            f'"{word}" was begun and never finished (or still goes on): it is no backup',
            hint="see what there is with: trysail list",
            location=reading.store.url,
        )
    names = sorted({one.address.name for one in found if one.committed})
    close = get_close_matches(word, names, n=3, cutoff=0.5)
    return BackupNotFound(
        f'there is no backup named "{word}"',
        hint=f"was {' or '.join(close)} meant?" if close else "see what there is with: trysail list",
        location=reading.store.url,
    )
