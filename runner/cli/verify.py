"""`trysail verify`: checks every byte and every item of a backup."""

from __future__ import annotations

import click

from runner.cli.stored import Where, backup_options
from runner.engine.verify import verify
from runner.report.backups import render_verified


@click.command()
@click.argument("backup")
@backup_options
@click.option("--deep", is_flag=True, help="Read each item's YAML too; slow.")
def command(backup: str, where: Where, deep: bool) -> None:
    """Check every byte and every item of BACKUP (a name, or `latest`); exit code 4 where anything is wrong.

    Each key against its recorded size and SHA-256, each item against the index, index and archive both ways, the
    manifest against its own digest. A backup that Velero wrote has no digests: it is checked that all of it is there,
    and is what its paths and Velero's own list say.
    """
    with where.backup(backup) as opened:
        verified = verify(opened.reading, opened.committed, deep=deep)
    click.echo(render_verified(verified))
