"""Tests of a plan as text: what every reader, and every tool that reads terraform's plans, finds in it."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.cluster import ItemId
from runner.model.hooks import PlannedHook
from runner.model.inventory import Unreadable
from runner.model.plan import Gap, LeftOut, Plan
from runner.model.volumes import Method, PlannedVolume
from runner.plan.changes import Changes, Dropped, FieldChange
from runner.report.plan_text import render_plan
from tests.unit.plan.build import claim, named, planned, row, seen, volume

# tfcmt's own patterns (pkg/terraform/parser.go): what it needs to take the text for a plan.
PASS = re.compile(r"^(Plan: \d|No changes.)")
NO_CHANGES = re.compile(r"(?m)^(No changes.)")
FAIL = re.compile(r"(?m)^([│|] )?(Error: )")
CREATE = re.compile(r"(?m)^ *# (.*) will be created$")
DESTROY = re.compile(r"(?m)([1-9][0-9]* to destroy.)|^ *# (.*) will be destroyed$")
ANSI = re.compile(r"\x1b\[[0-9;]*m")

BOUND = {
    "shop/persistentvolumeclaims": [claim("data", "pv-1")],
    "persistentvolumes": [volume("pv-1", "shop/data")],
}
CLUSTER: dict[str, Any] = {
    "shop/configmaps": named("api", "web"),
    "shop/secrets": named("tls"),
    "nodes": named("n1"),
    **BOUND,
}
SAME = Changes("daily-1", (), (), (), (), (), unchanged=7, unknown=0, policy=(), dropped=())


def text(plan: Plan, **options: Any) -> str:
    """The plan without colours."""
    return render_plan(plan, **{"changes": None, **options})


def with_uncovered(number: int, wish: str) -> Plan:
    """A plan with so many uncovered volumes."""
    plan = planned(BOUND, onUncovered=wish)
    (first,) = plan.uncovered
    volumes = tuple(msgspec.structs.replace(first, claim=f"shop/data-{index}") for index in range(number))
    return msgspec.structs.replace(plan, volumes=volumes)


# what tools look for


def test_the_last_line_counts() -> None:
    """It is the one that tfcmt and people look for, and its numbers are the plan's."""
    last = text(planned(CLUSTER)).splitlines()[-1]
    assert PASS.match(last)
    assert last == "Plan: 7 to store, 0 left out, 1 volume uncovered."


def test_tfcmt_reads_one_backup_created_and_nothing_destroyed() -> None:
    """Its list of created resources names where the backup will lie; nothing looks like an error or a deletion."""
    found = text(planned(CLUSTER, excludedItems=[{"resource": "configmaps", "name": "web"}]))
    assert CREATE.findall(found) == ["/backups/demo/daily/{backup}"]
    assert not DESTROY.search(found)
    assert not FAIL.search(found)


def test_tfcmt_finds_where_warnings_end() -> None:
    """It takes a warning to go on until a line of dashes: the counting line is not part of it."""
    lines = text(planned(CLUSTER)).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("Warning: "))
    end = next(number for number, line in enumerate(lines) if line.startswith("─────"))
    assert begin < end < len(lines) - 1


def test_nothing_changed_is_said_in_the_words_that_tools_know() -> None:
    """`No changes` at the start of a line, before the line that counts: tfcmt labels the request with that."""
    found = text(planned(CLUSTER), changes=SAME)
    assert "\nNo changes since daily-1: 7 items as stored then.\n" in found
    assert next(line for line in found.splitlines() if PASS.match(line)).startswith("No changes")
    assert not NO_CHANGES.search(text(planned(CLUSTER)))


# what people look for


def test_every_step_is_a_line_with_its_number() -> None:
    """By namespace, cluster-scoped items first; a reason that all lines share is said once, above them."""
    found = text(planned(CLUSTER, onUncovered="ignore"))
    assert "  # namespace shop will be stored: 4 items of 3 types\n  # (every namespace)\n" in found
    for line in ("+ 2  configmaps", "+ 1  secrets", "+ 1  persistentvolumeclaims", "+ 1  nodes"):
        assert f"  {line}\n" in found
    assert found.index("cluster-scoped items will be stored") < found.index("namespace shop will be stored")


