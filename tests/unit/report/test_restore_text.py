"""Tests of a plan of a restore as text: whole, true to the plan, short, and harmless whatever names hold."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.plan import Gap, LeftOut
from runner.model.restore import Action, FieldChange, RestorePlan, RestoreStep
from runner.report.restore_outline import PHRASES, SYMBOLS
from runner.report.restore_text import render_restore_plan
from tests.golden.golden import assert_golden
from tests.golden.restores.plans import BACKUP, GOLDEN, TARGET, differs, every_fate, names, restore_plan, step

FOLDER = Path(__file__).parents[2] / "golden" / "restores"
# tfcmt's own patterns (pkg/terraform/parser.go): what it needs to take the text for a plan.
PASS = re.compile(r"^(Plan: \d|No changes.)")
FAIL = re.compile(r"(?m)^([│|] )?(Error: )")
DESTROY = re.compile(r"(?m)([1-9][0-9]* to destroy.)|^ *# (.*) will be destroyed$")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
KINDS = ("configmaps", "secrets", "deployments.apps", "services", "pods")


def text(plan: RestorePlan, **options: Any) -> str:
    """The plan without colours."""
    return render_restore_plan(plan, **{"color": False, **options})


@pytest.mark.parametrize("case", GOLDEN)
def test_a_plan_is_said_word_for_word(case: str) -> None:
    """What people have read and found good stays so."""
    assert_golden(FOLDER / f"{case}.txt", text(GOLDEN[case]()))


def test_a_diff_is_said_word_for_word() -> None:
    """With --diff every field that differs is shown, from what is live to what is stored."""
    assert_golden(FOLDER / "every-fate-diff.txt", text(every_fate(), diff=True))


# what tools look for


@pytest.mark.parametrize("case", GOLDEN)
def test_tfcmt_takes_it_for_a_plan(case: str) -> None:
    """The last line is the one that it looks for, and nothing looks like an error or a deletion."""
    found = text(GOLDEN[case]())
    assert [line for line in found.splitlines() if PASS.match(line)] == found.splitlines()[-1:]
    assert not FAIL.search(found)
    assert not DESTROY.search(found)


def test_what_needs_a_look_is_never_no_changes() -> None:
    """A conflict or an item that cannot be restored is no quiet end, though nothing would be changed."""
    for action in ("conflict", "invalid"):
        last = text(restore_plan([step("shop/pods", action, "web")])).splitlines()[-1]
        assert last.startswith("Plan: 0 to create, ")


# what people look for


def test_a_saved_plan_reads_the_same() -> None:
    """JSON sorts what the policy says: read back, the plan has the same text."""
    for make in GOLDEN.values():
        plan = make()
        assert text(msgspec.json.decode(msgspec.json.encode(plan, order="sorted"), type=RestorePlan)) == text(plan)


def test_patches_are_not_shown() -> None:
    """A policy's patches may hold what is to be a secret: whom they are for is said, and no more."""
    found = text(GOLDEN["elsewhere"]())
    assert "  resourceModifiers    2 rules, for deployments.apps, secrets\n" in found
    assert "hunter2" not in found


def test_what_a_policy_says_by_default_is_no_rule() -> None:
    """Only what makes a difference stands among the rules; `false` is one where it leaves something out."""
    spec = {"existingResourcePolicy": "none", "preserveNodePorts": False, "backupName": "latest", "labels": {}}
    assert "As the policy says:" not in text(restore_plan([], spec))
    found = text(restore_plan([], {**spec, "includeClusterResources": False, "excludedResources": ["pods", "secrets"]}))
    assert "  excludedResources        pods, secrets\n  includeClusterResources  false\n" in found


def test_names_of_what_is_there_are_all_written_out() -> None:
    """Of new items the first ones and their number; of those that would be overwritten each one."""
    plan = restore_plan(
        [step("shop/pods", "create", *names(30, "new")), step("shop/pods", "update", *names(30, "old"))]
    )
    found = text(plan)
    assert "new-00, new-01, new-02, and 27 more" in found
    assert all(name in found for name in names(30, "old"))


