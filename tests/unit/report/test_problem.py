"""What people see of an error, word for word: tests/golden/problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import (
    BackupDamaged,
    Cancelled,
    ClusterUnreachable,
    Finding,
    LocationNotFound,
    PlanStale,
    PolicyError,
    TrysailError,
)
from runner.report.problem import render_problem
from tests.golden.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "problems"

PROBLEMS: dict[str, TrysailError] = {
    "message-alone": Cancelled("stopped by SIGINT"),
    "context-and-hint": LocationNotFound(
        'bucket "backups" does not exist',
        location="s3://backups/prod",
        hint="create it, or correct objectStorage.bucket",
    ),
    "several-words-of-context": ClusterUnreachable(
        "the API server does not answer", server="https://127.0.0.1:6443", kubeconfig_context="prod", empty=""
    ),
    "several-lines": ClusterUnreachable("the exec plugin failed:\nline one\nError: line two\n", hint="run it by hand"),
    "damages": BackupDamaged(
        "shop-20260101000000-ab12 is damaged",
        damages=("index.jsonl.gz: its SHA-256 is not the recorded one", "configmaps/settings: not in the archive"),
        location="s3://backups/prod",
        hint="restore from another backup",
    ),
    "damaged-without-list": BackupDamaged("the manifest is no JSON"),
    "stale": PlanStale(
        "the plan no longer fits",
        reasons=("it was made for cluster prod, this is staging", "the namespace shop is gone"),
        hint="plan again",
    ),
    "one-finding": PolicyError("x", findings=(Finding("a.yaml", 3, 5, "spec.ttl", "unknown field", "take it out"),)),
    "findings": PolicyError(
        "x",
        findings=(
            Finding("a.yaml", 0, 0, "", "no such file or folder"),
            Finding("b.yaml", 1, 1, "", "malformed YAML"),
            Finding("b.yaml", 3, 5, "spec.ttl", "not supported in this version", "take the field out"),
        ),
    ),
    "policy-without-findings": PolicyError('no policy is named "shop"', hint="one of web, api"),
    "steering-a-terminal": ClusterUnreachable("\x1b[2Jgone\x07", server="a\u202eb", hint="caf\u00e9 stays"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_problem_reads_as_recorded(name: str) -> None:
    """Message first, then each part of it, then where, then what to do; a compiler's lines for documents."""
    assert_golden(GOLDEN / f"{name}.txt", render_problem(PROBLEMS[name]) + "\n")


@pytest.mark.parametrize("name", PROBLEMS)
def test_nothing_steers_the_terminal(name: str) -> None:
    """Whatever a server or a file put into a message, every character of the text prints."""
    assert all(line.isprintable() for line in render_problem(PROBLEMS[name]).split("\n"))


def test_every_golden_problem_is_tested() -> None:
    """No recorded text is left over from a case that is gone."""
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PROBLEMS)
