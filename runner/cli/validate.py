"""`trysail validate`: checks documents and says so, or says what is wrong. Opens nothing but the files it is given."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runner.errors import ExitCode, PolicyError
from runner.report.problem import render_findings

if TYPE_CHECKING:
    from runner.policies.load import Loaded


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the output.")
@click.option("--merged", is_flag=True, help="Print the policies as they are after `extends`, as YAML.")
def command(paths: tuple[str, ...], output: str, *, merged: bool) -> ExitCode:
    """Check policies and locations: files, folders, or - for standard input.

    Every mistake of all files is named at once, as FILE:LINE:COLUMN. Opens no socket, starts no process and resolves
    no secret. In a folder, documents of other kinds are ignored and counted.
    """
    from runner.policies.load import load_documents  # noqa: PLC0415 -- pydantic: `--help` does not pay for it

    try:
        loaded = load_documents(paths)
    except PolicyError as error:
        if output == "text":
            click.echo(render_findings(error.findings), err=True)
        else:
            click.echo(_json({"valid": False, "findings": [asdict(finding) for finding in error.findings]}))
        return ExitCode.ERROR
    if output == "json":
        click.echo(_json(_verdict(loaded, merged=merged)))
    elif merged:
        from runner.policies.merged import as_yaml  # noqa: PLC0415 -- as above

        click.echo(as_yaml(_merged(loaded)), nl=False)
    else:
        _print_documents(loaded)
    return ExitCode.DONE


def _print_documents(loaded: Loaded) -> None:
    for document in loaded.documents:
        click.echo(f"{document.file}: {document.kind}/{document.name} ok")
    if loaded.ignored:
        count = len(loaded.ignored)
        click.echo(f"{count} {'document' if count == 1 else 'documents'} of other kinds ignored")


def _verdict(loaded: Loaded, *, merged: bool) -> dict[str, object]:
    verdict: dict[str, object] = {
        "valid": True,
        "findings": [],
        "documents": [asdict(document) for document in loaded.documents],
        "ignored": [asdict(document) for document in loaded.ignored],
    }
    return {**verdict, "merged": _merged(loaded)} if merged else verdict


def _merged(loaded: Loaded) -> list[dict[str, object]]:
    from runner.policies.merged import merged_document  # noqa: PLC0415 -- as above

    return [merged_document(policy) for policy in loaded.policies.policies]


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
