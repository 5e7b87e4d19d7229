"""Tests of what became of volumes, in a run and in a restore: counted when well, each failure by name when not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, PARTIALLY_FAILED, Manifest, StoredKey
from runner.model.plan import Gap, Plan, PlannedCluster
from runner.model.restored import BroughtVolume, RestoreResult
from runner.model.result import Result
from runner.model.volumes import StoredVolume
from runner.report.restore_result_text import render_restore_result
from runner.report.result_text import render_result
from tests.golden.golden import assert_golden
from tests.golden.restores.plans import elsewhere
from tests.unit.report.ledger import disk, failed, hook, plan_of, scratch, stored, untouched

GOLDEN = Path(__file__).parents[2] / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
URL = "s3://backups/prod"
QUOTA = "the quota of snapshots has no room for one more (SnapshotLimitExceeded)"


def result(volumes: tuple[StoredVolume, ...], plan: Plan | None = None, missing: tuple[Gap, ...] = ()) -> Result:
    """A run with this ledger; its manifest misses what failed, as the engine's does."""
    plan = plan or plan_of(volume.planned for volume in volumes)
    gaps = tuple(Gap(f"volume {volume.planned.name}", volume.error) for volume in volumes if volume.outcome == "failed")
    manifest = Manifest(
        format_version=MANIFEST_FORMAT,
        kind="Backup",
        digest="sha256:0",
        name="shop-20260301020000-ab12",
        phase=PARTIALLY_FAILED if gaps or missing else COMPLETED,
        cluster=PlannedCluster("demo", "uid"),
        server="https://127.0.0.1:6443",
        server_version="v1.36.0",
        policy_name="shop",
        policy=plan.policy,
        plan_digest=plan.digest,
        started="2026-03-01T02:00:00+00:00",
        completed="2026-03-01T02:00:02+00:00",
        trysail_version="0.1.0",
        items=3,
        size=2048,
        keys={"k8s-objects.tar.gz": StoredKey(1000, "a")},
        lists=(),
        left_out=(),
        missing=(*gaps, *missing),
        warnings=(),
    )
    return Result(manifest, plan, (), 1.5, volumes)


def eventful() -> Result:
    """Something of everything that a ledger can say."""
    volumes = (
        stored(disk("shop-prod/data-postgres-0"), frozen=0.312),
        stored(disk("shop-prod/data-postgres-1"), frozen=0.05, adopted=True),
        stored(disk("shop-prod/images"), adopted=True),
        failed(disk("shop-prod/queue-0"), QUOTA),
        failed(disk("shop-prod/queue-1"), QUOTA),
        failed(disk("shop-prod/uploads"), "not taken, since its hook flush in shop-prod/files-0 exited with 137"),
        *(untouched(scratch(f"shop-prod/web-{number}")) for number in range(12)),
        untouched(disk("shop-prod/local", method="uncovered", why="no rule protects it")),
    )
    hooks = [hook("shop-prod/postgres-0", "pre", "psql", claims=("shop-prod/data-postgres-0",))]
    plan = plan_of((volume.planned for volume in volumes), hooks)
    return result(volumes, plan, missing=(Gap("secrets in namespace shop-prod", "forbidden"),))


def text(ended: Result, **options: Any) -> str:
    """How it ended, without colours."""
    return render_result(ended, URL, **options)


# a run


def test_a_ledger_is_said_word_for_word() -> None:
    """What people have read and found good stays so."""
    assert_golden(GOLDEN / "backups" / "result-volumes.txt", text(eventful()))


def test_volumes_that_went_well_are_one_line() -> None:
    """Counted, with what they hold."""
    found = text(result((stored(disk("a/b")), stored(disk("a/c")))))
    assert "\n\nVolumes: 2 stored (100.0 GiB)\n\nNext:\n" in found


def test_without_volumes_nothing_is_said_of_them() -> None:
    """No line without content."""
    assert "olume" not in text(result(()))


