"""A plan as a comment on a pull request: what needs a decision first, details folded, no longer than a forge takes.

Names come from the cluster and policies from strangers: whatever the template prints is escaped, unless a filter here
has already made Markdown of it. So no name becomes markup, a link, or a mention of somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from runner.model.plan import Plan
from runner.plan.changes import Changes
from runner.plan.verdict import blocked_by_volumes
from runner.report.changes_text import value_text, why_dropped
from runner.report.hooks_outline import here_commands, hooked_pods, in_seconds, spoken
from runner.report.plan_outline import blocks, consequence, exclusions, on_uncovered, summary
from runner.report.restore_volumes import claim_name, fate_about, fate_said
from runner.report.volumes_outline import about, folded, made, volume_groups
from runner.report.words import counted, harmless

# GitHub refuses comments of more than 65,536 characters; the same cap as tfcmt's leaves room for what others add.
COMMENT_LIMIT = 60_000
MOST_OPEN = 10  # rows of a table of volumes that is not folded

_SHORTEST = 20  # characters of an entry: more of them than fit by that need not be tried
_MOST_CHANGED = 20  # names of each sort of change
_LONGEST_NAME = 300  # Kubernetes' longest names have 253
_LONGEST_PROSE = 600
_LONGEST_COMMAND = 2000
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_LIST_MARK = re.compile(r"^(\d*)([-+=.)])")
_EMPTY_LINES = re.compile(r"\n{3,}")
_APART = "\u200b"  # a space of no width


def render_plan_markdown(
    plan: Plan, *, changes: Changes | None = None, changes_note: str = "", limit: int = COMMENT_LIMIT
) -> str:
    """The comment, of at most `limit` characters (4,000 at least); where lists had to be cut, it says so."""
    found = blocks(plan)
    view = {
        "plan": plan,
        "changes": changes,
        "changes_note": changes_note,
        "blocks": found,
        "exclusions": exclusions(plan),
        "summary": summary(plan),
        "consequence": consequence(plan),
        "on_uncovered": on_uncovered(plan),
        "uncovered": folded(plan.uncovered),
        "kept": volume_groups(volume for volume in plan.volumes if volume.keeps),
        "skipped": volume_groups(volume for volume in plan.volumes if volume.method == "skip"),
        "hooked": hooked_pods(plan),
        "here": here_commands(plan),
        "most_open": MOST_OPEN,
        "blocked": blocked_by_volumes(plan),
    }
    longest = _longest_list(view)

    def rendered(details: int, most: int) -> str:
        cut = ""
        if most < longest:
            cut = f": lists end after {counted(most, 'entry', 'entries')}, no namespace is shown by type"
        elif details < len(found):
            cut = f": {counted(len(found) - details, 'namespace or group', 'namespaces or groups')} not shown by type"
        room = {"details": details, "most": most, "most_changed": _MOST_CHANGED, "cut_short": cut}
        text = templates().get_template("plan.md.jinja").render(view, **room)
        return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"

    # What cannot fit is not tried in full: a list may have ten thousand entries.
    tried = min(longest, limit // _SHORTEST)
    whole = rendered(len(found), tried)
    if len(whole) <= limit:
        return whole
    details = _largest(len(found), lambda number: len(rendered(number, tried)) <= limit)
    if details is not None:
        return rendered(details, tried)
    most = _largest(tried, lambda number: len(rendered(0, number)) <= limit)
    return rendered(0, most or 0)


def _longest_list(view: dict[str, Any]) -> int:
    plan, changes = view["plan"], view["changes"]
    lists = [view["blocks"], view["exclusions"], plan.gaps, view["uncovered"], plan.empty_includes, plan.warnings]
    lists += [view["kept"], view["skipped"], view["hooked"], view["here"], *(group.lines for group in view["kept"])]
    if changes is not None:
        lists += [changes.dropped, changes.policy]
    return max(_MOST_CHANGED, *map(len, lists))


def _largest(highest: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from 0 to `highest` that fits, if those that fit are the smaller ones; None if none does."""
    if not fits(0):
        return None
    low = 0
    while low < highest:
        middle = (low + highest + 1) // 2
        low, highest = (middle, highest) if fits(middle) else (low, middle - 1)
    return low


# filters


def _prose(text: str) -> Markup:
    """Text in which nothing is markup, a link or a mention, whatever it holds."""
    text = _clipped(harmless(text), _LONGEST_PROSE)
    text = _LIST_MARK.sub(r"\1\\\2", _PUNCTUATION.sub(r"\\\1", text.strip()))
    # Forges make links of these after Markdown is done, when a backslash is gone.
    text = text.replace("@", f"@{_APART}").replace("://", f":{_APART}//")
    return Markup(re.sub(r"(?i)(www)(?=\.)|(#)(?=\d)", rf"\g<0>{_APART}", text))  # noqa: S704 -- escaped just now


def _code(text: str, longest: int = _LONGEST_NAME) -> Markup:
    """A name, as it is. What could end a code span or a table's cell is written out."""
    text = _clipped(harmless(text), longest).replace("`", "\\x60").replace("|", "\\x7c")
    return Markup(f"`{text}`" if text else "")  # noqa: S704 -- nothing within a code span is markup


def _whole(command: str) -> Markup:
    """A command as it is, cut later than names are: who reviews a plan must see what it runs."""
    return _code(command, longest=_LONGEST_COMMAND)


def _tag(text: str) -> Markup:
    """A name within HTML, where Markdown's code spans mean nothing."""
    return Markup(f"<code>{escape(_clipped(harmless(text), _LONGEST_NAME))}</code>")  # noqa: S704 -- escaped


def _names(names: Sequence[str], most: int) -> Markup:
    shown = Markup(", ").join(map(_code, names[:most]))
    return shown + f" and {len(names) - most} more" if len(names) > most else shown


def _value(value: Any) -> Markup:
    """A field's value; nothing where there is no such field."""
    return Markup("") if value is None else _code(value_text(value))


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


@pass_context
def _cut(context: Context, entries: Sequence[Any], most: int | None = None) -> Sequence[Any]:
    return entries[: _most(context, most)]


@pass_context
def _cut_off(context: Context, entries: Sequence[Any], most: int | None = None) -> int:
    return max(0, len(entries) - _most(context, most))


def _most(context: Context, most: int | None) -> int:
    room: int = context["most"]
    return room if most is None else min(room, most)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _finalized(value: Any) -> Any:
    return value if isinstance(value, Markup | int) else _prose(str(value))


@cache
def templates() -> Environment:
    """The templates of pages, with the filters that make names harmless."""
    environment = Environment(
        loader=PackageLoader("runner.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "about": about,
        "code": _code,
        "counted": counted,
        "cut": _cut,
        "claim_name": claim_name,
        "cut_off": _cut_off,
        "fate_about": fate_about,
        "fate_said": fate_said,
        "in_seconds": in_seconds,
        "made": made,
        "names": _names,
        "sentence": _sentence,
        "spoken": spoken,
        "tag": _tag,
        "value": _value,
        "whole": _whole,
        "why_dropped": why_dropped,
    }
    return environment
