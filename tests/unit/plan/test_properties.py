"""What holds for every plan, whatever the policy and the cluster are."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runner.model.canonical import canonical
from runner.model.inventory import Inventory, Owner, Row, VolumeFacts
from runner.model.plan import Plan
from runner.model.policy_set import ResolvedPolicy
from runner.plan.backup import plan_backup
from runner.plan.changes import selected_rows
from runner.plan.order import step_key
from runner.plan.selection import Selection
from tests.unit.plan.worlds import PROPERTY, as_collected, inventories, policies


@PROPERTY
@given(policies(), inventories())
def test_the_same_policy_and_cluster_give_the_same_bytes(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """A plan has no clock and no chance in it."""
    assert canonical(plan_backup(resolved, inventory)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories(), st.integers(0, 999))
def test_the_order_of_the_inventory_does_not_matter(resolved: ResolvedPolicy, inventory: Inventory, seed: int) -> None:
    """Whatever came first from the cluster, or from a file that somebody wrote: the plan has the same bytes."""
    chance = random.Random(seed)

    def mixed(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(found, len(found)))

    shuffled = msgspec.structs.replace(
        inventory,
        namespaces=mixed(inventory.namespaces),
        holdings=mixed(
            tuple(msgspec.structs.replace(held, rows=mixed(held.rows or ())) for held in inventory.holdings)
        ),
        failures=mixed(inventory.failures),
        unreadable=mixed(inventory.unreadable),
    )
    assert canonical(plan_backup(resolved, shuffled)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories())
def test_how_the_counts_were_had_does_not_matter(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """From numbers where a number will do, from rows or from a whole saved inventory: the plan has the same bytes."""
    collected = as_collected(Selection(resolved.policy.spec), inventory)
    assert canonical(plan_backup(resolved, collected)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories())
def test_a_run_would_store_what_the_plan_counts(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Each step's number is that of the rows that its names, or the policy's filters, take one by one."""
    plan = plan_backup(resolved, inventory)
    rows = selected_rows(plan, Selection(resolved.policy.spec), inventory)
    assert rows is not None
    assert len({found.item for found in rows}) == len(rows) == plan.items


@PROPERTY
@given(policies(), inventories())
def test_every_step_is_there_once_with_its_reason(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """In order, none twice, none empty, none without a why."""
    plan = plan_backup(resolved, inventory)
    keys = [step_key(step.resource, step.namespace) for step in plan.steps]
    assert keys == sorted(set(keys))
    assert all(step.count and step.why for step in plan.steps)
    assert all(left.why for left in plan.left_out)


MARK = "kd8Fq2"


@PROPERTY
@given(policies(), inventories())
def test_nothing_of_a_row_but_its_name_is_in_a_plan(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Labels, uids, versions and owners may tell secrets: none reaches a plan, but for the uids of its volumes."""

    def marked(found: Row) -> Row:
        facts = found.facts
        if isinstance(facts, VolumeFacts):
            facts = msgspec.structs.replace(facts, attributes={MARK: MARK})
        return msgspec.structs.replace(
            found,
            uid=f"{MARK}-{found.uid}",
            resource_version=MARK,
            labels={**found.labels, f"{MARK}/key": "x", "secret": MARK},
            owners=(*found.owners, Owner(kind=MARK, name=MARK, uid=MARK)),
            facts=facts,
        )

    secretive = msgspec.structs.replace(
        inventory,
        namespaces=tuple(map(marked, inventory.namespaces)),
        holdings=tuple(
            msgspec.structs.replace(held, rows=tuple(map(marked, held.rows or ()))) for held in inventory.holdings
        ),
    )
    plan, plain = plan_backup(resolved, secretive), plan_backup(resolved, inventory)
    assert MARK.encode() not in canonical(_without_uids(plan))
    assert canonical(_without_uids(plan)) == canonical(_without_uids(plain))


def _without_uids(plan: Plan) -> Plan:
    """The plan without the uids of PersistentVolumes, and the digests that cover them."""
    volumes = tuple(msgspec.structs.replace(line, uid="") for line in plan.volumes)
    return msgspec.structs.replace(plan, volumes=volumes, basis="", digest="")
