"""`trysail describe`: what a backup holds and how it went."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click

from runner.cli.stored import Where, backup_options, put
from runner.engine.extract import Backup
from runner.engine.velero.sidecars import velero_details
from runner.engine.velero.velero import VeleroBackup
from runner.engine.volumes.record import read_volumes
from runner.errors import BackupDamaged
from runner.model.plan import Plan
from runner.report.backups import render_backup
from runner.report.velero_backup import render_velero_backup

T = TypeVar("T")

_WITHOUT_VOLUMES = "1.0"  # format of the manifests beside plans of format 1


@click.command()
@click.argument("backup")
@backup_options
@click.option("-o", "--output", type=click.Choice(["json"]), help="The manifest as it is stored; or Velero's own.")
def command(backup: str, where: Where, output: str | None) -> None:
    """Show what BACKUP (a name, or `latest`) holds, what it lacks, and how it went."""
    with where.backup(backup) as opened:
        if output == "json":
            put(opened.manifest())
            return
        if isinstance(opened, VeleroBackup):
            click.echo(render_velero_backup(opened.committed, velero_details(opened)))
            return
        damage: list[BackupDamaged] = []
        volumes = _had(partial(read_volumes, opened), damage)
        plan = _had(partial(_plan, opened), damage)
        click.echo(render_backup(opened.committed, plan, volumes))
        if damage:
            # All else is known; then the first error has its say.
            raise damage[0]


def _had(read: Callable[[], T], damage: list[BackupDamaged]) -> T | None:
    try:
        return read()
    except BackupDamaged as error:
        damage.append(error)
        return None


def _plan(opened: Backup) -> Plan | None:
    """The backup's plan, where it is one of a format that is still read."""
    if opened.committed.manifest.format_version == _WITHOUT_VOLUMES:
        click.echo("Note: its plan is of an earlier format: what it left out by rule is not shown.", err=True)
        return None
    return opened.plan()
