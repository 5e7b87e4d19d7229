"""What in a cluster no policy protects: namespaces that none takes, volumes that none keeps. Pure.

Every policy is planned from one inventory; this only holds the plans against all that is there. A volume that a rule of
a policy skips is a decision, and no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from runner.model.cluster import Resource
from runner.model.inventory import ClaimFacts, Holding, Inventory, NamespaceFacts, PodFacts, Row, VolumeFacts
from runner.model.plan import Gap, Plan
from runner.model.volumes import PlannedVolume
from runner.plan.needs import CLAIMS, PODS, VOLUMES
from runner.plan.selection import SERVED_TWICE, ClusterScope, Selection, Verdict
from runner.plan.volumes import has_volume

COVERAGE_FORMAT = "1.0"

# What every namespace has without anybody's doing, and what tells of the past alone.
_BORN_WITH: Final = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")}
_EVENTS: Final = frozenset({"events", "events.events.k8s.io"})
_OVER: Final = frozenset({"Succeeded", "Failed"})  # phases of Pods whose volumes are gone


class OpenNamespace(msgspec.Struct, frozen=True, rename="camel"):
    """A namespace of which no policy stores anything, and the nearest reason."""

    name: str
    items: int
    why: str


class Coverage(msgspec.Struct, frozen=True, rename="camel"):
    """What policies protect of a cluster. Reasons begin with the policy: `policy shop: not in includedNamespaces`."""

    cluster: str  # UID of kube-system
    context: str
    policies: tuple[str, ...]
    namespaces: int  # that have something in them
    volumes: int  # that hold data, those left out on purpose included
    open_namespaces: tuple[OpenNamespace, ...]
    open_volumes: tuple[PlannedVolume, ...]
    on_purpose: tuple[PlannedVolume, ...]  # that a rule of a policy, or a label of its own, leaves out
    unreadable: tuple[Gap, ...]  # of which nobody knows whether it is protected
    format_version: str = COVERAGE_FORMAT
    kind: str = "Coverage"

    @property
    def findings(self) -> bool:
        """Whether anything is there that no policy protects, or that could not be looked at."""
        return bool(self.open_namespaces or self.open_volumes or self.unreadable)


@dataclass(frozen=True)
class Judged:
    """A policy, and its plan for the inventory that is looked at."""

    name: str
    selection: Selection
    plan: Plan
    lines: Mapping[tuple[str, str], PlannedVolume] = field(init=False)
    stored: frozenset[str] = field(init=False)  # namespaces of which something is stored

    def __post_init__(self) -> None:
        lines: dict[tuple[str, str], PlannedVolume] = {}
        for line in self.plan.volumes:
            for key in _keys(line):
                # A volume that is kept by one name is kept.
                if key not in lines or line.keeps:
                    lines[key] = line
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "stored", frozenset(step.namespace for step in self.plan.steps if step.count))


@dataclass(frozen=True, slots=True)
class _Volume:
    """A volume that holds data, and the item that stands for it in selections."""

    planned: PlannedVolume
    resource: Resource
    row: Row


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a policy does not protect something; of several the nearest is told."""

    near: int
    policy: str
    why: str
    decided: bool = False

    def __str__(self) -> str:
        return f"policy {self.policy}: {self.why}"


def coverage(inventory: Inventory, policies: Sequence[Judged]) -> Coverage:
    """Holds what is in the cluster against the plans of all policies, which were made from this inventory."""
    looking = _Looking(inventory, tuple(sorted(policies, key=lambda judged: judged.name)))
    volumes = sorted(_volumes(inventory), key=lambda volume: volume.planned.name)
    open_volumes: list[PlannedVolume] = []
    on_purpose: list[PlannedVolume] = []
    for volume in volumes:
        reason = looking.volume(volume)
        if reason is not None:
            method = "skip" if reason.decided else "uncovered"
            line = msgspec.structs.replace(volume.planned, method=method, why=str(reason))
            (on_purpose if reason.decided else open_volumes).append(line)
    items = _items(inventory)
    full = [row for row in inventory.namespaces if items.get(row.name) and not _going(row)]
    return Coverage(
        cluster=inventory.cluster.uid,
        context=inventory.cluster.context,
        policies=tuple(judged.name for judged in looking.policies),
        namespaces=len(full),
        volumes=len(volumes),
        open_namespaces=tuple(
            OpenNamespace(row.name, items[row.name], str(reason))
            for row in sorted(full, key=lambda row: row.name)
            if (reason := looking.namespace(row)) is not None
        ),
        open_volumes=tuple(open_volumes),
        on_purpose=tuple(on_purpose),
        unreadable=tuple(_unreadable(inventory)),
    )


