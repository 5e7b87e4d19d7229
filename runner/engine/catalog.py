"""Finds backups in a store, from the store alone, and the one that a command line means.

Reads keys' names and manifests; what a backup holds is the business of extract.py, whether it holds that of verify.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

from runner.archive.layout import (
    FILES_FOLDER,
    LAYOUTS,
    MANIFEST,
    TRYSAIL,
    UNDO_POLICY,
    VELERO,
    cluster_prefix,
    policy_prefix,
    restore_test_of,
    velero_place,
)
from runner.archive.manifest import read_manifest
from runner.archive.velero import TERMINAL, velero_manifest
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
from runner.model.entry import LayoutName
from runner.model.manifest import COMPLETED, Manifest
from runner.model.velero import VELERO as UNKNOWN

LATEST = "latest"

# Velero keeps volumes' data there, in more keys than anybody wants to list.
_DATA_FOLDERS = frozenset(("kopia", "restic"))

_LIST = "see what there is with: trysail list, and the same -f or --location"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which backups are meant: all of the store, or those of a cluster or of some policies."""

    cluster: str | None = None
    policies: Sequence[str] = ()

    def has(self, address: Address, *, named: bool = True) -> bool:
        """Whether a backup is meant. One that Velero made without a schedule is any policy's, where it is `named`."""
        if self.cluster is not None and address.cluster != self.cluster:
            return False
        return not self.policies or address.policy in self.policies or (named and _nobodys(address))

    def may_have(self, address: Address) -> bool:
        """Whether what cannot be read, or is not finished, may be meant."""
        return _nobodys(address) or self.has(address)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The backup that is meant, and what a person should know of the choice."""

    backup: Committed
    notes: tuple[str, ...] = ()


def list_backups(reading: Reading, scope: Scope) -> Catalog:
    """All that is a backup, or was meant to become one. One that cannot be read is listed, and no error."""
    prefixes = _prefixes(reading, scope)
    found = _find(reading, prefixes)
    committed, unreadable, going = _read_all(reading, [one for one in found if one.committed])
    stored = {one.address: one.stored for one in found if not one.committed and one.begun} | going
    uploads = _uploads(reading, prefixes, {one.address for one in found if one.committed})
    return Catalog(
        committed=tuple(backup for backup in committed if scope.has(backup.address)),
        unreadable=tuple(one for one in unreadable if scope.may_have(one.address)),
        unfinished=tuple(
            Unfinished(address=address, stored=stored.get(address, 0), uploads=uploads.get(address, 0))
            for address in sorted({*stored, *uploads})
            if scope.may_have(address)
        ),
    )


def resolve(reading: Reading, word: str, scope: Scope) -> Resolved:
    """The backup of that name, or the newest Completed one of one policy and cluster for `latest`.

    BackupNotFound, with names that are close; UsageError where several answer; BackupDamaged or FormatError where the
    one that is named cannot be read.
    """
    found = _find(reading, _prefixes(reading, scope))
    if word == LATEST:
        return _latest(reading, [one for one in found if one.committed], scope)
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
    backup = _understood(committed[0], raw) if raw is not None else None
    if backup is None or not scope.has(backup.address):
        raise _not_found(reading, word, found, begun=False)
    if backup.manifest.phase not in TERMINAL:
        raise _not_found(reading, word, found, begun=True)
    return Resolved(backup)


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies under one backup's prefix. In Velero's layout, cluster and policy are known once it is read."""

    address: Address
    layout: LayoutName
    keys: dict[str, int] = field(default_factory=dict)  # sizes in bytes

    @property
    def committed(self) -> bool:
        return LAYOUTS[self.layout].commit in self.keys

    @property
    def begun(self) -> bool:
        """Whether any of its keys is a backup's."""
        return any(_is_own(self.address.name, key, self.layout) for key in self.keys)

    @property
    def record(self) -> str:
        """The key that tells of it: our manifest, or Velero's word where Velero wrote it."""
        layout = LAYOUTS[self.layout]
        return layout.prefix(*self.address) + (MANIFEST if MANIFEST in self.keys else layout.commit)

    @property
    def stored(self) -> int:
        return sum(self.keys.values())


