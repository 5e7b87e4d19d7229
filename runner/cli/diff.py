"""`trysail diff`: what differs between a backup and the cluster, or between two backups."""

from __future__ import annotations

import sys

import click

from runner import wiring
from runner.cli.progress import PlainLines
from runner.cli.stored import Where, backup_options
from runner.engine.catalog import Scope, resolve
from runner.engine.diff import diff_backups
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.model.catalog import Committed
from runner.plan.diff import Diff
from runner.report.diff_text import diff_as_json, render_diff

# As of diff(1); an error is 2, which main.py sees to.
_SAME, _DIFFERS, _TROUBLE = 0, 1, 2


@click.command()
@click.argument("backup")
@click.argument("other", required=False, metavar="[BACKUP]")
@backup_options
@click.option("-n", "--namespace", metavar="NAMESPACE", help="What differs in this namespace alone.")
@click.option("--names-only", is_flag=True, help="Which items differ, and not in what.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="For people or for programs.")
def command(
    backup: str, other: str | None, where: Where, namespace: str | None, output: str, *, names_only: bool
) -> int:
    """Show what differs between BACKUP (a name, or `latest`) and the cluster; or another BACKUP, which is the later.

    Looks at the types and namespaces that the backup holds items of: what the cluster has of others is not shown. An
    item that only the cluster has is shown where the backup's policy would store it; a cluster-scoped one only where
    the policy takes all of its type. What servers write (status, uid, resourceVersion, ...) is no difference.

    Exit codes are those of diff: 0 the same, 1 something differs, 2 an error, or something could not be compared.
    """
    with where.open() as (reading, scope):
        before = _resolved(reading, backup, scope)
        if other is None:
            diff = _live(reading, before, where, namespace)
        else:
            after = _resolved(reading, other, scope)
            diff = diff_backups(open_stored(reading, before), open_stored(reading, after), namespace=namespace)
    for note in diff.notes:
        click.echo(f"Note: {note}", err=True)
    if output == "json":
        click.echo(diff_as_json(diff, names_only=names_only))
    else:
        click.echo(render_diff(diff, names_only=names_only, color=sys.stdout.isatty()))
    if diff.gaps:
        return _TROUBLE
    return _SAME if diff.same else _DIFFERS


def _resolved(reading: Reading, word: str, scope: Scope) -> Committed:
    resolved = resolve(reading, word, scope)
    for note in resolved.notes:
        click.echo(f"Note: {note}", err=True)
    return resolved.backup


def _live(reading: Reading, backup: Committed, where: Where, namespace: str | None) -> Diff:
    from runner.engine.diff_live import diff_live, selection_of  # noqa: PLC0415 -- two backups do without

    return diff_live(
        open_stored(reading, backup),
        wiring.open_cluster(where.cluster),
        reading.executor,
        wiring.retrier(PlainLines()),
        selection=selection_of(backup.manifest.policy),
        namespace=namespace,
    )
