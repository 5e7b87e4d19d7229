"""Freezing: recorded before it is done, stopped at the first failure that matters, and always thawed."""

from __future__ import annotations

import json

import pytest

from runner.engine.volumes.frozen_records import over_at, read_record
from runner.errors import (
    Cancelled,
    ClusterBusy,
    ClusterUnreachable,
    ExecTimedOut,
    Forbidden,
    ItemNotFound,
    Rejected,
)
from runner.model.event import Froze, Thawed
from runner.model.hooks import FrozenPod
from runner.volume_ports import Ended
from tests.fakes.clock import BEGIN
from tests.fakes.cluster import Call
from tests.fakes.pod_exec import ExecCall
from tests.unit.engine.freeze_stage import FREEZE, THAW, FreezeStage, record
from tests.unit.engine.volume_stage import hook


def fails(verb: str, *errors: Exception) -> object:
    """A cluster whose next calls of a verb fail."""
    waiting = list(errors)

    def on_call(call: Call) -> None:
        if call.verb == verb and waiting:
            raise waiting.pop(0)

    return on_call


# the record


def test_the_record_lies_on_the_pod_before_the_first_command_and_goes_after_the_last() -> None:
    """While commands run, the Pod says who froze it, since when, for how long, and what thaws it."""
    stage = FreezeStage()
    seen = []
    stage.exec.on_call = lambda call: seen.append((call.command[0], stage.frozen()))
    assert stage.through() == ()
    assert [command for command, _ in seen] == ["freeze", "thaw"]
    for _, lying in seen:
        assert lying is not None
        told = {key: lying[key] for key in ("backup", "policy", "holder", "since", "seconds")}
        assert told == {
            "backup": "b1",
            "policy": "daily",
            "holder": "here",
            "since": "2026-03-01T02:00:00+00:00",
            "seconds": 120.0,
        }
        assert [one["command"] for one in lying["hooks"]] == [["thaw"]]
    assert stage.frozen() is None


def test_the_record_is_canonical() -> None:
    """The same freeze is the same text: sorted keys, no blanks."""
    stage = FreezeStage()
    stage.freeze()
    text = stage.cluster.found("pods", "shop", "db-0")["metadata"]["annotations"]["trysail.dev/frozen"]
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_other_annotations_stay() -> None:
    """The record comes and goes alone."""
    stage = FreezeStage()
    stage.leave(record(backup="b1"))
    stage.through()
    assert stage.cluster.found("pods", "shop", "db-0")["metadata"]["annotations"] == {"keep": "this"}


def test_every_pod_is_marked_before_any_is_frozen() -> None:
    """To mark a Pod may take a while, and none stands still meanwhile; commands run Pod after Pod, in their order."""
    stage = FreezeStage("db-0", "db-1")
    marked = []
    stage.exec.on_call = lambda _: marked.append((stage.frozen("db-0") is not None, stage.frozen("db-1") is not None))
    pre = [FREEZE, hook("pre", "flush"), hook("pre", "freeze", pod="db-1")]
    post = [THAW, hook("post", "thaw", pod="db-1")]
    assert stage.through(pre, post) == ()
    assert stage.exec.commands == ["db-0: freeze", "db-0: flush", "db-1: freeze", "db-0: thaw", "db-1: thaw"]
    assert set(marked) == {(True, True)}
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)


def test_what_nothing_thaws_is_not_recorded() -> None:
    """A Pod with pre hooks alone is not changed at all."""
    stage = FreezeStage()
    assert stage.through(post=()) == ()
    assert stage.exec.commands == ["db-0: freeze"]
    assert [call.verb for call in stage.cluster.calls] == []


def test_post_hooks_alone_run_after_the_snapshots() -> None:
    """Nothing is frozen, nothing is recorded, and the command runs."""
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (), (THAW,), limit=60)
    assert (frozen.problem, frozen.began, stage.exec.commands) == ("", None, [])
    assert freezer.thaw(frozen) == ()
    assert (stage.exec.commands, frozen.seconds_frozen) == (["db-0: thaw"], 0.0)


@pytest.mark.parametrize("error", [Forbidden("pods is forbidden: cannot patch"), Rejected("denied by admission")])
def test_what_cannot_be_recorded_is_not_frozen(error: Exception) -> None:
    """The group has a problem that names the Pod, and no command ran in any."""
    stage = FreezeStage("db-0", "db-1")
    stage.cluster.on_call = fails("merge", error)  # type: ignore[assignment]
    problems = stage.through([FREEZE, hook("pre", "freeze", pod="db-1")], [THAW, hook("post", "thaw", pod="db-1")])
    assert problems == (f"shop/db-0 could not be marked as frozen: {error}",)
    assert stage.exec.commands == []


