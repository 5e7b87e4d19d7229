"""`trysail restore`: shows exactly what would become of each item, asks, and does it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import msgspec

from runner import wiring
from runner.archive.layout import LAYOUTS, UNDO_POLICY, restore_test_key
from runner.archive.records import read_restore_plan
from runner.cli.files import read_file, write_file
from runner.cli.options import cluster_options, location_option, policy_name_option, policy_option
from runner.cli.progress import lines, observer, problem_line
from runner.cli.restore_options import resolved_restore, restore_options
from runner.cli.restore_scratch import tell, try_in_scratch
from runner.cli.restore_source import Source, Where, committed_policy, load, named_policy
from runner.cli.signals import cancel_on_signals
from runner.engine.execute import Ports
from runner.engine.restore import RestorePorts, restore
from runner.engine.restore_plan import PlannedRestore
from runner.engine.restore_waits import NO_CONTROLLERS, Patience
from runner.engine.restoring import make_restore_plan, recheck_restore, restore_of
from runner.engine.undo import overwrites, save_overwritten
from runner.errors import BackupDamaged, ExitCode, TrysailError, UsageError
from runner.model.canonical import readable
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import RestorePlan
from runner.model.restored import RestoreResult
from runner.plan.restore_verdict import restore_exit_code
from runner.ports import Cluster

NOWHERE = "none"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says besides the policy."""

    target: wiring.ClusterChoice
    to: str | None
    plan_only: bool
    out: str | None
    output: str
    diff: bool
    server_dry_run: bool
    auto_approve: bool
    allow_damaged: bool
    undo_location: str | None
    log_format: str
    detailed: bool
    into_scratch: bool