class _Looking:
    """Puts the question of one thing to every policy."""

    def __init__(self, inventory: Inventory, policies: Sequence[Judged]) -> None:
        self.policies = policies
        self._served = frozenset((resource.group, resource.plural) for resource in inventory.resources)
        self._namespaces = {row.name: row for row in inventory.namespaces}
        self._verdicts: dict[tuple[str, str], Verdict] = {}

    def namespace(self, row: Row) -> _Reason | None:
        """Why no policy protects it; None where one does."""
        reasons = []
        for judged in self.policies:
            verdict = self._of_namespace(judged, row.name)
            if verdict.taken and row.name in judged.stored:
                return None
            reasons.append(_of_verdict(judged, verdict) or _Reason(2, judged.name, "nothing in it is selected"))
        return _nearest(reasons)

    def volume(self, volume: _Volume) -> _Reason | None:
        """Why no policy keeps its data; None where one does."""
        reasons = []
        for judged in self.policies:
            found = [line for key in _keys(volume.planned) if (line := judged.lines.get(key)) is not None]
            if any(line.keeps for line in found):
                return None
            reasons.append(_of_line(judged, found[0]) if found else self._without_line(judged, volume))
        return _nearest(reasons)

    def _without_line(self, judged: Judged, volume: _Volume) -> _Reason:
        row, resource = volume.row, volume.resource
        if row.namespace:
            reason = _of_verdict(judged, self._of_namespace(judged, row.namespace))
            if reason is not None:
                return reason
        taken = judged.selection.resource(resource, self._served)
        if not taken.taken:
            return _Reason(2, judged.name, taken.why)
        item = judged.selection.item(resource, row.namespace, row.name, row.labels)
        if not item.taken:
            return _Reason(3, judged.name, item.why, decided=_by_label(item))
        related = not resource.namespaced and judged.selection.scope is ClusterScope.RELATED
        return _Reason(
            2, judged.name, "nothing selected is related to it" if related else "its plan has no line for it"
        )

    def _of_namespace(self, judged: Judged, name: str) -> Verdict:
        key = (judged.name, name)
        if key not in self._verdicts:
            self._verdicts[key] = judged.selection.namespace(self._namespaces.get(name, Row(name=name)))
        return self._verdicts[key]


def _nearest(reasons: Iterable[_Reason]) -> _Reason:
    """A decision before all others; of the rest, that of the policy which came closest."""
    return max(reasons, key=lambda reason: (reason.decided, reason.near))


def _of_line(judged: Judged, line: PlannedVolume) -> _Reason:
    return _Reason(4, judged.name, line.why, decided=line.method == "skip")


def _of_verdict(judged: Judged, verdict: Verdict) -> _Reason | None:
    """What keeps a namespace out; nearer where it is included, and then left out."""
    if verdict.taken:
        return None
    near = 1 if verdict.why != "not in includedNamespaces" else 0
    return _Reason(near, judged.name, verdict.why, decided=_by_label(verdict))


def _by_label(verdict: Verdict) -> bool:
    """Whether a label leaves a thing out: it stands on the very thing, and whoever put it there meant it."""
    return verdict.why.startswith("label ")


# what is there