def test_what_cannot_be_recorded_and_does_not_matter_is_left_out() -> None:
    """With onError: continue the group goes on without these hooks, and says so."""
    stage = FreezeStage()
    stage.cluster.on_call = fails("merge", Forbidden("no"))  # type: ignore[assignment]
    assert stage.through([hook("pre", "freeze", on_error="continue")]) == ()
    assert stage.exec.commands == []
    assert stage.warnings == ["shop/db-0 could not be marked as frozen: no: its hooks are left out"]


def test_a_lost_answer_leaves_no_record_behind() -> None:
    """The record was written and nobody heard of it, time after time: it is taken off all the same."""
    stage = FreezeStage()

    def lost(call: Call) -> None:
        if call.verb == "merge" and b'"b1"' in call.body:
            raise ClusterUnreachable("no answer")

    stage.cluster.after_call = lost
    frozen = stage.freezer().freeze("g", (FREEZE,), (THAW,), limit=60)
    # It is read again before it is written again: so it was found written.
    assert (frozen.problem, stage.exec.commands) == ("", ["db-0: freeze"])
    assert stage.freezer().thaw(frozen) == ()
    assert stage.frozen() is None


def test_a_pod_that_changes_meanwhile_is_looked_at_again() -> None:
    """Its status is written all the time: that is no obstacle."""
    stage = FreezeStage()
    changes: list[int] = []

    def meanwhile(call: Call) -> None:
        if call.verb == "merge" and len(changes) < 3:
            changes.append(1)
            value = stage.cluster.found("pods", "shop", "db-0")
            stage.cluster.put({**value, "status": {"phase": str(len(changes))}})

    stage.cluster.on_call = meanwhile
    assert stage.through() == ()
    assert (len(changes), stage.frozen()) == (3, None)


def test_a_record_that_cannot_be_taken_off_is_told() -> None:
    """It is thawed; the next run will thaw it again."""
    stage = FreezeStage()
    stage.exec.on_call = lambda _: setattr(stage.cluster, "on_call", fails("merge", Forbidden("no more")))
    assert stage.through() == ("shop/db-0 is thawed, and still marked as frozen: no more",)


# pre hooks that fail

FAILURES = [
    (Ended(7, "cannot\nlock: busy\n"), "ended with exit code 7: lock: busy"),
    (Ended(137, ""), "ended with exit code 137"),
    (ItemNotFound("container not found"), "failed: container not found"),
    (Forbidden("pods/exec is forbidden", hint="ask"), "failed: pods/exec is forbidden (ask)"),
    (ExecTimedOut("late"), "did not end within 30 s, and may still go on"),
]


@pytest.mark.parametrize(("answer", "words"), FAILURES)
def test_a_pre_hook_that_fails_ends_it(answer: Ended, words: str) -> None:
    """No later command runs, the Pod that was begun is thawed, and its record goes; what was not needs no thaw."""
    stage = FreezeStage("db-0", "db-1")
    stage.exec.answers = {"freeze": answer}
    pre = [FREEZE, hook("pre", "flush"), hook("pre", "freeze", pod="db-1")]
    problems = stage.through(pre, [THAW, hook("post", "thaw", pod="db-1")])
    assert problems == (f"the pre hook of shop/db-0, container main {words}",)
    begun = not isinstance(answer, ItemNotFound | Forbidden)
    assert stage.exec.commands == ["db-0: freeze", *(["db-0: thaw"] if begun else [])]
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)
    assert stage.observer.of(Froze) == []


@pytest.mark.parametrize(("answer", "words"), FAILURES)
def test_a_pre_hook_that_fails_and_does_not_matter_is_a_warning(answer: Ended, words: str) -> None:
    """onError: continue goes on with the next."""
    stage = FreezeStage()
    stage.exec.answers = {"freeze": answer}
    assert stage.through([hook("pre", "freeze", on_error="continue"), hook("pre", "flush")]) == ()
    assert stage.exec.commands == ["db-0: freeze", "db-0: flush", "db-0: thaw"]
    assert stage.warnings == [f"the pre hook of shop/db-0, container main {words}"]


