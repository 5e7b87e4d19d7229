"""The command line's root: finds the verb's module when it is called, and turns errors into exit codes.

Each verb is a module with a click command `command`; it is imported only when it is called, so that `--help` pays for
neither the API client nor the SDKs of the stores.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

import click

from runner import __version__
from runner.cli.signals import cancel_on_signals
from runner.errors import ExitCode, TrysailError

# verb -> (module, what it does in one line)
VERBS: dict[str, tuple[str, str]] = {
    "validate": ("validate", "Check policies and locations; opens no socket."),
    "schema": ("schema", "Print the JSON Schema of the documents."),
    "convert": ("convert", "Turn Velero's documents into documents of ours."),
    "plan": ("plan", "Show exactly what a run would do."),
    "coverage": ("coverage", "Show what in the cluster no policy protects."),
    "run": ("run", "Plan and execute a backup, or execute a saved plan."),
    "backup": ("backup", "`backup create NAME` is `run --name NAME`, for hands that know Velero."),
    "inventory": ("inventory", "Save what the cluster holds, to plan from without it."),
    "list": ("list_backups", "List backups."),
    "describe": ("describe", "Show what a backup holds and how it went."),
    "get": ("get", "Print objects of a backup as YAML."),
    "diff": ("diff", "Show what differs between a backup and the cluster, or two backups."),
    "download": ("download", "Fetch a backup's archive."),
    "verify": ("verify", "Check every byte and every item of a backup."),
    "restore": ("restore", "Restore a backup: planned exactly, then done."),
    "mover": ("mover", "Copy the files of a volume: what the Jobs of a backup run."),
    "thaw": ("thaw", "Thaw Pods that a killed run left frozen."),
}
ALIASES = {"apply": "run"}

# Follows diff(1), where 1 says that something differs: every error of it is 2.
DIFF, DIFF_TROUBLE = "diff", 2


class Verbs(click.Group):
    """Imports a verb's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of a backup's life."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; imports its module."""
        del ctx
        verb = VERBS.get(ALIASES.get(cmd_name, cmd_name))
        if verb is None:
            return None
        command = importlib.import_module(f"runner.cli.{verb[0]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the verbs without importing them."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 error, 2 changes (--detailed-exitcode), 3 partial, 4 findings, 5 stale plan, "
    "130 cancelled.",
)
@click.version_option(__version__, prog_name="trysail")
def trysail() -> None:
    """Backup and restore of Kubernetes clusters from policies kept in git.

    Trysail shows exactly what it will do, does that and nothing else, and proves what it stored.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits with one of `ExitCode`."""
    cancel_on_signals()
    code = exit_code(arguments)
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.current_thread()):
        _leave(code)
    sys.exit(code)


def exit_code(arguments: list[str] | None = None) -> int:
    """Runs the command line; what the process would exit with. Errors are printed on standard error."""
    try:
        result: Any = trysail.main(args=arguments, prog_name="trysail", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Cancelled.", err=True)
        return ExitCode.CANCELLED
    except click.ClickException as error:
        # click says 2 for usage errors, which is "changes" here.
        error.show()
        return _failed(arguments, ExitCode.ERROR)
    except TrysailError as error:
        from runner.report.problem import render_problem  # noqa: PLC0415 -- an error alone needs it

        click.echo(render_problem(error), err=True)
        return _failed(arguments, error.exit_code)
    except SystemExit as error:
        # So click ends where the reader of our output has gone, as `| head` does: nobody is left to be told.
        if error.code != ExitCode.ERROR:
            raise
        return ExitCode.DONE
    return int(result or ExitCode.DONE)


def _failed(arguments: list[str] | None, code: ExitCode) -> int:
    """What an error exits with, which is the verb's own where it is diff; a signal's code stays."""
    words = sys.argv[1:] if arguments is None else arguments
    verb = next((word for word in words if not word.startswith("-")), "")
    return DIFF_TROUBLE if verb == DIFF and code is not ExitCode.CANCELLED else code


def _leave(code: int) -> NoReturn:
    """Ends the process although threads still wait for answers, which may take minutes: Python would wait for them."""
    atexit._run_exitfuncs()  # noqa: SLF001 -- key files of the API client are removed there, and os._exit would not
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has gone, or it is closed
            stream.flush()
    os._exit(code)
