"""Documents → models, as one set: names, bases and references between documents. Pure; every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel

from runner.errors import Finding
from runner.model.location import BackupStorageLocation, LocationSpec
from runner.model.policy import BackupPolicy
from runner.model.policy_set import PolicySet, ResolvedPolicy, ResolvedRestore
from runner.model.restore_policy import RestorePolicy
from runner.model.snapshot_location import SnapshotLocationSpec, VolumeSnapshotLocation
from runner.policies.backups import backup_findings
from runner.policies.holds import Held, hold
from runner.policies.merge import extended, without_null
from runner.policies.parse import Document, Place
from runner.policies.paths import FieldPath, dotted
from runner.policies.restores import restore_findings
from runner.policies.scalars import shown
from runner.policies.vocabulary import close_word

M = TypeVar("M", bound=BaseModel)

_NAME: FieldPath = ("metadata", "name")
_LOCATION: FieldPath = ("spec", "storageLocation")
_SNAPSHOTS: FieldPath = ("spec", "snapshotLocation")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A document that is ours, and its kind."""

    kind: str
    document: Document

    @property
    def name(self) -> str:
        """As it is written; "" where it is no text."""
        metadata = self.document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return name if isinstance(name, str) else ""


@dataclass(frozen=True, slots=True)
class Checked:
    """The set, which is whole only where there are no findings."""

    policies: PolicySet
    findings: tuple[Finding, ...]


def check(claimed: Sequence[Claimed], *, complete: bool = True) -> Checked:
    """Checks documents against their models and against each other.

    Where documents were lost to other mistakes (not `complete`), a name that nothing has is not held against anybody.
    """
    known = _Known(
        _by_name(claimed, BackupPolicy),
        _by_name(claimed, BackupStorageLocation),
        _by_name(claimed, VolumeSnapshotLocation),
        complete,
    )
    findings = list(_twice(claimed))
    places = _Places()
    for claim in _of_kind(claimed, BackupStorageLocation):
        location = _location(claim, BackupStorageLocation)
        findings += location.findings
        if location.model is not None:
            places.storage[claim.name] = location.model.spec
    for claim in _of_kind(claimed, VolumeSnapshotLocation):
        snapshots = _location(claim, VolumeSnapshotLocation)
        findings += snapshots.findings
        if snapshots.model is not None:
            places.snapshots[claim.name] = snapshots.model.spec
    policies: list[ResolvedPolicy] = []
    inherited: list[tuple[Claimed, Finding]] = []
    for claim in _of_kind(claimed, BackupPolicy):
        policy = _policy(claim, known)
        findings += (finding for finding in policy.findings if _is_own(finding, claim.document))
        inherited += ((claim, finding) for finding in policy.findings if not _is_own(finding, claim.document))
        if policy.model is not None and (resolved := _resolved(policy.model, claim, places)) is not None:
            policies.append(resolved)
    findings += _from_bases(inherited, findings)
    restores: list[ResolvedRestore] = []
    for claim in _of_kind(claimed, RestorePolicy):
        restore = _restore(claim, known)
        findings += restore.findings
        if restore.model is not None:
            restores.append(_resolved_restore(restore.model, claim, places))
    policies.sort(key=lambda resolved: resolved.policy.metadata.name)
    restores.sort(key=lambda resolved: resolved.policy.metadata.name)
    found = PolicySet(
        tuple(policies),
        dict(sorted(places.storage.items())),
        tuple(restores),
        dict(sorted(places.snapshots.items())),
    )
    return Checked(found, tuple(sorted(set(findings))))


@dataclass(frozen=True, slots=True)
class _Known:
    """What policies may refer to, by name, whether or not it holds."""

    policies: Mapping[str, Document]
    locations: Mapping[str, Document]
    snapshots: Mapping[str, Document]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Places:
    """Locations that hold, by name."""

    storage: dict[str, LocationSpec] = field(default_factory=dict)
    snapshots: dict[str, SnapshotLocationSpec] = field(default_factory=dict)


def _of_kind(claimed: Sequence[Claimed], kind: type[BaseModel]) -> list[Claimed]:
    return [claim for claim in claimed if claim.kind == kind.__name__]


def _by_name(claimed: Sequence[Claimed], kind: type[BaseModel]) -> dict[str, Document]:
    """The documents of a kind that have a name; the first of those that share one."""
    return {claim.name: claim.document for claim in reversed(_of_kind(claimed, kind)) if claim.name}


