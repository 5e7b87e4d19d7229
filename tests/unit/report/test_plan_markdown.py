"""Tests of a plan as a comment on a pull request: complete, capped honestly, and safe whatever names hold."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runner.model.cluster import ItemId
from runner.model.hooks import PlannedHook
from runner.model.inventory import Unreadable
from runner.model.plan import LeftOut, Plan
from runner.model.volumes import Method, PlannedVolume
from runner.plan.changes import Changes, Dropped, FieldChange
from runner.report.plan_markdown import COMMENT_LIMIT, render_plan_markdown
from tests.unit.plan.build import claim, named, planned, seen, volume

CLUSTER: dict[str, Any] = {
    "shop/configmaps": named("api", "web"),
    "shop/secrets": named("tls"),
    "nodes": named("n1"),
    "shop/persistentvolumeclaims": [claim("data", "pv-1")],
    "persistentvolumes": [volume("pv-1", "shop/data")],
}
CODE_SPAN = re.compile(r"`[^`\n]*`|<code>[^\n]*?</code>")


class _Shape(HTMLParser):
    """The tags of a page in order, and the text that is in no <code>."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.prose: list[str] = []
        self._code = 0
        self.feed(MarkdownIt("commonmark").enable("table").enable("strikethrough").render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes are of interest too: none is expected but a table's alignment."""
        self.tags.append(" ".join([tag, *(f"{name}={value}" for name, value in attrs if name != "style")]))
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        """Closing tags count as much as opening ones."""
        self.tags.append(f"/{tag}")
        self._code -= tag == "code"

    def handle_comment(self, data: str) -> None:
        """A comment hides what is in it."""
        self.tags.append("!--")

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not self._code:
            self.prose.append(data)


# what a reviewer finds


def test_what_needs_a_decision_comes_first() -> None:
    """Volumes that stop the run, gaps and empty includes stand above the tables."""
    inventory = seen(CLUSTER, unreadable=[Unreadable("secrets", "", "forbidden")])
    found = render_plan_markdown(planned(inventory, includedResources=["*", "secretz"]))
    table = found.index("### What will be stored")
    for words in ("1 volume without protection:** the run will stop", "cannot be read", "secretz", "[!CAUTION]"):
        assert found.index(words) < table
    assert found.startswith("## Trysail plan: `daily` on `demo`\n\n**Plan: 7 to store,")


def test_every_step_and_every_volume_is_in_it() -> None:
    """As long as there is room, nothing is left to the imagination."""
    plan = planned(CLUSTER)
    found = render_plan_markdown(plan)
    for step in plan.steps:
        assert f"| `{step.resource}` | {step.count} |" in found
    assert "| `shop/data` | `pv-1` | 10Gi | `gp3` | `ebs.csi.aws.com` |" in found
    assert "Cut to fit" not in found


def test_details_are_folded() -> None:
    """Types by namespace, and what is left out, open on a click; each fold closes again."""
    found = render_plan_markdown(planned(CLUSTER))
    assert found.count("<details>") == found.count("</details>") == 3
    assert "<summary><code>shop</code>: 4 items by type</summary>\n\n| Type |" in found


def test_ignored_volumes_are_only_counted() -> None:
    """With onUncovered: ignore they raise no alarm and fill no table."""
    found = render_plan_markdown(planned(CLUSTER, onUncovered="ignore", excludedResources=["secrets"]))
    assert "1 volume uncovered: objects are stored, data is not (`onUncovered: ignore`)." in found
    assert "[!" not in found


def test_a_plan_without_items_says_so() -> None:
    """No table without rows."""
    assert "\nNo items are selected.\n" in render_plan_markdown(planned({}))


def test_changes_stand_beside_the_plan() -> None:
    """Counts with the first twenty names, the policy's fields, and an alarm where coverage shrinks."""
    items = tuple(ItemId("", "pods", "shop", f"p{number:02}") for number in range(23))
    changes = Changes(
        backup="daily-1",
        added=items,
        removed=items[:1],
        changed=(),
        replaced=(),
        being_deleted=(),
        unchanged=5,
        unknown=2,
        policy=(FieldChange("spec.excludedResources", None, ["secrets"]),),
        dropped=(Dropped("type secrets", 4, 'excludedResources "secrets"'),),
    )
    found = render_plan_markdown(planned(CLUSTER), changes=changes)
    assert "- 23 added\n  - `shop/pods/p00`\n" in found
    assert "  - `shop/pods/p19`\n  - … and 3 more\n" in found
    assert "- 2 in what cannot be read now\n- 5 unchanged" in found
    assert '| `spec.excludedResources` |  | `["secrets"]` |' in found
    alarm = found.index("**Less is covered than in the last backup,** `daily-1`.")
    assert alarm < found.index("### What will be stored")


def test_no_changes_and_no_comparison_are_said() -> None:
    """A reviewer is never left to guess what a missing section means."""
    same = Changes("daily-1", (), (), (), (), (), unchanged=7, unknown=0, policy=(), dropped=())
    assert "the very same 7 items once more" in render_plan_markdown(planned(CLUSTER), changes=same)
    assert "\nNo backup yet.\n" in render_plan_markdown(planned(CLUSTER), changes_note="no backup yet")


# the cap


def many(namespaces: int, volumes: int = 0) -> Plan:
    """So many namespaces, no two alike, and volumes that nothing protects."""
    plan = planned(
        {f"team-{number:04}/{name}": named("a") for number in range(namespaces) for name in ("configmaps", "secrets")}
    )
    steps = tuple(msgspec.structs.replace(step, count=place + 1) for place, step in enumerate(plan.steps))
    ledger = tuple(
        PlannedVolume(
            "uncovered", "why", f"team/data-{number}", "pv", capacity="1Gi", storage_class="gp3", source="ebs"
        )
        for number in range(volumes)
    )
    return msgspec.structs.replace(plan, steps=steps, volumes=ledger)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (many(300), "namespaces or groups not shown by type"),
        (many(1500), "lists end after"),
        (many(10, 3000), "lists end after"),
    ],
)
def test_a_long_plan_is_cut_and_says_so(plan: Plan, words: str) -> None:
    """Never longer than a forge takes; the note says what is missing, and where the whole is to be had."""
    found = render_plan_markdown(plan)
    assert len(found) <= COMMENT_LIMIT
    assert words in found
    assert "`-o json` has every line" in found
    assert f"**Plan: {plan.items} to store" in found
    assert found.count("<details>") == found.count("</details>")


