"""`trysail inventory`: saves what a cluster holds, so that policies can be planned from it without the cluster."""

from __future__ import annotations

import gzip

import click

from runner import wiring
from runner.cli.files import write_file
from runner.cli.options import cluster_options
from runner.cli.progress import PlainLines
from runner.engine.collect import collect_everything
from runner.errors import ExitCode
from runner.model.canonical import canonical


@click.command()
@cluster_options
@click.option("--out", "out", required=True, metavar="FILE", help="Where to; compressed if it ends in .gz.")
def command(cluster: wiring.ClusterChoice, out: str) -> ExitCode:
    """Save what the cluster holds: names, labels, owners and sizes of every readable item, never its content.

    `trysail plan --inventory FILE` then plans any policy without credentials, sockets or processes.
    """
    retrier = wiring.retrier(PlainLines())
    with wiring.executor() as executor:
        inventory = collect_everything(wiring.open_cluster(cluster), executor, retrier)
    content = canonical(inventory)
    write_file(out, gzip.compress(content, mtime=0) if out.endswith(".gz") else content)
    items = sum(holding.count for holding in inventory.holdings)
    click.echo(f"Saved {items} items of {len(inventory.namespaces)} namespaces to {out}.")
    for lost in inventory.unreadable:
        where = f" in namespace {lost.namespace}" if lost.namespace else ""
        click.echo(f"Could not be read: {lost.resource}{where}: {lost.reason}", err=True)
    for failure in inventory.failures:
        click.echo(f"Could not be discovered: {failure.group_version}: {failure.reason}", err=True)
    return ExitCode.FINDINGS if inventory.unreadable or inventory.failures else ExitCode.DONE