def _twice(claimed: Sequence[Claimed]) -> Iterator[Finding]:
    first: dict[tuple[str, str], Place] = {}
    for claim in claimed:
        place = claim.document.place(_NAME)
        other = first.setdefault((claim.kind, claim.name), place)
        if claim.name and other is not place:
            message = f'{claim.kind} "{shown(claim.name)}" is already at {other.file}:{other.mark.line}'
            yield _finding(claim.document, _NAME, message, "give one of them another name")


def _location(claim: Claimed, kind: type[M]) -> Held[M]:
    whole = without_null(claim.document)
    held = hold(kind, whole.document, emptied=whole.emptied)
    return Held(held.model if not whole.findings else None, (*held.findings, *whole.findings))


def _policy(claim: Claimed, known: _Known) -> Held[BackupPolicy]:
    """The policy with its bases merged in, checked, and what it names that nothing has."""
    whole = extended(claim.document, known.policies)
    held = hold(BackupPolicy, whole.document, emptied=whole.emptied, partial=not whole.complete)
    findings = [*held.findings, *whole.findings]
    if held.model is not None and whole.complete:
        findings += backup_findings(held.model, whole.document)
    if known.complete:
        findings += whole.dangling
        findings += _dangling(whole.document, known, findings)
    return Held(None if findings else held.model, tuple(findings))


def _restore(claim: Claimed, known: _Known) -> Held[RestorePolicy]:
    """The policy, checked. Its BackupPolicy may be elsewhere: backups are found by its name alone."""
    whole = without_null(claim.document)
    held = hold(RestorePolicy, whole.document, emptied=whole.emptied)
    findings = [*held.findings, *whole.findings]
    if held.model is not None:
        findings += restore_findings(held.model, whole.document)
    if known.complete:
        findings += _dangling(whole.document, known, findings)
    return Held(None if findings else held.model, tuple(findings))


def _dangling(document: Document, known: _Known, findings: Sequence[Finding]) -> list[Finding]:
    """Locations that are named and that nothing has; what is wrong with the field itself has been said."""
    said = {finding.path for finding in findings}
    found: list[Finding] = []
    for path, kind, locations in (
        (_LOCATION, "BackupStorageLocation", known.locations),
        (_SNAPSHOTS, "VolumeSnapshotLocation", known.snapshots),
    ):
        spec = document.value.get("spec")
        name = spec.get(path[-1]) if isinstance(spec, dict) else None
        if isinstance(name, str) and name not in locations and dotted(path) not in said:
            meant = close_word(name, locations)
            hint = (
                f"did you mean {meant}?" if meant else "give the file that has it too, or write the location out here"
            )
            found.append(_finding(document, path, f'no {kind} is named "{shown(name)}"', hint))
    return found


def _resolved(policy: BackupPolicy, claim: Claimed, places: _Places) -> ResolvedPolicy | None:
    """None where a location that is named does not hold, which is reported there."""
    written = policy.spec.storage_location
    location = places.storage.get(written) if isinstance(written, str) else written
    named = policy.spec.snapshot_location
    snapshots = places.snapshots.get(named) if isinstance(named, str) else named
    if location is None or (named is not None and snapshots is None):
        return None
    name = written if isinstance(written, str) else ""
    return ResolvedPolicy(policy, location, name, claim.document.start.file, snapshots)


def _resolved_restore(policy: RestorePolicy, claim: Claimed, places: _Places) -> ResolvedRestore:
    written = policy.spec.storage_location
    location = places.storage.get(written) if isinstance(written, str) else written
    named = policy.spec.snapshot_location
    snapshots = places.snapshots.get(named) if isinstance(named, str) else named
    name = written if isinstance(written, str) else ""
    return ResolvedRestore(policy, location, name, claim.document.start.file, snapshots)


def _is_own(finding: Finding, document: Document) -> bool:
    """Whether `finding` stands in `document` itself, and not in a base that was merged in."""
    at = (finding.file, finding.line, finding.column)
    places = (document.start, *document.keys.values(), *document.values.values())
    return any(at == (place.file, place.mark.line, place.mark.column) for place in places)


def _from_bases(inherited: Iterable[tuple[Claimed, Finding]], own: Sequence[Finding]) -> Iterator[Finding]:
    """What is wrong only once a policy is merged onto its base. What is wrong in the base itself has been said."""
    said = {(finding.file, finding.line, finding.column, finding.path) for finding in own}
    for claim, finding in inherited:
        if (finding.file, finding.line, finding.column, finding.path) not in said:
            yield replace(finding, message=f'{finding.message}, in "{shown(claim.name)}", which extends this')


def _finding(document: Document, path: FieldPath, message: str, hint: str) -> Finding:
    place = document.place(path)
    return Finding(place.file, place.mark.line, place.mark.column, dotted(path), message, hint)
