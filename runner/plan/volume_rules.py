"""Volume policies put to one volume: the first rule whose conditions all hold. Pure.

Velero's conditions, exactly, but for sizes that nobody knows: Velero takes them for 0, so that a rule for small disks
means every volume within a Pod; here they are in no range.
velero.io/docs/main/resource-filtering/#resource-policies
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from runner.actions.quantity import quantity
from runner.model.volume_policy import VolumeConditions, VolumeRule


@dataclass(frozen=True, slots=True)
class Subject:
    """A volume, as conditions see it."""

    types: tuple[str, ...]  # the field that says where its bytes are; for a claim, persistentVolumeClaim too
    capacity: str = ""
    storage_class: str = ""
    driver: str = ""  # CSI
    attributes: Mapping[str, str] = field(default_factory=dict)
    server: str = ""  # NFS
    path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)  # the claim's
    phase: str = ""  # the claim's; "" where there is none
    unseen: bool = False  # its PersistentVolume was not: nobody knows its types, driver and server


@dataclass(frozen=True, slots=True)
class Matched:
    """The rule that decides on a volume."""

    rule: VolumeRule
    why: str  # `volumePolicies[0]: storageClass gp3`, with the reason that it gives
    certain: bool = True  # False where it depends on a PersistentVolume that was not seen


def first_rule(rules: Sequence[VolumeRule], subject: Subject) -> Matched | None:
    """The first rule that means the volume, or that would if its PersistentVolume were as the rule wants it."""
    for number, rule in enumerate(rules):
        conditions = rule.conditions
        certain = _of_volume(conditions, subject)
        if (certain or subject.unseen) and _of_claim(conditions, subject):
            words = ", ".join(_words(conditions)) or "every volume"
            reason = f" ({rule.action.reason})" if rule.action.reason else ""
            other = " (left to another tool)" if rule.action.type == "custom" and not reason else ""
            return Matched(rule, f"volumePolicies[{number}]: {words}{reason}{other}", certain)
    return None


def _of_claim(conditions: VolumeConditions, subject: Subject) -> bool:
    """Conditions that a claim alone answers."""
    return (
        (conditions.capacity is None or _in_range(conditions.capacity, subject.capacity))
        and (conditions.storage_class is None or subject.storage_class in conditions.storage_class)
        and (conditions.pvc_labels is None or _within(conditions.pvc_labels, subject.labels))
        and (conditions.pvc_phase is None or subject.phase in conditions.pvc_phase)
    )


def _of_volume(conditions: VolumeConditions, subject: Subject) -> bool:
    """Conditions that only the volume itself answers."""
    return (
        _csi_holds(conditions, subject)
        and _nfs_holds(conditions, subject)
        and (conditions.volume_types is None or any(kind in conditions.volume_types for kind in subject.types))
    )


def _csi_holds(conditions: VolumeConditions, subject: Subject) -> bool:
    wanted = conditions.csi
    if wanted is None:
        return True
    return subject.driver == wanted.driver and _within(wanted.volume_attributes, subject.attributes)


def _nfs_holds(conditions: VolumeConditions, subject: Subject) -> bool:
    wanted = conditions.nfs
    if wanted is None:
        return True
    if "nfs" not in subject.types:
        return False
    return wanted.server in {None, subject.server} and wanted.path in {None, subject.path}


def _within(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return all(found.get(key) == value for key, value in wanted.items())


def _in_range(wanted: str, found: str) -> bool:
    """Ends included. A volume of unknown size is in no range."""
    size = _size(found)
    if size is None:
        return False
    least, most = _ends(wanted)
    return (least is None or least <= size) and (most is None or size <= most)


# Thousands of volumes have few sizes.
_size = lru_cache(maxsize=1024)(quantity)


@lru_cache(maxsize=64)
def _ends(capacity: str) -> tuple[Fraction | None, Fraction | None]:
    least, _, most = capacity.partition(",")
    return quantity(least), quantity(most)


def _words(conditions: VolumeConditions) -> list[str]:
    words = []
    if conditions.capacity is not None:
        words.append(f"capacity {conditions.capacity}")
    if conditions.storage_class is not None:
        words.append(f"storageClass {' or '.join(conditions.storage_class)}")
    if conditions.csi is not None:
        words.append(" ".join((f"csi {conditions.csi.driver}", *_pairs(conditions.csi.volume_attributes))))
    if conditions.nfs is not None:
        words.append("nfs" + "".join(f" {part}" for part in (conditions.nfs.server, conditions.nfs.path) if part))
    if conditions.volume_types is not None:
        words.append(f"volumeTypes {' or '.join(conditions.volume_types)}")
    if conditions.pvc_labels is not None:
        words.append(f"pvcLabels {','.join(_pairs(conditions.pvc_labels))}")
    if conditions.pvc_phase is not None:
        words.append(f"pvcPhase {' or '.join(conditions.pvc_phase)}")
    return words


def _pairs(named: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in sorted(named.items())]
