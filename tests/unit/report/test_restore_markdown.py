"""Tests of a plan of a restore as a comment: complete, capped honestly, and safe whatever names and values hold."""

from __future__ import annotations

import re
import time
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runner.model.plan import Gap, LeftOut
from runner.model.restore import Action, FieldChange, RestorePlan
from runner.report.plan_markdown import COMMENT_LIMIT
from runner.report.restore_markdown import render_restore_markdown
from runner.report.restore_outline import PHRASES
from tests.golden.golden import assert_golden
from tests.golden.restores.plans import BACKUP, GOLDEN, TARGET, differs, every_fate, names, restore_plan, step

FOLDER = Path(__file__).parents[2] / "golden" / "restores"
CODE_SPAN = re.compile(r"`[^`\n]*`|<code>[^\n]*?</code>")


def html(markdown: str) -> str:
    """The comment as a forge shows it."""
    return str(MarkdownIt("commonmark").enable("table").enable("strikethrough").render(markdown))


class _Shape(HTMLParser):
    """The tags of a page in order, with their attributes, and the text that is in no <code>."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.prose: list[str] = []
        self._code = 0
        self.feed(html(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """No attribute is expected but a table's alignment."""
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


@pytest.mark.parametrize("case", GOLDEN)
def test_a_plan_is_said_word_for_word(case: str) -> None:
    """What people have read and found good stays so."""
    assert_golden(FOLDER / f"{case}.md", render_restore_markdown(GOLDEN[case]()))


def test_a_diff_is_said_word_for_word() -> None:
    """With --diff the fields that differ have a table of their own; values stand nowhere without it."""
    found = render_restore_markdown(every_fate(), diff=True)
    assert_golden(FOLDER / "every-fate-diff.md", found)
    assert "2.0.7" in found
    assert "2.0.7" not in render_restore_markdown(every_fate())


# what a reviewer finds


def test_what_needs_a_decision_comes_first() -> None:
    """Conflicts with their owners, refusals, gaps, empty includes and deletions stand above the tables."""
    found = render_restore_markdown(every_fate())
    table = found.index("| Backup |")
    alarms = ("3 items in conflict", "1 item cannot be restored", "may not be done", "match nothing", "will be deleted")
    places = [found.index(alarm) for alarm in alarms]
    assert places == sorted(places)
    assert places[-1] < table
    assert "> >" not in found
    assert ">   - `web`: `spec.replicas` belongs to `kube-controller-manager`\n" in found


@pytest.mark.parametrize("case", GOLDEN)
def test_it_renders_to_tables_that_have_the_plans_numbers(case: str) -> None:
    """As HTML: each row of the first table is a namespace, and every column adds up to what the plan holds."""
    plan = GOLDEN[case]()
    page = html(render_restore_markdown(plan))
    assert page.count("<details>") == page.count("</details>")
    # What is no table for the parser would still hold its bars.
    assert "|" not in re.sub(r"<code>.*?</code>", "", page)
    actions = [action for action in PHRASES if plan.count(action)]
    tables = re.findall(r"(?s)<th>Namespace</th>.*?</table>", page)
    assert len(tables) == bool(plan.steps)
    for table in tables:
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"(?s)<tr>(.*?)</tr>", table)]
        numbers = [list(map(int, row[1:])) for row in rows if row]
        assert len(numbers) == len({one.namespace for one in plan.steps})
        sums = [sum(column) for column in zip(*numbers, strict=True)]
        assert sums == [plan.count(action) for action in actions]


def test_patches_are_not_shown() -> None:
    """A policy's patches may hold what is to be a secret."""
    assert "hunter2" not in render_restore_markdown(GOLDEN["elsewhere"]())


# the cap

KINDS = ("configmaps", "secrets", "deployments.apps", "services", "pods")


