"""What became of volumes, as lines of text: in a run, and in a restore. Prints nothing.

What went well is counted; what failed is named with its error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Final, Literal

from runner.actions.quantity import quantity
from runner.model.hooks import PlannedHook
from runner.model.manifest import Manifest
from runner.model.plan import Gap
from runner.model.restored import BroughtVolume, RestoreResult
from runner.model.result import Result
from runner.model.volumes import StoredVolume
from runner.report.paint import Paint
from runner.report.volumes_outline import METHODS, volume_name
from runner.report.words import counted, harmless, listed, sized, wrapped

_MOST_PODS = 3
_OUTCOMES: Final[tuple[Literal["stored", "failed", "uncovered", "skipped"], ...]] = (
    "stored",
    "failed",
    "uncovered",
    "skipped",
)


def result_lines(result: Result, paint: Paint) -> Iterator[str]:
    """The ledger of a run: counted by outcome, what was taken over, the longest time frozen, and each failure."""
    volumes = result.volumes
    if not volumes:
        return
    failed = [volume for volume in volumes if volume.outcome == "failed"]
    line = f"Volumes: {outcomes(volumes)}"
    yield paint.bad(line) if failed else line
    adopted = [volume for volume in volumes if volume.adopted]
    if adopted:
        names = listed([harmless(volume_name(volume.planned)) for volume in adopted], _MOST_PODS)
        taken = f"{counted(len(adopted), 'snapshot')} taken over from a run of this plan that was killed: {names}"
        yield from wrapped(taken, " " * 4, first="  ")
    longest = max(volumes, key=lambda volume: volume.frozen)
    if longest.frozen:
        where = harmless(_frozen_with(longest, result.plan.hooks))
        yield from wrapped(f"frozen {seconds_of(longest.frozen)} at most, {where}", " " * 4, first="  ")
    if failed:
        yield ""
        yield from _failures([(volume_name(volume.planned), volume.error) for volume in failed], paint)


def failed_gaps(manifest: Manifest, volumes: Iterable[StoredVolume]) -> frozenset[Gap]:
    """What a manifest lists as missing and the ledger has told already, with its error."""
    told = {(f"volume {volume.planned.name}", volume.error) for volume in volumes if volume.outcome == "failed"}
    return frozenset(gap for gap in manifest.missing if (gap.what, gap.reason) in told)


def outcomes(volumes: Sequence[StoredVolume]) -> str:
    """`4 stored (37.0 GiB), 1 failed, 2 skipped`, the size as far as it is known."""
    counts = Counter(volume.outcome for volume in volumes)
    size = sum(map(bytes_of, (volume for volume in volumes if volume.outcome == "stored")))
    parts = [f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if counts[outcome] or outcome == "stored"]
    if size:
        parts[0] += f" ({sized(size)})"
    return ", ".join(parts)


def bytes_of(volume: StoredVolume) -> int:
    """How much a restore needs room for: the provider's word, else the volume's own size; 0 where neither is known."""
    size = volume.snapshot.size if volume.snapshot is not None else 0
    return size or int(quantity(volume.planned.capacity) or Fraction(0))


def restored_lines(result: RestoreResult, paint: Paint) -> Iterator[str]:
    """The volumes of a restore: counted, and each failure with its reason."""
    if not result.volumes:
        return
    counts = Counter(volume.outcome for volume in result.volumes)
    parts = [f"{counts['restored']} brought back"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    line = f"Volumes: {', '.join(parts)}"
    yield paint.bad(line) if counts["failed"] else line
    failed = [volume for volume in result.volumes if volume.outcome == "failed"]
    if failed:
        yield ""
        yield from _failures([(_claim(volume), volume.reason) for volume in failed], paint)


def seconds_of(seconds: float) -> str:
    """`0.3 s`; what is shorter than a tenth is not said to be none."""
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds:.3f} s"


def method_of(volume: StoredVolume) -> str:
    """How it was kept, in words."""
    return METHODS[volume.planned.method]


def _failures(failures: Sequence[tuple[str, str]], paint: Paint) -> Iterator[str]:
    """By reason, in the order in which they come."""
    reasons: dict[str, list[str]] = {}
    for name, reason in failures:
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        yield from (f"  {paint.bad('!')} {harmless(name)}" for name in names)
        yield from wrapped(harmless(reason), " " * 6)


def _frozen_with(volume: StoredVolume, hooks: Iterable[PlannedHook]) -> str:
    """The Pods whose hooks froze it; the volume, where that cannot be told."""
    pods = sorted({hook.pod_name for hook in hooks if volume.planned.claim and volume.planned.claim in hook.claims})
    return listed(pods, _MOST_PODS) if pods else volume_name(volume.planned)


def _claim(volume: BroughtVolume) -> str:
    return f"{volume.namespace}/{volume.claim}"
