"""From what a rule asks for to how it is done, or why it cannot be: by provider, by CSI driver, by a Job. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.model.inventory import Row, SnapshotClassFacts, VolumeFacts
from runner.model.policy_set import ResolvedPolicy
from runner.model.volumes import Method
from runner.plan.needs import PODS, SNAPSHOT_CLASSES, VOLUMES

EBS_DRIVER = "ebs.csi.aws.com"
IN_TREE_EBS = "awsElasticBlockStore"

# On a VolumeSnapshotClass: it is the one for its driver's volumes.
CLASS_LABELS = ("trysail.dev/csi-volumesnapshot-class", "velero.io/csi-volumesnapshot-class")

Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One volume that a rule means."""

    volume: str  # the PersistentVolume's name; "" while the claim is unbound
    facts: VolumeFacts | None  # None where the PersistentVolume was not seen
    claim: str = ""  # namespace/name
    lost: bool = False  # the claim's PersistentVolume is gone, as its phase says
    block: bool = False  # it has no files
    alone: bool = False  # ReadWriteOncePod
    snapshot_class: str = ""  # that the claim itself names


@dataclass(frozen=True, slots=True)
class Clusterwide:
    """What one volume's fate may rest on of all others."""

    classes: tuple[Row, ...] = ()  # VolumeSnapshotClasses
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # volume -> others with its handle
    used: frozenset[str] = frozenset()  # claims that Pods use
    unseen: Mapping[tuple[Kind, str], str] = field(default_factory=dict)  # (type, namespace or "") -> why

    def why_unseen(self, kind: Kind, namespace: str = "") -> str:
        """Why a type could not be looked at; "" where it was."""
        return self.unseen.get((kind, "")) or self.unseen.get((kind, namespace), "")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a volume."""

    method: Method
    why: str
    snapshot_class: str = ""
    missed: Kind | None = None  # a type that could not be looked at, and that would have decided


def method_of(action: str, why: str, asked: Asked, resolved: ResolvedPolicy, around: Clusterwide) -> Decision:
    """How `action` is done for a volume; uncovered, with the reason, where it cannot be."""
    if action in {"skip", "custom"}:
        return Decision("skip", why)
    facts = asked.facts
    if facts is None or not asked.volume:
        return unknown(why, asked, around)
    if action == "fs-backup":
        return _files(why, asked, resolved, around)
    return _snapshot(why, asked, facts, resolved, around)


def unknown(why: str, asked: Asked, around: Clusterwide) -> Decision:
    """For a claim without a PersistentVolume that could be looked at; `why` where a rule means it all the same."""
    unseen = around.why_unseen(VOLUMES)
    if asked.lost:
        return _uncovered(why, "the claim is Lost: its PersistentVolume is gone, or bound to another claim")
    if not asked.volume:
        return _uncovered(why, "the claim is unbound")
    if unseen:
        return _uncovered(why, f"its PersistentVolume {asked.volume} could not be read: {unseen}", missed=VOLUMES)
    return _uncovered(why, f"its PersistentVolume {asked.volume} is not there")


def _uncovered(why: str, obstacle: str, missed: Kind | None = None) -> Decision:
    return Decision("uncovered", f"{why}; but {obstacle}" if why else obstacle, missed=missed)


def _snapshot(why: str, asked: Asked, facts: VolumeFacts, resolved: ResolvedPolicy, around: Clusterwide) -> Decision:
    others = around.shared.get(asked.volume)
    if others:
        return _uncovered(why, f"{', '.join(others)} stands for the same volume, {facts.handle}")
    if is_ebs(facts) and resolved.snapshot_location is not None:
        if not facts.handle:
            return _uncovered(why, "its PersistentVolume names no EBS volume")
        return Decision("native-snapshot", why)
    if facts.type != "csi":
        none = (
            "the policy has no snapshotLocation" if is_ebs(facts) else f"no snapshot reaches a volume of {facts.type}"
        )
        return _uncovered(why, none)
    if not asked.claim:
        return _uncovered(why, "no selected claim is bound to it, and a CSI snapshot is taken of a claim")
    unseen = around.why_unseen(SNAPSHOT_CLASSES)
    if unseen:
        return _uncovered(why, f"VolumeSnapshotClasses could not be read: {unseen}", missed=SNAPSHOT_CLASSES)
    chosen, obstacle = _class(asked.snapshot_class, facts.source, around.classes)
    if obstacle and is_ebs(facts):
        obstacle = f"the policy has no snapshotLocation, and {obstacle}"
    return Decision("csi-snapshot", why, chosen) if chosen else _uncovered(why, obstacle)


def is_ebs(facts: VolumeFacts) -> bool:
    """Whether EC2 can snapshot it."""
    return facts.type == IN_TREE_EBS or facts.source == EBS_DRIVER


def _class(named: str, driver: str, classes: tuple[Row, ...]) -> tuple[str, str]:
    """The VolumeSnapshotClass for a claim (its own word, marked, default, or the only one), or why there is none."""
    of_driver = [row for row in classes if _facts(row).driver == driver]
    if named:
        if any(row.name == named for row in of_driver):
            return named, ""
        return "", f"its VolumeSnapshotClass {named} is not there, or not of the driver {driver}"
    marked = [row.name for row in of_driver if any(row.labels.get(label) == "true" for label in CLASS_LABELS)]
    default = [row.name for row in of_driver if _facts(row).default]
    for names in (marked, default, [row.name for row in of_driver]):
        if len(names) == 1:
            return names[0], ""
        if names:
            return "", f"several VolumeSnapshotClasses are of its driver {driver}: {', '.join(sorted(names))}"
    return "", f"no VolumeSnapshotClass is of its driver {driver}"


def _facts(row: Row) -> SnapshotClassFacts:
    assert isinstance(row.facts, SnapshotClassFacts), "the ledger gives no other rows"
    return row.facts


def _files(why: str, asked: Asked, resolved: ResolvedPolicy, around: Clusterwide) -> Decision:
    obstacle = _no_files(asked, resolved)
    if obstacle:
        return _uncovered(why, obstacle)
    if not asked.alone:
        return Decision("fs-backup", why)
    if asked.claim in around.used:
        return _uncovered(why, "it is ReadWriteOncePod, and a Pod uses it: no Job can mount it")
    unseen = around.why_unseen(PODS, asked.claim.partition("/")[0])
    if unseen:
        unsure = f"it is ReadWriteOncePod, and whether a Pod uses it could not be read: {unseen}"
        return _uncovered(why, unsure, missed=PODS)
    return Decision("fs-backup", why)


def _no_files(asked: Asked, resolved: ResolvedPolicy) -> str:
    """Why no Job can store a volume's files, whoever uses it; "" where one can."""
    if not asked.claim:
        return "no selected claim is bound to it, and a Job mounts a claim"
    if resolved.policy.spec.fs_backup is None:
        return "the policy has no fsBackup"
    if resolved.location.provider == "filesystem":
        return "the storage location is a folder, which no Job reaches"
    return "it is a block device, and has no files" if asked.block else ""
