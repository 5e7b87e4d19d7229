"""Saves what a restore overwrites, before it does: a backup like any other, so that a restore can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from runner.archive.layout import LAYOUTS, TRYSAIL, UNDO_POLICY
from runner.engine.execute import Ports, execute
from runner.engine.restore.facts import RestoreFacts
from runner.model.canonical import document
from runner.model.entry import LayoutName
from runner.model.inventory import Inventory
from runner.model.location import LocationSpec, location_url
from runner.model.plan import PLAN_FORMAT, Plan, PlannedCluster, Step
from runner.model.policy import BackupPolicy
from runner.model.restore import RestorePlan, RestoreStep
from runner.model.result import Result
from runner.plan.backup import sealed
from runner.plan.order import step_key
from runner.plan.restore_order import NAMESPACES

_WHY = "a restore overwrites it"


def overwrites(plan: RestorePlan) -> bool:
    """Whether a restore changes anything that is there."""
    return bool(plan.count("update", "recreate"))


def save_overwritten(
    plan: RestorePlan,
    facts: RestoreFacts,
    location: LocationSpec,
    backup: str,
    ports: Ports,
    *,
    layout: LayoutName = TRYSAIL.name,
) -> Result:
    """Makes a backup, named `backup`, of every item that `plan` updates or recreates, as it is now."""
    inventory = Inventory(
        cluster=facts.identity,
        resources=facts.served.discovery.resources,
        namespaces=(),
        holdings=(),
    )
    return execute(undo_plan(plan, facts, location, layout), backup, ports, inventory)


def undo_plan(
    plan: RestorePlan, facts: RestoreFacts, location: LocationSpec, layout: LayoutName = TRYSAIL.name
) -> Plan:
    """The plan of that backup: exactly the items that are overwritten, by name."""
    policy = BackupPolicy.model_validate(
        {
            "apiVersion": "trysail.dev/v1alpha1",
            "kind": "BackupPolicy",
            "metadata": {"name": UNDO_POLICY},
            "spec": {
                "storageLocation": document(location),
                "onUncovered": "ignore",
                "allowEmpty": True,
                "archive": {"layout": layout},
            },
        },
        by_alias=True,
    )
    cluster = PlannedCluster(name=_cluster_name(plan, facts), uid=facts.identity.uid)
    return sealed(
        Plan(
            format_version=PLAN_FORMAT,
            kind="BackupPlan",
            digest="",
            cluster=cluster,
            policy_name=UNDO_POLICY,
            policy=document(policy),
            location=document(location),
            keys=f"{location_url(location)}/{LAYOUTS[layout].prefix(cluster.name, UNDO_POLICY, '{backup}')}",
            basis=plan.digest,
            volumes=(),
            steps=tuple(_steps(plan, facts)),
            left_out=(),
            gaps=(),
            empty_includes=(),
            warnings=(),
        )
    )


def _cluster_name(plan: RestorePlan, facts: RestoreFacts) -> str:
    """As the backups of this very cluster name it, where this is one of them."""
    uid = facts.identity.uid
    return plan.backup.cluster if uid in {plan.backup.cluster_uid, ""} else uid


def _steps(plan: RestorePlan, facts: RestoreFacts) -> Iterator[Step]:
    def key(step: RestoreStep) -> tuple[str, str]:
        return step.resource, step.namespace

    changed = sorted((step for step in plan.steps if step.action in {"update", "recreate"}), key=key)
    steps = []
    for (resource, namespace), same in groupby(changed, key=key):
        of_type = list(same)
        names = sorted({_target(name, resource, facts) for step in of_type for name in step.names})
        served = next(r for r in facts.served.discovery.resources if r.name == resource)
        steps.append(
            Step(
                resource=resource,
                api_version=served.api_version,
                kind=served.kind,
                namespace=namespace,
                count=len(names),
                why=_WHY,
                names=tuple(names),
            )
        )
    yield from sorted(steps, key=lambda step: step_key(step.resource, step.namespace))


def _target(name: str, resource: str, facts: RestoreFacts) -> str:
    return facts.rules.namespace(name) if resource == NAMESPACES else name
