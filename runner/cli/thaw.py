"""`trysail thaw`: completes what a run that was killed could not: the hooks that thaw the Pods it has frozen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from runner import wiring, wiring_volumes
from runner.cli.options import cluster_options
from runner.cli.progress import lines
from runner.cli.signals import cancel_on_signals
from runner.engine.volumes.freeze import FreezePorts
from runner.engine.volumes.frozen_records import LeftFrozen, in_force, list_left, over_at
from runner.engine.volumes.protect import PODS
from runner.errors import ExitCode, UsageError


@click.command()
@click.option("-n", "--namespace", "namespaces", multiple=True, metavar="NAME", help="Look only here; may be repeated.")
@cluster_options
@click.option("--plan", "plan_only", is_flag=True, help="Show what is frozen, and do nothing.")
@click.option("--auto-approve", is_flag=True, help="Do not ask; needed where no terminal can answer.")
@click.option("--force", is_flag=True, help="Thaw also what a run that may still be at work has frozen.")
@click.option("--forget", is_flag=True, help="Take the mark off even where a hook fails.")
def command(
    namespaces: tuple[str, ...],
    cluster: wiring.ClusterChoice,
    plan_only: bool,
    auto_approve: bool,
    force: bool,
    forget: bool,
) -> ExitCode:
    """Thaw Pods that a killed run left frozen, by the hooks that it has recorded on them.

    Looks at all namespaces unless some are named. What a run has frozen that may still be at work is left to it, unless
    --force is given. Exits with 3 where a Pod could not be thawed.
    """
    if cluster.manifests is not None:
        raise UsageError("nothing runs in a folder of manifests, so nothing is frozen", hint="leave --manifests out")
    cancel_on_signals("what was not thawed yet is still frozen", hint="the same command goes on from here")
    ports = wiring_volumes.freeze_ports(wiring.open_cluster(cluster), lines("text"))
    left = list_left(ports.cluster, PODS, ports.retrier, tuple(dict.fromkeys(namespaces)))
    if not left:
        click.echo("Nothing is frozen.")
        return ExitCode.DONE
    at_work = _show(left, ports)
    if plan_only:
        return ExitCode.DONE
    due = left if force else [one for one in left if one not in at_work]
    if not due:
        click.echo("Nothing was thawed: runs that may still be at work thaw by themselves; --force does it now.")
        return ExitCode.DONE
    if not auto_approve and not _agreed():
        click.echo("Nothing was thawed.", err=True)
        return ExitCode.ERROR
    return _thaw(due, ports, forget=forget)


def _show(left: Sequence[LeftFrozen], ports: FreezePorts) -> list[LeftFrozen]:
    """Which of them belong to runs that may still be at work."""
    at_work = []
    now = ports.clock.now()
    for one in left:
        click.echo(_line(one, now))
    for one in left:
        record = one.record
        if record is not None and in_force(record, now, ports.holder, ports.alive):
            at_work.append(one)
            click.echo(
                f"Warning: {record.backup}, which froze {one.name}, may still be at work: to thaw it now spoils that.",
                err=True,
            )
    return at_work


def _line(left: LeftFrozen, now: datetime) -> str:
    record = left.record
    if record is None:
        return f"{left.name}: marked as frozen, and the mark cannot be read"
    over = over_at(record)
    limit = "" if over is None else f", {'past' if over <= now else 'until'} its limit of {over:%Y-%m-%d %H:%M:%S} UTC"
    hooks = f"{len(record.hooks)} hook{'' if len(record.hooks) == 1 else 's'}"
    return f"{left.name}: frozen by {record.backup} since {record.since}{limit}; {hooks} to thaw it"


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("nobody is here to be asked", hint="add --auto-approve, or --plan to look only")
    click.echo("Do you want to thaw this now?")
    return str(click.prompt("  Only 'yes' will be accepted", default="", show_default=False)) == "yes"


def _thaw(left: Sequence[LeftFrozen], ports: FreezePorts, *, forget: bool) -> ExitCode:
    thaw = ports.thaw_left(PODS)
    problems = [problem for one in left if (problem := thaw.thaw_as_seen(one, forget=forget).problem)]
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    click.echo(f"{len(left) - len(problems)} of {len(left)} thawed.")
    return ExitCode.PARTIAL if problems else ExitCode.DONE
