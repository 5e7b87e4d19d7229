"""`trysail get`: objects of a backup as YAML, read by ranges where its archive has an index."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator

import click

from runner.archive.velero import read_json
from runner.cli.stored import Where, backup_options, put
from runner.engine.extract import Backup, Chosen
from runner.engine.velero.velero import VeleroBackup
from runner.errors import UsageError
from runner.plan.lookup import Lookup, Wanted, parse_targets

Opened = Backup | VeleroBackup


@click.command()
@click.argument("backup")
@click.argument("words", nargs=-1, metavar="[TYPE[/NAME]] [NAME]...")
@backup_options
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Items of this namespace.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Items of all namespaces.")
@click.option("-l", "--selector", metavar="SELECTOR", help="Items with these labels: app=web,tier in (a,b),!canary.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json", "name"]), help="YAML as stored, JSON, or ids.")
def command(
    backup: str,
    words: tuple[str, ...],
    where: Where,
    namespace: str | None,
    everywhere: bool,
    selector: str | None,
    output: str | None,
) -> None:
    """Print objects of BACKUP (a name, or `latest`) as YAML.

    Types are named as for kubectl: deployments.apps, deployment, deploy. The ids that are printed without a TYPE can be
    given back as they are: trysail get latest shop/deployments.apps/web
    """
    if namespace is not None and everywhere:
        raise UsageError("-n and -A are two answers to one question", hint="give one of them")
    wanted = Wanted(parse_targets(words), namespace, everywhere, None)
    if selector is not None:
        from runner.adapters.label_selector import parse_label_selector  # noqa: PLC0415 -- here alone

        wanted = Wanted(wanted.targets, namespace, everywhere, parse_label_selector(selector).matches)
    with where.backup(backup) as opened:
        if wanted == Wanted():
            _print_index(opened, output)
            return
        chosen = opened.choose(Lookup(wanted, _short_names()))
        if output == "name":
            for line in chosen.lines:
                click.echo(str(line.id))
        elif output == "json":
            _print_json(opened, chosen)
        else:
            _print_yaml(opened, chosen)


def _print_index(opened: Opened, output: str | None) -> None:
    """Every id; not every object, which nobody means who says nothing."""
    if output in {"yaml", "json"}:
        raise UsageError("which objects?", hint="name a TYPE, give -n NAMESPACE or -l SELECTOR, or take all with -A")
    for line in opened.index():
        click.echo(str(line.id))


def _print_yaml(opened: Opened, chosen: Chosen) -> None:
    for number, (_, stored) in enumerate(opened.contents(chosen)):
        content = stored if opened.form == "yaml" else _yaml_of(stored)
        put(content if number == 0 else b"---\n" + content)


def _print_json(opened: Opened, chosen: Chosen) -> None:
    """One object, or a List of several, as kubectl has it; a List is printed as it comes."""
    objects = _as_json(opened, chosen)
    if len(chosen.lines) == 1:
        put((next(objects) + "\n").encode())
        return
    put(b'{\n  "apiVersion": "v1",\n  "kind": "List",\n  "items": [')
    for number, text in enumerate(objects):
        # Not textwrap's indent: it takes U+2028 in a string for the end of a line.
        indented = text.replace("\n", "\n    ")
        put(f"{',' if number else ''}\n    {indented}".encode())
    put(b"\n  ]\n}\n")


def _as_json(opened: Opened, chosen: Chosen) -> Iterator[str]:
    read = read_json if opened.form == "json" else _reader()
    for _, content in opened.contents(chosen):
        yield json.dumps(read(content), indent=2, ensure_ascii=False)


def _reader() -> Callable[[bytes], object]:
    from runner.archive.reader import read  # noqa: PLC0415 -- PyYAML

    return read


def _yaml_of(content: bytes) -> bytes:
    from runner.archive.emitter import emit  # noqa: PLC0415 -- for Velero's layout alone

    return emit(read_json(content))


def _short_names() -> dict[str, list[str]]:
    """Short names of the built-in types, which kubectl takes too."""
    from runner.adapters.manifests_types import KnownTypes  # noqa: PLC0415 -- here alone

    short: dict[str, list[str]] = defaultdict(list)
    for known in KnownTypes():
        for word in known.short_names:
            short[word].append(f"{known.plural}.{known.group}" if known.group else known.plural)
    return short
