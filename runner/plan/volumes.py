"""The ledger: every claim, PersistentVolume and volume within a Pod that is selected, and what becomes of it. Pure.

Each is one line, with the rule that decided it. What a rule asks for and cannot be had is uncovered, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

from runner.model.inventory import ClaimFacts, PodFacts, PodVolume, Row, SnapshotClassFacts, VolumeFacts
from runner.model.plan import Gap
from runner.model.policy_set import ResolvedPolicy
from runner.model.volumes import PlannedVolume
from runner.plan.labels import excluded_by_label
from runner.plan.needs import CLAIMS, DECIDING, PODS, SNAPSHOT_CLASSES, VOLUMES
from runner.plan.picture import Picture
from runner.plan.volume_methods import EBS_DRIVER, Asked, Clusterwide, Decision, Kind, is_ebs, method_of, unknown
from runner.plan.volume_rules import Subject, first_rule

IN_MEMORY = "it is in memory, and gone with its Pod"
UNBOUND = "it is not bound to a volume, and holds no data"
GOING = "it is being deleted, and is not stored"
UNRULED = "no rule protects it"
OVER = frozenset({"Succeeded", "Failed"})  # phases of a Pod whose own volumes are gone


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every volume, and what could not be looked at that would have decided on some."""

    volumes: tuple[PlannedVolume, ...]  # sorted by name
    gaps: tuple[Gap, ...]


def ledger(picture: Picture, resolved: ResolvedPolicy) -> Ledger:
    """What becomes of each claim, PersistentVolume and volume within a Pod that the policy selects."""
    looking = _Looking(picture, resolved)
    volumes = sorted(looking.lines(), key=lambda line: line.name)
    return Ledger(tuple(volumes), tuple(looking.gaps()))


@dataclass(frozen=True)
class _Volume:
    """A PersistentVolume that was looked at."""

    name: str
    uid: str
    facts: VolumeFacts
    going: bool  # it is being deleted


