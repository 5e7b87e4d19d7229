"""How stored backups look to people and to programs: the list, one backup, and what a verification found. Pure text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from runner.archive.layout import LAYOUTS
from runner.model.catalog import Catalog, Committed, Unfinished, Unreadable, Verified
from runner.model.manifest import Manifest
from runner.model.plan import LeftOut, Plan
from runner.model.volumes import VolumesRecord
from runner.report.backup_volumes import volumes_kept, volumes_skipped, volumes_uncovered
from runner.report.columns import indented, table
from runner.report.volumes_result_text import failed_gaps
from runner.report.words import counted, harmless, sized

_HEAD = ("NAME", "POLICY", "CLUSTER", "PHASE", "ITEMS", "SIZE", "COMPLETED", "AGE")
_WIDE = ("STARTED", "STORED", "MISSING", "VOLUMES", "SERVER", "TRYSAIL")
_NUMBERS = frozenset(("ITEMS", "SIZE", "STORED", "MISSING", "VOLUMES"))  # these are set to the right
_NONE = "-"
_CLUSTER_SCOPED = "(cluster)"
UNPROVEN = "Velero records no checksums: that the content is what was backed up cannot be proven."
_SHARED_DIGITS = 12  # of a SHA-256: enough to compare by eye


def render_list(catalog: Catalog, url: str, *, now: datetime, wide: bool = False) -> str:
    """A table, newest first, or one line that says that there is nothing."""
    rows = [_row(backup, now) for backup in catalog.committed]
    rows += [_bare_row(one, "Newer format" if one.newer else "Damaged") for one in catalog.unreadable]
    rows += [_bare_row(one, "Unfinished") for one in catalog.unfinished]
    if not rows:
        return f"No backups in {harmless(url)}."
    head = _HEAD + _WIDE if wide else _HEAD
    cells = [head, *(row[: len(head)] for row in rows)]
    if any(backup.tested for backup in catalog.committed):
        tested = ["TESTED", *(_tested(backup) for backup in catalog.committed)]
        tested += [_NONE] * (len(cells) - len(tested))
        cells = [(*row, cell) for row, cell in zip(cells, tested, strict=True)]
    return "\n".join(table(cells, right=_NUMBERS))


def list_notes(catalog: Catalog) -> tuple[str, ...]:
    """What the table has no room for: why backups cannot be read, and what unfinished uploads are."""
    notes = [f"{one.address.name}: {harmless(one.reason)}" for one in catalog.unreadable]
    notes += [
        f"{one.address.name}: {counted(one.uploads, 'unfinished upload')}, whose parts take space in the store"
        for one in catalog.unfinished
        if one.uploads
    ]
    return tuple(notes)


def list_names(catalog: Catalog) -> str:
    """Names of the committed backups, a line each, newest first."""
    return "\n".join(backup.address.name for backup in catalog.committed)


def list_as_json(catalog: Catalog, url: str) -> str:
    """The list for programs; sizes in bytes, times in RFC 3339."""
    document = {
        "location": url,
        "backups": [
            {
                **backup.address._asdict(),
                "phase": backup.manifest.phase,
                "items": backup.manifest.items,
                "size": backup.manifest.size,
                "stored": backup.stored,
                **_said_of_layout(backup),
                "missing": len(backup.manifest.missing),
                **({"volumes": backup.manifest.volumes} if backup.manifest.volumes else {}),
                **({"restoreTest": backup.tested} if backup.tested else {}),
                "started": backup.manifest.started,
                "completed": backup.manifest.completed,
                "server": backup.manifest.server,
                "serverVersion": backup.manifest.server_version,
                "trysailVersion": backup.manifest.trysail_version,
                "planDigest": backup.manifest.plan_digest,
                "digest": backup.manifest.digest,
            }
            for backup in catalog.committed
        ],
        "unreadable": [
            {**one.address._asdict(), "stored": one.stored, "reason": one.reason, "newer": one.newer}
            for one in catalog.unreadable
        ],
        "unfinished": [
            {**one.address._asdict(), "stored": one.stored, "uploads": one.uploads} for one in catalog.unfinished
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def render_backup(backup: Committed, plan: Plan | None, volumes: VolumesRecord | None) -> str:
    """All that is known of a backup. Without its plan, what the plan left out is not; volumes without their record."""
    ledger = volumes if volumes is not None else VolumesRecord(volumes=())
    sections = [
        _facts(backup),
        _keys(backup.manifest),
        _types(backup.manifest),
        _namespaces(backup.manifest),
        volumes_kept(ledger),
        _missing(backup.manifest, ledger),
        _differences(backup.manifest),
        _left_out(backup.manifest, plan),
        volumes_skipped(ledger),
        volumes_uncovered(ledger),
        _warnings(backup.manifest),
    ]
    return "\n\n".join("\n".join(section) for section in map(list, sections) if section)


def render_verified(verified: Verified) -> str:
    """One line: what was looked at and holds."""
    also = f", each read as {verified.form.upper()}" if verified.deep else ""
    whole = (
        f"{verified.name} is whole: {counted(verified.items, 'item')} ({sized(verified.size)}){also}, "
        f"{counted(verified.keys, 'key')} ({sized(verified.stored)})."
    )
    return whole if verified.proven else f"{whole}\n{UNPROVEN}"


# the list


def _said_of_layout(backup: Committed) -> dict[str, str]:
    """Nothing of our own, which is the usual one."""
    return {"layout": backup.layout} if backup.layout != "trysail" else {}


def _tested(backup: Committed) -> str:
    """`passed 2026-01-02 03:04:05Z`, of the last restore test."""
    time, _, how = backup.tested.partition(" ")
    return f"{how} {time_of(time)}" if time else _NONE


def _row(backup: Committed, now: datetime) -> tuple[str, ...]:
    manifest, address = backup.manifest, backup.address
    completed = datetime.fromisoformat(manifest.completed)
    return (
        address.name,
        address.policy,
        address.cluster,
        manifest.phase,
        str(manifest.items),
        _NONE if backup.by_velero else sized(manifest.size),
        time_of(manifest.completed),
        _age((now - completed).total_seconds()),
        time_of(manifest.started),
        sized(backup.stored),
        _NONE if backup.by_velero else str(len(manifest.missing)),
        _volumes(manifest),
        harmless(manifest.server_version) or _NONE,
        harmless(manifest.trysail_version) or _NONE,
    )


def _volumes(manifest: Manifest) -> str:
    """How many volumes are kept, of all whose data is not left out by a rule: `36/37`."""
    meant = sum(count for outcome, count in manifest.volumes.items() if outcome != "skipped")
    return f"{manifest.volumes.get('stored', 0)}/{meant}" if meant else _NONE


def _bare_row(one: Unreadable | Unfinished, phase: str) -> tuple[str, ...]:
    address = one.address
    head = (address.name, address.policy, address.cluster, phase, _NONE, _NONE, _NONE, _NONE, _NONE, sized(one.stored))
    return head + (_NONE,) * (len(_HEAD + _WIDE) - len(head))


def time_of(stamp: str) -> str:
    """A stamp in UTC, to the second."""
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _age(seconds: float) -> str:
    """One unit, as kubectl's AGE."""
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