def test_what_is_cut_is_counted() -> None:
    """The rows that are shown, and the number that is said of the others, are all that there are."""
    found = render_plan_markdown(many(10, 3000))
    shown = len(re.findall(r"(?m)^\| `team/data-\d+`", found))
    (more,) = re.findall(r"\*and (\d+) more\* \| \| \| \| \|", found)
    assert shown + int(more) == 3000
    assert shown > 500


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.integers(4_000, 70_000))
def test_any_limit_is_kept_and_used(limit: int) -> None:
    """Whatever a forge takes: no comment is longer, and room is not wasted."""
    plan = many(150, 150)
    found = render_plan_markdown(plan, limit=limit)
    assert len(found) <= limit
    whole = render_plan_markdown(plan, limit=10**9)
    assert len(found) >= min(len(whole), limit * 0.7)


# strangers


METHODS: tuple[Method, ...] = ("native-snapshot", "csi-snapshot", "fs-backup", "skip", "uncovered")


def hostile(name: str, reason: str) -> tuple[Plan, Changes]:
    """A plan in which everything that comes from elsewhere is `name` or `reason`."""
    inventory = seen(CLUSTER, unreadable=[Unreadable("pods", "shop", reason)])
    plan = planned(inventory, onUncovered="warn")
    first = msgspec.structs.replace(plan.steps[0], names=(name,), why=reason)
    odd = msgspec.structs.replace(plan.steps[-1], resource=f"{name}.x", namespace=f"zz{name}", why=reason)
    plan = msgspec.structs.replace(
        plan,
        steps=(first, *plan.steps[1:], odd),
        keys=name,
        policy_name=name,
        volumes=tuple(
            PlannedVolume(method, reason, name, name, capacity=name, storage_class=name, source=name, handle=name,
                          snapshot_class=name)
            for method in METHODS
        ),
        hooks=(PlannedHook(name, name, name, "pre", (name, reason), "fail", 1, reason),),
        policy={"spec": {"onUncovered": "warn", "hooks": {"beforeRun": [{"command": [name]}]}}},
        left_out=(LeftOut(f"type {name}", reason), LeftOut(f"type {name}2", reason), LeftOut("items", reason, 3)),
        empty_includes=(reason,),
        warnings=(reason,),
    )  # fmt: skip
    item = ItemId("", name, name, name)
    changes = Changes(name, (item,), (item,), (item,), (item,), (item,), 1, 1,
                      (FieldChange(name, name, reason),), (Dropped(name, 1, reason),))  # fmt: skip
    return plan, changes


WORST = (
    "<img src=x onerror=alert(1)>",
    "</code></details><script>alert(1)</script>",
    "`` ` ``` ~~~",
    "| a | b |\n|---|---|",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "@everyone cc @org/team",
    "**bold** _it_ ~~gone~~ # heading",
    "\n\n# Approved\n\n- [x] reviewed",
    "<!-- hidden",
    "\\` \\| \\",
    "- - -",
    "1. one",
    "> quote",
    "+ plus",
    "===",
    "    code",
    "&lt;b&gt; &#64;everyone",
    "\u202eliame \u200b\x1b[2J",
)


@pytest.mark.parametrize("text", WORST)
def test_known_attacks_are_only_text(text: str) -> None:
    """Each in every place that a stranger can write to: the page has the same tags as with harmless words."""
    _assert_only_text(text, text)


ODD_TEXT = st.text(alphabet=st.sampled_from("`|<>*_~[]()!#@&;:\\/-+=.1 a\n\t\u202e"), min_size=1, max_size=30)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    ODD_TEXT | st.text(min_size=1, max_size=30),
    ODD_TEXT | st.text(min_size=1, max_size=30),
)
def test_no_name_and_no_reason_is_markup(name: str, reason: str) -> None:
    """Any text at all, made mostly of what Markdown and HTML are made of."""
    _assert_only_text(name, reason)


def _assert_only_text(name: str, reason: str) -> None:
    plan, changes = hostile(name, reason)
    found = render_plan_markdown(plan, changes=changes, changes_note=reason)
    shape = _Shape(found)
    assert _without_empty(shape.tags) == _tame_tags()
    prose = "".join(shape.prose)
    assert not re.search(r"@\w", prose)
    assert not re.search(r"(?i)\w://|www\.", CODE_SPAN.sub("", found))


@cache
def _tame_tags() -> list[str]:
    plan, changes = hostile("name", "reason")
    return _without_empty(_Shape(render_plan_markdown(plan, changes=changes, changes_note="reason")).tags)


def _without_empty(tags: list[str]) -> list[str]:
    """A name of nothing but spaces may leave no code span; that makes no markup either."""
    return [tag for tag in tags if tag.strip("/") != "code"]