def _find(reading: Reading, prefixes: Iterable[str]) -> list[_Found]:
    """Everything that lies where a backup would, sorted."""
    found: dict[tuple[Address, LayoutName], _Found] = {}
    for prefix in prefixes:
        for stored in reading.keys(prefix):
            parts = _parts(stored.key)
            if parts is not None:
                address, layout, key = parts
                found.setdefault((address, layout), _Found(address, layout)).keys[key] = stored.size
    return [found[each] for each in sorted(found)]


def _prefixes(reading: Reading, scope: Scope) -> list[str]:
    """As few and as narrow as the scope allows: the store may hold a lot that is not ours."""
    velero = VELERO.runs("", "")
    if scope.cluster is not None:
        one = _of_cluster(scope.cluster, scope.policies)
        return [velero] if cluster_prefix(scope.cluster) == velero else [*one, velero]
    folders = reading.retrier.call("listing the store", partial(reading.store.folders, ""))
    shared = velero.removesuffix("/") in folders
    if not shared and FILES_FOLDER not in folders and not scope.policies:
        return [""]
    # All that lies under backups/ is looked at, so that no cluster of that name need be.
    others = {FILES_FOLDER, *((velero.removesuffix("/"), *_DATA_FOLDERS) if shared else ())}
    clusters = [folder for folder in folders if folder not in others]
    prefixes = [prefix for cluster in clusters for prefix in _of_cluster(cluster, scope.policies)]
    return [*prefixes, velero] if shared else prefixes


def _nobodys(address: Address) -> bool:
    """Whether nothing is known of a backup but its name: it lies where Velero's do."""
    return address[:2] == (UNKNOWN, UNKNOWN)


def _of_cluster(cluster: str, policies: Sequence[str]) -> list[str]:
    return [policy_prefix(cluster, policy) for policy in policies] or [cluster_prefix(cluster)]


def _parts(key: str) -> tuple[Address, LayoutName, str] | None:
    """The backup that a key belongs to, its layout, and its name there; None where it is no backup's."""
    if place := velero_place(key):
        return Address(UNKNOWN, UNKNOWN, place[0]), VELERO.name, place[1]
    parts = key.split("/", 3)
    if len(parts) < 4 or not key.isprintable() or not all(parts[:3]):
        return None
    return Address(*parts[:3]), TRYSAIL.name, parts[3]


def _is_own(backup: str, key: str, layout: LayoutName) -> bool:
    return key == MANIFEST or key in LAYOUTS[layout].content_keys(backup)


def _uploads(reading: Reading, prefixes: Iterable[str], committed: set[Address]) -> dict[Address, int]:
    """Unfinished uploads of runs that did not come to their manifest."""
    uploads: dict[Address, int] = {}
    # Who may only read often lacks this right (s3:ListBucketMultipartUploads): then they are not shown.
    with suppress(StoreDenied):
        for prefix in prefixes:
            for upload in reading.retrier.call("listing uploads", partial(reading.store.unfinished, prefix)):
                parts = _parts(upload.key)
                if parts is None:
                    continue
                address, layout, key = parts
                if _is_own(address.name, key, layout) and address not in committed:
                    uploads[address] = uploads.get(address, 0) + 1
    return uploads


# manifests