# one backup


def _facts(backup: Committed) -> Iterator[str]:
    manifest = backup.manifest
    seconds = (datetime.fromisoformat(manifest.completed) - datetime.fromisoformat(manifest.started)).total_seconds()
    server = f"{manifest.server} ({manifest.server_version})" if manifest.server_version else manifest.server
    facts = {
        "Name": manifest.name,
        "Phase": manifest.phase,
        "Policy": manifest.policy_name,
        "Cluster": f"{manifest.cluster.name} (uid {manifest.cluster.uid})",
        "Server": server,
        "Started": time_of(manifest.started),
        "Completed": f"{time_of(manifest.completed)}, after {_age(seconds)}",
        "Items": f"{manifest.items:,}, {sized(manifest.size)} of {_form(backup)}",
        "Stored": f"{sized(backup.stored)} in {counted(len(manifest.keys) + 1, 'key')}{_ratio(backup)}",
        "Plan": manifest.plan_digest,
        "Digest": manifest.digest,
        "Written by": f"Trysail {manifest.trysail_version}, format {manifest.format_version}",
    }
    yield from aligned(facts)


def aligned(facts: dict[str, str]) -> Iterator[str]:
    """Lines of `name: value`, the values below each other."""
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        yield f"{name + ':':<{width}}  {harmless(value)}"


