"""`trysail coverage`: what in the cluster no policy protects."""

from __future__ import annotations

import sys

import click

from runner import wiring
from runner.archive.records import read_inventory
from runner.cli.files import read_file
from runner.cli.options import cluster_options, policy_option
from runner.cli.progress import PlainLines
from runner.engine.collect import collect_everything
from runner.engine.planning import plan_from
from runner.errors import ExitCode, UsageError
from runner.model.canonical import readable
from runner.model.inventory import Inventory
from runner.model.policy_set import ResolvedPolicy
from runner.plan.coverage import Judged, coverage
from runner.plan.selection import Selection


@click.command()
@policy_option
@cluster_options
@click.option(
    "--cluster", "cluster_name", metavar="NAME", help="Which clusterName this is, of several in the policies."
)
@click.option("--inventory", metavar="FILE", help="Look at a saved inventory; opens no socket.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the output.")
def command(
    filenames: tuple[str, ...],
    cluster: wiring.ClusterChoice,
    cluster_name: str | None,
    inventory: str | None,
    output: str,
) -> ExitCode:
    """Show which namespaces and volumes no policy protects, and why. Exits with 4 where there are any.

    All policies of the files are held against one look at the cluster, but for those with another clusterName. What a
    rule skips is a decision, and no finding.
    """
    policies = _policies(filenames, cluster_name)
    seen = _saved(inventory, cluster) if inventory is not None else _look(cluster)
    judged = [
        Judged(
            name=resolved.policy.metadata.name,
            selection=Selection(resolved.policy.spec),
            plan=plan_from(resolved, seen),
        )
        for resolved in policies
    ]
    found = coverage(seen, judged)
    if output == "json":
        click.echo(readable(found), nl=False)
    else:
        from runner.report.coverage_text import render_coverage  # noqa: PLC0415

        click.echo(render_coverage(found, color=sys.stdout.isatty()), nl=False)
    return ExitCode.FINDINGS if found.findings else ExitCode.DONE


def _policies(filenames: tuple[str, ...], cluster_name: str | None) -> tuple[ResolvedPolicy, ...]:
    from runner.policies.load import load_policies  # noqa: PLC0415 -- PyYAML

    if not filenames:
        raise UsageError("which policies?", hint="give -f PATH")
    policies = load_policies(filenames).policies
    if not policies:
        raise UsageError("no BackupPolicy in these files", hint="give -f a file or folder that holds one")
    return _of_cluster(policies, cluster_name)


def _of_cluster(policies: tuple[ResolvedPolicy, ...], name: str | None) -> tuple[ResolvedPolicy, ...]:
    """Those that are meant for this cluster: what protects another one's namespaces protects nothing here."""
    names = {resolved.policy.spec.cluster_name for resolved in policies}
    said = ", ".join(sorted(one for one in names if one is not None))
    if name is None:
        if len(names - {None}) > 1:
            raise UsageError(
                f"the policies are of several clusters: {said}", hint="say which one this is: --cluster NAME"
            )
        return policies
    chosen = tuple(one for one in policies if one.policy.spec.cluster_name in {None, name})
    if not chosen:
        raise UsageError(f'no policy has the clusterName "{name}"', hint=f"there are: {said}")
    return chosen


def _saved(inventory: str, cluster: wiring.ClusterChoice) -> Inventory:
    if cluster != wiring.ClusterChoice():
        raise UsageError("--inventory stands for the cluster", hint="leave out --context, --kubeconfig and --manifests")
    seen = read_inventory(read_file(inventory), inventory)
    if not seen.complete:
        raise UsageError(
            f"{inventory} does not hold the whole cluster", hint="save all of it: trysail inventory --out FILE"
        )
    return seen


def _look(cluster: wiring.ClusterChoice) -> Inventory:
    retrier = wiring.retrier(PlainLines())
    with wiring.executor() as executor:
        return collect_everything(wiring.open_cluster(cluster), executor, retrier)