class _Looking:
    def __init__(self, picture: Picture, resolved: ResolvedPolicy) -> None:
        self._picture, self._resolved = picture, resolved
        self._rules = resolved.policy.spec.volume_policies
        self._volumes = {
            row.name: _Volume(row.name, row.uid, row.facts, row.terminating)
            for row in picture.seen(VOLUMES)
            if isinstance(row.facts, VolumeFacts)
        }
        self._around = Clusterwide(
            classes=tuple(row for row in picture.seen(SNAPSHOT_CLASSES) if isinstance(row.facts, SnapshotClassFacts)),
            shared=_shared(self._volumes.values()),
            used=frozenset(claims_in_use(picture)),
            unseen=_unseen(picture),
        )
        self._left = dict(self._left_with_claims())
        self._missed: set[tuple[Kind, str]] = set()  # (type, namespace)

    def lines(self) -> Iterator[PlannedVolume]:
        claimed: set[str] = set()
        for row in self._picture.rows(CLAIMS):
            if isinstance(row.facts, ClaimFacts):
                line = self._claim(row, row.facts, claimed)
                claimed.add(line.volume)
                yield line
        for row in self._picture.rows(VOLUMES):
            if row.name not in claimed and row.name in self._volumes:
                yield self._unclaimed(self._volumes[row.name])
        for row in self._picture.rows(PODS):
            if isinstance(row.facts, PodFacts) and row.facts.phase not in OVER:
                for volume in row.facts.volumes:
                    yield self._within(row, volume)

    def gaps(self) -> Iterator[Gap]:
        """What a line is missing; known once all lines are there."""
        for lost in self._picture.inventory.unreadable:
            for kind, namespace in self._missed:
                if lost.resource == _name(kind) and lost.namespace in {"", namespace}:
                    where = f" in namespace {lost.namespace}" if lost.namespace else ""
                    yield Gap(what=f"{lost.resource}{where}", reason=lost.reason)

    def _claim(self, row: Row, claim: ClaimFacts, claimed: set[str]) -> PlannedVolume:
        name = f"{row.namespace}/{row.name}"
        volume = self._volumes.get(claim.volume)
        mine = has_volume(name, claim, self._facts(claim))
        if not mine or (volume is not None and volume.name in claimed):
            mine, volume = False, None
        bound = claim.volume if mine else ""
        facts = volume.facts if volume is not None else None
        subject = Subject(
            types=_types(row, facts),
            capacity=(facts.capacity if facts is not None else "") or claim.capacity,
            storage_class=(facts.storage_class if facts is not None else "") or claim.storage_class,
            labels=row.labels,
            phase=claim.phase,
            unseen=facts is None and (bool(bound) or claim.phase == "Lost"),
            **_of(facts),
        )
        asked = Asked(
            claim=name,
            volume=bound,
            facts=facts,
            lost=claim.phase == "Lost",
            block="Block" in {claim.volume_mode, facts.volume_mode if facts is not None else ""},
            alone="ReadWriteOncePod" in claim.access_modes,
            snapshot_class=claim.snapshot_class,
        )
        # No controller snapshots such a claim, and no restore would make it again.
        found = Decision("skip", GOING) if row.terminating else self._decide(subject, asked)
        return PlannedVolume(
            method=found.method,
            why=found.why,
            claim=name,
            volume=bound,
            capacity=claim.capacity,
            storage_class=claim.storage_class,
            source=facts.source if facts is not None else "",
            handle=facts.handle if facts is not None else "",
            uid=volume.uid if volume is not None else "",
            snapshot_class=found.snapshot_class,
        )

    def _unclaimed(self, volume: _Volume) -> PlannedVolume:
        """A PersistentVolume whose claim is not selected, or gone: another claim of that name may have a line."""
        facts = volume.facts
        subject = Subject(types=(facts.type,), capacity=facts.capacity, storage_class=facts.storage_class, **_of(facts))
        asked = Asked(volume=volume.name, facts=facts)
        left = GOING if volume.going else self._left.get(volume.name) or self._left_with_namespace(facts.claim)
        found = Decision("skip", left) if left else self._decide(subject, asked)
        return PlannedVolume(
            method=found.method,
            why=found.why,
            volume=volume.name,
            capacity=facts.capacity,
            storage_class=facts.storage_class,
            source=facts.source,
            handle=facts.handle,
            uid=volume.uid,
            snapshot_class=found.snapshot_class,
        )

    def _left_with_claims(self) -> Iterator[tuple[str, str]]:
        """PersistentVolumes whose very claims a label leaves out: whoever put it there means the data as well."""
        for row in self._picture.all_rows(CLAIMS):
            name, label = f"{row.namespace}/{row.name}", excluded_by_label(row.labels)
            if label and isinstance(row.facts, ClaimFacts) and has_volume(name, row.facts, self._facts(row.facts)):
                yield row.facts.volume, f"label {label}=true on its claim {name}"

    def _left_with_namespace(self, claim: str) -> str:
        namespace = claim.partition("/")[0]
        verdict = self._picture.namespaces.get(namespace)
        marked = verdict is not None and not verdict.taken and verdict.why.startswith("label ")
        return f"{verdict.why} on its claim's namespace {namespace}" if verdict is not None and marked else ""

    def _facts(self, claim: ClaimFacts) -> VolumeFacts | None:
        volume = self._volumes.get(claim.volume)
        return volume.facts if volume is not None else None

    def _within(self, row: Row, volume: PodVolume) -> PlannedVolume:
        found = self._of_pod(volume)
        return PlannedVolume(
            method=found.method,
            why=found.why,
            pod=f"{row.namespace}/{row.name}",
            pod_volume=volume.name,
            capacity=volume.capacity,
            source=volume.driver or volume.type,
        )

    def _of_pod(self, volume: PodVolume) -> Decision:
        if volume.memory:
            return Decision("skip", IN_MEMORY)
        subject = Subject(
            types=(volume.type,),
            capacity=volume.capacity,
            driver=volume.driver,
            attributes=volume.attributes,
            server=volume.server,
            path=volume.path,
        )
        matched = first_rule(self._rules, subject)
        if matched is None:
            return Decision("uncovered", UNRULED)
        if matched.rule.action.type in {"skip", "custom"}:
            return Decision("skip", matched.why)
        reached = "no snapshot reaches" if matched.rule.action.type == "snapshot" else "no Job can mount"
        return Decision("uncovered", f"{matched.why}; but {reached} a Pod's own {volume.type}")

    def _decide(self, subject: Subject, asked: Asked) -> Decision:
        found = self._ruled(subject, asked)
        if found.missed is not None:
            self._missed.add((found.missed, asked.claim.partition("/")[0]))
        return found

    def _ruled(self, subject: Subject, asked: Asked) -> Decision:
        matched = first_rule(self._rules, subject)
        if asked.claim and not asked.volume and not asked.lost:
            # It holds no data, and no more than a rule that speaks of its phase asks for it.
            if matched is None or matched.rule.conditions.pvc_phase is None:
                return Decision("skip", UNBOUND)
        elif subject.unseen or asked.lost:
            if matched is None or not matched.certain:
                return unknown("", asked, self._around)
        elif matched is None:
            return self._unruled(asked)
        assert matched is not None
        return method_of(matched.rule.action.type, matched.why, asked, self._resolved, self._around)

    def _unruled(self, asked: Asked) -> Decision:
        """Without a rule, volumes of the snapshot location's provider are snapshotted."""
        if self._resolved.snapshot_location is None or asked.facts is None or not is_ebs(asked.facts):
            return Decision("uncovered", UNRULED)
        name = self._resolved.policy.spec.snapshot_location
        why = f"snapshotLocation {name}" if isinstance(name, str) else "snapshotLocation"
        return method_of("snapshot", why, asked, self._resolved, self._around)


