"""Which backup a restore is of, and which RestorePolicy: found in files and stores, and verified."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from runner import wiring
from runner.archive.layout import UNDO_POLICY
from runner.cli.progress import lines
from runner.engine.catalog import Scope, resolve
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.engine.stored import StoredObjects
from runner.engine.stored_damaged import DamagedObjects
from runner.engine.verify import verify
from runner.errors import BackupDamaged, UsageError
from runner.model.catalog import Committed
from runner.model.event import Warned
from runner.model.location import LocationSpec
from runner.model.policy_set import PolicySet, ResolvedRestore
from runner.model.restore import BackupRef
from runner.ports import Executor

# As wiring.backup_name makes them: what a policy's own restore overwrote lies beside its backups, under another policy.
_UNDO_NAME = re.compile(rf"{UNDO_POLICY}-[0-9]{{14}}-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Source:
    """The backup that is restored, and where it lies."""

    stored: StoredObjects
    committed: Committed
    location: LocationSpec
    reading: Reading
    executor: Executor
    reach: str  # what leads another command to that location, where it takes more than its URL: -f policies/


@dataclass(frozen=True, slots=True)
class Where:
    """Where the command line says that backups are."""

    filenames: tuple[str, ...]
    location_url: str | None
    policy: str | None
    cluster_name: str | None
    target: wiring.ClusterChoice  # for credentials that lie in a Secret
    log_format: str
    allow_damaged: bool

    @contextmanager
    def of_policy(self, resolved: ResolvedRestore, word: str | None) -> Iterator[Source]:
        """The backup that a RestorePolicy means, or that is named; verified."""
        spec = resolved.policy.spec
        policies: tuple[str, ...] = ()
        reach = ""
        if self.location_url is None and resolved.location is not None:
            location, cluster = resolved.location, None
        else:
            # Beside --location, the files have brought the RestorePolicy, and are no second answer.
            files = () if self.location_url is not None and resolved.file else self.filenames
            opened = wiring.open_location(files, self.policy, self.location_url, self.target)
            location, cluster, policies = opened.location, opened.cluster, opened.policies
            reach = self._reach(files)
        named = self.policy or spec.backup_policy
        scope = Scope(self.cluster_name or spec.cluster_name or cluster, (named,) if named else policies)
        if word is not None and _UNDO_NAME.fullmatch(word):
            scope = Scope(self.cluster_name, (UNDO_POLICY,))
        with self._open(location, word or spec.backup_name, scope, reach) as source:
            yield source

    def _reach(self, files: tuple[str, ...]) -> str:
        if not files or "-" in files:
            return ""
        words = [word for file in files for word in ("-f", file)]
        return shlex.join([*words, *(("--policy", self.policy) if self.policy is not None else ())])

    @contextmanager
    def of_plan(self, location: LocationSpec, backup: BackupRef) -> Iterator[Source]:
        """The very backup that a plan was made of; verified."""
        with self._open(location, backup.name, Scope(backup.cluster, (backup.policy,)), "") as source:
            yield source

    @contextmanager
    def _open(self, location: LocationSpec, word: str, scope: Scope, reach: str) -> Iterator[Source]:
        store = wiring.open_store(location, wiring.cached_cluster(self.target))
        with wiring.executor(wiring.WRITERS) as executor:
            reading = Reading(store, executor, wiring.retrier(lines(self.log_format)))
            found = resolve(reading, word, scope)
            for note in found.notes:
                self.note(note)
            yield Source(self._verified(reading, found.backup), found.backup, location, reading, executor, reach)

    def note(self, text: str) -> None:
        """Says what is to be known of a choice, in the form of the log."""
        if self.log_format == "json":
            lines(self.log_format).notice(Warned(message=text))
        else:
            click.echo(f"Note: {text}", err=True)

    def _verified(self, reading: Reading, backup: Committed) -> StoredObjects:
        """A backup that does not verify is refused, unless the command line says otherwise."""
        stored = open_stored(reading, backup)
        if self.allow_damaged:
            try:
                stored.groups()
            except BackupDamaged as error:
                error.hint = "without its index nothing of it can be proven: restore another backup, or see with tar"
                error.hint += " and kubectl what is left of its k8s-objects.tar.gz"
                raise
            return DamagedObjects(stored)
        try:
            verify(reading, backup)
        except BackupDamaged as error:
            error.hint = "restore another backup; or, with --allow-damaged, what can be proven of this one"
            raise
        return stored


def load(filenames: tuple[str, ...]) -> PolicySet | None:
    """The documents of -f, where there are any."""
    if not filenames:
        return None
    from runner.policies.load import load_policies  # noqa: PLC0415 -- PyYAML

    return load_policies(filenames)


def committed_policy(loaded: PolicySet | None, backup: str | None, name: str | None) -> ResolvedRestore | None:
    """The RestorePolicy that is meant: the one that is named; without BACKUP, the only one."""
    if name is not None:
        if loaded is None:
            raise UsageError("--restore-policy names a document of the files", hint="give -f PATH too")
        return named_policy(loaded, name)
    if backup is not None:
        return None
    if loaded is None or not loaded.restores:
        message = "which backup?" if loaded is None else "which backup? there is no RestorePolicy in these files"
        raise UsageError(message, hint="give its name, or `latest`; trysail list shows them")
    if len(loaded.restores) > 1:
        names = ", ".join(one.policy.metadata.name for one in loaded.restores)
        raise UsageError(f"several RestorePolicies: {names}", hint="choose one with --restore-policy NAME")
    return loaded.restores[0]


def named_policy(loaded: PolicySet, name: str) -> ResolvedRestore:
    """The RestorePolicy of that name."""
    for resolved in loaded.restores:
        if resolved.policy.metadata.name == name:
            return resolved
    names = ", ".join(one.policy.metadata.name for one in loaded.restores) or "none"
    raise UsageError(f'no RestorePolicy is named "{name}"', hint=f"there are: {names}")
