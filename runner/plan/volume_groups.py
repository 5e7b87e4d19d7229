"""Which volumes are snapshotted together: those of a frozen Pod, and of Pods that share claims with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.model.hooks import PlannedHook
from runner.model.volumes import PlannedVolume


@dataclass(frozen=True, slots=True)
class Group:
    """Volumes with one point in time, and the hooks around it, in order."""

    name: str  # the first Pod's, or the volume's
    volumes: tuple[PlannedVolume, ...]
    pre: tuple[PlannedHook, ...] = ()
    post: tuple[PlannedHook, ...] = ()


def groups(volumes: Sequence[PlannedVolume], hooks: Sequence[PlannedHook]) -> tuple[Group, ...]:
    """Every kept volume in one group. Hooks of a Pod without kept volumes are a group of their own, without volumes."""
    joined = _Joined()
    for hook in hooks:
        joined.find(hook.pod_name)
        for claim in hook.claims:
            joined.join(hook.pod_name, f"claim {claim}")
    of_group: dict[str, list[PlannedVolume]] = {}
    alone = []
    for volume in volumes:
        if not volume.keeps:
            continue
        root = joined.known(f"claim {volume.claim}") if volume.claim else None
        if root is None:
            alone.append(Group(volume.name, (volume,)))
        else:
            of_group.setdefault(root, []).append(volume)
    hooked: dict[str, list[PlannedHook]] = {}
    for hook in hooks:
        hooked.setdefault(joined.find(hook.pod_name), []).append(hook)
    frozen = [
        Group(
            name=min(hook.pod_name for hook in found),
            volumes=tuple(of_group.get(root, ())),
            pre=tuple(hook for hook in found if hook.when == "pre"),
            post=tuple(hook for hook in found if hook.when == "post"),
        )
        for root, found in hooked.items()
    ]
    return tuple(sorted([*frozen, *alone], key=lambda group: group.name))


class _Joined:
    """Sets that grow together (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, member: str) -> str:
        parent = self._parents.setdefault(member, member)
        if parent != member:
            parent = self._parents[member] = self.find(parent)
        return parent

    def known(self, member: str) -> str | None:
        return self.find(member) if member in self._parents else None

    def join(self, one: str, other: str) -> None:
        self._parents[self.find(one)] = self.find(other)
