"""Documents of Velero's → documents of ours, and what became of every field that has no counterpart. Pure.

Nothing is guessed and nothing is dropped in silence: a field is converted, or there is a Note with its place. What
comes of it is checked as any document is, so that it holds; where it does not, there is a Finding and no document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.errors import Finding
from runner.model.document import API_VERSION
from runner.model.location import BackupStorageLocation
from runner.model.policy import BackupPolicy, BackupPolicySpec
from runner.policies.convert_location import fill_location
from runner.policies.convert_names import DEFAULT_LOCATION, Names, Skipped, label, schedule_of, skipped_backups
from runner.policies.convert_notes import Draft, Fields, Note, Original, Severity
from runner.policies.convert_policy import fill_policy, note_schedule
from runner.policies.convert_source import VeleroDocument
from runner.policies.parse import Value
from runner.policies.scalars import shown

LOCATION = BackupStorageLocation.__name__
POLICY = BackupPolicy.__name__
# What installers and controllers write of themselves; it would not be true of what is made here.
_FOREIGN_LABELS = ("velero.io/", "helm.sh/", "app.kubernetes.io/managed-by")
_INSTALLED = ("component", "velero")


@dataclass(frozen=True, slots=True)
class Made:
    """A document of ours, and what was left behind on the way. `value` is as it would be committed."""

    kind: str
    name: str
    value: dict[str, Any]
    source: VeleroDocument
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """A document of Velero's that nothing was made of, and why."""

    source: VeleroDocument
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """All that came of a set of documents: locations first, each kind in the order given."""

    made: tuple[Made, ...]
    left: tuple[Left, ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]  # with any, nothing of it is to be used

    @property
    def notes(self) -> tuple[Note, ...]:
        """Every note, in the order of the documents."""
        of_made = (note for made in self.made for note in made.notes)
        return (*of_made, *(note for left in self.left for note in left.notes))

    @property
    def changes(self) -> bool:
        """Whether something was left behind without which other things are backed up, or kept otherwise."""
        return any(note.severity is Severity.CHANGES for note in self.notes)


def convert(documents: Sequence[VeleroDocument]) -> Conversion:
    """Converts `documents` as one set: policies name the locations that are made along with them.

    Runs of a Schedule are its template over again: the Schedule stands for them or, where it is not given, the newest.
    """
    skipped = tuple(skipped_backups(documents))
    beside = {id(each.source) for each in skipped}
    wanted = [document for document in documents if id(document) not in beside]
    converting = _Converting(
        Names(LOCATION, _of_kind(wanted, LOCATION)), Names(POLICY, _of_kind(wanted, "Backup", "Schedule"))
    )
    converting.findings += _twice(documents)
    for document in _of_kind(wanted, LOCATION):
        converting.location(document)
    for document in _of_kind(wanted, "Backup", "Schedule"):
        converting.policy(document)
    for document in _of_kind(wanted, "VolumeSnapshotLocation"):
        converting.snapshot_location(document)
    return Conversion(tuple(converting.made), tuple(converting.left), skipped, tuple(sorted(set(converting.findings))))


def _of_kind(documents: Iterable[VeleroDocument], *kinds: str) -> list[VeleroDocument]:
    return [document for document in documents if document.kind in kinds]


def _twice(documents: Iterable[VeleroDocument]) -> Iterator[Finding]:
    first: dict[tuple[str, str, str], VeleroDocument] = {}
    for document in documents:
        other = first.setdefault((document.kind, document.namespace, document.name), document)
        if other is not document:
            start = document.document.start
            message = f"{document.what} is already at {other.place}"
            yield Finding(start.file, start.mark.line, start.mark.column, "", message, "give it once")


