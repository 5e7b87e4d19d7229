"""Golden plans: for a policy and an inventory, the plan in each of its forms, word for word.

A case is a folder of tests/golden/plans with policy.yaml and inventory.json; and last.json where there was a backup to
compare with. TRYSAIL_REGENERATE=1 writes the plans anew: read them before you commit them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.manifests import ManifestsCluster
from runner.adapters.threads import SystemClock, ThreadExecutor
from runner.archive.records import read_inventory, read_plan
from runner.engine.collect import collect, collect_everything
from runner.engine.retry import Retrier
from runner.model.canonical import canonical, readable
from runner.model.cluster import ItemId
from runner.model.event import Event
from runner.model.plan import Plan
from runner.model.policy_set import ResolvedPolicy
from runner.plan.backup import plan_backup
from runner.plan.changes import Changes, LastBackup, compare, selected_rows
from runner.plan.selection import Selection
from runner.policies.load import load_policies
from runner.report.plan_markdown import render_plan_markdown
from runner.report.plan_text import render_plan
from tests.golden.golden import assert_golden

ROOT = Path(__file__).parents[3]
PLANS = ROOT / "tests" / "golden" / "plans"
CASES = sorted(folder.name for folder in PLANS.iterdir() if (folder / "inventory.json").is_file())
NOTE = "No earlier backup of this policy and cluster."


@pytest.mark.parametrize("case", CASES)
def test_a_case_gives_its_plan(case: str) -> None:
    """The plan of a saved inventory, as JSON, text and Markdown; and the saved plan is read back to the same."""
    folder = PLANS / case
    (resolved,) = load_policies([folder / "policy.yaml"]).policies
    inventory = read_inventory((folder / "inventory.json").read_bytes(), "inventory.json")
    plan = plan_backup(resolved, inventory)
    changes = None
    if (folder / "last.json").is_file():
        rows = selected_rows(plan, Selection(resolved.policy.spec), inventory)
        assert rows is not None
        changes = compare(plan, rows, _last(json.loads((folder / "last.json").read_bytes())))
    _assert_forms(folder, plan, changes)
    assert read_plan((folder / "plan.json").read_bytes(), "plan.json") == plan


def test_the_shop_gives_its_plan() -> None:
    """The demo's policy and its folder of manifests: what the README shows, from live reading and from an inventory."""
    (resolved,) = load_policies([ROOT / "examples" / "policies" / "demo" / "shop.yaml"]).policies
    plan = _plan_of_shop(resolved, whole=False)
    _assert_forms(PLANS / "shop", plan, None)
    assert canonical(_plan_of_shop(resolved, whole=True)) == canonical(plan)


class _Silence:
    """An observer whom nobody needs."""

    def notice(self, event: Event) -> None:
        """Nothing is retried in a folder."""


def _plan_of_shop(resolved: ResolvedPolicy, *, whole: bool) -> Plan:
    cluster = ManifestsCluster(ROOT / "examples" / "clusters" / "shop")
    retrier = Retrier(SystemClock(), _Silence())
    with ThreadExecutor(1) as executor:
        if whole:
            return plan_backup(resolved, collect_everything(cluster, executor, retrier))
        return plan_backup(resolved, collect(cluster, executor, retrier, Selection(resolved.policy.spec)))


def _last(saved: dict[str, Any]) -> LastBackup:
    return LastBackup(
        saved["name"], saved["policy"], [(ItemId(*item), uid, version) for item, uid, version in saved["items"]]
    )


def _assert_forms(folder: Path, plan: Plan, changes: Changes | None) -> None:
    note = "" if changes is not None else NOTE
    assert_golden(folder / "plan.json", readable(plan).decode())
    assert_golden(folder / "plan.txt", render_plan(plan, changes=changes, changes_note=note))
    assert_golden(folder / "plan.md", render_plan_markdown(plan, changes=changes, changes_note=note))
