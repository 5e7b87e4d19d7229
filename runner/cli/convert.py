"""`trysail convert`: documents of Velero's as documents of ours, printed or written into a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.files import write_file
from runner.errors import ExitCode, PolicyError, UsageError

if TYPE_CHECKING:
    from runner.policies.convert import Conversion
    from runner.policies.convert_source import Collected

STDOUT = "-"
# What a file's name begins with, so that documents of two kinds may share a name.
_FILES = {
    "BackupPolicy": "policy",
    "BackupStorageLocation": "location",
    "RestorePolicy": "restore",
    "VolumeSnapshotLocation": "snapshots",
}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--out", default=STDOUT, metavar="DIR|-", help="Write a file for each document there; - prints them.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def command(paths: tuple[str, ...], out: str, *, force: bool) -> ExitCode:
    """Convert Velero's documents: files, folders, or - for standard input.

    Backup and Schedule become BackupPolicy, Restore becomes RestorePolicy, locations become ours; a ConfigMap that one
    of them names is looked into. What has no counterpart is named above each document, with its place and what to do
    instead; exit code 4 says that some of it changes what is backed up. Works on what `velero … -o yaml` and `kubectl
    get … -o yaml` print; contacts nothing and resolves no secret.
    """
    from runner.policies.convert import convert  # noqa: PLC0415 -- pydantic: `--help` does not pay for it
    from runner.policies.convert_source import collect_velero  # noqa: PLC0415 -- as above
    from runner.policies.convert_text import conversion_text  # noqa: PLC0415 -- as above

    collected = collect_velero(paths)
    conversion = convert(collected.documents)
    findings = {*collected.findings, *conversion.findings}
    if findings:
        raise PolicyError("the documents cannot be converted", findings=tuple(sorted(findings)))
    if out == STDOUT:
        click.echo(conversion_text(conversion), nl=False)
    else:
        _write(conversion, Path(out), force=force)
    for line in _report(conversion, collected):
        click.echo(line, err=True)
    return ExitCode.FINDINGS if conversion.changes else ExitCode.DONE


def _write(conversion: Conversion, folder: Path, *, force: bool) -> None:
    """A file a document. None is written where one of them would be written over."""
    from runner.policies.convert_text import harmless, made_text  # noqa: PLC0415 -- as above

    files = {folder / f"{_FILES[made.kind]}-{made.name}.yaml": made for made in conversion.made}
    there = [str(file) for file in files if os.path.lexists(file)]
    if there and not force:
        hint = "give another --out, or write over what is there with --force"
        raise UsageError(f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already", hint=hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="check the path") from error
    for file, made in files.items():
        write_file(str(file), made_text(made).encode())
        click.echo(harmless(f"{file}: {made.kind}/{made.name}, from {made.source.what}, {made.source.place}"))


def _report(conversion: Conversion, collected: Collected) -> Iterator[str]:
    """What must not be missed, and how much of what there was."""
    from runner.policies.convert_notes import Severity  # noqa: PLC0415 -- as above
    from runner.policies.convert_text import harmless, note_text  # noqa: PLC0415 -- as above

    counts = Counter(note.severity for note in conversion.notes)
    for note in conversion.notes:
        if note.severity is Severity.CHANGES:
            yield from note_text(note)
    made, left = len(conversion.made), len(conversion.left)
    yield f"{_counted(made, 'document')} made{f', and nothing of {left}' if left else ''}."
    if count := counts[Severity.CHANGES]:
        verb = "changes" if count == 1 else "change"
        yield f"{_counted(count, 'thing')} left behind {verb} what is backed up, or how it is kept."
    if count := counts[Severity.TO_DO]:
        yield f"{_counted(count, 'thing')} {'is' if count == 1 else 'are'} to be done otherwise: see the comments."
    for why, count in Counter(skipped.why for skipped in conversion.skipped).items():
        yield harmless(f"{_counted(count, 'Backup')} skipped: {why}.")
    if collected.ignored:
        kinds = Counter(ignored.what for ignored in collected.ignored)
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield harmless(f"{_counted(len(collected.ignored), 'other document')} ignored: {listed}.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