def test_a_failure_is_told_once() -> None:
    """It is missing from the backup and stands among the volumes: there alone, with its error."""
    found = text(eventful())
    assert found.count("shop-prod/uploads") == 1
    assert found.count("SnapshotLimitExceeded") == 1
    assert "1 thing missing from this backup:\n\n  ? secrets in namespace shop-prod\n" in found
    alone = text(result((failed(disk("a/b"), "no"),)))
    assert "missing from this backup" not in alone
    assert "\nVolumes: 0 stored, 1 failed\n\n  ! a/b\n      no\n" in alone


def test_the_longest_time_frozen_is_told_with_its_pods() -> None:
    """By the hooks that froze it; by the volume where no hook tells."""
    assert "\n  frozen 0.3 s at most, shop-prod/postgres-0\n" in text(eventful())
    assert "\n  frozen 0.004 s at most, a/b\n" in text(result((stored(disk("a/b"), frozen=0.004),)))
    assert "frozen" not in text(result((stored(disk("a/b")),)))


def test_what_was_taken_over_is_named() -> None:
    """A run of the same plan that was killed had made it."""
    found = text(result(tuple(stored(disk(f"a/b-{n}"), adopted=True) for n in range(5))))
    words = "5 snapshots taken over from a run of this plan that was killed: a/b-0, a/b-1, a/b-2, and 2 more"
    assert words in " ".join(found.split())


def test_a_size_that_is_not_known_is_not_made_up() -> None:
    """Neither a snapshot's size nor a capacity: the number of volumes alone."""
    assert "Volumes: 1 stored\n" in text(result((stored(disk("a/b", capacity=""), snapshot=None),)))


def test_every_failure_is_named() -> None:
    """However many there are; those of one reason stand above it."""
    found = text(result(tuple(failed(disk(f"a/b-{n:04}"), f"reason {n % 2}") for n in range(1000))))
    assert len(re.findall(r"(?m)^  ! a/b-\d{4}$", found)) == 1000
    assert found.count("      reason 1\n") == 1


# a restore


def restored(**fields: Any) -> RestoreResult:
    """A restore that went well, but for what is given."""
    parts: dict[str, Any] = {"plan": elsewhere(), "created": 8, "updated": 0, "recreated": 0, "already": 0,
                             "failed": (), "warnings": (), "undo": "", "seconds": 0.5}  # fmt: skip
    return RestoreResult(**{**parts, **fields})


def test_restored_volumes_are_counted_and_failures_named() -> None:
    """A volume that did not come back makes the restore partial, and the same command goes on from there."""
    volumes = (
        BroughtVolume("shop-dr", "data-0", "restored", handle="vol-1"),
        BroughtVolume("shop-dr", "data-1", "failed", "the snapshot snap-0a1b is not there"),
    )
    found = render_restore_result(restored(volumes=volumes))
    assert_golden(GOLDEN / "restores" / "result-volumes.txt", found)
    assert " PartiallyFailed: " in found
    assert "the same command goes on from here" in found
    well = render_restore_result(restored(volumes=volumes[:1]))
    assert " Completed: " in well
    assert "\n\nVolumes: 1 brought back\n" in well


def test_data_that_the_plan_refused_is_said_again() -> None:
    """So that nobody takes the restore for whole."""
    plan = elsewhere()
    refused = tuple(msgspec.structs.replace(one, action="refuse") for one in plan.volumes)
    found = render_restore_result(restored(plan=msgspec.structs.replace(plan, volumes=refused)))
    assert "Not restored, as the plan said: data of 1 volume." in found


# strangers


@pytest.mark.parametrize("color", [False, True])
def test_colours_change_nothing_but_colours(color: bool) -> None:
    """Without its escape sequences the coloured text is the plain one."""
    assert ANSI.sub("", text(eventful(), color=color)) == text(eventful())


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_nothing_from_elsewhere_steers_a_terminal(name: str, reason: str) -> None:
    """Whatever a claim's name or a provider's error holds, no control character and no line of its own comes of it."""
    ended = text(result((failed(disk(name, capacity=name), reason), stored(disk(name), adopted=True, frozen=1))))
    brought = (BroughtVolume(name, name, "failed", reason),)
    for found in (ended, render_restore_result(restored(volumes=brought))):
        assert all(line.isprintable() for line in found.split("\n"))
        assert not re.search(r"(?m)^(?! |shop-2026|Volumes|1 volume|Next|Restore of |Not restored|$)", found)