@dataclass(slots=True)
class _Converting:
    """Makes one document after the other; locations come before the policies that name them."""

    locations: Names
    policies: Names
    made: list[Made] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def location(self, document: VeleroDocument) -> None:
        original, draft = self._begin(document, self.locations)
        if fill_location(original, draft, self.locations.of(document)):
            self._unknown(original, ("spec", "objectStorage"), ("spec", "config"), ("spec",))
            self._end(document, original, draft)
        else:
            self.findings += original.findings
            self.left.append(Left(document, tuple(original.notes)))

    def policy(self, document: VeleroDocument) -> None:
        original, draft = self._begin(document, self.policies)
        at: Fields = ("spec", "template") if document.kind == "Schedule" else ("spec",)
        _labels(original, draft, ("metadata", "labels"), (*at, "metadata", "labels"))
        original.mapping(*at, "metadata")
        fill_policy(original, draft, at)
        self._storage_location(document, original, draft, at)
        if document.kind == "Schedule":
            note_schedule(original, self.policies.of(document))
        self._unknown(original, (*at, "metadata"), at, ("spec",))
        written = draft.value["spec"]
        fields = (field.alias or name for name, field in BackupPolicySpec.model_fields.items())
        draft.value["spec"] = {name: written[name] for name in fields if name in written}
        self._end(document, original, draft)

    def snapshot_location(self, document: VeleroDocument) -> None:
        original = Original(document.document)
        original.note(
            Severity.CHANGES,
            (),
            "there are no snapshots of volumes in this version",
            "protect volumes with another tool; the plan names each one that a policy selects",
        )
        self.left.append(Left(document, tuple(original.notes)))

    def _begin(self, document: VeleroDocument, names: Names) -> tuple[Original, Draft]:
        original = Original(document.document)
        original.mapping("spec")
        draft = Draft(original, {"apiVersion": API_VERSION, "kind": names.kind})
        name = names.of(document)
        draft.put(("metadata", "name"), name, ("metadata", "name"))
        if name != document.name:
            rule = "names here have no dots, at most 63 characters, and are given once to a kind"
            why = "after the Schedule that it is a run of" if schedule_of(document) else f"since {rule}"
            original.note(Severity.OTHERWISE, ("metadata", "name"), f"it is called {name} here, {why}")
        if names.kind == LOCATION:
            _labels(original, draft, ("metadata", "labels"))
        return original, draft

    def _storage_location(self, document: VeleroDocument, original: Original, draft: Draft, at: Fields) -> None:
        path = (*at, "storageLocation")
        name = original.text(*path)
        namespace = document.namespace
        found = self.locations.find(namespace, name) if name else self.locations.default(namespace)
        called = self.locations.of(found) if found is not None else label(name or DEFAULT_LOCATION)
        draft.put(("spec", "storageLocation"), called, path)
        if found is None:
            which = f'the BackupStorageLocation "{shown(name)}"' if name else "the default BackupStorageLocation"
            original.note(
                Severity.CHANGES,
                path,
                f"{which} is not among these documents, so that the policy names one that is not there",
                "convert it along: kubectl get backupstoragelocations -A -o yaml; or write one that is called "
                f"{called}",
            )
        elif any(left.source is found for left in self.left):
            original.note(
                Severity.CHANGES,
                path,
                f"nothing was made of {found.what}, so that the policy names a location that is not there",
                f"write one that is called {called}",
            )
        elif not name:
            original.note(Severity.OTHERWISE, at, f"no location is named; to Velero, that means {found.what}")

    def _unknown(self, original: Original, *paths: Fields) -> None:
        for path in paths:
            for unknown in original.unknown(*path):
                original.note(
                    Severity.CHANGES,
                    unknown,
                    "it is not known here, and may well change what is backed up",
                    "look up what it does, and say it in this document where that is needed",
                )

    def _end(self, document: VeleroDocument, original: Original, draft: Draft) -> None:
        kind: type[BackupPolicy | BackupStorageLocation] = (
            BackupStorageLocation if draft.value["kind"] == LOCATION else BackupPolicy
        )
        self.findings += draft.findings(kind)
        value = draft.value
        self.made.append(Made(kind.__name__, value["metadata"]["name"], value, document, tuple(sorted(original.notes))))


def _labels(original: Original, draft: Draft, *paths: Fields) -> None:
    """Labels of the document, and those that a Schedule gives to its Backups; the document's own win."""
    for path in paths:
        labels: Mapping[str, Value] = original.mapping(*path)
        foreign = [name for name in labels if name.startswith(_FOREIGN_LABELS) or (name, labels[name]) == _INSTALLED]
        for name, value in labels.items():
            at = ("metadata", "labels", name)
            if name in foreign:
                continue
            if at not in draft.origins:
                draft.put(at, value, (*path, name))
            elif draft.value["metadata"]["labels"][name] != value:
                original.note(Severity.OTHERWISE, (*path, name), "the document's own label of this name is kept")
        if foreign:
            words = ", ".join(shown(name) for name in foreign)
            original.note(Severity.NO_MEANING, path, f"{words}: marks of Velero and of what installed it")
