"""A plan of a restore as a comment on a pull request: what needs a decision first, details folded, cut where too long.

Escaped as the plan of a backup is: whatever the template prints is text, never markup, a link or a mention.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from runner.model.restore import Action, FieldChange, RestorePlan
from runner.report.hooks_outline import restored_hooks
from runner.report.plan_markdown import COMMENT_LIMIT, MOST_OPEN, templates
from runner.report.restore_outline import (
    PHRASES,
    SYMBOLS,
    Block,
    Line,
    blocks,
    counts_of,
    exclusions,
    rules,
    said,
    stored_at,
    summary,
    totals,
    unverifiable,
)
from runner.report.restore_volumes import fate_groups

_MOST_NAMES = 6
_MOST_OWNED = 3  # items of a line whose fields belong to others, and such fields of each
_SHORTEST = 20  # characters of an entry: more of them than fit by that need not be tried
_EMPTY_LINES = re.compile(r"\n{3,}")


class _Telling(NamedTuple):
    """A line that stands above the tables too."""

    place: str
    line: Line
    why: str


def render_restore_markdown(plan: RestorePlan, *, diff: bool = False, limit: int = COMMENT_LIMIT) -> str:
    """The comment, of at most `limit` characters (4,000 at least); where lists had to be cut, it says so.

    With `diff`, the fields that differ are shown with their values.
    """
    view = _view(plan, diff=diff)
    found, longest = view["blocks"], _longest_list(view)
    template = templates().get_template("restore.md.jinja")

    def rendered(details: int, most: int) -> str:
        cut = ""
        if most < longest:
            cut = f": lists end after {most}, and {len(found) - details} of {len(found)} namespaces are not shown"
        elif details < len(found):
            cut = f": {len(found) - details} of {len(found)} namespaces not shown by type"
        text = template.render(view, details=details, most=most, cut_short=cut)
        return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"

    def fits(details: int, most: int) -> bool:
        return len(rendered(details, most)) <= limit

    # What cannot fit is not tried in full: a list may have a hundred thousand entries.
    most = min(longest, limit // _SHORTEST)
    lines = list(accumulate(min(len(block.lines), most) for block in found))
    if fits(0, most):
        return rendered(_largest(bisect_left(lines, most + 1), lambda details: fits(details, most)), most)
    return rendered(0, _largest(most, lambda entries: fits(0, entries)))


def _largest(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `highest` that fits, if those that fit are the smaller ones; 0 if none does."""
    if fits(highest):
        return highest
    return bisect_left(range(1, highest), True, key=lambda number: not fits(number))


def _view(plan: RestorePlan, *, diff: bool) -> dict[str, Any]:
    found = blocks(plan)
    counts = counts_of(plan.steps)
    return {
        "plan": plan,
        "summary": summary(plan),
        "stored_at": stored_at(plan),
        "rules": list(rules(plan)),
        "actions": [action for action in PHRASES if counts[action]],
        "count": counts.__getitem__,
        "symbols": SYMBOLS,
        "said": said,
        "conflicts": list(_telling(found, "conflict")),
        "invalid": list(_telling(found, "invalid")),
        "recreated": list(_telling(found, "recreate")),
        "unverifiable": unverifiable(plan),
        "by_namespace": totals(plan, by_namespace=True),
        "by_type": totals(plan, by_namespace=False),
        "blocks": [block for block in found if block.lines],
        "fields": list(_fields(plan)) if diff else [],
        "exclusions": exclusions(plan),
        "fates": fate_groups(plan),
        "hooks": restored_hooks(plan),
        "most_open": MOST_OPEN,
        "most_names": _MOST_NAMES,
        "most_owned": _MOST_OWNED,
    }


def _telling(found: tuple[Block, ...], action: Action) -> Iterator[_Telling]:
    for block in found:
        for line in block.lines:
            if line.action == action:
                yield _Telling(_place(line.resource, block.namespace), line, line.why or block.why)


def _fields(plan: RestorePlan) -> Iterator[tuple[str, FieldChange]]:
    for change in plan.changes:
        item = f"{_place(change.resource, change.namespace)}/{change.name}"
        yield from ((item, field) for field in change.fields)


def _place(resource: str, namespace: str) -> str:
    return f"{namespace}/{resource}" if namespace else resource


def _longest_list(view: dict[str, Any]) -> int:
    plan = view["plan"]
    lists = [view[name] for name in ("conflicts", "invalid", "recreated", "unverifiable", "by_namespace", "by_type")]
    lists += [view["fields"], view["exclusions"], plan.gaps, plan.empty_includes, plan.warnings]
    lists += [block.lines for block in view["blocks"]]
    lists += [view["hooks"], view["fates"], *(group.volumes for group in view["fates"])]
    return max(map(len, lists))
