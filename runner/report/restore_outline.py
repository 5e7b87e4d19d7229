"""A plan of a restore as its readers want it: by namespace and type, counted, common reasons said once.

Decides what is said, never how it looks. For text and Markdown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from runner.model.location import LocationSpec, location_url
from runner.model.restore import Action, FieldChange, RestorePlan, RestoreStep
from runner.report.plan_outline import Exclusion, exclusions_of
from runner.report.restore_volumes import volumes_said
from runner.report.words import counted

# Every fate, in the order in which it is said; as the last line of a plan has it.
PHRASES: Final[dict[Action, str]] = {
    "create": "to create",
    "update": "to update",
    "recreate": "to recreate",
    "unchanged": "unchanged",
    "skip": "skipped",
    "conflict": "in conflict",
    "invalid": "invalid",
}
# As terraform has them, where it has one.
SYMBOLS: Final[dict[Action, str]] = {
    "create": "+",
    "update": "~",
    "recreate": "-/+",
    "unchanged": "=",
    "skip": ".",
    "conflict": "!",
    "invalid": "x",
}
MEANINGS: Final[dict[Action, str]] = {
    "create": "create",
    "update": "update in place",
    "recreate": "delete and then create",
    "unchanged": "there, and as it was stored",
    "skip": "leave as it is",
    "conflict": "in conflict: left as it is, and reported",
    "invalid": "invalid: cannot be restored",
}

_WHICH_BACKUP: Final = frozenset({"storageLocation", "backupPolicy", "clusterName", "backupName"})
# What a RestorePolicy says by these is what it says without them.
_DEFAULTS: Final[dict[str, Any]] = {
    "existingResourcePolicy": "none",
    "preserveNodePorts": False,
    "forceConflicts": False,
    "allowEmpty": False,
    "restoreVolumes": True,
}
_OWNED: Final = re.compile(r"^(its [A-Z]\w*) \S+ (is restored)")
_NAMESPACES: Final = "namespaces"
_JSON: Final = json.JSONEncoder(ensure_ascii=False)
_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)

Counts = Counter[Action]


@dataclass(frozen=True, slots=True)
class Line:
    """Items of one type that share a fate. `why` and `unverifiable` are "" where the block says them for all."""

    action: Action
    resource: str
    why: str
    unverifiable: str
    names: tuple[str, ...]
    fields: Mapping[str, tuple[FieldChange, ...]]  # by name: what differs, where that is known


@dataclass(frozen=True, slots=True)
class Block:
    """What becomes of one namespace, or of what is in none; what is unchanged is only counted."""

    namespace: str
    source: str  # the namespace in the backup, where it is another one
    counts: Counts
    why: str  # holds for every line that gives no reason of its own
    unverifiable: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """What becomes of all items of a type, or in a namespace; "" for what is in none."""

    name: str
    counts: Counts


def blocks(plan: RestorePlan) -> tuple[Block, ...]:
    """Cluster-scoped items first, then namespaces by name; in each the types in the order of the restore."""
    steps: dict[tuple[str, str], list[RestoreStep]] = {}
    for step in plan.steps:
        steps.setdefault((step.namespace, step.source), []).append(step)
    fields = {(change.resource, change.namespace, change.name): change.fields for change in plan.changes}
    mapping = _mapping(plan)
    return tuple(_block(*place, steps[place], fields, mapping) for place in sorted(steps))


def counts_of(steps: Iterable[RestoreStep]) -> Counts:
    """How many items have which fate."""
    counts: Counts = Counter()
    for step in steps:
        counts[step.action] += len(step.names)
    return counts


def totals(plan: RestorePlan, *, by_namespace: bool) -> tuple[Total, ...]:
    """Every type in the order of the restore; or every namespace by name, after what is in none."""
    found: dict[str, Counts] = {}
    for step in plan.steps:
        name = step.namespace if by_namespace else step.resource
        found.setdefault(name, Counter())[step.action] += len(step.names)
    return tuple(Total(name, found[name]) for name in (sorted(found) if by_namespace else found))


def said(counts: Counts, *, zeros: bool = False) -> str:
    """`12 to create, 40 unchanged`; with `zeros` every fate."""
    return ", ".join(f"{counts[action]} {words}" for action, words in PHRASES.items() if zeros or counts[action])


def summary(plan: RestorePlan) -> str:
    """The line that people and their tools look for, as `Plan: 12 to create, …, 0 invalid.`; or `No changes. …`.

    Volumes stand at its end: `…, 0 invalid; 3 volumes to bring back.`
    """
    counts = counts_of(plan.steps)
    volumes = volumes_said(plan)
    if not plan.items and not counts["conflict"] and not counts["invalid"] and not volumes:
        return f"No changes. {_as_it_is(counts)}{_findings(plan, begin=' ')}"
    line = f"Plan: {said(counts, zeros=True)}{_findings(plan, begin=', ')}".rstrip(".")
    return f"{line}; {volumes}." if volumes else f"{line}."


def unverifiable(plan: RestorePlan) -> Counter[str]:
    """Of how many items the API server's dry run could not tell, by reason."""
    found: Counter[str] = Counter()
    for step in plan.steps:
        if step.unverifiable:
            found[step.unverifiable] += len(step.names)
    return found


