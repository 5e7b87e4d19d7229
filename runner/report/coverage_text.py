"""What no policy protects, as text: findings first, decisions after them, and a line that counts. Prints nothing.

Lines are at most 80 wide where names allow it. Everything that came from elsewhere goes through `harmless`.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.coverage import Coverage, OpenNamespace
from runner.report.paint import Paint
from runner.report.volumes_outline import volume_groups
from runner.report.volumes_text import LARGE, aligned, is_long, left_out_volumes, summed_up, uncovered_rows
from runner.report.words import WIDTH, counted, harmless, wrapped


def render_coverage(coverage: Coverage, *, color: bool = False) -> str:
    """The whole text; ends with the line that counts it."""
    page = _Page(coverage, Paint(color))
    sections = (page.head(), page.namespaces(), page.volumes(), page.unreadable(), page.on_purpose(), page.end())
    texts = ("\n".join(section) for section in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


class _Page:
    """One generator of lines for each section; none of them where it has nothing to say."""

    def __init__(self, coverage: Coverage, paint: Paint) -> None:
        self.coverage, self.paint = coverage, paint

    def head(self) -> Iterator[str]:
        policies = self.coverage.policies
        what = "What no policy protects" if len(policies) != 1 else f"What the policy {policies[0]} does not protect"
        where = self.coverage.context or "the cluster"
        yield from map(self.paint.bold, wrapped(harmless(f"{what} in {where}."), "  ", first=""))
        yield ""
        yield from wrapped(harmless(", ".join(policies)), " " * 12, first="  policies  ")
        yield harmless(f"  cluster   {self.coverage.cluster or 'unknown'}")
        if not self.coverage.findings:
            yield ""
            yield self.paint.good("Nothing: what is there is protected, or left out on purpose.")

    def namespaces(self) -> Iterator[str]:
        found = self.coverage.open_namespaces
        if not found:
            return
        is_are = "is" if len(found) == 1 else "are"
        yield self.paint.bad(f"{counted(len(found), 'namespace')} {is_are} protected by no policy:")
        for why, named in _by_reason(found).items():
            yield ""
            yield from map(self.paint.faint, wrapped(f"({harmless(why)})", "  # "))
            rows = aligned([(one.name, counted(one.items, "item")) for one in named])
            yield from (f"  {self.paint.bad('!')} {row}" for row in rows)

    def volumes(self) -> Iterator[str]:
        found = self.coverage.open_volumes
        if not found:
            return
        is_are = "is" if len(found) == 1 else "are"
        yield self.paint.bad(f"{counted(len(found), 'volume')} {is_are} kept by no policy:")
        groups = volume_groups(found)
        long = is_long(groups)
        for group in groups:
            yield ""
            yield from map(self.paint.faint, wrapped(f"({harmless(group.why)})", "  # "))
            if long and len(group.lines) > LARGE:
                yield from summed_up(group, self.paint.bad("!"), self.paint)
            else:
                yield from uncovered_rows(group, self.paint.bad("!"))
        if long:
            yield ""
            yield "  # Summed up: -o json has every volume, with its reason."

    def unreadable(self) -> Iterator[str]:
        gaps = self.coverage.unreadable
        if not gaps:
            return
        yield self.paint.bad(f"{counted(len(gaps), 'thing')} cannot be read, so that nobody knows:")
        yield ""
        for gap in gaps:
            yield f"  {self.paint.bad('?')} {harmless(gap.what)}"
            yield from wrapped(harmless(gap.reason), " " * 6)

    def on_purpose(self) -> Iterator[str]:
        if not self.coverage.on_purpose:
            return
        yield self.paint.bold("Left out on purpose:")
        yield ""
        for group in volume_groups(self.coverage.on_purpose):
            yield from left_out_volumes(group, self.paint)

    def end(self) -> Iterator[str]:
        yield "─" * WIDTH
        yield self.paint.bold(_summary(self.coverage))


def _summary(coverage: Coverage) -> str:
    """`Coverage: 2 of 4 namespaces protected, 4 of 9 volumes kept; 12 volumes left out on purpose.`."""
    wanted = coverage.volumes - len(coverage.on_purpose)
    line = (
        f"Coverage: {coverage.namespaces - len(coverage.open_namespaces)} of "
        f"{counted(coverage.namespaces, 'namespace')} protected, {wanted - len(coverage.open_volumes)} of "
        f"{counted(wanted, 'volume')} kept"
    )
    purpose = len(coverage.on_purpose)
    if purpose:
        line += f"; {counted(purpose, 'volume')} left out on purpose"
    if coverage.unreadable:
        line += f"; {len(coverage.unreadable)} unreadable"
    return f"{line}."


def _by_reason(found: tuple[OpenNamespace, ...]) -> dict[str, list[OpenNamespace]]:
    reasons: dict[str, list[OpenNamespace]] = {}
    for one in found:
        reasons.setdefault(one.why, []).append(one)
    return reasons
