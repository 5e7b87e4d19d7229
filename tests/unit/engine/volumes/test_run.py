"""Every volume of a plan is protected as it says, or its line has an error; and nothing is left that nobody names."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from runner.errors import (
    VolumeError,
    VolumeNotFound,
    VolumeQuotaExceeded,
    VolumesDenied,
    VolumesUnreachable,
)
from runner.model.event import Froze, Missing, Thawed
from runner.volume_ports import Ended
from tests.fakes.snapshotter import failing
from tests.unit.engine.volume_stage import VolumeStage, hook, volume

FREEZE, THAW = hook("pre", "freeze"), hook("post", "thaw")


# what is stored


def test_each_volume_is_snapshotted_by_its_method() -> None:
    """The ledger has the plan's lines in the plan's order, each with its snapshot, or untouched where it keeps none."""
    stage = VolumeStage(
        volume("a"),
        volume("b", "csi-snapshot"),
        volume("c", "fs-backup"),
        volume("d", "skip"),
        volume("e", "uncovered"),
    )
    ledger = stage.run()
    assert list(ledger) == ["a", "b", "c", "d", "e"]
    outcomes = {claim: line.outcome for claim, line in ledger.items()}
    assert outcomes == {"a": "stored", "b": "stored", "c": "stored", "d": "skipped", "e": "uncovered"}
    assert {line.snapshot.state for line in ledger.values() if line.snapshot} == {"ready"}
    assert [list(one.names().values()) for one in (stage.native, stage.csi, stage.files)] == [
        ["shop/a"],
        ["shop/b"],
        ["shop/c"],
    ]


def test_a_snapshot_is_waited_for_until_it_is_complete() -> None:
    """It is cut at once, and ready a few looks later: the ledger says ready, and how large it is."""
    stage = VolumeStage(volume("a"))
    stage.native.ready_after = 4
    line = stage.run()["a"]
    assert (line.outcome, line.snapshot and line.snapshot.state, line.snapshot and line.snapshot.size) == (
        "stored",
        "ready",
        1 << 30,
    )
    assert stage.told("a") == ["started", "stored"]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_answers_does_not_matter(seed: int) -> None:
    """Twelve volumes in groups of all sorts, done in any order: the same ledger."""
    volumes = [volume(f"v{n}", ("native-snapshot", "csi-snapshot", "fs-backup")[n % 3]) for n in range(12)]
    hooks = [
        hook(when, f"{when}-{n}", f"p{n}", claims=[f"v{n}", f"v{n + 1}"]) for n in (0, 4) for when in ("pre", "post")
    ]
    stage = VolumeStage(*volumes, hooks=hooks, pods=["p0", "p4"])
    stage.native.cut_after, stage.csi.cut_after, stage.files.ready_after = 1, 2, 3
    ledger = stage.run(order=Random(seed))
    assert [(line.planned, line.outcome) for line in ledger.values()] == [(one, "stored") for one in volumes]
    assert stage.frozen("p0") is stage.frozen("p4") is None


# freezing


def test_a_pod_is_frozen_only_until_its_snapshots_are_cut() -> None:
    """Pre hook, every snapshot of the group, post hook; that they are complete is waited for afterwards."""
    stage = VolumeStage(volume("data"), volume("log"), hooks=[FREEZE, THAW, hook("pre", "x", claims=["log"])][:2])
    stage.native.cut_after, stage.native.ready_after = 2, 50
    steps: list[str] = []
    stage.exec.on_call = lambda call: steps.append(call.command[0])
    stage.native.on_call = lambda verb, name: steps.append(f"{verb} {name}") if verb in {"start", "look"} else None
    ledger = stage.run()
    assert ledger["data"].outcome == "stored"
    begun, ended = steps.index("freeze"), steps.index("thaw")
    assert steps.index("start shop/data") in range(begun, ended)
    assert len([step for step in steps[:ended] if step.startswith("look snap-1")]) <= 3
    assert len([step for step in steps[ended:] if step.startswith("look")]) >= 40
    assert stage.frozen() is None


def test_how_long_it_was_frozen_is_measured_and_told() -> None:
    """From the first pre hook's start to the last post hook's end; on each line of the group."""
    stage = VolumeStage(volume("data"), volume("other"), hooks=[FREEZE, THAW])
    stage.exec.seconds = {"freeze": 2.0, "thaw": 1.0}
    ledger = stage.run()
    assert (ledger["data"].frozen, ledger["other"].frozen) == (3.0, 0)
    assert [(event.group, event.seconds) for event in stage.observer.of(Thawed)] == [("shop/db-0", 3.0)]
    assert [event.group for event in stage.observer.of(Froze)] == ["shop/db-0"]


def test_the_record_lies_on_the_pod_while_it_is_frozen() -> None:
    """Before the first pre hook, with the hooks that thaw it; and not after them."""
    stage = VolumeStage(volume("data"), hooks=[FREEZE, THAW])
    seen: list[str | None] = []
    stage.exec.on_call = lambda _: seen.append(stage.frozen())
    stage.run()
    first, second = seen
    assert first == second != None  # noqa: E711 -- both of them
    record = msgspec.json.decode(first or "")
    assert (record["backup"], record["policy"], record["holder"]) == ("b1", "daily", "here")
    assert [one["command"] for one in record["hooks"]] == [["thaw"]]
    assert stage.frozen() is None


def test_a_pre_hook_that_fails_stops_before_the_snapshot() -> None:
    """onError: fail takes no snapshot of an application that is not frozen; the Pod is thawed all the same."""
    stage = VolumeStage(volume("data"), volume("other"), hooks=[FREEZE, THAW])
    stage.exec.answers = {"freeze": Ended(7, "cannot\n")}
    run = stage.prepared()
    run.begin()
    ledger = {line.planned.claim: line for line in run.settle()}
    error = ledger["shop/data"].error
    assert error == "not taken, since the pre hook of shop/db-0, container main ended with exit code 7: cannot"
    assert ledger["shop/other"].outcome == "stored"
    assert stage.exec.commands == ["db-0: freeze", "db-0: thaw"]
    assert list(stage.native.names().values()) == ["shop/other"]
    assert [gap.what for gap in run.gaps] == ["volume shop/data"]


def test_a_pre_hook_that_may_fail_is_a_warning() -> None:
    """onError: continue goes on with the snapshot."""
    stage = VolumeStage(volume("data"), hooks=[hook("pre", "freeze", on_error="continue"), THAW])
    stage.exec.answers = {"freeze": Ended(1, "")}
    assert stage.run()["data"].outcome == "stored"
    assert stage.warnings() == ["the pre hook of shop/db-0, container main ended with exit code 1"]


def test_a_hook_that_hangs_is_given_up_after_its_time() -> None:
    """And its Pod is thawed."""
    stage = VolumeStage(volume("data"), hooks=[hook("pre", "freeze", timeout=5.0), THAW])
    stage.exec.seconds = {"freeze": 60.0}
    assert "did not end within 5 s, and may still go on" in stage.run()["data"].error
    assert stage.exec.commands[-1] == "db-0: thaw"
    assert stage.clock.passed < 60


def test_a_post_hook_that_fails_leaves_the_record_for_the_next_run() -> None:
    """The snapshot is good, the backup is partial, and whoever comes next knows how to thaw the Pod."""
    stage = VolumeStage(volume("data"), hooks=[FREEZE, THAW])
    stage.exec.answers = {"thaw": Ended(3, "")}
    run = stage.prepared()
    run.begin()
    (line,) = run.settle()
    assert line.outcome == "stored"
    assert [gap.reason for gap in run.gaps] == ["the post hook of shop/db-0, container main ended with exit code 3"]
    assert stage.frozen() is not None


def test_nothing_is_frozen_that_could_not_be_recorded() -> None:
    """Without the right to annotate, the hook is not run."""
    stage = VolumeStage(volume("data"), hooks=[FREEZE, THAW])
    stage.cluster.forbid("pods", verbs=("patch",))
    assert "could not be marked as frozen" in stage.run()["data"].error
    assert stage.exec.commands == []


# what goes wrong with a volume


@pytest.mark.parametrize(
    "error",
    [VolumeNotFound("the volume is gone"), VolumesDenied("no"), VolumeQuotaExceeded("full", hint="raise it")],
)
def test_a_volume_that_cannot_be_snapshotted_is_its_own_lines_error(error: VolumeError) -> None:
    """The rest goes on, the backup is partial, and the hint is there."""
    stage = VolumeStage(volume("a"), volume("b"))
    stage.native.on_call = failing("start", "shop/a", error)
    ledger = stage.run()
    assert (ledger["a"].outcome, ledger["b"].outcome) == ("failed", "stored")
    assert ledger["a"].error == (f"{error.message} ({error.hint})" if error.hint else error.message)
    assert [event.what for event in stage.observer.of(Missing)] == ["volume shop/a"]


def test_a_snapshot_that_fails_later_is_deleted() -> None:
    """Nobody can restore from it, and no line names it."""
    stage = VolumeStage(volume("a"), volume("b"))
    stage.native.ready_after = 2
    stage.native.fails = {"shop/a": "the disk is sick"}
    ledger = stage.run()
    assert (ledger["a"].outcome, ledger["a"].error, ledger["a"].snapshot) == ("failed", "the disk is sick", None)
    assert list(stage.native.names().values()) == ["shop/b"]


def test_a_snapshot_without_its_point_in_time_is_given_up_and_deleted() -> None:
    """CsiSnapshotTimeout is how long somebody may be frozen for it."""
    stage = VolumeStage(volume("a", "csi-snapshot"), hooks=[], csiSnapshotTimeout="20s")
    stage.csi.cut_after = 10_000
    line = stage.run()["a"]
    assert (line.outcome, line.error) == ("failed", "no point in time after 20 s")
    assert stage.csi.kept == {}
    assert 20 <= stage.clock.passed < 30


def test_a_snapshot_that_is_not_complete_in_time_is_named_all_the_same() -> None:
    """Its provider goes on with it, so the ledger has its id; the backup is partial."""
    stage = VolumeStage(volume("a"), itemOperationTimeout="1h")
    stage.native.ready_after = 10_000
    line = stage.run()["a"]
    assert (line.outcome, line.error) == ("failed", "not complete after 1h")
    assert line.snapshot is not None
    assert list(stage.native.names()) == [line.snapshot.id]


def test_what_cannot_be_had_here_says_why() -> None:
    """A method without a provider, as in a folder of manifests: its Pods are not frozen for nothing."""
    stage = VolumeStage(volume("data", "csi-snapshot"), hooks=[FREEZE, THAW])
    stage.impossible = {"csi-snapshot": "there is no controller"}
    assert stage.run()["data"].error == "there is no controller"
    assert stage.exec.commands == []


def test_a_provider_that_cannot_be_asked_is_asked_once() -> None:
    """Every volume of it has that error; nobody is frozen for them, and nothing waits as often as there are volumes."""
    stage = VolumeStage(*(volume(f"v{n}") for n in range(50)), volume("data"), hooks=[FREEZE, THAW])
    stage.native.on_call = failing("prepare", "", VolumesUnreachable("no answer"), times=99)
    ledger = stage.run()
    assert {line.error for line in ledger.values()} == {"no answer"}
    assert stage.exec.commands == []
    assert stage.clock.passed < 60


def test_a_policy_may_stop_at_the_first_failure() -> None:
    """onVolumeError: stop makes no backup of half the volumes."""
    stage = VolumeStage(volume("a"), volume("b"), onVolumeError="stop")
    stage.native.on_call = failing("start", "shop/a", VolumeNotFound("it is gone"))
    run = stage.prepared()
    run.begin()
    with pytest.raises(VolumeError, match="1 of 2 volumes failed, and the policy says stop"):
        run.settle()
    run.give_up()
    assert stage.native.kept == {}


# answers that are lost


def test_a_lost_answer_does_not_make_a_second_snapshot() -> None:
    """The API has no token for it: the first is found again by its tags."""
    stage = VolumeStage(volume("a"))
    stage.native.after_call = failing("start", "shop/a", VolumesUnreachable("reset"))
    line = stage.run()["a"]
    assert line.outcome == "stored"
    assert list(stage.native.names()) == [line.snapshot.id if line.snapshot else ""]


def test_what_was_made_although_every_answer_was_lost_is_deleted() -> None:
    """The line failed, so nothing may be left of it."""
    stage = VolumeStage(volume("a"))
    stage.native.after_call = failing("start", "shop/a", VolumesUnreachable("reset"), times=99)
    stage.native.on_call = failing("found", "", VolumesUnreachable("reset"), times=13)
    ledger = stage.run()
    assert ledger["a"].outcome == "failed"
    assert stage.native.kept == {}


# runs that end early


def test_giving_up_deletes_what_was_made_and_thaws() -> None:
    """No manifest will name these snapshots."""
    stage = VolumeStage(volume("data"), volume("b"), hooks=[FREEZE, THAW])
    run = stage.prepared()
    run.begin()
    run.settle()
    run.give_up()
    assert stage.native.kept == {}
    assert stage.frozen() is None


def test_a_snapshot_that_cannot_be_deleted_is_named() -> None:
    """Somebody has to do it by hand."""
    stage = VolumeStage(volume("a"))
    run = stage.prepared()
    run.begin()
    run.settle()
    stage.native.on_call = failing("discard", "snap-1", VolumesDenied("you may not"))
    run.give_up()
    assert stage.warnings() == ["deleting the snapshot snap-1 of shop/a failed: you may not"]


def test_what_stands_for_snapshots_in_the_cluster_goes_when_asked() -> None:
    """Jobs always, VolumeSnapshots where csiSnapshotObjects says delete; the data never."""
    stage = VolumeStage(volume("a", "csi-snapshot"), volume("b", "fs-backup"))
    stage.run()
    assert (stage.csi.tidied, len(stage.files.tidied)) == ([], 1)
    asked = VolumeStage(volume("a", "csi-snapshot"), csiSnapshotObjects="delete")
    asked.run()
    assert asked.csi.tidied == ["snap-1"]
    assert len(asked.csi.kept) == 1


def test_hooks_without_volumes_are_run_too() -> None:
    """A Pod that asks for a hook gets it, whether or not it has a volume that is kept."""
    stage = VolumeStage(volume("other", "skip"), hooks=[FREEZE, THAW])
    stage.run()
    assert stage.exec.commands == ["db-0: freeze", "db-0: thaw"]


def test_a_pre_hook_without_volumes_that_fails_is_missing_from_the_backup() -> None:
    """No line of the ledger tells it: a dump that was not written must not end as Completed."""
    stage = VolumeStage(volume("other", "skip"), hooks=[FREEZE, THAW])
    stage.exec.answers = {"freeze": Ended(7, "cannot\n")}
    run = stage.prepared()
    run.begin()
    run.settle()
    (gap,) = run.gaps
    assert gap.what == "a hook in a Pod without volumes"
    assert gap.reason == "the pre hook of shop/db-0, container main ended with exit code 7: cannot"
