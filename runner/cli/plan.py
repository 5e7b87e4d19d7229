"""`trysail plan`: shows exactly what a run would do, and saves it for review."""

from __future__ import annotations

import shlex
import sys
from functools import partial

import click

from runner import wiring
from runner.archive.records import read_inventory
from runner.cli.files import read_file, write_file
from runner.cli.options import cluster_options, policy_name_option, policy_option
from runner.cli.progress import PlainLines
from runner.engine.changes import Compared, plan_and_compare
from runner.engine.planning import Planned, plan_from
from runner.errors import ExitCode, UsageError
from runner.model.canonical import readable
from runner.model.policy_set import ResolvedPolicy
from runner.plan.verdict import plan_exit_code


@click.command()
@policy_option
@policy_name_option
@cluster_options
@click.option("--inventory", metavar="FILE", help="Plan from a saved inventory; opens no socket.")
@click.option("--out", metavar="FILE", help="Save the plan, to be run with: trysail run FILE.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", help="Form of the output."
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 where a run would store something new, 0 where not."
)
def command(
    filenames: tuple[str, ...],
    policy: str | None,
    cluster: wiring.ClusterChoice,
    inventory: str | None,
    out: str | None,
    output: str,
    detailed_exitcode: bool,
) -> ExitCode:
    """Show exactly what a run would do. Reads the cluster, writes nothing."""
    resolved = _policy(filenames, policy)
    if inventory is not None:
        if cluster != wiring.ClusterChoice():
            raise UsageError(
                "--inventory stands for the cluster", hint="leave out --context, --kubeconfig and --manifests"
            )
        seen = read_inventory(read_file(inventory), inventory)
        compared = Compared(
            Planned(plan_from(resolved, seen), seen), None, "Not compared with the last backup: no store is opened."
        )
    else:
        compared = _look(resolved, cluster)
    planned = compared.planned
    if out is not None:
        write_file(out, readable(planned.plan))
    click.echo(_rendered(compared, output), nl=False)
    if out is not None and output == "text":
        again = shlex.join(["trysail", "run", out, *cluster.words()])
        click.echo(f"\nSaved the plan to: {out}\n\nTo do exactly this, run:\n    {again}")
    return _exit_code(compared, detailed=detailed_exitcode)


def _policy(filenames: tuple[str, ...], policy: str | None) -> ResolvedPolicy:
    from runner.policies.load import load_policies  # noqa: PLC0415 -- PyYAML

    if not filenames:
        raise UsageError("which policy?", hint="give -f PATH")
    return wiring.choose_policy(load_policies(filenames), policy)


def _look(resolved: ResolvedPolicy, choice: wiring.ClusterChoice) -> Compared:
    cluster = wiring.cached_cluster(choice)
    retrier = wiring.retrier(PlainLines())
    with wiring.executor() as executor:
        open_store = partial(wiring.open_store, resolved.location, cluster)
        return plan_and_compare(resolved, cluster(), open_store, executor, retrier)


def _rendered(compared: Compared, output: str) -> str:
    plan, changes, note = compared.planned.plan, compared.changes, compared.note
    if output == "json":
        return readable(plan).decode()
    if output == "markdown":
        from runner.report.plan_markdown import render_plan_markdown  # noqa: PLC0415 -- jinja2

        return render_plan_markdown(plan, changes=changes, changes_note=note)
    from runner.report.plan_text import render_plan  # noqa: PLC0415

    return render_plan(plan, changes=changes, changes_note=note, color=sys.stdout.isatty())


def _exit_code(compared: Compared, *, detailed: bool) -> ExitCode:
    plan = compared.planned.plan
    code = plan_exit_code(plan)
    if code is not ExitCode.DONE or not detailed or not plan.items:
        return code
    return ExitCode.DONE if compared.changes is not None and compared.changes.nothing else ExitCode.CHANGES
