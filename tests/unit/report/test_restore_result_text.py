"""Tests of how a restore ended, as text: short when all is well, every failure by name and reason when not."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.restored import Failed, RestoreResult
from runner.report.restore_result_text import render_restore_result
from tests.golden.golden import assert_golden
from tests.golden.restores.plans import TARGET, elsewhere, every_fate, restore_plan

FOLDER = Path(__file__).parents[2] / "golden" / "restores"
UNDO = "before-restore-20260302080000-cd34"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def result(**fields: Any) -> RestoreResult:
    """A restore that went well, but for what is given."""
    parts: dict[str, Any] = {"plan": elsewhere(), "created": 8, "updated": 0, "recreated": 0, "already": 0,
                             "failed": (), "warnings": (), "undo": "", "seconds": 0.5}  # fmt: skip
    return RestoreResult(**{**parts, **fields})


def failures() -> RestoreResult:
    """A restore that was not allowed all that it wanted."""
    quota = "exceeded quota: small, requested: pods=1, used: pods=10, limited: pods=10"
    return result(
        plan=every_fate(),
        created=11,
        updated=2,
        recreated=1,
        already=2,
        failed=(
            Failed("clusterroles.rbac.authorization.k8s.io", "", "a:b", "update", "forbidden: no right to escalate"),
            Failed("configmaps", "shop-prod", "web", "update", "the server is currently unable to handle the request"),
            *(Failed("pods", "shop-prod", f"worker-{number:02}", "create", quota) for number in range(12)),
            Failed("pods", "shop-dev", "one", "create", quota),
        ),
        warnings=("configmaps: metadata.finalizers: prefer a domain-qualified finalizer name",),
        undo=UNDO,
        seconds=3.2,
    )


@pytest.mark.parametrize(("case", "ended"), [("result", result()), ("result-failed", failures())])
def test_a_result_is_said_word_for_word(case: str, ended: RestoreResult) -> None:
    """What people have read and found good stays so."""
    assert_golden(FOLDER / f"{case}.txt", render_restore_result(ended))


def test_every_failure_is_named_once() -> None:
    """However many there are; those of one reason stand together under it."""
    failed = tuple(Failed("pods", f"ns-{n % 7}", f"web-{n:05}", "create", f"reason {n % 3}") for n in range(5_000))
    found = render_restore_result(result(failed=failed))
    assert sorted(re.findall(r"web-\d{5}", found)) == sorted(one.name for one in failed)
    assert all(found.count(f": reason {number}\n") == 1 for number in range(3))
    assert "5000 items failed:" in found
    assert "the same command goes on from here" in found


@pytest.mark.slow
def test_a_hundred_thousand_failures_take_seconds() -> None:
    """Each with a reason of its own."""
    failed = tuple(Failed("pods", "shop", f"web-{n}", "create", f'pods "web-{n}" is forbidden') for n in range(100_000))
    begun = time.process_time()
    assert render_restore_result(result(failed=failed)).count('" is forbidden') == 100_000
    assert time.process_time() - begun < 15


def test_a_restore_that_went_well_asks_for_nothing() -> None:
    """No failure, nothing overwritten: what was done, how fast, and where."""
    found = render_restore_result(result(created=600, seconds=1.5))
    assert "Completed: 600 items in 1.5 s, 400 objects/s\n" in found
    for word in ("failed", "Next", "overwritten", "Warning", "Not restored"):
        assert word not in found


def test_what_an_earlier_run_did_is_not_this_ones_speed() -> None:
    """Items that were found done are counted apart."""
    found = render_restore_result(result(created=0, already=8))
    assert "Completed: 0 items in 0.5 s\n" in found
    assert "8 done already, by an earlier run" in found


# undo


def test_undo_is_a_command_that_can_be_pasted() -> None:
    """With all that it needs to reach the same store and the same cluster, quoted for a shell."""
    location = {
        "provider": "s3",
        "objectStorage": {"bucket": "backups", "prefix": "prod"},
        "config": {"s3Url": "http://127.0.0.1:9000", "s3ForcePathStyle": True},
    }
    plan = restore_plan([], location=location, target=msgspec.structs.replace(TARGET, context="a b"))
    found = render_restore_result(result(plan=plan, updated=1, undo=UNDO))
    assert (
        f"  trysail restore {UNDO} --location "
        "'s3://backups/prod?s3Url=http://127.0.0.1:9000&s3ForcePathStyle=true' --context 'a b' \\\n"
        "    --existing-resource-policy update --force-conflicts\n"
    ) in found


@pytest.mark.parametrize(
    ("context", "server", "option"),
    [
        ("in-cluster", "https://10.0.0.1", "-f p.yaml \\"),
        ("", "https://10.0.0.1", "-f p.yaml \\"),
        ("shop", "/clusters/shop", "-f p.yaml --manifests /clusters/shop \\"),
        ("prod", "https://10.0.0.1", "-f p.yaml --context prod \\"),
    ],
)
def test_undo_goes_to_the_same_cluster(context: str, server: str, option: str) -> None:
    """A context, a folder, or the cluster that the Pod is in; the place is as the caller says."""
    plan = restore_plan([], target=msgspec.structs.replace(TARGET, context=context, server=server))
    found = render_restore_result(result(plan=plan, undo=UNDO), reach="-f p.yaml")
    assert f"trysail restore {UNDO} {option}\n" in found


def test_what_cannot_be_undone_is_said() -> None:
    """Whoever wanted nothing saved is told that nothing was; where nothing was overwritten nothing is said."""
    assert "was not saved: it cannot be brought back." in render_restore_result(result(updated=1))
    assert "saved" not in render_restore_result(result())


# strangers


def test_colours_change_nothing_but_colours() -> None:
    """Without its escape sequences the coloured text is the plain one."""
    colored = render_restore_result(failures(), color=True)
    assert ANSI.search(colored)
    assert ANSI.sub("", colored) == render_restore_result(failures())


OWN = (" ", "Restore of ", "1 item failed", "Not restored", "Warning:", "What was ", "This brings", "Next:")


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_nothing_from_elsewhere_steers_a_terminal(name: str, reason: str) -> None:
    """Whatever a name or a server's error holds, no control character and no line of its own comes of it."""
    plan = every_fate()
    plan = msgspec.structs.replace(
        plan,
        backup=msgspec.structs.replace(plan.backup, name=name),
        target=msgspec.structs.replace(TARGET, context=name, server=f"https://{name}", uid=name),
    )
    failed = (Failed(name, name, name, name, reason),)
    found = render_restore_result(result(plan=plan, failed=failed, warnings=(reason,), undo=name, updated=1))
    assert all(line.isprintable() for line in found.split("\n"))
    assert all(not line or line.startswith(OWN) for line in found.split("\n"))
