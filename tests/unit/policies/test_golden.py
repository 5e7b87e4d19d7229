"""Every folder of tests/golden/policies is a mistake that somebody makes, and what they are told, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import PolicyError
from runner.policies.load import load_policies
from runner.report.problem import render_problem
from tests.golden.golden import assert_golden

CASES = Path(__file__).parents[2] / "golden" / "policies"
# What was written where only references may stand.
SECRET = "hunter2"
SECRETS = ("written-secret", "fs-backup-without-password", "snapshot-location-broken")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_mistake_is_explained(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the case are refused, with exactly the recorded text: places, paths, messages and hints."""
    monkeypatch.chdir(CASES / case)
    path = "policies" if Path("policies").is_dir() else "policy.yaml"
    with pytest.raises(PolicyError) as refusal:
        load_policies([path])
    assert_golden(CASES / case / "expected.txt", render_problem(refusal.value) + "\n")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_findings_are_sorted_and_placed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings come in the order of their files and lines, none twice, and each place exists in its file."""
    monkeypatch.chdir(CASES / case)
    with pytest.raises(PolicyError) as refusal:
        load_policies(["policies" if Path("policies").is_dir() else "policy.yaml"])
    findings = refusal.value.findings
    assert findings
    assert list(findings) == sorted(set(findings))
    for finding in findings:
        if finding.line:
            # One more than there are lines: YAML's parser says so of what ends too soon.
            lines = Path(finding.file).read_bytes().split(b"\n")
            assert 1 <= finding.line <= len(lines) + 1
            assert finding.column >= 1


@pytest.mark.parametrize("case", SECRETS)
def test_no_written_secret_is_repeated(case: str) -> None:
    """A literal secret, wherever somebody put it in a location or in fsBackup, is in no message, hint or path."""
    with pytest.raises(PolicyError) as refusal:
        load_policies([CASES / case / "policy.yaml"])
    assert SECRET in (CASES / case / "policy.yaml").read_text()
    assert SECRET not in render_problem(refusal.value)
    assert SECRET not in repr(refusal.value.findings)
