"""Names: what each converted document is called, which of Velero's a name means, and which Backups are a Schedule's.

Pure. What the documents say otherwise is not this module's to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.policies.convert_source import VeleroDocument
from runner.policies.parse import Value
from runner.policies.scalars import Date, shown

DEFAULT_LOCATION = "default"  # to Velero's server, unless it is told otherwise
_LONGEST = 63
_SCHEDULE_LABEL = "velero.io/schedule-name"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A Backup that another document stands for."""

    source: VeleroDocument
    why: str


def skipped_backups(documents: Sequence[VeleroDocument]) -> Iterator[Skipped]:
    """The Backups that are not to be converted: refused ones, and runs of a Schedule but for one that stands for it."""
    schedules = {(document.namespace, document.name) for document in documents if document.kind == "Schedule"}
    runs: dict[tuple[str, str], list[VeleroDocument]] = {}
    for document in documents:
        schedule = schedule_of(document)
        if document.kind == "Backup" and _at(document, "status", "phase") == "FailedValidation":
            yield Skipped(document, "refused by Velero")
        elif schedule and (document.namespace, schedule) in schedules:
            yield Skipped(document, f"made by Schedule {shown(schedule)}")
        elif schedule:
            runs.setdefault((document.namespace, schedule), []).append(document)
    for (_, schedule), backups in runs.items():
        newest = max(backups, key=_age)
        yield from (
            Skipped(backup, f"made by Schedule {shown(schedule)}, as was a newer one")
            for backup in backups
            if backup is not newest
        )


def schedule_of(document: VeleroDocument) -> str:
    """The Schedule that a Backup is a run of; "" for none, and for what is no Backup."""
    name = _at(document, "metadata", "labels", _SCHEDULE_LABEL)
    return name if document.kind == "Backup" and isinstance(name, str) else ""


def label(name: str) -> str:
    """`name` as a DNS label: without dots, which a name of Velero's may have, and not longer than 63."""
    return re.sub(r"[^-a-z0-9]", "-", name.lower())[:_LONGEST].strip("-") or "unnamed"


class Names:
    """What each document of a kind is called. Who can keep its name does; the others get the next that is free."""

    def __init__(self, kind: str, documents: Sequence[VeleroDocument]) -> None:
        self.kind = kind
        self._documents = documents
        self._names: dict[int, str] = {}
        taken: set[str] = set()
        for document in sorted(documents, key=lambda document: label(_called(document)) != document.name):
            name = _free(label(_called(document)), taken)
            taken.add(name)
            self._names[id(document)] = name

    def of(self, document: VeleroDocument) -> str:
        """What `document`, one of those given, is called here."""
        return self._names[id(document)]

    def find(self, namespace: str, name: str) -> VeleroDocument | None:
        """The document that a name means in a namespace, which either may not say."""
        named = (document for document in self._in(namespace) if document.name == name)
        return next(named, None)

    def default(self, namespace: str) -> VeleroDocument | None:
        """The location that Velero takes where none is named."""
        marked = (document for document in self._in(namespace) if _at(document, "spec", "default") is True)
        return next(marked, None) or self.find(namespace, DEFAULT_LOCATION)

    def _in(self, namespace: str) -> list[VeleroDocument]:
        """Those of the namespace first, then those that might be."""
        might = [each for each in self._documents if each.namespace == namespace or not each.namespace or not namespace]
        return sorted(might, key=lambda document: document.namespace != namespace)


def _age(document: VeleroDocument) -> tuple[str, str]:
    """The later, the greater. Names end with the time too."""
    created = _at(document, "metadata", "creationTimestamp")
    return (created.text if isinstance(created, Date) else str(created or ""), document.name)


def _at(document: VeleroDocument, *path: str) -> Value:
    value = document.document.value
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _called(document: VeleroDocument) -> str:
    return schedule_of(document) or document.name


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: _LONGEST - len(f'-{number}')].rstrip('-')}-{number}"
    return free