def test_no_item_is_no_action() -> None:
    """A plan that stores nothing says so, and promises no backup."""
    found = text(planned({}))
    assert "\nNo items are selected.\n" in found
    assert not CREATE.search(found)
    assert found.endswith("Plan: 0 to store, 0 left out, 2 includes without a match.\n")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("fail", "3 volumes are uncovered: the run will stop before it writes (onUncovered: fail)"),
        ("warn", "3 volumes are uncovered: the run goes on without their data (onUncovered: warn)"),
    ],
)
def test_uncovered_volumes_are_named_with_what_follows(wish: str, words: str) -> None:
    """Each one by name, with size, class and driver; and whether the run will stop."""
    found = text(with_uncovered(3, wish))
    assert words in found
    for index in range(3):
        assert f"  ! shop/data-{index}  10Gi  gp3  ebs.csi.aws.com\n" in found


def test_ignored_volumes_are_only_counted() -> None:
    """With onUncovered: ignore nobody wants their names."""
    found = text(with_uncovered(3, "ignore"))
    assert "3 volumes are uncovered: objects are stored, data is not (onUncovered: ignore).\n" in found
    assert "shop/data-1" not in found


def test_however_many_volumes_each_is_named() -> None:
    """Data that nobody protects is never folded away."""
    found = text(with_uncovered(2000, "warn"))
    assert sum(line.startswith("  ! shop/data-") for line in found.splitlines()) == 2000


def test_what_cannot_be_read_is_named_with_its_reason() -> None:
    """Each gap with the API server's own words."""
    inventory = seen(CLUSTER, unreadable=[Unreadable("pods", "shop", "pods is forbidden")])
    assert "\n  ? pods in namespace shop\n      pods is forbidden\n" in text(planned(inventory))


def test_colours_change_nothing_but_colours() -> None:
    """Without its escape sequences the coloured text is the plain one."""
    plan = planned(CLUSTER, excludedResources=["secrets"])
    colored = render_plan(plan, changes=SAME, color=True)
    assert ANSI.search(colored)
    assert ANSI.sub("", colored) == text(plan, changes=SAME)


def test_lines_fit_a_terminal() -> None:
    """Eighty columns, where names are not longer than that."""
    labels = {"matchExpressions": [{"key": f"key-{n}", "operator": "Exists"} for n in range(5)]}
    plan = planned(CLUSTER, labelSelector=labels, excludedResources=["pods"], onUncovered="warn")
    inventory = seen(CLUSTER, unreadable=[Unreadable("secrets", "", "a long reason " * 30)])
    for found in (text(plan), text(planned(inventory), changes_note="a long note " * 30)):
        assert max(map(len, found.splitlines())) <= 80


WHEN: tuple[Literal["pre", "post"], ...] = ("pre", "post")

# What a line of ours begins with; all that comes from elsewhere stands further right.
OWN = (" ", "Trysail ", "Item actions ", "Left out:", "Volumes left out:", "1 ", "2 ", "These ",
       "Changes ", "The policy ", "Less ", "Stored in ",
       "Warning:", "─", "Plan: ")  # fmt: skip


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_nothing_from_elsewhere_steers_a_terminal(name: str, reason: str) -> None:
    """Whatever a name or a server's error holds, no control character and no line of its own comes of it."""
    inventory = seen({"nodes": [row(name)], **BOUND}, unreadable=[Unreadable("secrets", "", reason)])
    plan = planned(inventory, includedNamespaces=["shop"], includedItems=[{"name": "*"}], onUncovered="warn")
    methods: tuple[Method, ...] = ("native-snapshot", "csi-snapshot", "fs-backup", "skip", "uncovered")
    odd = tuple(
        PlannedVolume(
            method,
            reason,
            f"shop/{name}",
            name,
            capacity=name,
            storage_class=name,
            source=name,
            handle=name,
            snapshot_class=name,
        )
        for method in methods
    ) + tuple(PlannedVolume(method, reason, pod=name, pod_volume=name) for method in methods)
    hooks = tuple(PlannedHook(name, name, name, when, (name, reason), "fail", 1, reason) for when in WHEN)
    changes = Changes(name, (ItemId("", "pods", name, name),), (), (), (), (), 0, 0,
                      (FieldChange("spec", name, None),), (Dropped(name, 1, reason),))  # fmt: skip
    strange = msgspec.structs.replace(
        plan,
        volumes=odd,
        hooks=hooks,
        policy={"spec": {"onUncovered": "warn", "hooks": {"beforeRun": [{"command": [name]}]}}},
        gaps=(Gap(name, reason),),
        left_out=(LeftOut(f"type {name}", reason), LeftOut("items", reason, 1)),
        empty_includes=(reason,),
        warnings=(name,),
        keys=name,
        policy_name=name,
    )  # fmt: skip
    found = text(strange, changes=changes)
    assert all(line.isprintable() for line in found.split("\n"))
    assert all(not line or line.startswith(OWN) for line in found.split("\n"))


