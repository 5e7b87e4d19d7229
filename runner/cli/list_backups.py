"""`trysail list`: what backups there are, from the store alone."""

from __future__ import annotations

from pathlib import Path

import click

from runner import wiring
from runner.cli.stored import Where, backup_options
from runner.engine.catalog import list_backups
from runner.report.backups import list_as_json, list_names, list_notes, render_list


@click.command()
@backup_options
@click.option("-o", "--output", type=click.Choice(["wide", "json", "name"]), help="More columns, JSON, or names alone.")
def command(where: Where, output: str | None) -> None:
    """List backups, newest first; then those that cannot be read, or were never finished."""
    with where.open() as (reading, scope):
        catalog = list_backups(reading, scope)
    url = reading.store.url
    if output == "json":
        click.echo(list_as_json(catalog, url))
        return
    if output == "name":
        if catalog.committed:
            click.echo(list_names(catalog))
        return
    click.echo(render_list(catalog, url, now=wiring.clock().now(), wide=output == "wide"))
    if "://" not in url and not Path(url).is_dir():
        click.echo("Note: there is no such folder", err=True)
    for note in list_notes(catalog):
        click.echo(f"Note: {note}", err=True)