def rules(plan: RestorePlan) -> Iterator[tuple[str, str]]:
    """What the policy says besides which backup is meant: each field that is not as it is without it."""
    for name, value in sorted(plan.policy.get("spec", {}).items()):
        if name in _WHICH_BACKUP or value in (None, "", [], {}) or _DEFAULTS.get(name) == value:
            continue
        yield name, _rule(name, value)


def exclusions(plan: RestorePlan) -> tuple[Exclusion, ...]:
    """Each rule that leaves something out, once: filters first, then rules of restore, of which `names` are counted."""
    ruled: dict[str, Counter[str]] = {}
    filtered = []
    for left in plan.left_out:
        what = left.what.removeprefix("type ")
        if left.count is None or what == "items":
            filtered.append(left)
        else:
            # Every Pod has the name of its own ReplicaSet in the reason.
            ruled.setdefault(_OWNED.sub(r"\1 \2", left.why), Counter())[what] += left.count
    return (
        *exclusions_of(filtered),
        *(Exclusion("items", types.total(), why, _counted(types)) for why, types in ruled.items()),
    )


def stored_at(plan: RestorePlan) -> str:
    """The location that the backup lies in, in one word."""
    return location_url(_LOCATION.validate_python(plan.location))


def value_text(value: Any) -> str:
    """A field's value in one line of JSON. It is not made harmless."""
    return _JSON.encode(value)


def fields_differ(fields: Sequence[FieldChange]) -> str:
    """`2 fields`."""
    return counted(len(fields), "field")


# blocks


def _mapping(plan: RestorePlan) -> Mapping[str, str]:
    mapping: Mapping[str, str] = plan.policy.get("spec", {}).get("namespaceMapping") or {}
    return mapping


def _block(
    namespace: str,
    source: str,
    steps: Sequence[RestoreStep],
    fields: Mapping[tuple[str, str, str], tuple[FieldChange, ...]],
    mapping: Mapping[str, str],
) -> Block:
    shown = [step for step in steps if step.action != "unchanged"]
    why, unverifiable_too = _common([step.why for step in shown]), _common([step.unverifiable for step in shown])
    lines = []
    for step in shown:
        # A change names what is live; of namespaces, steps name what is in the backup.
        renamed = mapping if step.resource == _NAMESPACES else {}
        differing = {
            name: found
            for name in (step.names if fields and step.action != "create" else ())
            if (found := fields.get((step.resource, step.namespace, renamed.get(name, name))))
        }
        lines.append(
            Line(
                action=step.action,
                resource=step.resource,
                why="" if step.why == why else step.why,
                unverifiable="" if step.unverifiable == unverifiable_too else step.unverifiable,
                names=step.names,
                fields=differing,
            )
        )
    return Block(namespace, source, counts_of(steps), why, unverifiable_too, tuple(lines))


def _common(reasons: Sequence[str]) -> str:
    """What is said of more than half; "" where nothing is. Where some say nothing, it is said of each."""
    if not all(reasons):
        return ""
    (why, times), *_ = Counter(reasons).most_common(1) or [("", 0)]
    return why if times * 2 > len(reasons) else ""


# the last line


def _as_it_is(counts: Counts) -> str:
    if not counts.total():
        return "Nothing is selected to be restored."
    if not counts["skip"]:
        items = "The item is" if counts["unchanged"] == 1 else f"All {counts['unchanged']} items are"
        return f"{items} there as stored."
    return f"{said(counts)}."


def _findings(plan: RestorePlan, begin: str) -> str:
    parts = []
    if plan.gaps:
        parts.append(counted(len(plan.gaps), "gap"))
    if plan.empty_includes:
        parts.append(f"{counted(len(plan.empty_includes), 'include')} without a match")
    return f"{begin}{', '.join(parts)}." if parts else ""


# rules


def _rule(name: str, value: Any) -> str:
    if name in {"namespaceMapping", "storageClassMapping"}:
        return ", ".join(f"{old} -> {new}" for old, new in sorted(value.items()))
    if name == "labels":
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items()))
    if name == "hooks":
        # Their commands stand in a chapter of their own.
        return ", ".join(str(hook["name"]) for hook in value.get("resources", []))
    if name == "resourceModifiers":
        # Patches may hold what is to be a secret: only whom they are for is said.
        types = sorted({str(rule["conditions"]["groupResource"]) for rule in value})
        return f"{counted(len(value), 'rule')}, for {', '.join(types)}"
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value)
    return value if isinstance(value, str) else value_text(value)


# left out


def _counted(types: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{count} {resource}" for resource, count in types.items())
