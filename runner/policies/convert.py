"""Documents of Velero's → documents of ours, and what became of every field that has no counterpart. Pure.

Nothing is guessed and nothing is dropped in silence: a field is converted, or there is a Note with its place. What
comes of it is checked as any document is, so that it holds; where it does not, there is a Finding and no document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from runner.errors import Finding
from runner.model.document import API_VERSION
from runner.model.location import BackupStorageLocation
from runner.model.policy import BackupPolicy, BackupPolicySpec
from runner.model.restore_policy import RestorePolicy, RestorePolicySpec
from runner.model.snapshot_location import VolumeSnapshotLocation
from runner.policies.convert_location import fill_location
from runner.policies.convert_names import DEFAULT_LOCATION, Names, Skipped, label, schedule_of, skipped_backups
from runner.policies.convert_notes import Draft, Fields, Note, Original, Severity
from runner.policies.convert_policy import fill_policy, note_schedule
from runner.policies.convert_restore import fill_restore
from runner.policies.convert_snapshots import fill_snapshots
from runner.policies.convert_source import CONFIG_MAP, VeleroDocument
from runner.policies.parse import Value
from runner.policies.scalars import shown

LOCATION = BackupStorageLocation.__name__
POLICY = BackupPolicy.__name__
SNAPSHOTS = VolumeSnapshotLocation.__name__
RESTORE = RestorePolicy.__name__
_MODELS: dict[str, type[BaseModel]] = {
    each.__name__: each for each in (BackupStorageLocation, BackupPolicy, VolumeSnapshotLocation, RestorePolicy)
}
_POLICY_FIELDS = tuple(field.alias or name for name, field in BackupPolicySpec.model_fields.items())
_RESTORE_FIELDS = tuple(field.alias or name for name, field in RestorePolicySpec.model_fields.items())
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
        locations=Names(LOCATION, _of_kind(wanted, LOCATION)),
        snapshots=Names(SNAPSHOTS, _of_kind(wanted, SNAPSHOTS)),
        policies=Names(POLICY, _of_kind(wanted, "Backup", "Schedule")),
        restores=Names(RESTORE, _of_kind(wanted, "Restore")),
        maps=Names(CONFIG_MAP, _of_kind(wanted, CONFIG_MAP)),
    )
    converting.findings += _twice(documents)
    for document in _of_kind(wanted, LOCATION):
        converting.location(document)
    for document in _of_kind(wanted, SNAPSHOTS):
        converting.snapshot_location(document)
    for document in _of_kind(wanted, "Backup", "Schedule"):
        converting.policy(document)
    for document in _of_kind(wanted, "Restore"):
        converting.restore(document)
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
    snapshots: Names
    policies: Names
    restores: Names
    maps: Names  # ConfigMaps that are named
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
        snapshots = fill_policy(original, draft, at, maps=self.maps, namespace=document.namespace)
        self._storage_location(document, original, draft, at)
        self._snapshot_locations(document, original, draft, at, wanted=snapshots)
        if document.kind == "Schedule":
            note_schedule(original, self.policies.of(document))
        self._unknown(original, (*at, "metadata"), at, ("spec",))
        self._end(document, original, draft, _POLICY_FIELDS)

    def snapshot_location(self, document: VeleroDocument) -> None:
        original, draft = self._begin(document, self.snapshots)
        if fill_snapshots(original, draft):
            self._unknown(original, ("spec", "config"), ("spec",))
            self._end(document, original, draft)
        else:
            self.findings += original.findings
            self.left.append(Left(document, tuple(original.notes)))

    def restore(self, document: VeleroDocument) -> None:
        original, draft = self._begin(document, self.restores)
        _labels(original, draft, ("metadata", "labels"))
        fill_restore(original, draft, policies=self.policies, maps=self.maps, namespace=document.namespace)
        self._unknown(original, ("spec",))
        self._end(document, original, draft, _RESTORE_FIELDS)

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
        if names.kind in {LOCATION, SNAPSHOTS}:
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

    def _snapshot_locations(
        self, document: VeleroDocument, original: Original, draft: Draft, at: Fields, *, wanted: bool
    ) -> None:
        """The one that is named or, without a word, the only one that there is: as Velero takes it."""
        path = (*at, "volumeSnapshotLocations")
        named = [name for name in original.listed(*path) if isinstance(name, str)]
        left = [each.source for each in self.left]
        if not wanted:
            if named:
                original.note(Severity.NO_MEANING, path, "no volumes are snapshotted")
            return
        if not named:
            self._only_snapshot_location(document, original, draft, at)
            return
        found = [(name, self.snapshots.find(document.namespace, name)) for name in named]
        for name, each in found:
            if each is not None and any(source is each for source in left):
                message = f"nothing was made of {each.what}: its volumes are snapshotted by CSI, or not at all"
                original.note(Severity.CHANGES, path, message, "the plan names each volume with what becomes of it")
            elif each is None:
                original.note(
                    Severity.CHANGES,
                    path,
                    f'the VolumeSnapshotLocation "{shown(name)}" is not among these documents',
                    "convert it along: kubectl get volumesnapshotlocations -A -o yaml",
                )
        made = [self.snapshots.of(each) for _, each in found if each and not any(source is each for source in left)]
        if made:
            draft.put(("spec", "snapshotLocation"), made[0], path)
        for name in made[1:]:
            message = f"a policy has one location for snapshots: volumes of {name} are not reached by it"
            original.note(Severity.CHANGES, path, message, "write a policy of its own for what is there")

    def _only_snapshot_location(self, document: VeleroDocument, original: Original, draft: Draft, at: Fields) -> None:
        around = [each for each in self.made if each.kind == SNAPSHOTS]
        own = [each for each in around if each.source.namespace == document.namespace] or around
        if len(own) == 1:
            draft.put(("spec", "snapshotLocation"), own[0].name, at)
            message = f"no location for snapshots is named; to Velero, that means {own[0].source.what}"
            original.note(Severity.OTHERWISE, at, message)
        elif own:
            names = ", ".join(each.name for each in own)
            message = "no location for snapshots is named, and Velero's server is told which of several it means"
            original.note(Severity.CHANGES, at, message, f"write snapshotLocation: one of {names}")

    def _unknown(self, original: Original, *paths: Fields) -> None:
        for path in paths:
            for unknown in original.unknown(*path):
                original.note(
                    Severity.CHANGES,
                    unknown,
                    "it is not known here, and may well change what is backed up",
                    "look up what it does, and say it in this document where that is needed",
                )

    def _end(self, document: VeleroDocument, original: Original, draft: Draft, fields: tuple[str, ...] = ()) -> None:
        """With `fields`, those of the spec are put into their own order."""
        value = draft.value
        if fields:
            written = value.get("spec", {})
            value["spec"] = {name: written[name] for name in fields if name in written}
        self.findings += draft.findings(_MODELS[value["kind"]])
        notes = tuple(sorted(original.notes))
        self.made.append(Made(value["kind"], value["metadata"]["name"], value, document, notes))


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
