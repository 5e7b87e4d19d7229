"""What killed runs have left at the providers: taken over by a run of the same plan, or named; never forgotten."""

from __future__ import annotations

import msgspec
import pytest

from runner.errors import VolumesDenied, VolumesUnreachable
from runner.model.volumes import RunTags
from tests.fakes.snapshotter import failing
from tests.unit.engine.volume_stage import TAGS, VolumeStage, hook, volume

FREEZE, THAW = hook("pre", "freeze"), hook("post", "thaw")


def dead_run(stage: VolumeStage, backup: str = "b0") -> None:
    """A run that was killed once its snapshots were asked for."""
    run = stage.prepared(tags=RunTags(TAGS.cluster, TAGS.policy, backup, TAGS.plan))
    run.begin()
    run.settle()


def test_a_run_of_the_same_plan_takes_over_what_a_killed_one_has_made() -> None:
    """Adopted, named by the new run, and not made twice."""
    stage = VolumeStage(volume("a"), volume("b"))
    dead_run(stage)
    before = stage.native.names()
    ledger = stage.run()
    assert stage.native.names() == before
    assert [(line.outcome, line.adopted) for line in ledger.values()] == [("stored", True)] * 2
    assert {kept.tags.backup for kept in stage.native.kept.values()} == {"b1"}


def test_snapshots_of_a_backup_that_is_committed_are_left_to_it() -> None:
    """The same saved plan may be run every night."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    line = stage.run(committed=["b0"])["a"]
    assert not line.adopted
    assert len(stage.native.kept) == 2
    assert stage.warnings() == []


def test_a_group_is_taken_over_whole_or_not_at_all() -> None:
    """Two volumes of one Pod have one point in time; what is left over is named."""
    hooks = [hook("pre", "freeze", claims=["data", "log"]), hook("post", "thaw", claims=["data", "log"])]
    stage = VolumeStage(volume("data"), volume("log"), hooks=hooks)
    dead_run(stage)
    lost = next(id_ for id_, name in stage.native.names().items() if name == "shop/log")
    del stage.native.kept[lost]
    (left,) = stage.native.kept
    ledger = stage.run()
    assert [line.adopted for line in ledger.values()] == [False, False]
    assert stage.exec.commands.count("db-0: freeze") == 2
    assert stage.warnings() == [
        f"a snapshot was left behind: {left} of shop/data, by b0, which never finished (or still goes on)"
    ]
    assert left in stage.native.kept
    assert left not in {line.snapshot and line.snapshot.id for line in ledger.values()}


def test_snapshots_of_two_runs_are_no_group() -> None:
    """One of each volume is there, and they are of two points in time."""
    hooks = [hook("pre", "freeze", claims=["data", "log"]), hook("post", "thaw", claims=["data", "log"])]
    stage = VolumeStage(volume("data"), volume("log"), hooks=hooks)
    dead_run(stage, "b0")
    del stage.native.kept["snap-2"]
    dead_run(stage, "b00")
    del stage.native.kept["snap-3"]
    assert stage.native.names() == {"snap-1": "shop/data", "snap-4": "shop/log"}
    stage.observer.events.clear()
    ledger = stage.run()
    assert [line.adopted for line in ledger.values()] == [False, False]
    assert [warning.partition(" of ")[0] for warning in stage.warnings()] == [
        "a snapshot was left behind: snap-1",
        "a snapshot was left behind: snap-4",
    ]


def test_the_last_of_several_runs_is_taken_over() -> None:
    """The others are named."""
    stage = VolumeStage(volume("data"))
    for backup in ("b0", "b00"):
        stage.native.on_call = failing("found", "", VolumesDenied("no"), times=1)
        dead_run(stage, backup)
    stage.observer.events.clear()
    line = stage.run()["data"]
    assert (line.adopted, line.snapshot and line.snapshot.id) == (True, "snap-2")
    assert [warning.partition(" of ")[0] for warning in stage.warnings()] == ["a snapshot was left behind: snap-1"]


def test_a_snapshot_of_a_backup_in_another_location_is_none_of_ours() -> None:
    """Whether that is committed cannot be seen here; somebody would delete what is called left behind."""
    stage = VolumeStage(volume("a"))
    there = RunTags(TAGS.cluster, TAGS.policy, "b0", TAGS.plan, location="s3://there")
    run = stage.prepared(tags=there)
    run.begin()
    run.settle()
    stage.run(tags=msgspec.structs.replace(TAGS, location="s3://here"))
    assert stage.warnings() == []


def test_an_old_snapshot_is_named_and_not_taken_over() -> None:
    """It shows a state that the objects of this run have left behind."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    stage.clock.advance(2 * 3600)
    line = stage.run()["a"]
    assert not line.adopted
    (warning,) = stage.warnings()
    assert warning == ("a snapshot was left behind: snap-1 of shop/a, by b0, which never finished (or still goes on)")


