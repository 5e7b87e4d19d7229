"""`trysail restore --into-scratch`: tries a restore in scratch namespaces, and records how it went."""

from __future__ import annotations

import secrets
from typing import Any

import click
import msgspec

from runner import wiring
from runner.cli.restore_options import resolved_restore
from runner.engine.restore.planning import make_restore_plan
from runner.engine.restore.restore import RestorePorts
from runner.engine.restore.scratch import Scratch
from runner.engine.stored import StoredObjects
from runner.errors import ExitCode, UsageError
from runner.model.location import LocationSpec
from runner.model.policy_set import ResolvedRestore
from runner.model.scratch import RestoreTest
from runner.ports import Cluster, Executor, Observer
from runner.report.words import counted, harmless, wrapped

LABEL = "trysail.dev/scratch"
_NEWER = (
    "included_cluster_scoped_resources",
    "excluded_cluster_scoped_resources",
    "included_namespace_scoped_resources",
    "excluded_namespace_scoped_resources",
)
_LONGEST_NAME = 63  # of a namespace


def scratch_policy(resolved: ResolvedRestore, stored: StoredObjects) -> ResolvedRestore:
    """The restore that is tried: items in namespaces alone, each namespace under a name that nobody has."""
    if resolved.policy.spec.namespace_mapping:
        raise UsageError("--into-scratch maps namespaces itself", hint="leave out --namespace-mappings")
    mark = f"trysail-scratch-{secrets.token_hex(3)}"
    names = sorted({group.namespace for group in stored.groups() if group.namespace})
    mapping = {name: f"{mark}-{number}-{name}"[:_LONGEST_NAME].rstrip("-") for number, name in enumerate(names)}
    given: dict[str, Any] = {
        "namespaceMapping": mapping,
        "existingResourcePolicy": "none",
        "labels": {**resolved.policy.spec.labels, LABEL: "true"},
    }
    # What belongs to the whole cluster has no scratch place. Each family of type filters says so in its own way.
    newer = any(field in resolved.policy.spec.model_fields_set for field in _NEWER)
    given["includedClusterScopedResources" if newer else "includeClusterResources"] = [] if newer else False
    return resolved_restore(resolved, given)


def try_in_scratch(
    stored: StoredObjects,
    resolved: ResolvedRestore,
    location: LocationSpec,
    cluster: Cluster,
    executor: Executor,
    observer: Observer,
) -> RestoreTest:
    """Tries it, and takes back what it made."""
    policy = scratch_policy(resolved, stored)
    planned = make_restore_plan(stored, policy, location, cluster, executor, wiring.retrier(observer))
    empty = planned.plan.empty_includes
    if empty or not planned.plan.steps:
        raise UsageError(
            f"this would try less than is asked for: {'; '.join(empty) or 'nothing is selected'}",
            hint="a test that tries nothing would pass: correct the filters",
        )
    ports = RestorePorts(cluster, executor, wiring.clock(), observer)
    return Scratch(planned.plan, planned.facts, ports).run()


def tell(test: RestoreTest, url: str, *, as_json: bool) -> ExitCode:
    """Prints how it went, and where that is recorded."""
    if as_json:
        line = {
            "backup": test.backup.name,
            "passed": test.passed,
            "created": test.created,
            "checked": test.checked,
            "failed": test.failed,
            "recordedAs": url,
            "exitCode": test.exit_code,
        }
        click.echo(msgspec.json.encode(line).decode())
        return test.exit_code
    click.echo(f"Restore test of {harmless(test.backup.name)} {'passed' if test.passed else 'failed'}.")
    for one in test.failed:
        where = f"{one.namespace}/" if one.namespace else ""
        click.echo(f"\n  ! {harmless(f'{where}{one.resource}/{one.name}')}")
        for text in wrapped(harmless(one.reason), " " * 6):
            click.echo(text)
    click.echo(f"\n  created  {counted(test.created, 'item')}, and removed again with their scratch namespaces")
    click.echo(f"  checked  {counted(test.checked, 'item')}, by the API server's dry run alone")
    click.echo("  skipped  what belongs to the whole cluster: it has no scratch place")
    if test.failed:
        click.echo(f"  failed   {counted(len(test.failed), 'item')}: not restored as stored, for the reasons above")
    click.echo(f"  in       {test.seconds:.1f} s")
    click.echo(f"  record   {harmless(url)}")
    return test.exit_code
