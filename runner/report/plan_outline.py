"""A plan as its readers want it: by namespace, alike ones together, common reasons said once. For text and Markdown.

Decides what is said, never how it looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from runner.model.plan import LeftOut, Plan, Step
from runner.plan.verdict import blocked_by_volumes
from runner.report.words import counted

_MOST_ENDINGS = 2  # of reasons that begin alike


@dataclass(frozen=True, slots=True)
class Line:
    """What is stored of one type. `why` is "" where the block's own reason holds."""

    resource: str
    count: int
    why: str
    names: tuple[str, ...]  # "exactly these", where the plan says so


@dataclass(frozen=True, slots=True)
class Block:
    """What is stored of one namespace, or of each of several that are alike to the last line."""

    namespaces: tuple[str, ...]  # ("",) for cluster-scoped items
    why: str  # holds for every line that gives no reason of its own
    lines: tuple[Line, ...]

    @property
    def cluster_scoped(self) -> bool:
        """Whether these items are in no namespace."""
        return self.namespaces == ("",)

    @property
    def items(self) -> int:
        """Items in each of the namespaces."""
        return sum(line.count for line in self.lines)


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """What is stored of one type, over all namespaces."""

    resource: str
    items: int
    namespaces: int  # 0 for a cluster-scoped type


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What one rule leaves out."""

    what: str  # `namespaces`, `types`, `items`
    count: int | None  # of `what`; None where nobody counted them
    why: str
    names: tuple[str, ...] = ()

    @property
    def amount(self) -> str:
        """`8 types`, `1 namespace`, or only `items` where nobody counted them."""
        return self.what if self.count is None else counted(self.count, self.what.removesuffix("s"))


def blocks(plan: Plan) -> tuple[Block, ...]:
    """Cluster-scoped items first, then namespaces by name; those that are alike stand where the first of them would."""
    by_namespace: dict[str, list[Step]] = {}
    for step in plan.steps:
        by_namespace.setdefault(step.namespace, []).append(step)
    alike: dict[tuple[Step, ...], list[str]] = {}
    for namespace in sorted(by_namespace):
        alike.setdefault(tuple(map(_anywhere, by_namespace[namespace])), []).append(namespace)
    return tuple(_block(tuple(namespaces), steps) for steps, namespaces in alike.items())


def type_totals(plan: Plan) -> tuple[TypeTotal, ...]:
    """Every type that is stored, in the plan's order."""
    items: Counter[str] = Counter()
    namespaces: Counter[str] = Counter()
    for step in plan.steps:
        items[step.resource] += step.count
        namespaces[step.resource] += bool(step.namespace)
    return tuple(TypeTotal(resource, count, namespaces[resource]) for resource, count in items.items())


def exclusions(plan: Plan) -> tuple[Exclusion, ...]:
    """Each rule that leaves something out, once, in the plan's order."""
    return exclusions_of(plan.left_out)


def exclusions_of(left_out: Iterable[LeftOut]) -> tuple[Exclusion, ...]:
    """The same of what any plan leaves out."""
    found: dict[tuple[str, str], list[LeftOut]] = {}
    for left in left_out:
        sort, name = _sort(left)
        found.setdefault((sort, _rule(left.why) if name else left.why), []).append(left)
    return tuple(_exclusion(*key, lefts) for key, lefts in found.items())


def on_uncovered(plan: Plan) -> str:
    """What the policy wants of uncovered volumes: `fail`, `warn` or `ignore`."""
    return str(plan.policy["spec"].get("onUncovered", "fail"))


def consequence(plan: Plan) -> str:
    """What uncovered volumes mean for the run, in words."""
    if blocked_by_volumes(plan):
        return "the run will stop before it writes (onUncovered: fail)"
    whose = "its" if len(plan.uncovered) == 1 else "their"
    return f"the run goes on without {whose} data (onUncovered: {on_uncovered(plan)})"


def summary(plan: Plan) -> str:
    """The line that people and their tools look for, as `Plan: 12 to store, 3 left out, 1 volume uncovered.`."""
    left_out = sum(left.count or 0 for left in plan.left_out)
    kept = sum(volume.keeps for volume in plan.volumes)
    parts = [f"{plan.items} to store"]
    if kept:
        parts.append(f"{counted(kept, 'volume')} to keep")
    parts.append(f"{left_out} left out")
    if plan.uncovered:
        parts.append(f"{counted(len(plan.uncovered), 'volume')} uncovered")
    if plan.gaps:
        parts.append(f"{len(plan.gaps)} unreadable")
    if plan.empty_includes:
        parts.append(f"{counted(len(plan.empty_includes), 'include')} without a match")
    return f"Plan: {', '.join(parts)}."


def _anywhere(step: Step) -> Step:
    """The step without its namespace, so that namespaces can be compared."""
    return Step(step.resource, step.api_version, step.kind, "", step.count, step.why, step.names)


def _block(namespaces: tuple[str, ...], steps: Iterable[Step]) -> Block:
    steps = tuple(steps)
    why, times = Counter(step.why for step in steps).most_common(1)[0]
    common = why if times * 2 > len(steps) else ""
    lines = (
        Line(step.resource, step.count, "" if step.why == common else step.why, step.names or ()) for step in steps
    )
    return Block(namespaces, common, tuple(lines))


def _sort(left: LeftOut) -> tuple[str, str]:
    """`type secrets` is one of the `types`, and named `secrets`."""
    for sort in ("namespace", "type"):
        name = left.what.removeprefix(f"{sort} ")
        if name != left.what:
            return f"{sort}s", name
    return left.what, ""


def _exclusion(sort: str, why: str, lefts: list[LeftOut]) -> Exclusion:
    names = tuple(name for name in (_sort(left)[1] for left in lefts) if name)
    if names:
        return Exclusion(sort, len(names), _merged(why, lefts), names)
    counts = [left.count for left in lefts]
    return Exclusion(sort, None if None in counts else sum(count or 0 for count in counts), why)


def _rule(why: str) -> str:
    """What several reasons begin with: the policy's field, whose patterns differ; or what comes before a colon."""
    return why.partition(": ")[0].partition(' "')[0]


def _merged(rule: str, lefts: list[LeftOut]) -> str:
    """The one reason of all; what sets them apart is named as long as that is not much."""
    whys = sorted({left.why for left in lefts})
    if len(whys) == 1:
        return whys[0]
    endings = [why.removeprefix(f"{rule}: ") for why in whys]
    few = len(whys) <= _MOST_ENDINGS and not set(endings) & set(whys)
    return f"{rule}: {', or '.join(endings)}" if few else rule
