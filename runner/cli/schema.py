"""`trysail schema`: the JSON Schema of the documents, for editors and for those who generate policies."""

from __future__ import annotations

import click

from runner.cli.files import write_file
from runner.errors import ExitCode


@click.command()
@click.option("--out", metavar="FILE", help="Write it to a file instead.")
def command(out: str | None) -> ExitCode:
    """Print the JSON Schema (draft 7) of BackupPolicy and BackupStorageLocation.

    The first line `# yaml-language-server: $schema=FILE` of a policy tells an editor to use it.
    """
    from runner.policies.schema import schema_text  # noqa: PLC0415 -- pydantic: `--help` does not pay for it

    if out is None:
        click.echo(schema_text(), nl=False)
    else:
        write_file(out, schema_text().encode())
    return ExitCode.DONE
