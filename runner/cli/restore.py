"""`trysail restore`: shows exactly what would become of each item, asks, and does it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click
import msgspec

from runner import wiring, wiring_volumes
from runner.archive.layout import LAYOUTS, TRYSAIL, UNDO_POLICY, restore_test_key
from runner.archive.records import read_restore_plan
from runner.cli.after_restore import AfterRestore
from runner.cli.files import read_file, write_file
from runner.cli.options import cluster_options, location_option, policy_name_option, policy_option
from runner.cli.progress import lines, observer, problem_line
from runner.cli.restore_asked import NOWHERE, PLAN_SUFFIX, Asked, check_asked, target_words
from runner.cli.restore_options import check_mapped, resolved_restore, restore_options
from runner.cli.restore_scratch import tell, try_in_scratch
from runner.cli.restore_source import Source, Where, committed_policy, load, named_policy
from runner.cli.signals import cancel_on_signals
from runner.engine.execute import Ports
from runner.engine.restore.plan import PlannedRestore
from runner.engine.restore.planning import make_restore_plan, recheck_restore, restore_of
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.undo import overwrites, save_overwritten
from runner.engine.restore.waits import NO_CONTROLLERS, Patience
from runner.errors import BackupDamaged, ExitCode, KeyExists, TrysailError, UsageError
from runner.model.canonical import readable
from runner.model.duration import seconds
from runner.model.location import LocationSpec
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import RestorePlan
from runner.model.restore_policy import RestorePolicySpec
from runner.model.restored import RestoreResult
from runner.plan.restore_verdict import restore_exit_code
from runner.ports import Cluster
from runner.report.words import counted


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
@click.option(
    "--out",
    metavar="FILE",
    help="Save the plan as FILE.json, to be done with: trysail restore FILE.json. Implies --plan.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="Form of the plan, with --plan or --out.",
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
    given: Callable[[], dict[str, Any]],
    cluster: wiring.ClusterChoice,
    **options: Any,
) -> ExitCode:
    """Restore BACKUP (a name, or `latest`), or do a saved PLAN.

    Shows what would be created, changed, left alone or refused, asks, and then does exactly that. Started again after
    any interruption, the same command goes on from there.
    """
    asked = Asked(target=cluster, **options)
    cancel_on_signals("nothing was changed")
    try:
        check_asked(asked)
        where = Where(filenames, location_url, policy, cluster_name, cluster, asked.log_format, asked.allow_damaged)
        if backup is not None and backup.endswith(PLAN_SUFFIX):
            return _saved(backup, where, given(), restore_policy, asked)
        return _anew(backup, where, given(), restore_policy, asked)
    except TrysailError as error:
        if asked.log_format != "json":
            raise
        click.echo(problem_line(error), err=True)
        return error.exit_code


def _anew(
    backup: str | None, where: Where, given: dict[str, Any], restore_policy: str | None, asked: Asked
) -> ExitCode:
    """Plans a restore, and does it."""
    loaded = load(where.filenames)
    committed = committed_policy(loaded, backup, restore_policy)
    if committed is None and loaded is not None and loaded.restores:
        names = ", ".join(one.policy.metadata.name for one in loaded.restores)
        where.note(f"BACKUP is named, so no RestorePolicy is used: --restore-policy NAME uses one of {names}")
    resolved = resolved_restore(committed, given)
    with where.of_policy(resolved, backup) as source:
        check_mapped(given, source.stored)
        made = _Restore(asked, source)
        return made.into_scratch(resolved) if asked.into_scratch else made.fresh(resolved)


def _saved(file: str, where: Where, given: dict[str, Any], restore_policy: str | None, asked: Asked) -> ExitCode:
    """Does a saved plan, if it still fits."""
    said = (where.location_url, where.policy, where.cluster_name, asked.out)
    if given or asked.into_scratch or asked.server_dry_run or any(word is not None for word in said):
        raise UsageError(
            "a saved plan says itself what is restored from where",
            hint="leave out filters, --location, --policy, --cluster and --out; or plan anew",
        )
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
        self.already = 0  # items of a saved plan that an earlier run has done
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
                again = shlex.join(["trysail", "restore", asked.out, *target_words(asked)])
                click.echo(f"\nSaved the plan to: {asked.out}\n\nTo do exactly this, run:\n    {again}")
            return restore_exit_code(planned.plan, detailed=asked.detailed)
        undo = self._undo_location(planned.plan)
        if not self._agreed(planned.plan):
            click.echo("Restore cancelled: nothing was changed.", err=True)
            return ExitCode.ERROR
        return self._do(planned, undo)

    def into_scratch(self, resolved: ResolvedRestore) -> ExitCode:
        """Tries it, and records beside the backup how it went."""
        cancel_on_signals("the restore test was ended", hint="its scratch namespaces are removed; nothing is recorded")
        source = self.source
        with observer(self.asked.log_format) as seen:
            test = try_in_scratch(source.stored, resolved, source.location, self.cluster, self.executor, seen)
        key = LAYOUTS[source.committed.layout].prefix(*source.committed.address)
        key += restore_test_key(test.started, passed=test.passed)
        content, store = readable(test), source.reading.store
        try:
            source.reading.retrier.call(f"writing {key}", partial(store.create, key, content))
        except KeyExists:
            if store.read(key) != content:  # else it is ours: the answer to our first try was lost
                raise
        return tell(test, f"{store.url}/{key}", as_json=self.asked.log_format == "json")

    def saved(self, plan: RestorePlan, current: ResolvedRestore | None) -> ExitCode:
        """Does what is left of a saved plan."""
        checked = recheck_restore(plan, current, self.source.stored, self.cluster, self.executor, self.retrier)
        self.already = checked.already
        if checked.already and self.asked.log_format != "json":
            click.echo(f"Done already, by an earlier run: {counted(checked.already, 'item')}.", err=True)
        if self.asked.plan_only:
            click.echo(_rendered(checked.planned.plan, self.asked), nl=False)
            return restore_exit_code(checked.planned.plan, detailed=self.asked.detailed)
        if not checked.planned.plan.changes_anything and self.asked.log_format != "json":
            click.echo("No changes. Nothing of this plan is left to do.")
        return self._do(checked.planned, self._undo_location(checked.planned.plan))

    def _agreed(self, plan: RestorePlan) -> bool:
        asked = self.asked
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if not plan.changes_anything or asked.auto_approve or asked.to is not None:
            if asked.log_format != "json":
                click.echo(_rendered(plan, asked), nl=plan.changes_anything)  # and a line apart, how it went
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

    def _do(self, planned: PlannedRestore, undo_location: LocationSpec | None) -> ExitCode:
        plan, facts = planned.plan, planned.facts
        if not plan.changes_anything:
            code = restore_exit_code(plan, detailed=False)
            if self.asked.log_format == "json":
                self._line(plan.backup.name, exitCode=code)
            return code
        with observer(self.asked.log_format) as seen:
            undo = "" if undo_location is None else self._save(planned, undo_location)
            policy = restore_of(plan).policy.spec
            with wiring_volumes.restorers(plan, self.cluster) as restorers:
                ports = RestorePorts(self.cluster, self.executor, wiring.clock(), seen, restorers)
                cancel_on_signals("the restore was interrupted", hint="nothing is lost")
                hooks = AfterRestore(plan, policy.hooks, ports)
                result = hooks.run(lambda: restore(plan, facts, ports, patience=self._patience(policy), undo=undo))
        self._show(result)
        return result.exit_code

    def _patience(self, policy: RestorePolicySpec) -> Patience:
        if self.patience == NO_CONTROLLERS:
            return self.patience
        snapshot, files = seconds(policy.csi_snapshot_timeout), seconds(policy.item_operation_timeout)
        return replace(self.patience, snapshot=snapshot, files=files)

    def _undo_location(self, plan: RestorePlan) -> LocationSpec | None:
        """Where what is overwritten is saved; None where nothing is, or it shall not be."""
        url = self.asked.undo_location
        if not overwrites(plan) or url == NOWHERE:
            return None
        if url is not None:
            return wiring.location_of_url(url)
        if self.source.committed.by_velero:
            # Any folder of ours in its bucket would make Velero call the whole location unavailable.
            raise UsageError(
                "what is overwritten cannot be saved in Velero's own bucket",
                hint="give --undo-location URL, or --undo-location none to restore without saving",
            )
        return self.source.location

    def _save(self, planned: PlannedRestore, location: LocationSpec) -> str:
        """Saves what is overwritten; the name of that backup."""
        layout = self.source.committed.layout if self.asked.undo_location is None else TRYSAIL.name
        store = wiring.open_store(location, lambda: self.cluster)
        ports = Ports(self.cluster, store, self.executor, wiring.clock(), lines(self.asked.log_format))
        name = wiring.backup_name(UNDO_POLICY, ports.clock)
        saved = save_overwritten(planned.plan, planned.facts, location, name, ports, layout=layout)
        if saved.manifest.missing:
            raise BackupDamaged(
                "what would be overwritten could not all be saved: nothing was changed",
                damages=tuple(f"{gap.what}: {gap.reason}" for gap in saved.manifest.missing),
                hint="see the reasons; --undo-location none restores without saving",
            )
        return name

    def _show(self, result: RestoreResult) -> None:
        if self.asked.log_format == "json":
            self._line(
                result.plan.backup.name,
                created=result.created,
                updated=result.updated,
                recreated=result.recreated,
                already=result.already,
                failed=result.failed,
                undo=result.undo,
                exitCode=result.exit_code,
            )
            return
        from runner.report.restore_result_text import render_restore_result  # noqa: PLC0415

        text = render_restore_result(result, reach=self._reach(result.plan), color=sys.stdout.isatty())
        click.echo(text, nl=False)

    def _line(self, backup: str, *, already: int = 0, **more: Any) -> None:
        """The result as one line of JSON."""
        line = {"backup": backup, "created": 0, "updated": 0, "recreated": 0, "already": already + self.already}
        click.echo(msgspec.json.encode({**line, "failed": (), "undo": "", **more}).decode())

    def _reach(self, plan: RestorePlan) -> str:
        """What leads the next command to what was saved: not the bucket alone, where -f has its credentials too."""
        from runner.report.restore_outline import stored_at  # noqa: PLC0415
        from runner.report.result_text import with_options  # noqa: PLC0415

        reach = self.source.reach or shlex.join(["--location", with_options(stored_at(plan), plan.location)])
        if self.asked.undo_location is not None:
            reach = shlex.join(["--location", self.asked.undo_location])
        kubeconfig = self.asked.target.kubeconfig
        return reach if kubeconfig is None else f"{reach} {shlex.join(['--kubeconfig', kubeconfig])}"


def _rendered(plan: RestorePlan, asked: Asked) -> str:
    if asked.output == "json":
        return readable(plan).decode()
    if asked.output == "markdown":
        from runner.report.restore_markdown import render_restore_markdown  # noqa: PLC0415 -- jinja2

        return render_restore_markdown(plan, diff=asked.diff)
    from runner.report.restore_text import render_restore_plan  # noqa: PLC0415

    return render_restore_plan(plan, color=sys.stdout.isatty(), diff=asked.diff)
