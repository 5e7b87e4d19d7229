"""The ledger of volumes as its readers want it: by method and rule, volumes of alike Pods said once.

Decides what is said, never how it looks; nothing here is made harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from runner.actions.quantity import quantity
from runner.model.volumes import Method, PlannedVolume
from runner.report.words import sized

# What a run makes of a volume that it keeps, by method: one, and several.
MADE: Final[dict[Method, tuple[str, str]]] = {
    "native-snapshot": ("native snapshot", "native snapshots"),
    "csi-snapshot": ("CSI snapshot", "CSI snapshots"),
    "fs-backup": ("file-system backup", "file-system backups"),
}
METHODS: Final[dict[Method, str]] = {method: one for method, (one, _) in MADE.items()} | {
    "skip": "skipped",
    "uncovered": "uncovered",
}
UNCLAIMED: Final = "(no namespace)"

# Ends of names that controllers make: Kubernetes draws them from these letters (util/rand of k8s.io/apimachinery).
_DRAWN: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_OF_A_WORKLOAD: Final = re.compile(rf"(.+?)-(?:{_DRAWN}{{6,10}}-{_DRAWN}{{5}}|{_DRAWN}{{5}}|\d+)")


@dataclass(frozen=True, slots=True)
class VolumeLine:
    """A volume; or the same volume of Pods that are alike, of one workload."""

    name: str
    volumes: tuple[PlannedVolume, ...]

    @property
    def first(self) -> PlannedVolume:
        """What holds for all of them, but the Pod's name and the handle."""
        return self.volumes[0]

    @property
    def handle(self) -> str:
        """The provider's word for the volume, where it is one."""
        return self.first.handle if len(self.volumes) == 1 else ""


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """Volumes that one rule decides about in the same way."""

    method: Method
    why: str
    snapshot_class: str
    lines: tuple[VolumeLine, ...]

    @property
    def count(self) -> int:
        """How many volumes these are."""
        return sum(len(line.volumes) for line in self.lines)

    @property
    def capacity(self) -> str:
        """What they hold together, as far as that is known: `110.0 GiB`; "" where nothing is."""
        return total_capacity(volume for line in self.lines for volume in line.volumes)

    @property
    def storage_class(self) -> str:
        """The StorageClass, where all have the same one."""
        return _common([line.first.storage_class for line in self.lines])

    @property
    def source(self) -> str:
        """The driver, where all have the same one."""
        return _common([line.first.source for line in self.lines])


@dataclass(frozen=True, slots=True)
class NamespaceVolumes:
    """The volumes of a group in one namespace, for ledgers that are too long to be read in full."""

    namespace: str
    count: int
    capacity: str
    names: tuple[str, ...]


def volume_groups(volumes: Iterable[PlannedVolume]) -> tuple[VolumeGroup, ...]:
    """Groups in the order of their first volumes, which is the ledger's."""
    found: dict[tuple[Method, str, str], list[PlannedVolume]] = {}
    for volume in volumes:
        found.setdefault((volume.method, volume.why, volume.snapshot_class), []).append(volume)
    return tuple(VolumeGroup(*key, folded(members)) for key, members in found.items())


def folded(volumes: Iterable[PlannedVolume]) -> tuple[VolumeLine, ...]:
    """A line each; but one for a volume that alike Pods of one workload have each. Claims are never folded."""
    alike: dict[tuple[str, ...], list[PlannedVolume]] = {}
    for volume in volumes:
        alike.setdefault(_likeness(volume), []).append(volume)
    return tuple(VolumeLine(_name(members), tuple(members)) for members in alike.values())


def by_namespace(group: VolumeGroup) -> tuple[NamespaceVolumes, ...]:
    """The group's volumes by namespace, those of no namespace first; names without it."""
    found: dict[str, list[VolumeLine]] = {}
    for line in group.lines:
        found.setdefault(line.first.namespace, []).append(line)
    return tuple(
        NamespaceVolumes(
            namespace=namespace or UNCLAIMED,
            count=sum(len(line.volumes) for line in found[namespace]),
            capacity=total_capacity(volume for line in found[namespace] for volume in line.volumes),
            names=tuple(line.name.removeprefix(f"{namespace}/") for line in found[namespace]),
        )
        for namespace in sorted(found)
    )


def volume_name(volume: PlannedVolume) -> str:
    """The name that people know a volume by: `shop/data`, `shop/web-0 cache`, or that of the PersistentVolume."""
    return volume.name if volume.claim or not volume.pod else f"{volume.pod} {volume.pod_volume}"


def workload_of(pod: str) -> str:
    """The name that Pods of one workload share, as their names tell: `web` of `web-7d9f6c5b8-x2x4z` and of `web-0`."""
    found = _OF_A_WORKLOAD.fullmatch(pod)
    return found.group(1) if found else pod


def pods_named(pods: Sequence[str]) -> str:
    """`shop/web-0`; or `shop/web-… (3 Pods)` for those of one workload."""
    namespace, _, name = pods[0].partition("/")
    return pods[0] if len(pods) == 1 else f"{namespace}/{workload_of(name)}-… ({len(pods)} Pods)"


def made(group: VolumeGroup) -> str:
    """What a run makes of a group that it keeps: `2 native snapshots`, `CSI snapshot of shop/data`."""
    one, several = MADE[group.method]
    return f"{one} of {group.lines[0].name}" if group.count == 1 else f"{group.count} {several}"


def about(group: VolumeGroup, *, rule: bool = True) -> str:
    """What is common to a group, in one line: rule, class for snapshots, size, StorageClass and driver."""
    parts = [group.why] if rule and group.why else []
    if group.snapshot_class:
        parts.append(f"VolumeSnapshotClass {group.snapshot_class}")
    provided = ", ".join(filter(None, (group.storage_class, group.source)))
    if group.count > 1 and group.capacity:
        parts.append(f"{group.capacity} of {provided}" if provided else group.capacity)
    elif provided:
        parts.append(provided)
    return "; ".join(parts)


def total_capacity(volumes: Iterable[PlannedVolume]) -> str:
    """The sum of capacities, as far as they are quantities: `110.0 GiB`; "" for none."""
    total = sum((quantity(volume.capacity) or Fraction(0) for volume in volumes), Fraction(0))
    return sized(int(total)) if total >= 1 else ""


def _likeness(volume: PlannedVolume) -> tuple[str, ...]:
    if volume.claim or not volume.pod:
        return (volume.claim, volume.volume, volume.pod, volume.pod_volume)
    namespace, _, pod = volume.pod.partition("/")
    same = (volume.method, volume.why, volume.source, volume.capacity, volume.storage_class)
    return ("", namespace, workload_of(pod), volume.pod_volume, *same)


def _name(members: Sequence[PlannedVolume]) -> str:
    if len(members) == 1:
        return volume_name(members[0])
    return f"{pods_named([volume.pod for volume in members])} {members[0].pod_volume}"


def _common(words: Sequence[str]) -> str:
    return words[0] if len(set(words)) == 1 else ""