def large(action: Action, namespaces: int, items: int, *, alone: bool = False) -> RestorePlan:
    """Five types in so many namespaces; where `alone`, each item with a reason of its own."""
    place = [(f"team-{number:04}/{kind}", kind) for kind in KINDS for number in range(namespaces)]
    if alone:
        steps = [step(where, action, f"{kind}-{n}", why=f"no {n}") for where, kind in place for n in range(items)]
    else:
        steps = [step(where, action, *names(items, kind)) for where, kind in place]
    fields = (FieldChange("spec.a", 1, 2, "hpa"), FieldChange("spec.b", "x" * 200, "y" * 200))
    changes = (differs(f"{s.namespace}/{s.resource}", name, *fields) for s in steps for name in s.names)
    return restore_plan(steps, changes=tuple(changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "namespaces", "items", "words"),
    [
        ("update", 200, 20, "namespaces not shown by type"),
        ("conflict", 200, 20, "lists end after"),
        ("invalid", 10, 200, "lists end after"),
        ("create", 3000, 1, "lists end after"),
    ],
)
def test_a_long_plan_is_cut_and_says_so(action: Action, namespaces: int, items: int, words: str) -> None:
    """Never longer than a forge takes; the note says what is missing, and where the whole is to be had."""
    plan = large(action, namespaces, items, alone=action == "invalid")
    for diff in (False, True):
        found = render_restore_markdown(plan, diff=diff)
        assert len(found) <= COMMENT_LIMIT
        assert words in found or (diff and "lists end after" in found)
        assert "`-o json` has every item" in found
        assert found.count("<details>") == found.count("</details>")
        assert len(found) > COMMENT_LIMIT * 0.7


def test_what_is_cut_is_counted() -> None:
    """The rows that are shown, and the number that is said of the others, are all that there are."""
    found = render_restore_markdown(large("create", 3000, 1))
    shown = len(re.findall(r"(?m)^\| `team-\d+` \|", found))
    (more,) = re.findall(r"\*and (\d+) more namespaces\*", found)
    assert shown + int(more) == 3000
    assert shown > 500


@pytest.mark.slow
def test_a_hundred_thousand_items_are_shown_at_once() -> None:
    """In seconds of our own time, whatever has to be cut."""
    plan = large("update", 1000, 20)
    begun = time.process_time()
    assert len(render_restore_markdown(plan, diff=True)) <= COMMENT_LIMIT
    assert time.process_time() - begun < 10


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(st.integers(4_000, 70_000))
def test_any_limit_is_kept_and_used(limit: int) -> None:
    """Whatever a forge takes: no comment is longer, and room is not wasted."""
    plan = large("update", 100, 2)
    whole = len(render_restore_markdown(plan, limit=10**9))
    found = len(render_restore_markdown(plan, limit=limit))
    assert min(whole, limit * 0.6) <= found <= limit


# strangers


def hostile(name: str, reason: str) -> RestorePlan:
    """A plan in which everything that comes from elsewhere is `name` or `reason`."""
    fields = (FieldChange(name, reason, {name: reason}, name), FieldChange(name, None, reason))
    return restore_plan(
        [step("place/first.example.com", action, name, why=reason, unverifiable=reason) for action in PHRASES]
        + [
            step(f"z{name}/third{name}", "create", name, why=reason, source=name),
            step("place/second.example.com", "conflict", name, why=name),
        ],
        {"labels": {name: reason}, "zz": reason},
        changes=(differs("place/first.example.com", name, *fields), differs("place/second.example.com", name, *fields)),
        left_out=(LeftOut("type a", reason), LeftOut(f"{name}", reason, 2), LeftOut("items", reason, 1)),
        gaps=(Gap(name, reason),),
        empty_includes=(reason,),
        warnings=(reason,),
        policy_name=name,
        backup=msgspec.structs.replace(BACKUP, name=name, cluster=name, policy=name, completed=name),
        target=msgspec.structs.replace(TARGET, context=name, server=name, uid=name),
        server_dry_run=True,
    )


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
@given(ODD_TEXT | st.text(min_size=1, max_size=30), ODD_TEXT | st.text(min_size=1, max_size=30))
def test_no_name_and_no_reason_is_markup(name: str, reason: str) -> None:
    """Any text at all, made mostly of what Markdown and HTML are made of."""
    _assert_only_text(name, reason)


def _assert_only_text(name: str, reason: str) -> None:
    found = render_restore_markdown(hostile(name, reason), diff=True)
    assert all(line.replace("\u200b", "").isprintable() for line in found.split("\n"))
    shape = _Shape(found)
    assert _without_empty(shape.tags) == _tame_tags(name == reason)
    prose = "".join(shape.prose)
    assert not re.search(r"@\w", prose)
    assert not re.search(r"(?i)\w://|www\.", CODE_SPAN.sub("", found))


@cache
def _tame_tags(same: bool) -> list[str]:
    plan = hostile("name", "name" if same else "reason")
    return _without_empty(_Shape(render_restore_markdown(plan, diff=True)).tags)


def _without_empty(tags: list[str]) -> list[str]:
    """A name of nothing but spaces may leave no code span; that makes no markup either."""
    return [tag for tag in tags if tag.strip("/") != "code"]