def _volumes(inventory: Inventory) -> Iterator[_Volume]:
    """Every volume that holds data: bound claims, PersistentVolumes that no claim has, volumes within Pods."""
    disks = {row.name: row for holding, row in _rows(inventory, VOLUMES) if isinstance(row.facts, VolumeFacts)}
    bound = set()
    for holding, row in _rows(inventory, CLAIMS):
        if not isinstance(row.facts, ClaimFacts):
            continue
        disk = _disk_of(row, row.facts, disks)
        bound.add(disk)
        # What one has lost is missed, whoever has its volume now.
        if (disk or row.facts.phase == "Lost") and not row.terminating:
            yield _Volume(_of_claim(row, row.facts, disk, disks.get(disk)), holding.resource, row)
    for holding, row in _rows(inventory, VOLUMES):
        if isinstance(row.facts, VolumeFacts) and row.name not in bound and not row.terminating:
            yield _Volume(_of_disk(row, row.facts), holding.resource, row)
    for holding, row in _rows(inventory, PODS):
        if isinstance(row.facts, PodFacts) and row.facts.phase not in _OVER and not row.terminating:
            for planned in _of_pod(row, row.facts):
                yield _Volume(planned, holding.resource, row)


def _disk_of(row: Row, claim: ClaimFacts, disks: Mapping[str, Row]) -> str:
    """The PersistentVolume that a claim has; "" for none."""
    disk = disks.get(claim.volume)
    facts = disk.facts if disk is not None and isinstance(disk.facts, VolumeFacts) else None
    return claim.volume if has_volume(f"{row.namespace}/{row.name}", claim, facts) else ""


def _rows(inventory: Inventory, kind: tuple[str, str]) -> Iterator[tuple[Holding, Row]]:
    for holding in inventory.holdings:
        if (holding.resource.group, holding.resource.plural) == kind:
            yield from ((holding, row) for row in holding.rows or ())


def _of_claim(row: Row, facts: ClaimFacts, volume: str, disk: Row | None) -> PlannedVolume:
    about = disk.facts if disk is not None and isinstance(disk.facts, VolumeFacts) else None
    return PlannedVolume(
        method="uncovered",
        why="",
        claim=f"{row.namespace}/{row.name}",
        volume=volume,
        capacity=facts.capacity,
        storage_class=facts.storage_class,
        source=about.source if about is not None else "",
        handle=about.handle if about is not None else "",
        uid=disk.uid if disk is not None else "",
    )


def _of_disk(row: Row, facts: VolumeFacts) -> PlannedVolume:
    return PlannedVolume(
        method="uncovered",
        why="",
        volume=row.name,
        capacity=facts.capacity,
        storage_class=facts.storage_class,
        source=facts.source,
        handle=facts.handle,
        uid=row.uid,
    )


def _of_pod(row: Row, facts: PodFacts) -> Iterator[PlannedVolume]:
    for volume in facts.volumes:
        # What is in memory goes with the Pod: no tool could keep it.
        if not volume.memory:
            yield PlannedVolume(
                method="uncovered",
                why="",
                pod=f"{row.namespace}/{row.name}",
                pod_volume=volume.name,
                capacity=volume.capacity,
                source=volume.driver or volume.type,
            )


def _keys(line: PlannedVolume) -> Iterator[tuple[str, str]]:
    """The names that a volume may have in a ledger."""
    if line.claim:
        yield "claim", line.claim
    if line.volume:
        yield "volume", line.volume
    if line.pod:
        yield "pod", f"{line.pod}:{line.pod_volume}"


def _items(inventory: Inventory) -> dict[str, int]:
    """How many items somebody has put into each namespace."""
    served = {(resource.group, resource.plural) for resource in inventory.resources}
    counts: dict[str, int] = {}
    for holding in inventory.holdings:
        resource = holding.resource
        twin = SERVED_TWICE.get((resource.group, resource.plural))
        if not holding.namespace or resource.name in _EVENTS or (twin, resource.plural) in served:
            continue
        born = sum((resource.name, row.name) in _BORN_WITH for row in holding.rows or ())
        counts[holding.namespace] = counts.get(holding.namespace, 0) + holding.count - born
    return counts


def _going(row: Row) -> bool:
    return row.terminating or (isinstance(row.facts, NamespaceFacts) and row.facts.phase == "Terminating")


def _unreadable(inventory: Inventory) -> Iterator[Gap]:
    gaps = [
        Gap(
            what=f"{lost.resource} in namespace {lost.namespace}" if lost.namespace else lost.resource,
            reason=lost.reason,
        )
        for lost in inventory.unreadable
    ]
    gaps += [
        Gap(what=f"every type of {failure.group_version}", reason=failure.reason) for failure in inventory.failures
    ]
    yield from sorted(gaps, key=lambda gap: (gap.what, gap.reason))