def test_no_record_stays_where_no_command_may_be_run() -> None:
    """Without the right to exec nothing is frozen, and nothing could be thawed either: no run need look after it."""
    stage = FreezeStage()
    stage.exec.answers = {word: Forbidden("pods/exec is forbidden") for word in ("freeze", "thaw")}
    assert len(stage.through()) == 1
    assert stage.frozen() is None
    assert stage.through([hook("pre", "freeze", on_error="continue")]) == ()
    assert stage.frozen() is None


def test_what_was_not_begun_is_tried_again() -> None:
    """An API server that is busy for a moment spoils no freeze and, above all, no thaw."""
    stage = FreezeStage()
    busy = {"freeze": 2, "thaw": 3}

    def on_call(call: ExecCall) -> None:
        if busy[call.command[0]]:
            busy[call.command[0]] -= 1
            raise ClusterBusy("the API server answers 503")

    stage.exec.on_call = on_call
    assert stage.through() == ()
    assert stage.exec.commands.count("db-0: thaw") == 4


def test_a_thaw_outlasts_an_api_server_that_is_restarted() -> None:
    """To freeze is given up soon; a Pod that is frozen would stay so till the next run, which may be a day."""
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    back = stage.clock.passed + 180

    def on_call(_: ExecCall) -> None:
        if stage.clock.passed < back:
            raise ClusterUnreachable("connection refused")

    stage.exec.on_call = on_call
    assert freezer.thaw(frozen) == ()
    assert stage.frozen() is None
    back = stage.clock.passed + 180
    assert "connection refused" in stage.freeze().problem


def test_a_thaw_does_not_wait_for_ever() -> None:
    """The record stays for whoever comes next."""
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    stage.exec.answers = {"thaw": ClusterUnreachable("connection refused")}
    assert len(freezer.thaw(frozen)) == 1
    assert 240 < stage.clock.passed < 480
    assert stage.frozen() is not None


def test_a_hook_that_hangs_takes_no_longer_than_its_timeout() -> None:
    """Each is handed its own."""
    stage = FreezeStage()
    stage.exec.seconds = {"freeze": 1000.0}
    assert "did not end within 5 s" in stage.through([hook("pre", "freeze", timeout=5.0)])[0]
    assert stage.clock.passed == 5


# thawing


def test_every_post_hook_is_tried_though_one_fails() -> None:
    """The one that fails is a problem, and the record of its Pod stays; that of the other goes."""
    stage = FreezeStage("db-0", "db-1")
    stage.exec.answers = {"thaw": Ended(3, "")}
    pre = [FREEZE, hook("pre", "freeze", pod="db-1")]
    post = [THAW, hook("post", "resume"), hook("post", "thaw-too", pod="db-1")]
    assert stage.through(pre, post) == ("the post hook of shop/db-0, container main ended with exit code 3",)
    assert stage.exec.commands[2:] == ["db-0: thaw", "db-0: resume", "db-1: thaw-too"]
    assert stage.frozen("db-0") is not None
    assert stage.frozen("db-1") is None


def test_a_post_hook_that_does_not_matter_keeps_no_record() -> None:
    """onError: continue is a warning."""
    stage = FreezeStage()
    stage.exec.answers = {"thaw": Ended(3, "")}
    assert stage.through(post=[hook("post", "thaw", on_error="continue")]) == ()
    assert stage.warnings == ["the post hook of shop/db-0, container main ended with exit code 3"]
    assert stage.frozen() is None


@pytest.mark.parametrize("now", ["", record(backup="b9")])
def test_a_pod_that_lost_its_mark_may_not_have_been_frozen(now: FrozenPod | str) -> None:
    """Somebody has thawed it under its snapshots, or it was replaced by one of its name: a problem all the same.

    A record of somebody else's stays.
    """
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    stage.leave(now)
    assert freezer.thaw(frozen) == (
        "shop/db-0 lost its mark while it was frozen: it may have been at work during its snapshots",
    )
    notes = stage.cluster.found("pods", "shop", "db-0")["metadata"]["annotations"]
    assert bool(notes["trysail.dev/frozen"]) == bool(now)


def test_a_lost_answer_to_thawing_is_no_lost_mark() -> None:
    """The record was taken off, and nobody heard of it."""
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    lost = [ClusterUnreachable("no answer")]

    def on_answer(call: Call) -> None:
        if call.verb == "merge" and lost:
            raise lost.pop()

    stage.cluster.after_call = on_answer
    assert freezer.thaw(frozen) == ()
    assert (lost, stage.frozen()) == ([], None)


