"""Our own JSON files, read back: saved plans and inventories. A newer major format is refused, damage is named."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from runner.errors import FormatError
from runner.model.canonical import canonical, digest
from runner.model.inventory import INVENTORY_FORMAT, Inventory
from runner.model.plan import PLAN_FORMAT, Plan
from runner.model.restore import RESTORE_FORMAT, RestorePlan

T = TypeVar("T")


class _Envelope(msgspec.Struct, rename="camel"):
    format_version: str
    kind: str


def read_plan(raw: bytes, source: str) -> Plan:
    """A saved plan, whole and unaltered, or FormatError. `source` names it for people."""
    plan = _read(raw, source, Plan, "BackupPlan", PLAN_FORMAT)
    _unaltered(plan, source, "trysail plan --out")
    return plan


def read_restore_plan(raw: bytes, source: str) -> RestorePlan:
    """A saved plan of a restore, whole and unaltered, or FormatError."""
    plan = _read(raw, source, RestorePlan, "RestorePlan", RESTORE_FORMAT)
    _unaltered(plan, source, "trysail restore … --plan --out")
    return plan


def _unaltered(plan: Plan | RestorePlan, source: str, command: str) -> None:
    if plan.digest != digest(canonical(msgspec.structs.replace(plan, digest=""))):
        raise FormatError(
            "the plan was altered after it was made: its digest does not fit",
            hint=f"make it anew with: {command} {source}",
            plan=source,
        )


def read_inventory(raw: bytes, source: str) -> Inventory:
    """A saved inventory, or FormatError."""
    return _read(raw, source, Inventory, "Inventory", INVENTORY_FORMAT)


def check_format(raw: bytes, source: str, kind: str, newest: str) -> None:
    """FormatError where `raw` is no `kind` document of a major format that this version knows."""
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(
            f"this is no {_WORDS[kind]} of Trysail: {error}",
            hint="was another file meant, or this one cut off?",
            file=source,
        ) from error
    if envelope.kind != kind:
        raise FormatError(
            f"this is a {envelope.kind}, not a {_WORDS[kind]}", hint="was another file meant?", file=source
        )
    major = envelope.format_version.partition(".")[0]
    if major != newest.partition(".")[0]:
        raise FormatError(
            f"format {envelope.format_version} was written by another version of Trysail; this one knows {newest}",
            hint="upgrade: pip install --upgrade kube-trysail",
            file=source,
        )


def _read(raw: bytes, source: str, model: type[T], kind: str, newest: str) -> T:
    check_format(raw, source, kind, newest)
    try:
        return msgspec.json.decode(raw, type=model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"the {_WORDS[kind]} is damaged: {error}", hint="make it anew", file=source) from error


_WORDS = {
    "BackupPlan": "saved plan",
    "RestorePlan": "saved plan of a restore",
    "Inventory": "saved inventory",
    "Backup": "manifest",
}
