"""Paths → a PolicySet, or every mistake of all files in one error: reads the files and joins the pure parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import Finding, PolicyError
from runner.model.policy_set import PolicySet
from runner.policies.check import Claimed, check
from runner.policies.faults import Fault, decode
from runner.policies.identity import KINDS, identify
from runner.policies.parse import Document, fault_finding, parse
from runner.policies.sources import Source, read_sources


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """One document that holds."""

    file: str
    line: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A document in a folder that is none of ours."""

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that the paths hold, in the order read."""

    policies: PolicySet
    documents: tuple[LoadedDocument, ...]
    ignored: tuple[Ignored, ...]


def load_policies(paths: Sequence[str | Path]) -> PolicySet:
    """The policies and locations in files, in folders (`*.yaml`, `*.yml`, at any depth) and on standard input (`-`).

    In a folder, documents of other groups than trysail.dev are left alone; a file that is named must hold ours only.
    PolicyError has every mistake of all files, sorted by place. Nothing else is opened, and no secret resolved.
    """
    return load_documents(paths).policies


def load_documents(paths: Sequence[str | Path]) -> Loaded:
    """As `load_policies`, with what was read and what was ignored, document by document."""
    sorting = _Sorting()
    for source in read_sources(paths):
        if isinstance(source, Finding):
            sorting.findings.append(source)
            sorting.complete = False
        else:
            sorting.take(source)
    checked = check(sorting.claimed, complete=sorting.complete)
    findings = {*sorting.findings, *checked.findings}
    if not findings and not sorting.claimed:
        hint = "a document begins with apiVersion: trysail.dev/v1alpha1"
        findings |= {Finding(str(path), 0, 0, "", "holds no document of trysail.dev", hint) for path in paths}
    if findings:
        raise PolicyError("the documents do not hold", findings=tuple(sorted(findings)))
    documents = tuple(
        LoadedDocument(claim.document.start.file, claim.document.start.mark.line, claim.kind, claim.name)
        for claim in sorting.claimed
    )
    return Loaded(checked.policies, documents, tuple(sorting.ignored))


@dataclass(slots=True)
class _Sorting:
    """Sorts what the files hold: ours, other people's, and mistakes."""

    claimed: list[Claimed] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    complete: bool = True  # nothing is lost that others may refer to

    def take(self, source: Source) -> None:
        text = decode(source.data)
        if isinstance(text, Fault):
            self._broken(source, fault_finding(text, source.file))
            return
        parsed = parse(text, source.file)
        for document in parsed.documents:
            self._take_document(source, document)
        if parsed.broken is not None:
            self._broken(source, parsed.broken)
        elif not parsed.documents and source.named:
            self.findings.append(Finding(source.file, 0, 0, "", "holds no document", "is it the right file?"))

    def _take_document(self, source: Source, document: Document) -> None:
        identity = identify(document)
        if not identity.ours and not source.named:
            self.ignored.append(Ignored(source.file, document.start.mark.line, identity.what))
            return
        if not document.whole:
            self.findings += document.findings
            self.complete = False
            return
        self.findings += identity.findings
        if identity.ours:
            self.findings += document.findings
        if identity.kind:
            self.claimed.append(Claimed(identity.kind, document))

    def _broken(self, source: Source, finding: Finding) -> None:
        """A file that cannot be read to its end: a mistake, unless a folder holds it and it has nothing of ours."""
        if source.named or _mentions_us(source.data):
            self.findings.append(finding)
            self.complete = False
        else:
            self.ignored.append(Ignored(source.file, finding.line, "no YAML"))


def _mentions_us(data: bytes) -> bool:
    return any(word.encode() in data for word in ("trysail", *KINDS))
