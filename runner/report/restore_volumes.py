"""What becomes of volumes' data in a restore, as its readers want it: by fate and reason. For text and Markdown.

Decides what is said, never how it looks; nothing here is made harmless.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from runner.actions.quantity import quantity
from runner.model.restore import RestorePlan, RestoreVolume
from runner.report.volumes_outline import METHODS
from runner.report.words import counted, sized

Fate = Literal["restore", "empty", "leave", "refuse"]

# What needs a look comes first after what is done.
_ORDER: Final[tuple[Fate, ...]] = ("restore", "refuse", "empty", "leave")
SYMBOLS: Final[dict[Fate, str]] = {"restore": "+", "refuse": "x", "empty": "o", "leave": "."}
# Each claim has a reason of its own in which its volume is named.
_ITS_VOLUME: Final = re.compile(r"^(its PersistentVolume) \S+ (?=is )")


@dataclass(frozen=True, slots=True)
class FateGroup:
    """Claims whose data has the same fate for the same reason."""

    fate: Fate
    method: str  # in words, of what is brought back; "" for other fates
    why: str  # "" where all is said by `from` and the snapshot
    volumes: tuple[RestoreVolume, ...]

    @property
    def capacity(self) -> str:
        """What the claims hold together, as far as that is known: `110.0 GiB`."""
        total = sum((quantity(volume.capacity) or Fraction(0) for volume in self.volumes), Fraction(0))
        return sized(int(total)) if total >= 1 else ""


def fate_groups(plan: RestorePlan) -> tuple[FateGroup, ...]:
    """What is brought back first, then what cannot be, what comes up empty, and what is left as it is."""
    found: dict[tuple[Fate, str, str], list[RestoreVolume]] = {}
    for volume in plan.volumes:
        method = METHODS[volume.method] if volume.action == "restore" else ""
        found.setdefault((volume.action, method, _why(volume)), []).append(volume)
    ordered = sorted(found, key=lambda key: _ORDER.index(key[0]))
    return tuple(FateGroup(*key, tuple(found[key])) for key in ordered)


def claim_name(volume: RestoreVolume) -> str:
    """`shop-dr/data`; with where it was in the backup, if that is another namespace."""
    name = f"{volume.namespace}/{volume.claim}"
    return f"{name} (was in {volume.source})" if volume.source else name


def fate_said(group: FateGroup) -> str:
    """`data of 3 volumes will be brought back`, as a heading."""
    number = counted(len(group.volumes), "volume")
    return {
        "restore": f"data of {number} will be brought back",
        "refuse": f"data of {number} cannot be brought back",
        "empty": f"{number} will come up empty",
        "leave": f"{number} will be left as {'it is' if len(group.volumes) == 1 else 'they are'}",
    }[group.fate]


def fate_about(group: FateGroup) -> str:
    """What a group's claims have in common, in one line."""
    how = ", ".join(filter(None, (group.method, group.why)))
    return "; ".join(filter(None, (how, group.capacity if group.fate == "restore" else "")))


def volumes_said(plan: RestorePlan) -> str:
    """`3 volumes to bring back, 1 to come up empty`, for the last line; "" where there is no such volume."""
    return _said(Counter(volume.action for volume in plan.volumes))


def _said(counts: Counter[Fate]) -> str:
    phrases: Iterable[tuple[Fate, str]] = (
        ("restore", "to bring back"),
        ("empty", "to come up empty"),
        ("refuse", "that cannot be brought back"),
    )
    parts = [f"{counts[fate]} {words}" for fate, words in phrases if counts[fate]]
    if parts:
        number, _, rest = parts[0].partition(" ")
        parts[0] = f"{counted(int(number), 'volume')} {rest}"
    return ", ".join(parts)


def _why(volume: RestoreVolume) -> str:
    """The reason, without what the row itself says."""
    if volume.action == "restore" and volume.snapshot:
        return volume.why.removeprefix(f"from {volume.snapshot}").removeprefix(", ")
    return _ITS_VOLUME.sub(r"\1 ", volume.why)
