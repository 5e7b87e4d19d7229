"""`trysail restore --into-scratch`: tries a restore in scratch namespaces, and records how it went."""

from __future__ import annotations

import secrets
from typing import Any

import click

from runner import wiring
from runner.cli.restore_options import resolved_restore
from runner.engine.restore import RestorePorts
from runner.engine.restoring import make_restore_plan
from runner.engine.scratch import Scratch
from runner.engine.stored import StoredObjects
from runner.errors import ExitCode, UsageError
from runner.model.location import LocationSpec
from runner.model.policy_set import ResolvedRestore
from runner.model.scratch import RestoreTest
from runner.ports import Cluster, Executor, ObjectStore, Observer

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
    ports = RestorePorts(cluster, executor, wiring.clock(), observer)
    return Scratch(planned.plan, planned.facts, ports).run()


def tell(test: RestoreTest, store: ObjectStore, key: str) -> ExitCode:
    """Prints how it went, and where that is recorded."""
    for failed in test.failed:
        where = f"{failed.namespace}/" if failed.namespace else ""
        click.echo(f"  {where}{failed.resource}/{failed.name}: {failed.reason}")
    done = f"{test.created:,} items were created and removed again, {test.checked:,} were checked by a dry run"
    verdict = (
        "passed" if test.passed else f"failed: {len(test.failed):,} items could not be restored as they were stored"
    )
    click.echo(f"Restore test of {test.backup.name} {verdict}.\n{done}, in {test.seconds:.1f} s.")
    click.echo(f"Recorded as {store.url}/{key}")
    return test.exit_code