@click.command()
@click.argument("backup", required=False, metavar="[BACKUP|PLAN]")
@policy_option
@location_option
@policy_name_option
@click.option("--cluster", "cluster_name", metavar="NAME", help="Backups of this cluster: its clusterName or UID.")
@click.option("--restore-policy", metavar="NAME", help="Which RestorePolicy of the files; the only one without BACKUP.")
@restore_options
@cluster_options
@click.option("--to", metavar="DIR", help="Write manifests into this folder, ready for kubectl apply.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan, and stop.")
@click.option("--out", metavar="FILE", help="Save the plan, to be done with: trysail restore FILE. Implies --plan.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", help="Form of the plan."
)
@click.option("--diff", is_flag=True, help="Show each field that differs.")
@click.option("--server-dry-run", is_flag=True, help="Ask the API server what it would say to each item.")
@click.option("--auto-approve", is_flag=True, help="Do not ask; needed where no terminal can answer.")
@click.option("--allow-damaged", is_flag=True, help="Restore what can be proven of a backup that fails verification.")
@click.option("--undo-location", metavar="URL", help="Where what is overwritten is saved; `none` does not save it.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Form of the log.")
@click.option("--into-scratch", is_flag=True, help="Try it in scratch namespaces, remove them, record how it went.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="With --plan: exit with 2 where something changes.")
def command(
    backup: str | None,
    filenames: tuple[str, ...],
    location_url: str | None,
    policy: str | None,
    cluster_name: str | None,
    restore_policy: str | None,
    given: dict[str, Any],
    cluster: wiring.ClusterChoice,
    **options: Any,
) -> ExitCode:
    """Restore BACKUP (a name, or `latest`), or do a saved PLAN.

    Shows what would be created, changed, left alone or refused, asks, and then does exactly that. Started again after
    any interruption, the same command goes on from there.
    """
    asked = Asked(target=cluster, **options)
    if asked.to is not None and cluster != wiring.ClusterChoice():
        raise UsageError("--to is a target of its own", hint="leave out --context, --kubeconfig and --manifests")
    where = Where(filenames, location_url, policy, cluster_name, cluster, asked.log_format, asked.allow_damaged)
    cancel_on_signals("the restore was interrupted", hint="nothing is lost: the same command goes on from there")
    try:
        if backup is not None and backup.endswith(".json"):
            return _saved(backup, where, given, restore_policy, asked)
        resolved = resolved_restore(committed_policy(load(filenames), backup, restore_policy), given)
        with where.of_policy(resolved, backup) as source:
            made = _Restore(asked, source)
            return made.into_scratch(resolved) if asked.into_scratch else made.fresh(resolved)
    except TrysailError as error:
        if asked.log_format != "json":
            raise
        click.echo(problem_line(error), err=True)
        return error.exit_code


def _saved(file: str, where: Where, given: dict[str, Any], restore_policy: str | None, asked: Asked) -> ExitCode:
    """Does a saved plan, if it still fits."""
    if given or where.location_url is not None or asked.into_scratch:
        raise UsageError("a saved plan says all of this itself", hint="leave out filters and --location, or plan anew")
    saved = read_restore_plan(read_file(file), file)
    loaded = load(where.filenames)
    current = None if loaded is None else named_policy(loaded, restore_policy or saved.policy_name)
    location = restore_of(saved).location
    assert location is not None, "a plan has its location"
    with where.of_plan(location, saved.backup) as source:
        return _Restore(asked, source).saved(saved, current)


class _Restore:
    """One restore, from its plan to its result."""

    def __init__(self, asked: Asked, source: Source) -> None:
        self.asked, self.source, self.executor = asked, source, source.executor
        self.retrier = wiring.retrier(lines(asked.log_format))
        target = asked.target if asked.to is None else wiring.ClusterChoice(manifests=asked.to)
        self.cluster: Cluster = wiring.open_cluster(target, create=asked.to is not None)
        self.patience = Patience() if target.manifests is None else NO_CONTROLLERS

    def fresh(self, resolved: ResolvedRestore) -> ExitCode:
        """Plans, shows, asks, does."""
        asked = self.asked
        planned = make_restore_plan(
            self.source.stored,
            resolved,
            self.source.location,
            self.cluster,
            self.executor,
            self.retrier,
            server_dry_run=asked.server_dry_run,
        )
        if asked.out is not None:
            write_file(asked.out, readable(planned.plan))
        if asked.plan_only or asked.out is not None:
            click.echo(_rendered(planned.plan, asked), nl=False)
            if asked.out is not None and asked.output == "text":
                click.echo(
                    f"\nSaved the plan to: {asked.out}\n\nTo do exactly this, run:\n    trysail restore {asked.out}"
                )
            return restore_exit_code(planned.plan, detailed=asked.detailed)
        if not self._agreed(planned.plan):
            click.echo("Restore cancelled: nothing was changed.", err=True)
            return ExitCode.ERROR
        return self._do(planned)

    def into_scratch(self, resolved: ResolvedRestore) -> ExitCode:
        """Tries it, and records beside the backup how it went."""
        if self.asked.to is not None or self.asked.target.manifests is not None:
            raise UsageError("a folder accepts everything", hint="--into-scratch asks a real API server")
        source = self.source
        with observer(self.asked.log_format) as seen:
            test = try_in_scratch(source.stored, resolved, source.location, self.cluster, self.executor, seen)
        key = LAYOUTS[source.committed.layout].prefix(*source.committed.address)
        key += restore_test_key(test.started, passed=test.passed)
        source.reading.retrier.call(f"writing {key}", partial(source.reading.store.create, key, readable(test)))
        return tell(test, source.reading.store, key)

    def saved(self, plan: RestorePlan, current: ResolvedRestore | None) -> ExitCode:
        """Does what is left of a saved plan."""
        checked = recheck_restore(plan, current, self.source.stored, self.cluster, self.executor, self.retrier)
        if checked.already:
            click.echo(f"{checked.already} items are done already.", err=True)
        if self.asked.plan_only:
            click.echo(_rendered(checked.planned.plan, self.asked), nl=False)
            return restore_exit_code(checked.planned.plan, detailed=self.asked.detailed)
        return self._do(checked.planned)

    def _agreed(self, plan: RestorePlan) -> bool:
        asked = self.asked
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if not plan.items or asked.auto_approve or asked.to is not None:
            if asked.log_format != "json":
                click.echo(_rendered(plan, asked), nl=False)
            return True
        if not terminal:
            raise UsageError(
                "nobody is here to be asked",
                hint="add --auto-approve, or do a saved plan: trysail restore … --plan --out plan.json",
            )
        click.echo(_rendered(plan, asked))
        target = plan.target
        click.echo("Do you want to restore this?")
        click.echo(f"  context  {target.context}\n  server   {target.server}\n  cluster  {target.uid}")
        return str(click.prompt("  Only 'yes' will be accepted", default="", show_default=False)) == "yes"

    def _do(self, planned: PlannedRestore) -> ExitCode:
        plan, facts = planned.plan, planned.facts
        if not plan.items:
            return restore_exit_code(plan, detailed=False)
        with observer(self.asked.log_format) as seen:
            undo = ""
            if overwrites(plan) and self.asked.undo_location != NOWHERE:
                undo = self._save(planned)
            ports = RestorePorts(self.cluster, self.executor, wiring.clock(), seen)
            result = restore(plan, facts, ports, patience=self.patience, undo=undo)
        self._show(result)
        return result.exit_code

    def _save(self, planned: PlannedRestore) -> str:
        """Saves what is overwritten; the name of that backup."""
        location = self.source.location
        if self.asked.undo_location is not None:
            location = wiring.location_of_url(self.asked.undo_location)
        elif self.source.committed.by_velero:
            # Any folder of ours in its bucket would make Velero call the whole location unavailable.
            raise UsageError(
                "what is overwritten cannot be saved in Velero's own bucket",
                hint="give --undo-location URL, or --undo-location none to restore without saving",
            )
        store = wiring.open_store(location, lambda: self.cluster)
        ports = Ports(self.cluster, store, self.executor, wiring.clock(), lines(self.asked.log_format))
        name = wiring.backup_name(UNDO_POLICY, ports.clock)
        saved = save_overwritten(planned.plan, planned.facts, location, name, ports)
        if saved.manifest.missing:
            raise BackupDamaged(
                "what would be overwritten could not all be saved: nothing was changed",
                damages=tuple(f"{gap.what}: {gap.reason}" for gap in saved.manifest.missing),
                hint="see the reasons; --undo-location none restores without saving",
            )
        return name

    def _show(self, result: RestoreResult) -> None:
        if self.asked.log_format == "json":
            line = {
                "backup": result.plan.backup.name,
                "created": result.created,
                "updated": result.updated,
                "recreated": result.recreated,
                "already": result.already,
                "failed": result.failed,
                "undo": result.undo,
                "exitCode": result.exit_code,
            }
            click.echo(msgspec.json.encode(line).decode())
            return
        from runner.report.restore_result_text import render_restore_result  # noqa: PLC0415

        reach = f"--location {self.asked.undo_location}" if self.asked.undo_location else ""
        click.echo(render_restore_result(result, reach=reach, color=sys.stdout.isatty()), nl=False)


def _rendered(plan: RestorePlan, asked: Asked) -> str:
    if asked.output == "json":
        return readable(plan).decode()
    if asked.output == "markdown":
        from runner.report.restore_markdown import render_restore_markdown  # noqa: PLC0415 -- jinja2

        return render_restore_markdown(plan, diff=asked.diff)
    from runner.report.restore_text import render_restore_plan  # noqa: PLC0415

    return render_restore_plan(plan, color=sys.stdout.isatty(), diff=asked.diff)