def _read_all(
    reading: Reading, found: Iterable[_Found]
) -> tuple[list[Committed], list[Unreadable], dict[Address, int]]:
    """Those with a manifest that holds, newest first; the others, by name; and sizes of what Velero is still at."""
    committed: list[Committed] = []
    unreadable: list[Unreadable] = []
    going: dict[Address, int] = {}
    pending = [(one, reading.executor.submit(partial(_fetch, reading, one))) for one in found]
    try:
        for one, fetched in pending:
            try:
                raw = fetched.result()
                # Not in the executor: msgspec 0.22 crashes where several threads are the first to read one type.
                backup = None if raw is None else _understood(one, raw)
                if backup is not None and backup.manifest.phase in TERMINAL:
                    committed.append(backup)
                elif backup is not None:
                    going[backup.address] = one.stored
            except (BackupDamaged, FormatError) as error:
                newer = isinstance(error, FormatError)
                unreadable.append(Unreadable(one.address, one.stored, error.message, newer=newer))
    finally:
        for _, fetched in pending:
            fetched.cancel()
    committed.sort(key=lambda backup: backup.age_key, reverse=True)
    return committed, unreadable, going


def _fetch(reading: Reading, found: _Found) -> bytes | None:
    """The manifest's bytes; None where it went away since it was listed."""
    try:
        return reading.document(found.record)
    except KeyNotFound:
        return None


def _understood(found: _Found, raw: bytes) -> Committed:
    """The backup; in Velero's layout it may be one that is not finished."""
    if not found.record.endswith(f"/{MANIFEST}"):
        manifest = velero_manifest(raw, found.record, found.address.name)
        return _committed(found, manifest)
    manifest = read_manifest(raw, found.record)
    backup = _committed(found, manifest)
    expected = found.address if found.layout == TRYSAIL.name else backup.address._replace(name=found.address.name)
    if backup.address != expected:
        raise BackupDamaged(
            f"the manifest is that of {'/'.join(backup.address)}",
            hint="somebody has moved it: a backup is read from where it was written",
            key=found.record,
        )
    return backup


def _committed(found: _Found, manifest: Manifest) -> Committed:
    address = Address(manifest.cluster.name, manifest.policy_name, manifest.name)
    tested = max((tested for key in found.keys if (tested := restore_test_of(key))), default="")
    return Committed(address, manifest, found.stored, found.layout, tested)


# the one that is meant


def _latest(reading: Reading, found: list[_Found], scope: Scope) -> Resolved:
    read, unreadable, _ = _read_all(reading, found)
    committed = [backup for backup in read if scope.has(backup.address, named=False)]
    if UNDO_POLICY not in scope.policies:
        # It is newest just when somebody has restored, and never what he means who asks for the newest backup.
        committed = [backup for backup in committed if backup.address.policy != UNDO_POLICY]
    unreadable = [one for one in unreadable if scope.may_have(one.address)]
    groups = {backup.address[:2] for backup in committed}
    groups |= {one.address[:2] for one in unreadable if not _nobodys(one.address)}
    if len(groups) > 1:
        raise _several(f'"{LATEST}" is the newest of one policy and cluster, and there are several', groups)
    newest = next((backup for backup in committed if backup.manifest.phase == COMPLETED), None)
    if newest is None:
        hint = "make one with: trysail run; or is it elsewhere? See -f, --location, --policy and --cluster"
        if committed:
            hint = f"{committed[0].address.name} is {committed[0].manifest.phase}: it needs its name"
        elif unreadable:
            hint = f"{unreadable[0].address.name} is there and cannot be read: {unreadable[0].reason}"
        raise BackupNotFound("there is no Completed backup", hint=hint, location=reading.store.url)
    notes = []
    newer = committed[: committed.index(newest)]
    if newer:
        notes.append(f"{newer[0].address.name} is newer and {newer[0].manifest.phase}: to use it, name it")
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
            hint=_LIST,
            location=reading.store.url,
        )
    names = sorted({one.address.name for one in found if one.committed})
    close = get_close_matches(word, names, n=3, cutoff=0.5)
    return BackupNotFound(
        f'there is no backup named "{word}"',
        hint=f"was {' or '.join(close)} meant?" if close else _LIST,
        location=reading.store.url,
    )
