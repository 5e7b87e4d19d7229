"""`trysail mover`: copies the files of one mounted volume to restic's repository, or back. What a backup's Jobs run.

The password is in TRYSAIL_REPOSITORY_PASSWORD or a file, the store's keys are in the environment; none is a word of the
command. How it went is one line of JSON on standard output, and in --result, where Kubernetes keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from runner import wiring_volumes
from runner.cli.files import read_file
from runner.errors import ExitCode, TrysailError, UsageError
from runner.model.moved import Moved

PASSWORD = "TRYSAIL_REPOSITORY_PASSWORD"  # noqa: S105 -- the variable's name
MARKER = ".trysail-restoring"  # in a volume that files are still written into; its content is the snapshot
_LOST_AND_FOUND = "lost+found"
_MAY_BE_THERE = frozenset({_LOST_AND_FOUND, MARKER})
_HALF = f"the volume holds {MARKER}: a restore into it has not come to its end, and files may be missing"

F = TypeVar("F", bound=Callable[..., Any])


@click.group(name="mover", hidden=True)
def command() -> None:
    """Copy the files of a volume. For the Jobs that Trysail makes."""


def _shared(function: F) -> F:
    for option in (
        click.option("--path", required=True, metavar="DIR", help="Where the volume is mounted."),
        click.option("--repository", required=True, metavar="URL", help="Of restic: s3:https://host/bucket/prefix."),
        click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of restic's own -o."),
        click.option("--insecure-tls", is_flag=True, help="Do not check the store's certificate."),
        click.option("--ca-file", metavar="FILE", help="Certificates that vouch for the store."),
        click.option("--password-file", metavar="FILE", help=f"Its password; else it is in {PASSWORD}."),
        click.option("--result", metavar="FILE", help="Where the result is written too."),
    ):
        function = option(function)
    return function


@command.command()
@_shared
@click.option("--cluster", required=True, metavar="NAME", help="Whose volume it is.")
@click.option("--claim", required=True, metavar="NAMESPACE/NAME", help="The volume's claim.")
@click.option("--backup", required=True, metavar="NAME", help="The backup that it is part of.")
@click.option("--wait-for-repository", is_flag=True, help="Another mover makes it, where there is none yet.")
def backup(
    path: str,
    repository: str,
    options: tuple[str, ...],
    insecure_tls: bool,
    ca_file: str | None,
    password_file: str | None,
    result: str | None,
    cluster: str,
    claim: str,
    backup: str,
    wait_for_repository: bool,
) -> ExitCode:
    """Store all files of a volume."""
    folder = _folder(path)
    del backup  # the snapshot's tags make its line of history, so that only changes are read: the run names its id
    password, words = _password(password_file), _words(options, insecure=insecure_tls, authority=ca_file)
    half = (folder / MARKER).exists()

    def work() -> Moved:
        with wiring_volumes.restic(repository, password, words) as restic:
            moved = restic.backup(
                folder, host=cluster, tags=[f"pvc={claim}"], without=_left_out(folder), make=not wait_for_repository
            )
        # What is there is stored. But nobody shall take it for the whole.
        return msgspec.structs.replace(moved, error=moved.error or _HALF) if half else moved

    return _end(work, result)


@command.command()
@_shared
@click.option("--snapshot", required=True, metavar="ID", help="restic's id of what is brought back.")
def restore(
    path: str,
    repository: str,
    options: tuple[str, ...],
    insecure_tls: bool,
    ca_file: str | None,
    password_file: str | None,
    result: str | None,
    snapshot: str,
) -> ExitCode:
    """Write the files of a snapshot into an empty volume. Started again, it goes on."""
    folder = _folder(path)
    marker = folder / MARKER
    password, words = _password(password_file), _words(options, insecure=insecure_tls, authority=ca_file)

    def work() -> Moved:
        _claim_folder(folder, marker, snapshot)
        with wiring_volumes.restic(repository, password, words) as restic:
            moved = restic.restore(snapshot, folder)
        marker.unlink()
        return moved

    return _end(work, result)


def _end(work: Callable[[], Moved], result: str | None) -> ExitCode:
    """Does the work, and writes how it went: its last word is all that is seen of a Job."""
    try:
        moved = work()
        code = ExitCode.PARTIAL if moved.error else ExitCode.DONE
    except TrysailError as error:
        moved = Moved(error=f"{error.message} ({error.hint})" if error.hint else error.message)
        code = error.exit_code
    line = moved.line()
    click.echo(line)
    if result is not None:
        Path(result).write_bytes(line)
    return code


def _left_out(folder: Path) -> list[str]:
    """The mark of a restore; and what fsck has found, where it may not be read: in most volumes it is empty."""
    lost = folder / _LOST_AND_FOUND
    unreadable = lost.is_dir() and not os.access(lost, os.R_OK | os.X_OK)
    return [MARKER, _LOST_AND_FOUND] if unreadable else [MARKER]


def _claim_folder(folder: Path, marker: Path, snapshot: str) -> None:
    """Nothing that is there is written over, but what an earlier try of this very restore has begun."""
    there = sorted(entry.name for entry in folder.iterdir() if entry.name not in _MAY_BE_THERE)
    if there and not (marker.exists() and marker.read_text(encoding="utf-8") == snapshot):
        raise UsageError(
            f"the volume is not empty: it holds {', '.join(there[:3])}",
            hint="files are restored into empty volumes alone: nothing that is there is written over",
        )
    marker.write_text(snapshot, encoding="utf-8")


def _folder(path: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"{path} is no folder", hint="is the volume mounted?")
    return folder


def _password(file: str | None) -> str:
    password = read_file(file).decode().rstrip("\r\n") if file else os.environ.get(PASSWORD, "")
    if not password:
        raise UsageError("the repository has no password", hint=f"set {PASSWORD}, or give --password-file")
    return password


def _words(options: tuple[str, ...], *, insecure: bool, authority: str | None) -> list[str]:
    words = [word for option in options for word in ("-o", option)]
    words += ["--cacert", authority] if authority else []
    return [*words, "--insecure-tls"] if insecure else words