def has_volume(name: str, claim: ClaimFacts, volume: VolumeFacts | None) -> bool:
    """Whether a claim, namespace/name, has the volume that it names; `volume` is None where that was not seen.

    While it is Pending it only waits for it; where it is Lost and the volume is there, that is another one's
    (kubernetes.io/docs/concepts/storage/persistent-volumes/#binding). In a folder of manifests claims have no phase.
    """
    if not claim.volume or claim.phase == "Pending":
        return False
    return volume is None or (claim.phase != "Lost" and volume.claim in {"", name})


def claims_in_use(picture: Picture) -> Iterator[str]:
    """namespace/name of the claims that a Pod uses which is not over."""
    for row in picture.seen(PODS):
        if isinstance(row.facts, PodFacts) and row.facts.phase not in OVER:
            for claim in row.facts.claims:
                yield f"{row.namespace}/{claim}"


class _OfVolume(TypedDict, total=False):
    driver: str
    attributes: Mapping[str, str]
    server: str
    path: str


def _of(facts: VolumeFacts | None) -> _OfVolume:
    """What conditions ask of a PersistentVolume alone."""
    if facts is None:
        return {}
    driver = facts.source if facts.type == "csi" else ""
    return {"driver": driver, "attributes": facts.attributes, "server": facts.server, "path": facts.path}


def _types(row: Row, facts: VolumeFacts | None) -> tuple[str, ...]:
    """A claim's volume goes by its own type and as a claim; that of a Pod's generic ephemeral volume as that too."""
    ephemeral = ("ephemeral",) if any(owner.kind == "Pod" for owner in row.owners) else ()
    return (*((facts.type,) if facts is not None else ()), "persistentVolumeClaim", *ephemeral)


def _shared(volumes: Iterable[_Volume]) -> dict[str, tuple[str, ...]]:
    """PersistentVolume -> the others that stand for the same volume of their provider."""
    by_handle: dict[tuple[str, str], list[str]] = {}
    for volume in volumes:
        if volume.facts.handle:
            # In-tree or by CSI: an EBS volume is the same.
            source = EBS_DRIVER if is_ebs(volume.facts) else volume.facts.source
            by_handle.setdefault((source, volume.facts.handle), []).append(volume.name)
    return {
        name: tuple(other for other in sorted(names) if other != name)
        for names in by_handle.values()
        if len(names) > 1
        for name in names
    }


def _unseen(picture: Picture) -> dict[tuple[Kind, str], str]:
    """(type, namespace) -> why it could not be read."""
    kinds = {_name(kind): kind for kind in DECIDING}
    return {
        (kinds[lost.resource], lost.namespace): lost.reason
        for lost in sorted(picture.inventory.unreadable, reverse=True)
        if lost.resource in kinds
    }


def _name(kind: Kind) -> str:
    group, plural = kind
    return f"{plural}.{group}" if group else plural