def test_a_pod_that_is_gone_needs_no_thawing() -> None:
    """What was frozen has gone with it: no problem, and the others are thawed."""
    stage = FreezeStage("db-0", "db-1")
    freezer = stage.freezer()
    pre = [FREEZE, hook("pre", "freeze", pod="db-1")]
    frozen = freezer.freeze("g", pre, [THAW, hook("post", "thaw", pod="db-1")], limit=60)
    stage.cluster.delete("pods", "shop", "db-0")
    stage.exec.pods = {("shop", "db-1"): ("main",)}
    assert freezer.thaw(frozen) == ()
    assert stage.exec.commands[2:] == ["db-0: thaw", "db-1: thaw"]


def test_a_container_that_is_gone_is_a_problem_while_its_pod_is_there() -> None:
    """What it has frozen may still be: the record stays for whoever can thaw it."""
    stage = FreezeStage()
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    stage.exec.answers = {"thaw": ItemNotFound("container not found")}
    assert freezer.thaw(frozen) == ("the post hook of shop/db-0, container main failed: container not found",)
    assert stage.frozen() is not None


def test_the_time_frozen_is_from_the_first_command_to_the_last() -> None:
    """Marking is no part of it; hooks are."""
    stage = FreezeStage()
    stage.exec.seconds = {"freeze": 2.0, "thaw": 3.0}
    stage.cluster.on_call = lambda _: stage.clock.advance(0.5)
    freezer = stage.freezer()
    frozen = freezer.freeze("g", (FREEZE,), (THAW,), limit=60)
    assert frozen.began == 1.0  # two calls to mark it
    stage.clock.advance(10)
    freezer.thaw(frozen)
    assert frozen.seconds_frozen == 15.0
    assert [event.seconds for event in stage.observer.of(Thawed)] == [15.0]
    assert [event.hooks for event in stage.observer.of(Froze)] == [1]


def test_a_pod_that_could_not_be_thawed_is_not_forgotten_where_another_one_cannot_be_frozen() -> None:
    """Its record is ours by then: our own hooks thaw it, though its pre hooks were never begun."""
    stage = FreezeStage("db-0", "db-1")
    stage.leave(record(hook("post", "thaw", pod="db-1")), "db-1")
    refused = [("db-1", "thaw"), ("db-0", "freeze")]

    def on_call(call: ExecCall) -> None:
        if (call.pod, call.command[0]) in refused:
            refused.remove((call.pod, call.command[0]))
            raise Forbidden("no")

    stage.exec.on_call = on_call
    problems = stage.through([FREEZE, hook("pre", "freeze", pod="db-1")], [THAW, hook("post", "thaw", pod="db-1")])
    assert problems == ("the pre hook of shop/db-0, container main failed: no",)
    assert stage.exec.commands == ["db-1: thaw", "db-0: freeze", "db-1: thaw"]
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)


# signals


@pytest.mark.parametrize("at", ["get", "merge"])
def test_a_signal_while_marking_leaves_no_record(at: str) -> None:
    """It goes on to whoever asked, and the Pod is as it was."""
    stage = FreezeStage("db-0", "db-1")
    calls = []

    def on_call(call: Call) -> None:
        calls.append(call.verb)
        if call.verb == at and calls.count(at) == 2:
            raise Cancelled("SIGTERM")

    stage.cluster.on_call = on_call
    with pytest.raises(Cancelled):
        stage.freeze([FREEZE, hook("pre", "freeze", pod="db-1")], [THAW, hook("post", "thaw", pod="db-1")])
    assert stage.exec.commands == []
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)


def test_a_signal_while_freezing_thaws() -> None:
    """The second Pod's command is interrupted: both are thawed before the signal goes on."""
    stage = FreezeStage("db-0", "db-1")

    def on_call(call: ExecCall) -> None:
        if (call.pod, call.command[0]) == ("db-1", "freeze"):
            raise Cancelled("SIGTERM")

    stage.exec.on_call = on_call
    with pytest.raises(Cancelled):
        stage.freeze([FREEZE, hook("pre", "freeze", pod="db-1")], [THAW, hook("post", "thaw", pod="db-1")])
    assert stage.exec.commands[2:] == ["db-0: thaw", "db-1: thaw"]
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)


