"""The volumes of a stored backup, for people: what is kept of each, what failed, and what was never meant to be kept.

Pure text.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.model.volumes import StoredVolume, VolumesRecord
from runner.report.columns import indented, table
from runner.report.volumes_outline import folded, volume_groups, volume_name
from runner.report.volumes_result_text import method_of, outcomes, seconds_of
from runner.report.words import counted, harmless

_HEAD = ("VOLUME", "METHOD", "SIZE", "OUTCOME", "FROZEN", "SNAPSHOT")
_NUMBERS = frozenset(("SIZE", "FROZEN"))
_NONE = "-"
_MOST_SKIPPED = 10  # of a rule


def volumes_kept(record: VolumesRecord) -> Iterator[str]:
    """A row for each volume that was to be kept, and the errors of those that failed."""
    kept = [volume for volume in record.volumes if volume.outcome in {"stored", "failed"}]
    if not kept:
        return
    yield f"Volumes: {outcomes(record.volumes)}"
    yield from indented(table([_HEAD, *map(_row, kept)], right=_NUMBERS))
    failed = [volume for volume in kept if volume.error]
    if failed:
        yield ""
        yield "Volumes that failed:"
        yield from indented(f"{_name(volume)}: {harmless(volume.error)}" for volume in failed)


def volumes_skipped(record: VolumesRecord) -> Iterator[str]:
    """What a rule left out, the first volumes of each rule by name."""
    skipped = [volume.planned for volume in record.volumes if volume.outcome == "skipped"]
    if not skipped:
        return
    yield "Volumes left out, by rule:"
    for group in volume_groups(skipped):
        yield f"  {counted(group.count, 'volume')}: {harmless(group.why)}"
        for line in group.lines[:_MOST_SKIPPED]:
            yield f"    {harmless(line.name)}"
        if len(group.lines) > _MOST_SKIPPED:
            yield f"    and {sum(len(line.volumes) for line in group.lines[_MOST_SKIPPED:])} more"


def volumes_uncovered(record: VolumesRecord) -> Iterator[str]:
    """Those whose data nothing protected."""
    uncovered = [volume.planned for volume in record.volumes if volume.outcome == "uncovered"]
    if not uncovered:
        return
    yield "Volumes whose data is not in this backup:"
    for line in folded(uncovered):
        volume = line.first
        facts = ", ".join(filter(None, (volume.capacity, volume.storage_class)))
        about = f" ({harmless(facts)})" if facts else ""
        yield f"  {harmless(line.name)}{about}: {harmless(volume.why)}"


def _row(volume: StoredVolume) -> tuple[str, ...]:
    return (
        _name(volume),
        method_of(volume),
        harmless(volume.planned.capacity) or _NONE,
        _outcome(volume),
        seconds_of(volume.frozen) if volume.frozen else _NONE,
        harmless(volume.snapshot.id) or _NONE if volume.snapshot is not None else _NONE,
    )


def _outcome(volume: StoredVolume) -> str:
    words: list[str] = [volume.outcome]
    if volume.snapshot is not None and volume.snapshot.state != "ready":
        words.append(volume.snapshot.state)
    if volume.adopted:
        words.append("taken over")
    return ", ".join(words)


def _name(volume: StoredVolume) -> str:
    return harmless(volume_name(volume.planned))
