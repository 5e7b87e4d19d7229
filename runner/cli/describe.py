"""`trysail describe`: what a backup holds and how it went."""

from __future__ import annotations

import click

from runner.cli.stored import Where, backup_options, put
from runner.engine.velero import VeleroBackup
from runner.engine.velero_sidecars import velero_details
from runner.errors import BackupDamaged
from runner.report.backups import render_backup
from runner.report.velero_backup import render_velero_backup


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
        try:
            plan = opened.plan()
        except BackupDamaged:
            # All but the plan's part is known; then the error has its say.
            click.echo(render_backup(opened.committed, None))
            raise
        click.echo(render_backup(opened.committed, plan))
