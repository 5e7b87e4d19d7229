"""How a backup that Velero wrote looks to people. Pure text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from runner.model.catalog import Committed
from runner.model.velero import VeleroDetails
from runner.report.backups import UNPROVEN, aligned, table_of_counts, time_of
from runner.report.columns import indented
from runner.report.words import counted, harmless, sized

_SHOWN = 10  # messages of a kind


def render_velero_backup(backup: Committed, details: VeleroDetails) -> str:
    """All that Velero recorded of a backup."""
    sections = [
        aligned(_facts(backup, details)),
        table_of_counts("Types:", "TYPE", Counter(details.types)),
        table_of_counts("Namespaces:", "NAMESPACE", Counter(details.namespaces)),
        _messages("Errors", details.errors),
        _messages("Warnings", details.warnings),
        _volumes(details),
        _notes(details),
    ]
    return "\n\n".join("\n".join(section) for section in map(list, sections) if section)


def _facts(backup: Committed, details: VeleroDetails) -> dict[str, str]:
    manifest = backup.manifest
    facts = {
        "Name": manifest.name,
        "Phase": manifest.phase,
        "Schedule": manifest.policy_name if manifest.policy_name != manifest.cluster.name else "",
        "Server": manifest.server_version,
        "Location": details.location,
        "Namespaces": ", ".join(details.included_namespaces) or "*",
        "Started": time_of(manifest.started),
        "Completed": time_of(manifest.completed),
        "Expires": details.expires,
        "Items": f"{manifest.items:,}",
        "Stored": sized(backup.stored),
        "Results": f"{counted(len(details.errors), 'error')}, {counted(len(details.warnings), 'warning')}",
        "Digest": f"{manifest.digest} of velero-backup.json",
        "Written by": f"Velero, format {manifest.format_version}" if manifest.format_version else "Velero",
    }
    return {name: value for name, value in facts.items() if value}


def _messages(title: str, messages: Sequence[str]) -> Iterator[str]:
    if messages:
        yield f"{title}:"
        yield from indented(map(harmless, messages[:_SHOWN]))
    if len(messages) > _SHOWN:
        yield f"  and {len(messages) - _SHOWN:,} more"


def _volumes(details: VeleroDetails) -> Iterator[str]:
    if details.volumes:
        yield "Volumes, whose data Trysail does not read:"
    for volume in details.volumes:
        told = ": ".join(filter(None, (volume.method or "not backed up", volume.note)))
        yield f"  {harmless(volume.claim or volume.volume)}: {harmless(told)}"


def _notes(details: VeleroDetails) -> Iterator[str]:
    yield from map(harmless, (*details.notes, UNPROVEN))
