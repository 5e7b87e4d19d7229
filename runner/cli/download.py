"""`trysail download`: the archive as it is, proven, to a file or to standard output."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from shlex import quote

import click

from runner.cli.stored import Where, backup_options, put
from runner.engine.extract import Backup
from runner.engine.velero.velero import VeleroBackup
from runner.errors import UsageError
from runner.report.backups import UNPROVEN
from runner.report.words import sized

STDOUT = "-"


@click.command()
@click.argument("backup")
@backup_options
@click.option("-o", "--output", metavar="FILE|DIR|-", help="Where to; ./BACKUP.tar.gz without, - is standard output.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(backup: str, where: Where, output: str | None, force: bool) -> None:
    """Fetch the archive of BACKUP (a name, or `latest`), and check it against what was recorded.

    The file has its name only once all of it was checked. It may hold Secrets: only you can read it.
    """
    with where.backup(backup) as opened:
        if output == STDOUT:
            opened.download(put)
            return
        target = _target(output, opened.committed.address.name)
        stored = _fetch(opened, target, force=force)
    if opened.committed.by_velero:
        click.echo(f"Saved {sized(stored)} to {target}, which is a whole archive.\n{UNPROVEN}")
    else:
        click.echo(f"Saved {sized(stored)} to {target}, and its SHA-256 is the one that was recorded.")
    click.echo(f"To use it without Trysail:\n  tar xzf {quote(str(target))}")
    click.echo("  kubectl apply -R -f resources/TYPE/namespaces/NAMESPACE")


def _target(output: str | None, name: str) -> Path:
    file = f"{name}.tar.gz"
    if output is None:
        return Path(file)
    return Path(output) / file if output.endswith("/") or Path(output).is_dir() else Path(output)


def _fetch(opened: Backup | VeleroBackup, target: Path, *, force: bool) -> int:
    """Bytes that were written. Beside the target until all is checked; then in its place, in one step."""
    _must_be_free(target, force=force)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            partial = Path(file.name)
            try:
                stored = opened.download(file.write)
                file.flush()
                os.fsync(file.fileno())
                _must_be_free(target, force=force)
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}", hint="check path, rights and space"
        ) from error
    return stored.size


def _must_be_free(target: Path, *, force: bool) -> None:
    if not force and os.path.lexists(target):
        raise UsageError(f"{target} is there already", hint="give another -o, or write over it with --force")