# long plans


def many(namespaces: int, *, alike: bool) -> Plan:
    """Three types in each of so many namespaces."""
    contents = {}
    for number in range(namespaces):
        for place, name in enumerate(("configmaps", "secrets", "deployments.apps")):
            items = 1 + place if alike else 1 + (number * 7 + place) % 1009
            contents[f"team-{number:04}/{name}"] = named(*(f"{name[0]}{item}" for item in range(min(items, 3))))
    plan = planned({**contents, "nodes": named("n1")})
    if alike:
        return plan
    steps = tuple(
        msgspec.structs.replace(step, count=1 + place % 1009) if step.namespace else step
        for place, step in enumerate(plan.steps)
    )
    return msgspec.structs.replace(plan, steps=steps)


def test_namespaces_that_are_alike_are_said_once() -> None:
    """Each is named, their lines stand there once."""
    found = text(many(300, alike=True))
    assert "  # 300 namespaces will be stored, alike: 6 items of 3 types in each\n" in found
    assert found.count("+   3  deployments.apps") == 1
    assert all(f"team-{number:04}" in found for number in range(300))


def test_a_plan_too_long_to_read_is_summed_up() -> None:
    """A line a type and a line a namespace; cluster-scoped items in full; and it says that it is so."""
    plan = many(1000, alike=False)
    found = text(plan)
    assert found.count("\n") < 1100
    assert "# Summed up: in full these are 3002 lines. -o json has every one," in found
    assert all(f"  team-{number:04}  of 3 types\n" in found for number in range(1000))
    by_type = re.findall(r"\+ +(\d+)  (\S+) +in 1000 namespaces", found)
    assert sum(int(count) for count, _ in by_type) == plan.items - 1001
    assert "  # cluster-scoped items will be stored: 1001 items of 2 types\n" in found


# changes


def test_changes_are_counted_and_the_first_of_them_named() -> None:
    """Ten of each sort by name, the others by number; what is unchanged by number alone."""
    items = tuple(ItemId("apps", "deployments", "shop", f"d{number:02}") for number in range(13))
    changes = Changes("daily-1", items, items[:1], items[:2], items[:3], items[:4], 5, 6, (), ())
    found = text(planned(CLUSTER), changes=changes)
    assert "  + 13 added\n        shop/deployments.apps/d00\n" in found
    assert "        shop/deployments.apps/d09\n        and 3 more\n" in found
    for words in (
        "2 changed",
        "3 replaced by another",
        "1 gone, or not selected",
        "4 being deleted now",
        "5 unchanged",
    ):
        assert words in found
    assert "  ? 6 in what cannot be read now\n" in found


def test_a_policy_that_covers_less_is_a_headline() -> None:
    """What is not covered any more stands with its rule, what is merely gone without alarm."""
    changes = but(
        policy=(FieldChange("spec.a", [1], None), FieldChange("spec.b", None, "x"), FieldChange("spec.c", 1, 2)),
        dropped=(Dropped("type secrets", 4, 'excludedResources "secrets"'), Dropped("namespace old", 1, "")),
    )
    found = text(planned(CLUSTER), changes=changes)
    assert "\nLess is covered than in daily-1. Stored then, not planned now:\n" in found
    assert '  ! type secrets, 4 items: excludedResources "secrets"\n' in found
    assert "    namespace old, 1 item: nothing that is selected is left of it\n" in found
    assert '  - spec.a: [1]\n  + spec.b: "x"\n  ~ spec.c: 1 -> 2\n' in found


def test_what_is_merely_gone_is_no_headline() -> None:
    """Without a rule that leaves something out, coverage is what it was."""
    found = text(planned(CLUSTER), changes=but(dropped=(Dropped("namespace old", 1, ""),)))
    assert "Less is covered" not in found
    assert "Stored in daily-1, and not planned now:" in found


@pytest.mark.parametrize("note", ["no backup yet", "No backup yet."])
def test_a_note_says_why_nothing_is_compared(note: str) -> None:
    """It is a sentence of its own, however it came."""
    assert "\n\nNo backup yet.\n\n" in text(planned(CLUSTER), changes_note=note)


def but(**fields: Any) -> Changes:
    """SAME, but for some fields."""
    return Changes(**{**{name: getattr(SAME, name) for name in SAME.__slots__}, **fields})
