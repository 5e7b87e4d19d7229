"""What the verbs that read backups share: where the backups are, which of them are meant, and raw output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

import click

from runner import wiring
from runner.cli.options import cluster_options, location_option, policy_name_option, policy_option
from runner.cli.progress import PlainLines
from runner.engine.catalog import Scope, resolve
from runner.engine.extract import Backup
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_backup
from runner.engine.velero.velero import VeleroBackup
from runner.errors import UsageError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Where:
    """Which backups the command line means."""

    filenames: tuple[str, ...]
    policy: str | None
    location_url: str | None
    cluster_name: str | None
    cluster: wiring.ClusterChoice  # for credentials that lie in a Secret

    @contextmanager
    def open(self) -> Iterator[tuple[Reading, Scope]]:
        """The store, and the part of it that is meant."""
        opened = wiring.open_location(self.filenames, self.policy, self.location_url, self.cluster)
        named = () if self.policy is None else (self.policy,)
        scope = Scope(self.cluster_name or opened.cluster, opened.policies or named)
        with wiring.executor() as executor:
            yield Reading(opened.store, executor, wiring.retrier(PlainLines())), scope

    @contextmanager
    def backup(self, word: str) -> Iterator[Backup | VeleroBackup]:
        """The backup that is meant by its name, or by `latest`; what is to be known of the choice is said."""
        with self.open() as (reading, scope):
            resolved = resolve(reading, word, scope)
            for note in resolved.notes:
                click.echo(f"Note: {note}", err=True)
            yield open_backup(reading, resolved.backup)


def backup_options(function: Callable[..., R]) -> Callable[..., R]:
    """-f or --location, --policy, --cluster, and those of the cluster; they arrive as one argument `where`."""

    @policy_option
    @location_option
    @policy_name_option
    @click.option("--cluster", "cluster_name", metavar="NAME", help="Backups of this cluster: its clusterName or UID.")
    @cluster_options
    @wraps(function)
    def gathered(
        *,
        filenames: tuple[str, ...],
        location_url: str | None,
        policy: str | None,
        cluster_name: str | None,
        cluster: wiring.ClusterChoice,
        **others: object,
    ) -> R:
        return function(where=Where(filenames, policy, location_url, cluster_name, cluster), **others)

    return gathered


def put(content: bytes) -> None:
    """Writes to standard output as it is. A reader that went away is BrokenPipeError, as everywhere."""
    try:
        click.echo(content, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"standard output cannot be written: {error.strerror}", hint="is the disk full?") from error
