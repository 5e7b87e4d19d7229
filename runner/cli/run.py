"""`trysail run`: plans and executes, or executes a saved plan. `trysail apply` is the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import click
import msgspec

from runner import wiring, wiring_volumes
from runner.archive.records import read_plan
from runner.cli.around_run import AroundRun
from runner.cli.files import read_file
from runner.cli.options import cluster_options, policy_name_option, policy_option
from runner.cli.progress import lines, observer, problem_line
from runner.cli.signals import cancel_on_signals
from runner.engine.catalog import LATEST
from runner.engine.execute import Ports, execute
from runner.engine.planning import Planned, make_plan, recheck, resolved_of
from runner.engine.retry import Retrier
from runner.errors import Cancelled, ExitCode, PlanRefused, TrysailError, UsageError, worst
from runner.model.event import Warned
from runner.model.policy_set import PolicySet, ResolvedPolicy
from runner.model.result import Result
from runner.plan.verdict import blocked_by_volumes
from runner.ports import ClusterReader, Executor

# RFC 1123 subdomain: the name becomes part of keys, and of a custom resource in a cluster.
BACKUP_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

Planner = Callable[[ClusterReader, Executor, Retrier], Planned]


@click.command()
@click.argument("plan_file", required=False, metavar="[PLAN]")
@policy_option
@policy_name_option
@cluster_options
@click.option("--name", metavar="NAME", help="Name of the backup; <policy>-<time>-<random> without.")
@click.option("--auto-approve", is_flag=True, help="Do not ask; needed where no terminal can answer.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Form of the log.")
def command(
    plan_file: str | None,
    filenames: tuple[str, ...],
    policy: str | None,
    cluster: wiring.ClusterChoice,
    name: str | None,
    auto_approve: bool,
    log_format: str,
) -> ExitCode:
    """Plan and execute a backup, or execute the saved PLAN.

    Several policies are run in the order of their names. On a terminal the plan is shown and asked about.
    """
    return run(plan_file, filenames, policy, cluster, name, auto_approve=auto_approve, log_format=log_format)


def run(
    plan_file: str | None,
    filenames: tuple[str, ...],
    policy: str | None,
    cluster: wiring.ClusterChoice,
    name: str | None,
    *,
    auto_approve: bool,
    log_format: str,
) -> ExitCode:
    """What `run` and its other names do."""
    cancel_on_signals(
        "no backup was made", hint="unfinished uploads were taken back; the next run reports anything that is left"
    )
    try:
        return _carry_out(plan_file, filenames, policy, cluster, name, auto_approve=auto_approve, log_format=log_format)
    except TrysailError as error:
        if log_format != "json":
            raise
        # Whoever reads the log as JSON reads all of it as JSON.
        click.echo(problem_line(error), err=True)
        return error.exit_code


def _carry_out(
    plan_file: str | None,
    filenames: tuple[str, ...],
    policy: str | None,
    cluster: wiring.ClusterChoice,
    name: str | None,
    *,
    auto_approve: bool,
    log_format: str,
) -> ExitCode:
    _check_name(name)
    loaded = _load(filenames)
    if plan_file is not None:
        saved = read_plan(read_file(plan_file), plan_file)
        current = None if loaded is None else wiring.choose_policy(loaded, policy or saved.policy_name)

        def plan_saved(reader: ClusterReader, executor: Executor, retrier: Retrier) -> Planned:
            return recheck(saved, current, reader, executor, retrier)

        return _Run(cluster, name, log_format, approved=True).one(resolved_of(saved), plan_saved)
    if loaded is None:
        raise UsageError("what is to be run?", hint="give -f PATH of a policy, or a saved plan")
    if not auto_approve and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "nobody is here to be asked", hint="add --auto-approve, or run a saved plan: trysail plan --out plan.json"
        )
    chosen = loaded.policies if policy is None else (wiring.choose_policy(loaded, policy),)
    if not chosen:
        raise UsageError("no BackupPolicy in these files", hint="give -f a file or folder that holds one")
    if name is not None and len(chosen) > 1:
        raise UsageError("--name names one backup, and there are several policies", hint="choose one with --policy")
    return _Run(cluster, name, log_format, approved=auto_approve).all(chosen)


class _Run:
    """What the runs of one command share: the cluster, and how they are shown."""

    def __init__(self, choice: wiring.ClusterChoice, name: str | None, log_format: str, *, approved: bool) -> None:
        self.choice = choice
        self.cluster = wiring.cached_cluster(choice)
        self.name, self.log_format, self.approved = name, log_format, approved

    def all(self, chosen: tuple[ResolvedPolicy, ...]) -> ExitCode:
        """Each policy in turn; one that fails does not keep the others from running."""
        codes = []
        for resolved in chosen:
            try:
                codes.append(self.one(resolved, _planner(resolved)))
            except Cancelled:
                raise
            except TrysailError as error:
                if len(chosen) == 1:
                    raise
                self._tell(resolved.policy.metadata.name, error)
                codes.append(error.exit_code)
        return worst(codes)

    def one(self, resolved: ResolvedPolicy, planner: Planner) -> ExitCode:
        """One backup, from its plan to its result."""
        around = self._around(resolved)
        with wiring.executor() as executor:
            with around.failing():
                planned = planner(self.cluster(), executor, wiring.retrier(lines(self.log_format)))
                self._refuse_uncovered(planned)  # before anybody is asked: no answer would help
            around.cluster = planned.plan.cluster.name
            if not self._agreed(planned):
                click.echo("Run cancelled: nothing was written.", err=True)
                return ExitCode.ERROR
            for difference in planned.differences:
                lines(self.log_format).notice(Warned(message=f"since the plan was made, {difference}"))
            with around.failing():
                result, url = self._executed(resolved, planned, executor, around)
        self._show(result, url)
        return around.exit_code(result)

    def _around(self, resolved: ResolvedPolicy) -> AroundRun:
        policy, clock = resolved.policy, wiring.clock()
        return AroundRun(
            policy=policy.metadata.name,
            backup=self.name or wiring.backup_name(policy.metadata.name, clock),
            hooks=policy.spec.hooks,
            clock=clock,
            observer=lines(self.log_format),
            cluster=policy.spec.cluster_name or "",
        )

    def _executed(
        self, resolved: ResolvedPolicy, planned: Planned, executor: Executor, around: AroundRun
    ) -> tuple[Result, str]:
        """The result, and where the backup lies."""
        store = wiring.open_store(resolved.location, self.cluster)
        with (
            observer(self.log_format) as seen,
            wiring.renderer(planned.plan.items) as renderer,
            wiring_volumes.volume_ports(
                planned.plan, planned.inventory, resolved.policy.spec, self.choice, store
            ) as volumes,
        ):
            around.observer = seen
            ports = Ports(self.cluster(), store, executor, around.clock, seen, renderer, volumes)
            result = around.run(
                lambda: execute(planned.plan, around.backup, ports, planned.inventory, hooks=planned.hooks)
            )
        return result, store.url

    def _agreed(self, planned: Planned) -> bool:
        if self.approved:
            return True
        from runner.report.plan_text import render_plan  # noqa: PLC0415

        identity = planned.inventory.cluster
        click.echo(render_plan(planned.plan, changes=None, color=True))
        click.echo("Do you want to store this?")
        click.echo(f"  context  {identity.context}\n  server   {identity.server}\n  cluster  {identity.uid}")
        return str(click.prompt("  Only 'yes' will be accepted", default="", show_default=False)) == "yes"

    def _refuse_uncovered(self, planned: Planned) -> None:
        if not blocked_by_volumes(planned.plan):
            return
        names = [volume.name for volume in planned.plan.uncovered]
        raise PlanRefused(
            f"{len(names)} selected volumes are protected by nothing: nothing was written",
            hint="set onUncovered: warn in the policy if their data is safe elsewhere, or exclude their claims",
            volumes=", ".join(names),
        )

    def _tell(self, policy: str, error: TrysailError) -> None:
        if self.log_format == "json":
            click.echo(problem_line(error, policy=policy), err=True)
            return
        from runner.report.problem import render_problem  # noqa: PLC0415 -- an error alone needs it

        click.echo(f"{policy}: {render_problem(error)}", err=True)

    def _show(self, result: Result, url: str) -> None:
        if self.log_format == "json":
            line = {"backup": result.manifest.name, "phase": result.manifest.phase, "exitCode": result.exit_code}
            click.echo(msgspec.json.encode(line).decode())
            return
        from runner.report.result_text import render_result  # noqa: PLC0415

        click.echo(render_result(result, url), nl=False)


def _planner(resolved: ResolvedPolicy) -> Planner:
    def plan(reader: ClusterReader, executor: Executor, retrier: Retrier) -> Planned:
        return make_plan(resolved, reader, executor, retrier)

    return plan


def _load(filenames: tuple[str, ...]) -> PolicySet | None:
    if not filenames:
        return None
    from runner.policies.load import load_policies  # noqa: PLC0415 -- PyYAML

    return load_policies(filenames)


def _check_name(name: str | None) -> None:
    if name is not None and (name == LATEST or not BACKUP_NAME.fullmatch(name)):
        raise UsageError(
            f'"{name}" cannot be the name of a backup',
            hint="lower case letters, digits, - and ., at most 253 long; `latest` means the newest",
        )