def test_owners_are_named_without_a_diff_too() -> None:
    """A conflict says which field belongs to whom; a diff says it beside the values."""
    changes = (differs("shop/pods", "web", FieldChange("spec.a", 1, 2, "hpa"), FieldChange("spec.b", 1, 2)),)
    plan = restore_plan([step("shop/pods", "conflict", "web")], changes=changes)
    assert "web (2 fields)\n         spec.a belongs to hpa\n\n" in text(plan)
    assert "~ spec.a: 1 -> 2 (belongs to hpa)\n         ~ spec.b: 1 -> 2\n" in text(plan, diff=True)


def test_a_namespace_under_another_name_has_its_fields() -> None:
    """Steps name a namespace as the backup does, changes as the cluster does."""
    changes = (differs("namespaces", "new", FieldChange("metadata.labels.a", "1", "2")),)
    plan = restore_plan([step("namespaces", "update", "old")], {"namespaceMapping": {"old": "new"}}, changes=changes)
    assert "old (1 field)\n" in text(plan)


def test_owned_items_left_to_their_owners_are_one_rule() -> None:
    """Each Pod's reason names its own ReplicaSet: that makes no line for each."""
    left = [LeftOut("pods", f"its ReplicaSet web-{n} is restored, and makes it again", 2) for n in range(1000)]
    found = text(restore_plan([], left_out=tuple(left)))
    assert "  - 2000 pods (its ReplicaSet is restored, and makes it again)\n" in found
    assert "web-7" not in found


def test_colours_change_nothing_but_colours() -> None:
    """Without its escape sequences the coloured text is the plain one."""
    for make in GOLDEN.values():
        colored = text(make(), color=True, diff=True)
        assert ANSI.search(colored)
        assert ANSI.sub("", colored) == text(make(), diff=True)


def test_lines_fit_a_terminal() -> None:
    """Eighty columns, but for the last line and for fields that are longer."""
    for case in ("every-fate", "elsewhere", "no-changes", "left-alone", "nothing"):
        lines = [line for line in text(GOLDEN[case]()).splitlines() if " belongs to " not in line]
        assert max(map(len, lines[:-1])) <= 80


# numbers

PLACES = ("", "shop", "team")
STEPS = st.builds(
    lambda place, kind, action, number, why: step(
        f"{place}/{kind}" if place else kind, action, *names(number, "x"), why=why
    ),
    st.sampled_from(PLACES),
    st.sampled_from(KINDS),
    st.sampled_from(list(PHRASES)),
    st.integers(1, 120),
    st.sampled_from(["", "this", "that"]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=12))
def test_every_number_is_the_plans(steps: list[RestoreStep]) -> None:
    """The last line, both tables, and the lines of the actions: each adds up to what the plan holds."""
    plan = restore_plan(steps)
    found = text(plan)
    counts: Counter[Action] = Counter()
    for one in steps:
        counts[one.action] += len(one.names)
    if found.splitlines()[-1].startswith("Plan"):
        assert [int(number) for number in re.findall(r"\d+", found.splitlines()[-1])] == [counts[a] for a in PHRASES]
    for title, rows in (("By type:", {s.resource for s in steps}), ("By namespace:", {s.namespace for s in steps})):
        if len(rows) < 2:
            assert f"\n{title}\n" not in found
            continue
        table = found.split(f"\n{title}\n\n")[1].split("\n\n")[0].splitlines()
        columns = zip(*(line.split()[:-1] for line in table[1:]), strict=True)
        sums = [sum(int(cell) for cell in column if cell != "-") for column in columns]
        assert sums == [counts[action] for action in PHRASES if counts[action]]
        assert len(table) == len(rows) + 1
    for action, symbol in SYMBOLS.items():
        if action == "unchanged":
            continue
        lines = re.findall(rf"(?m)^ *{re.escape(symbol)} +(\d+)  (?:{'|'.join(KINDS)})", found)
        assert sum(map(int, lines)) == counts[action]


# long plans


