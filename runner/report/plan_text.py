"""A plan as text, in terraform's shapes, so that people and tools such as tfcmt read it at once. Prints nothing.

Lines are at most 80 wide where names allow it. Everything that came from elsewhere goes through `harmless`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.model.plan import Plan
from runner.plan.changes import Changes
from runner.plan.verdict import blocked_by_volumes
from runner.report.changes_text import changes_lines
from runner.report.hooks_outline import here_commands
from runner.report.paint import Paint
from runner.report.plan_outline import (
    Block,
    Exclusion,
    Line,
    blocks,
    consequence,
    exclusions,
    on_uncovered,
    summary,
    type_totals,
)
from runner.report.volumes_text import hook_lines, kept_lines, skipped_lines, uncovered_lines
from runner.report.words import WIDTH, counted, harmless, listed, listed_within, wrapped

# Beyond so many lines of types, namespaces are a line each: nobody reviews fifteen thousand lines.
_MOST_LINES = 600
_MOST_NAMES = 3  # of a step that says "exactly these"
_EXCLUDED_ROOM = 210  # characters for the names of what a rule leaves out: three lines


def render_plan(plan: Plan, *, changes: Changes | None, changes_note: str = "", color: bool = False) -> str:
    """The whole plan; ends with the line that counts it. `changes_note` says why there are no `changes`."""
    page = _Page(plan, Paint(color))
    sections: Iterable[Iterator[str]] = (
        page.head(),
        page.stored(),
        kept_lines(plan, page.paint),
        hook_lines(plan, page.paint),
        page.left_out(),
        skipped_lines(plan, page.paint),
        page.uncovered(),
        page.unreadable(),
        page.empty_includes(),
        page.changes(changes, changes_note),
        page.warnings(),
        page.end(),
    )
    texts = ("\n".join(section) for section in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


class _Page:
    """One generator of lines for each section; none of them where it has nothing to say."""

    def __init__(self, plan: Plan, paint: Paint) -> None:
        self.plan, self.paint = plan, paint

    def head(self) -> Iterator[str]:
        plan, bold = self.plan, self.paint.bold
        named = plan.cluster.name != plan.cluster.uid
        uid = f" (uid {plan.cluster.uid or 'unknown'})" if named else ""
        intent = f"Trysail will back up the cluster {plan.cluster.name} as the policy {plan.policy_name} says."
        yield bold(harmless(intent))
        yield ""
        yield harmless(f"  policy   {plan.policy_name}")
        yield harmless(f"  cluster  {plan.cluster.name}{uid}")
        yield harmless(f"  into     {plan.keys}")
        yield f"  digest   {plan.digest.removeprefix('sha256:')}"
        yield ""
        yield "Item actions are indicated with the following symbols:"
        yield from (f"  {symbol} {meaning}" for symbol, meaning in self._legend())

    def _legend(self) -> Iterator[tuple[str, str]]:
        paint, plan = self.paint, self.plan
        if plan.steps:
            yield paint.good("+"), "store"
        if plan.hooks or here_commands(plan):
            yield paint.warning(">"), "run a command"
        if plan.left_out or any(volume.method == "skip" for volume in plan.volumes):
            yield paint.faint("-"), "leave out"
        if plan.uncovered and on_uncovered(plan) != "ignore":
            yield self._alarm("!"), "volume whose data is not stored"
        if plan.gaps:
            yield paint.bad("?"), "cannot be read"

    def stored(self) -> Iterator[str]:
        if not self.plan.steps:
            yield self.paint.bold("No items are selected.")
            return
        yield "Trysail will perform the following actions:"
        yield ""
        yield f"  # {self.paint.bold(harmless(self.plan.keys.rstrip('/')))} will be created"
        found = blocks(self.plan)
        long = sum(len(block.lines) for block in found) > _MOST_LINES
        digits = max(len(str(step.count)) for step in self.plan.steps)
        for block in found:
            if block.cluster_scoped or not long:
                yield from self._block(block, digits)
        if long:
            yield from self._summed_up([block for block in found if not block.cluster_scoped])

    def _block(self, block: Block, digits: int) -> Iterator[str]:
        yield ""
        yield from self._heading(block)
        for line in block.lines:
            yield from self._line(line, digits)

    def _heading(self, block: Block) -> Iterator[str]:
        amount = f"{counted(block.items, 'item')} of {counted(len(block.lines), 'type')}"
        if block.cluster_scoped:
            yield f"  # {self.paint.bold('cluster-scoped items')} will be stored: {amount}"
        elif len(block.namespaces) == 1:
            name = self.paint.bold(harmless(block.namespaces[0]))
            yield f"  # namespace {name} will be stored: {amount}"
        else:
            bold = self.paint.bold(f"{len(block.namespaces)} namespaces")
            yield f"  # {bold} will be stored, alike: {amount} in each"
            yield from wrapped(", ".join(map(harmless, block.namespaces)), "  #   ")
        if block.why:
            yield from map(self.paint.faint, wrapped(f"({harmless(block.why)})", "  # "))

    def _line(self, line: Line, digits: int) -> Iterator[str]:
        yield f"  {self.paint.good('+')} {line.count:>{digits}}  {harmless(line.resource)}"
        names = listed([harmless(name) for name in line.names], _MOST_NAMES)
        why = f"({harmless(line.why)})" if line.why else ""
        margin = " " * (digits + 6)
        together = f"{names} {why}".strip()
        parts = [together] if len(margin + together) <= WIDTH else [names, why]
        for part in filter(None, parts):
            yield from map(self.paint.faint, wrapped(part, margin))

    def _summed_up(self, found: Sequence[Block]) -> Iterator[str]:
        """A line a type and a line a namespace, for plans that are too long to be read in full."""
        totals = [total for total in type_totals(self.plan) if total.namespaces]
        digits = max(len(str(total.items)) for total in totals)
        width = max(len(total.resource) for total in totals)
        yield ""
        yield f"  # {self.paint.bold('namespaces')} will be stored, by type"
        for total in totals:
            where = self.paint.faint(f"in {counted(total.namespaces, 'namespace')}")
            yield f"  {self.paint.good('+')} {total.items:>{digits}}  {harmless(total.resource):<{width}}  {where}"
        whys = {block.why for block in found}
        yield ""
        yield f"  # {self.paint.bold('namespaces')} will be stored, by name"
        if len(whys) == 1:
            yield from map(self.paint.faint, wrapped(f"({harmless(*whys)})", "  # "))
        named = {name: block for block in found for name in block.namespaces}
        for name, block in sorted(named.items()):
            reason = f" ({harmless(block.why)})" if len(whys) > 1 and block.why else ""
            types = self.paint.faint(f"of {counted(len(block.lines), 'type')}{reason}")
            yield f"  {self.paint.good('+')} {block.items:>{digits}}  {harmless(name)}  {types}"
        yield ""
        note = f"Summed up: in full these are {len(self.plan.steps)} lines. -o json has every one, with its reason."
        yield from wrapped(note, "  # ")

    def left_out(self) -> Iterator[str]:
        found = exclusions(self.plan)
        if not found:
            return
        yield self.paint.bold("Left out:")
        yield ""
        for exclusion in found:
            yield from self._exclusion(exclusion)

    def _exclusion(self, exclusion: Exclusion) -> Iterator[str]:
        names = exclusion.names
        what = exclusion.amount if len(names) != 1 else f"{exclusion.what.removesuffix('s')} {names[0]}"
        first, *rest = wrapped(harmless(f"{what} ({exclusion.why})"), " " * 4)
        yield f"  {self.paint.faint('-')} {first.lstrip()}"
        yield from rest
        if len(names) > 1:
            folded = listed_within([harmless(name) for name in names], _EXCLUDED_ROOM)
            yield from map(self.paint.faint, wrapped(folded, " " * 6))

    def uncovered(self) -> Iterator[str]:
        volumes = self.plan.uncovered
        if not volumes:
            return
        volumes_are = f"{counted(len(volumes), 'volume')} {'is' if len(volumes) == 1 else 'are'} uncovered"
        if on_uncovered(self.plan) == "ignore":
            yield f"{volumes_are}: objects are stored, data is not (onUncovered: ignore)."
            return
        yield self._alarm(f"{volumes_are}: {consequence(self.plan)}")
        yield from uncovered_lines(volumes, self._alarm("!"), self.paint)

    def _alarm(self, text: str) -> str:
        return self.paint.bad(text) if blocked_by_volumes(self.plan) else self.paint.warning(text)

    def unreadable(self) -> Iterator[str]:
        if not self.plan.gaps:
            return
        yield self.paint.bad(f"{counted(len(self.plan.gaps), 'thing')} that the policy may select cannot be read:")
        yield ""
        for gap in self.plan.gaps:
            yield f"  {self.paint.bad('?')} {harmless(gap.what)}"
            yield from wrapped(harmless(gap.reason), " " * 6)

    def empty_includes(self) -> Iterator[str]:
        if not self.plan.empty_includes:
            return
        yield self.paint.warning("These includes match nothing (allowEmpty: true accepts that):")
        yield ""
        for include in self.plan.empty_includes:
            first, *rest = wrapped(harmless(include), " " * 4)
            yield f"  {self.paint.warning('!')} {first.lstrip()}"
            yield from rest

    def changes(self, changes: Changes | None, note: str) -> Iterator[str]:
        if changes is not None:
            yield from changes_lines(changes, self.paint)
        elif note:
            sentence = harmless(note[:1].upper() + note[1:])
            yield from wrapped(sentence if sentence.endswith(".") else f"{sentence}.", "")

    def warnings(self) -> Iterator[str]:
        for warning in self.plan.warnings:
            first, *rest = wrapped(f"Warning: {harmless(warning)}", "  ", first="")
            yield self.paint.warning(first)
            yield from rest

    def end(self) -> Iterator[str]:
        # tfcmt takes a warning to end at a line of these.
        yield "─" * WIDTH
        yield self.paint.bold(summary(self.plan))