def test_a_signal_while_thawing_does_not_end_it_halfway() -> None:
    """The hook that was interrupted is run again, what had ended is not, and a failure before it is not forgotten."""
    stage = FreezeStage("db-0", "db-1")
    stage.exec.answers = {"thaw": Ended(1, "")}
    freezer = stage.freezer()
    pre = [FREEZE, hook("pre", "freeze", pod="db-1")]
    post = [THAW, hook("post", "resume"), hook("post", "thaw-too", pod="db-1")]
    frozen = freezer.freeze("g", pre, post, limit=60)
    signals = [Cancelled("SIGTERM")]

    def on_call(call: ExecCall) -> None:
        if call.command[0] == "resume" and signals:
            raise signals.pop()

    stage.exec.on_call = on_call
    with pytest.raises(Cancelled):
        freezer.thaw(frozen)
    assert stage.exec.commands[2:] == ["db-0: thaw", "db-0: resume", "db-0: resume", "db-1: thaw-too"]
    assert stage.warnings == ["the post hook of shop/db-0, container main ended with exit code 1"]
    assert stage.frozen("db-0") is not None
    assert stage.frozen("db-1") is None


# what others left


def test_what_a_dead_run_left_is_thawed_before_it_is_frozen_anew() -> None:
    """Also where it came to lie there after the run had looked."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record(hook("post", "thaw-old")))
    assert stage.through() == ()
    assert stage.exec.commands == ["db-0: thaw-old", "db-0: freeze", "db-0: thaw"]


def test_a_pod_that_another_run_works_on_is_waited_for() -> None:
    """Two runs that freeze one Pod do so one after the other."""
    stage = FreezeStage()
    stage.leave(record())
    waiting = [True]

    def on_call(_: Call) -> None:
        if stage.clock.passed > 30 and waiting:
            waiting.clear()
            stage.leave("")

    stage.cluster.on_call = on_call
    assert stage.through() == ()
    assert stage.exec.commands == ["db-0: freeze", "db-0: thaw"]
    assert 30 < stage.clock.passed < 40


def test_a_record_is_as_fresh_as_the_freeze() -> None:
    """Its time begins when the last Pod is marked, for which another run may have been waited for."""
    stage = FreezeStage("db-0", "db-1")
    stage.leave(record(seconds=600.0), "db-1")
    over = []

    def on_call(call: ExecCall) -> None:
        lying = read_record(json.dumps(stage.frozen(call.pod)), "shop", call.pod)
        assert lying is not None
        if call.command[0] == "freeze":
            over.append((over_at(lying) or BEGIN) - stage.clock.now())

    stage.exec.on_call = on_call
    pre, post = [FREEZE, hook("pre", "freeze", pod="db-1")], [THAW, hook("post", "thaw", pod="db-1")]
    assert stage.through(pre, post) == ()
    assert stage.clock.passed >= 600
    assert [round(left.total_seconds()) for left in over] == [180, 180]
    assert (stage.frozen("db-0"), stage.frozen("db-1")) == (None, None)


def test_a_pod_that_another_run_does_not_let_go_of_is_not_touched() -> None:
    """After an hour it is a problem of this group: to freeze or thaw it would spoil the other's snapshot."""
    stage = FreezeStage()
    stage.leave(record(seconds=1e6))
    assert stage.through() == ("shop/db-0 is frozen by b0, which may still be at work: it was not touched",)
    assert stage.exec.commands == []
    assert 3600 <= stage.clock.passed < 3700
    lying = stage.frozen()
    assert lying is not None
    assert lying["backup"] == "b0"


def test_a_left_record_that_cannot_be_completed_does_not_keep_a_pod_for_ever() -> None:
    """It may never have been frozen, so that its thaw fails each time: the run's own hooks answer for the Pod."""
    stage = FreezeStage(alive=lambda _: False)
    stage.leave(record(hook("post", "thaw-old")))
    stage.exec.answers = {"thaw-old": Ended(1, "not frozen")}
    assert stage.through() == ()
    assert stage.exec.commands == ["db-0: thaw-old", "db-0: freeze", "db-0: thaw"]
    assert any("could not be thawed" in warning for warning in stage.warnings)
    assert stage.frozen() is None


# what is shown


def test_output_is_told_redacted_and_without_what_steers_a_terminal() -> None:
    """And so is the last line, in a problem."""
    stage = FreezeStage()
    stage.exec.answers = {"freeze": Ended(1, "\x1b[31mred\x1b[0m\r\nlogin: hunter2\n")}
    assert stage.through() == ("the pre hook of shop/db-0, container main ended with exit code 1: login: ***",)
    assert stage.ran[0] == ("pre hook of shop/db-0, container main", 1, "red\nlogin: ***\n")