def test_a_snapshot_of_another_plan_is_named_and_left_alone() -> None:
    """Only the very same plan may take it over."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    line = stage.run(tags=RunTags(TAGS.cluster, TAGS.policy, "b1", "sha256:another"))["a"]
    assert not line.adopted
    assert len(stage.warnings()) == 1


def test_one_that_is_gone_in_the_meantime_is_made_anew() -> None:
    """And it is said."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    stage.native.on_call = lambda verb, _: stage.native.kept.clear() if verb == "adopt" else None
    line = stage.run()["a"]
    assert (line.outcome, line.adopted, line.error) == ("stored", False, "")
    assert [line.snapshot.id if line.snapshot else ""] == list(stage.native.kept) == ["snap-2"]
    assert stage.warnings() == [
        "a snapshot cannot be taken over, and a new one is made: snap-1 of shop/a, by b0, which never finished "
        "(or still goes on): snap-1 is gone"
    ]


@pytest.mark.parametrize("gone", ["snap-1", "snap-2"])
def test_of_a_group_that_cannot_be_taken_over_all_are_given_back(gone: str) -> None:
    """The other one was taken over already, or is yet to be: half a group is of no use, and its run may go on."""
    hooks = [hook("pre", "freeze", claims=["data", "log"]), hook("post", "thaw", claims=["data", "log"])]
    stage = VolumeStage(volume("data"), volume("log"), hooks=hooks)
    dead_run(stage)
    stage.native.on_call = failing("adopt", gone, VolumesDenied("no"))
    # An answer is lost as well: what is found again by this run's tags is the new one.
    stage.native.after_call = failing("start", "shop/data", VolumesUnreachable("reset"))
    ledger = stage.run()
    assert [(line.outcome, line.adopted) for line in ledger.values()] == [("stored", False)] * 2
    assert stage.exec.commands.count("db-0: freeze") == 2
    named = {line.snapshot.id for line in ledger.values() if line.snapshot}
    left = {id_ for id_, kept in stage.native.kept.items() if kept.tags.backup == "b0"}
    assert (left, set(stage.native.kept)) == ({"snap-1", "snap-2"}, named | left)
    assert [gone in warning for warning in stage.warnings()] == [True, False]


def test_what_was_cut_after_the_freeze_is_not_taken_over() -> None:
    """A killed run leaves its Pod frozen, and who thaws it first does not wait for a snapshot that comes later."""
    stage = VolumeStage(volume("data", "csi-snapshot"), volume("b", "csi-snapshot"), hooks=[FREEZE, THAW])
    stage.csi.cut_after = 1
    dead_run(stage)
    ledger = stage.run()
    assert [(name, line.adopted) for name, line in ledger.items()] == [("data", False), ("b", True)]
    (warning,) = stage.warnings()
    assert warning.startswith("a snapshot was left behind: ")
    assert " of shop/data, by b0" in warning


def test_one_that_was_taken_over_and_fails_is_deleted() -> None:
    """It carries this backup's name, and no line names it."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    stage.native.fails = {"shop/a": "the disk is broken"}
    for kept in stage.native.kept.values():
        kept.looks = 0
    stage.native.ready_after = 1
    line = stage.run()["a"]
    assert (line.outcome, line.error) == ("failed", "the disk is broken")
    assert stage.native.kept == {}


def test_a_run_that_gives_up_gives_back_what_it_took_over() -> None:
    """To the run that may still go on; it is said, and the next run of the plan takes it over as well."""
    stage = VolumeStage(volume("a"))
    dead_run(stage)
    run = stage.prepared()
    run.begin()
    run.settle()
    run.give_up()
    assert stage.warnings() == [
        "the snapshot snap-1 of shop/a stays, under the name of b0, which never finished (or still goes on)"
    ]
    assert [kept.tags.backup for kept in stage.native.kept.values()] == ["b0"]