def _form(backup: Committed) -> str:
    return LAYOUTS[backup.layout].form.upper()


def _ratio(backup: Committed) -> str:
    size = backup.manifest.size
    return f", {size / backup.stored:.1f} times smaller than the {_form(backup)}" if 0 < backup.stored < size else ""


def _keys(manifest: Manifest) -> Iterator[str]:
    yield "Keys:"
    rows = [("KEY", "SIZE", "SHA-256")]
    rows += [
        (harmless(name), sized(key.size), f"{harmless(key.sha256[:_SHARED_DIGITS])}…")
        for name, key in sorted(manifest.keys.items())
    ]
    yield from indented(table(rows, right=_NUMBERS))


def _types(manifest: Manifest) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for listed in manifest.lists:
        counts[listed.resource] += listed.stored
    yield from table_of_counts("Types:", "TYPE", counts)


def _namespaces(manifest: Manifest) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for listed in manifest.lists:
        counts[listed.namespace] += listed.stored
    yield from table_of_counts("Namespaces:", "NAMESPACE", counts)


def table_of_counts(title: str, head: str, counts: Counter[str]) -> Iterator[str]:
    """How many items there are of each; what lies in no namespace ("") is the cluster's."""
    rows = [(harmless(name or _CLUSTER_SCOPED), str(count)) for name, count in sorted(counts.items()) if count]
    if rows:
        yield title
        yield from indented(table([(head, "ITEMS"), *rows], right=_NUMBERS))


def _missing(manifest: Manifest, ledger: VolumesRecord) -> Iterator[str]:
    told = failed_gaps(manifest, ledger.volumes)
    missing = [gap for gap in manifest.missing if gap not in told]
    if missing:
        yield "Missing, though planned:"
        yield from indented(f"{harmless(gap.what)}: {harmless(gap.reason)}" for gap in missing)


def _differences(manifest: Manifest) -> Iterator[str]:
    """Where another number was stored than was counted, and where a list took longer than its snapshot lived."""
    rows = [
        (f"{listed.resource} in {listed.namespace}" if listed.namespace else listed.resource, listed)
        for listed in manifest.lists
    ]
    lines = [
        f"{harmless(what)}: {listed.planned:,} planned, {listed.stored:,} stored"
        for what, listed in rows
        if listed.planned != listed.stored
    ]
    # Without a resourceVersion nothing was listed: the items were read one by one, or could not be.
    lines += [
        f"{harmless(what)}: the list is not of one moment"
        for what, listed in rows
        if listed.resource_version and not listed.consistent
    ]
    if lines:
        yield "Changed between plan and run:"
        yield from indented(lines)


def _left_out(manifest: Manifest, plan: Plan | None) -> Iterator[str]:
    left = (*(plan.left_out if plan is not None else ()), *manifest.left_out)
    if left:
        yield "Left out, by rule:"
        yield from indented(map(_left_line, left))


def _left_line(left: LeftOut) -> str:
    count = f" ({left.count:,})" if left.count is not None else ""
    return f"{harmless(left.what)}{count}: {harmless(left.why)}"


def _warnings(manifest: Manifest) -> Iterator[str]:
    if manifest.warnings:
        yield "Warnings:"
        yield from indented(map(harmless, manifest.warnings))