def large(action: Action, *, namespaces: int = 1000, items: int = 20, diff: bool = True) -> RestorePlan:
    """Five types in each namespace, a hundred thousand items in all."""
    steps = [
        step(f"team-{number:04}/{kind}", action, *names(items, kind)) for kind in KINDS for number in range(namespaces)
    ]
    fields = (FieldChange("spec.a", 1, 2, "hpa"), FieldChange("spec.b", 1, 2))
    changes = [differs(f"{s.namespace}/{s.resource}", name, *fields) for s in steps for name in s.names] if diff else ()
    return restore_plan(steps, changes=tuple(changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "namespaces", "most_lines"),
    [("create", 1000, 300), ("update", 1000, 1500), ("conflict", 1000, 4000), ("conflict", 1, 150), ("skip", 10, 250)],
)
def test_a_hundred_thousand_items_are_shown_at_once_and_in_short(
    action: Action, namespaces: int, most_lines: int
) -> None:
    """In seconds of our own time, on a page that can be read; nothing of the count is lost by that."""
    plan = large(action, namespaces=namespaces, items=20_000 // namespaces, diff=action != "create")
    begun = time.process_time()
    found = text(plan)
    assert time.process_time() - begun < 5
    assert found.count("\n") < most_lines
    assert "100000 " in found.splitlines()[-1]


def test_what_is_summed_up_is_said() -> None:
    """How many lines are missing, and where they are to be had; namespaces beyond the table's end are one row."""
    plan = large("create", diff=False)
    found = text(plan)
    assert "# Summed up: 5000 more lines are in the tables below. -o json has every item," in found
    assert "   80000  (800 more)\n" in found


def test_what_is_in_conflict_is_not_summed_up_with_the_rest() -> None:
    """Among a hundred thousand creates, what is changed or refused still stands by name."""
    plan = large("create", diff=False)
    odd = (step("team-0500/jobs.batch", "conflict", "import"), step("team-0600/jobs.batch", "recreate", "export"))
    found = text(msgspec.structs.replace(plan, steps=(*plan.steps, *odd)))
    assert re.search(r"(?m)^ +! +1  jobs\.batch.*\n +import$|! +1  jobs\.batch  import", found)
    assert "export" in found
    assert "# namespace team-0500 will be restored: 100 to create, 1 in conflict\n" in found


def test_a_diff_leaves_nothing_out() -> None:
    """Whoever asks for every field gets it, however many there are."""
    plan = large("update", namespaces=140, items=5)
    assert text(plan, diff=True).count("~ spec.a: 1 -> 2") == plan.items
    assert text(plan).count("spec.a") == 0


def test_many_gaps_are_counted() -> None:
    """A thousand rights that are missing are the first ones, and how many more."""
    gaps = tuple(Gap(f"the right to create pods in namespace team-{n}", "no") for n in range(1000))
    found = text(restore_plan([], gaps=gaps))
    assert "1000 things that cannot be read, or may not be done:" in found
    assert "    and 800 more things\n" in found


# strangers

OWN = (" ", "-/+ ", "Trysail ", "As the policy", "Item actions ", "No items ", "Of ", "The API server", "Left out:",
       "1 thing ", "These ", "Warning:", "By ", "─", "Plan: ", "No changes. ")  # fmt: skip


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40), st.booleans())
def test_nothing_from_elsewhere_steers_a_terminal(name: str, reason: str, diff: bool) -> None:
    """Whatever a name, a value or a server's error holds, no control character and no line of its own comes of it."""
    actions: tuple[Action, ...] = tuple(PHRASES)
    plan = restore_plan(
        [step(f"ns/{name}", action, name, f"{name}2", why=reason, unverifiable=reason, source=name)
         for action in actions] + [step("x", action, name, why=name) for action in actions],
        {"labels": {name: reason}, "namespaceMapping": {name: reason}, name: [reason], "labelSelector": {name: reason}},
        changes=(differs("x", name, FieldChange(name, reason, {name: reason}, name), FieldChange(name, None, name)),),
        left_out=(LeftOut(f"type {name}", reason), LeftOut(name, reason, 2), LeftOut("items", reason, 1)),
        gaps=(Gap(name, reason),),
        empty_includes=(reason,),
        warnings=(name,),
        policy_name=name,
        digest=name,
        backup=msgspec.structs.replace(BACKUP, name=name, cluster=name, policy=name, completed=name),
        target=msgspec.structs.replace(TARGET, context=name, server=name, uid=name),
    )  # fmt: skip
    found = text(plan, diff=diff)
    assert all(line.isprintable() for line in found.split("\n"))
    assert all(not line or line.startswith(OWN) for line in found.split("\n"))
