"""A plan of a restore as text, in terraform's shapes, so that people and tools read it at once. Prints nothing.

Lines are at most 80 wide where names and values allow it. All that came from elsewhere goes through `harmless`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from runner.model.restore import CHANGING, RestorePlan
from runner.report.paint import Paint
from runner.report.plan_outline import Exclusion
from runner.report.restore_lines import Lines, flowed
from runner.report.restore_outline import (
    MEANINGS,
    PHRASES,
    SYMBOLS,
    Block,
    Counts,
    Total,
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
from runner.report.restore_volumes_text import restored_hook_lines, volume_lines
from runner.report.words import WIDTH, counted, harmless, listed_within, wrapped

# Beyond so many lines of types, creates are in the tables alone: nobody reviews fifteen thousand lines.
_MOST_LINES = 600
_MOST_TELLING = 300  # of those that are left then: what is changed, in conflict or invalid
_MOST_NAMED = 1000  # of items that are there already; where there are more, the first ones of each line
_MOST_ROWS = 200  # namespaces, gaps and rules
_ROOM = 210  # characters for the names of what a rule leaves out: three lines


def render_restore_plan(plan: RestorePlan, *, color: bool, diff: bool = False) -> str:
    """The whole plan; ends with the line that counts it. With `diff`, every field that differs is shown."""
    page = _Page(plan, Paint(color), diff=diff)
    sections: Iterable[Iterator[str]] = (
        page.head(),
        page.rules(),
        page.legend(),
        page.actions(),
        volume_lines(plan, page.paint),
        restored_hook_lines(plan, page.paint),
        page.asked(),
        page.left_out(),
        page.gaps(),
        page.empty_includes(),
        page.warnings(),
        page.table("By type:", totals(plan, by_namespace=False)),
        page.table("By namespace:", totals(plan, by_namespace=True)),
        page.end(),
    )
    texts = ("\n".join(section) for section in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


def _more(found: Sequence[object], what: str) -> Iterator[str]:
    if len(found) > _MOST_ROWS:
        yield f"    and {counted(len(found) - _MOST_ROWS, f'more {what}')}"


class _Page:
    """One generator of lines for each section; none of them where it has nothing to say."""

    def __init__(self, plan: RestorePlan, paint: Paint, *, diff: bool) -> None:
        self.plan, self.paint, self.diff = plan, paint, diff
        self.counts = counts_of(plan.steps)
        there = self.counts.total() - self.counts["create"] - self.counts["unchanged"]
        digits = max((len(str(len(step.names))) for step in plan.steps if step.action != "unchanged"), default=1)
        self.lines = Lines(paint, digits, diff=diff, every_name=diff or there <= _MOST_NAMED)

    def head(self) -> Iterator[str]:
        backup, target = self.plan.backup, self.plan.target
        where = target.context or target.server
        yield self.paint.bold(harmless(f"Trysail will restore the backup {backup.name} into {where}."))
        yield ""
        yield harmless(f"  backup   {backup.name}, completed {backup.completed}")
        by = f", by policy {backup.policy}" if backup.policy else ""
        yield harmless(f"           of cluster {backup.cluster or 'unknown'}{by}")
        yield harmless(f"  from     {stored_at(self.plan)}")
        yield harmless(f"  policy   {self.plan.policy_name}")
        yield harmless(f"  context  {target.context or '-'}")
        yield harmless(f"  server   {target.server}")
        yield harmless(f"  cluster  {target.uid or 'unknown'}")
        yield f"  digest   {harmless(self.plan.digest.removeprefix('sha256:'))}"

    def rules(self) -> Iterator[str]:
        said_by_policy = list(rules(self.plan))
        if not said_by_policy:
            return
        yield "As the policy says:"
        yield ""
        width = max(len(name) for name, _ in said_by_policy)
        for name, value in said_by_policy:
            text = f"{harmless(name):<{width}}  {harmless(value)}"
            yield from [f"  {text}"] if len(text) + 2 <= WIDTH else wrapped(text, " " * (width + 4), first="  ")

    def legend(self) -> Iterator[str]:
        told = [action for action in PHRASES if self.counts[action]]
        if told == ["unchanged"]:
            told = []
        if not (told or self.plan.left_out or self.plan.gaps):
            return
        yield "Item actions are indicated with the following symbols:"
        for action in told:
            yield f"{self.lines.symbol(action)} {MEANINGS[action]}"
        if self.plan.left_out:
            yield f"  {self.paint.faint('-')} leave out"
        if self.plan.gaps:
            yield f"  {self.paint.bad('?')} cannot be read, or may not be done"

    def actions(self) -> Iterator[str]:
        if not self.plan.steps:
            yield self.paint.bold("No items are selected.")
            return
        found = blocks(self.plan)
        told = [block for block in found if block.lines]
        if told:
            yield "Trysail will perform the following actions:" if self.plan.items else "Trysail will change nothing:"
        if sum(len(block.lines) for block in told) > _MOST_LINES:
            yield from self._summed_up(told)
        else:
            for block in told:
                yield from self._block(block)
        yield from self._untouched([block for block in found if not block.lines], spaced=bool(told))

    def _block(self, block: Block) -> Iterator[str]:
        yield ""
        yield from self._heading(block)
        for line in block.lines:
            yield from self.lines.of(line)

    def _heading(self, block: Block) -> Iterator[str]:
        changes = any(block.counts[action] for action in CHANGING)
        where = f"namespace {harmless(block.namespace)}" if block.namespace else "cluster-scoped items"
        source = f" (in the backup: {harmless(block.source)})" if block.source else ""
        fate = f"{source} will {'be restored' if changes else 'not be changed'}:"
        lead, counts = f"  # {self.paint.bold(where)}{fate}", said(block.counts)
        if len(f"  # {where}{fate} {counts}") <= WIDTH:
            yield f"{lead} {counts}"
        else:
            yield lead
            yield from flowed(counts.split(", "), "  #   ")
        for reason in (block.why, f"unverifiable: {block.unverifiable}" if block.unverifiable else ""):
            if reason:
                yield from map(self.paint.faint, wrapped(f"({harmless(reason)})", "  # "))

    def _untouched(self, found: Sequence[Block], *, spaced: bool) -> Iterator[str]:
        """Where all is unchanged."""
        if not found:
            return
        if spaced:
            yield ""
        if not found[0].namespace:
            yield from self._heading(found[0])
            found = found[1:]
        if found:
            bold = self.paint.bold(counted(len(found), "namespace"))
            unchanged = sum(block.counts["unchanged"] for block in found)
            yield f"  # {bold} will not be changed: {unchanged} unchanged"
            yield from wrapped(listed_within([harmless(block.namespace) for block in found], _ROOM), "  #   ")

    def _summed_up(self, told: Sequence[Block]) -> Iterator[str]:
        """Only what needs a look; the tables below have the rest."""
        left = sum(len(block.lines) for block in told) if self.diff else _MOST_TELLING
        hidden = 0
        for block in told:
            telling = [line for line in block.lines if line.action != "create" and (self.diff or line.action != "skip")]
            shown, left = telling[:left], left - len(telling[:left])
            hidden += len(block.lines) - len(shown)
            if shown:
                yield from self._block(replace(block, lines=tuple(shown)))
        yield ""
        note = f"Summed up: {hidden} more lines are in the tables below. -o json has every item, with its reason."
        yield from wrapped(note, "  # ")

    def asked(self) -> Iterator[str]:
        """What the API server's own dry run could not tell."""
        unknown = unverifiable(self.plan)
        if unknown:
            yield self.paint.warning(f"Of {counted(unknown.total(), 'item')} the API server's dry run could not tell:")
            yield ""
            for reason, count in unknown.most_common():
                yield from wrapped(harmless(f"{count} unverifiable: {reason}"), " " * 4, first="  ")
        elif self.plan.server_dry_run:
            yield "The API server was asked in a dry run, and could tell of every item."

    def left_out(self) -> Iterator[str]:
        found = exclusions(self.plan)
        if not found:
            return
        yield self.paint.bold("Left out:")
        yield ""
        for exclusion in found[:_MOST_ROWS]:
            yield from self._exclusion(exclusion)
        yield from _more(found, "rule")

    def _exclusion(self, exclusion: Exclusion) -> Iterator[str]:
        names = exclusion.names
        if len(names) != 1:
            what = exclusion.amount
        else:
            what = names[0] if exclusion.what == "items" else f"{exclusion.what.removesuffix('s')} {names[0]}"
        first, *rest = wrapped(harmless(f"{what} ({exclusion.why})"), " " * 4)
        yield f"  {self.paint.faint('-')} {first.lstrip()}"
        yield from rest
        if len(names) > 1:
            folded = listed_within([harmless(name) for name in names], _ROOM)
            yield from map(self.paint.faint, wrapped(folded, " " * 6))

    def gaps(self) -> Iterator[str]:
        gaps = self.plan.gaps
        if not gaps:
            return
        yield self.paint.bad(f"{counted(len(gaps), 'thing')} that cannot be read, or may not be done:")
        yield ""
        for gap in gaps[:_MOST_ROWS]:
            yield f"  {self.paint.bad('?')} {harmless(gap.what)}"
            yield from wrapped(harmless(gap.reason), " " * 6)
        yield from _more(gaps, "thing")

    def empty_includes(self) -> Iterator[str]:
        if not self.plan.empty_includes:
            return
        yield self.paint.warning("These includes match nothing (allowEmpty: true accepts that):")
        yield ""
        for include in self.plan.empty_includes:
            first, *rest = wrapped(harmless(include), " " * 4)
            yield f"  {self.paint.warning('!')} {first.lstrip()}"
            yield from rest

    def warnings(self) -> Iterator[str]:
        for warning in self.plan.warnings:
            first, *rest = wrapped(f"Warning: {harmless(warning)}", "  ", first="")
            yield self.paint.warning(first)
            yield from rest

    def table(self, title: str, found: Sequence[Total]) -> Iterator[str]:
        """A row for each, numbers first, so that no name breaks the columns. One row alone says nothing new."""
        if len(found) < 2:
            return
        actions = [action for action in PHRASES if self.counts[action]]
        rows = [(harmless(total.name) or "(cluster-scoped)", total.counts) for total in found[:_MOST_ROWS]]
        if len(found) > _MOST_ROWS:
            rest: Counts = Counter()
            for total in found[_MOST_ROWS:]:
                rest.update(total.counts)
            rows.append((f"({len(found) - _MOST_ROWS} more)", rest))
        widest = max(len(name) for name, _ in rows)
        heads: Sequence[str] = actions
        if sum(len(action) + 2 for action in actions) + 2 + widest > WIDTH:
            heads = [SYMBOLS[action] for action in actions]
        widths = [max(len(head), len(str(self.counts[action]))) for head, action in zip(heads, actions, strict=True)]
        yield self.paint.bold(title)
        yield ""
        yield "  " + "  ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
        for name, counts in rows:
            numbers = (f"{counts[action] or '-':>{width}}" for action, width in zip(actions, widths, strict=True))
            yield f"  {'  '.join(numbers)}  {name}"

    def end(self) -> Iterator[str]:
        # tfcmt takes a warning to end at a line of these.
        yield "─" * WIDTH
        yield self.paint.bold(summary(self.plan))
