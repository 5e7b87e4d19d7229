"""Commands around a whole run: told which run it is, stopped or gone on with as the policy says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runner.engine.volumes.run_commands import RunCommands
from runner.errors import CommandNotStarted, HookFailed
from runner.model.event import HookRan, Warned
from runner.model.hooks import BackupHooks
from runner.volume_ports import Ended
from tests.fakes.clock import SimulatedClock
from tests.fakes.commands import FakeCommands
from tests.fakes.observer import RecordingObserver

ENVIRONMENT = {"TRYSAIL_BACKUP": "b1", "TRYSAIL_PHASE": "", "TRYSAIL_ERROR": ""}


class Stage:
    """The commands of a policy, and what runs them."""

    def __init__(self, **hooks: Sequence[dict[str, Any]]) -> None:
        self.commands = FakeCommands()
        self.observer = RecordingObserver()
        self.clock = SimulatedClock()
        self.commands.takes = self.clock.advance
        self.run = RunCommands(
            BackupHooks.model_validate(hooks),
            self.commands,
            self.clock,
            self.observer,
            lambda text: text.replace("hunter2", "***"),
        )

    @property
    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.observer.of(Warned)]


def command(*words: str, **fields: Any) -> dict[str, Any]:
    """A command of the policy."""
    return {"command": list(words), **fields}


def test_commands_before_a_run_are_run_in_order_and_told_of_it() -> None:
    """With the environment, their words, and their own timeouts."""
    stage = Stage(beforeRun=[command("check", "--all"), command("lock", timeout="10s")])
    stage.run.before(ENVIRONMENT)
    assert [(call.command, call.timeout) for call in stage.commands.calls] == [
        (("check", "--all"), 300.0),
        (("lock",), 10.0),
    ]
    assert stage.commands.calls[0].environment == ENVIRONMENT


def test_a_command_that_fails_before_a_run_ends_it() -> None:
    """Later ones are not run, and the error says that nothing was begun."""
    stage = Stage(beforeRun=[command("check"), command("lock")])
    stage.commands.answers = {"check": Ended(7, "no: hunter2\n")}
    with pytest.raises(HookFailed) as raised:
        stage.run.before(ENVIRONMENT)
    assert raised.value.message == "the beforeRun command check ended with exit code 7: no: ***: nothing was begun"
    assert stage.commands.commands == ["check"]
    assert [(event.code, event.output) for event in stage.observer.of(HookRan)] == [(7, "no: ***\n")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Ended(1, ""), "the beforeRun command check ended with exit code 1"),
        (CommandNotStarted("check cannot be started: gone"), "the beforeRun command check failed: check cannot be"),
    ],
)
def test_a_command_that_does_not_matter_is_a_warning(answer: Any, words: str) -> None:
    """onError: continue goes on."""
    stage = Stage(beforeRun=[command("check", onError="continue"), command("lock")])
    stage.commands.answers = {"check": answer}
    stage.run.before(ENVIRONMENT)
    assert stage.warnings[0].startswith(words)
    assert stage.commands.commands == ["check", "lock"]


@pytest.mark.parametrize(("completed", "expected"), [(True, ["well"]), (False, ["alarm", "page"])])
def test_commands_after_a_run_fit_its_end(completed: bool, expected: list[str]) -> None:
    """A run that is Completed has onSuccess, any other onFailure."""
    stage = Stage(onSuccess=[command("well")], onFailure=[command("alarm"), command("page")])
    assert stage.run.after(ENVIRONMENT, completed=completed) == ()
    assert stage.commands.commands == expected


def test_every_command_after_a_run_is_tried() -> None:
    """Those that fail and matter are problems; all are told."""
    stage = Stage(onFailure=[command("a"), command("b", onError="continue"), command("c", timeout="1s")])
    stage.commands.answers = {"a": Ended(1, ""), "b": Ended(2, "")}
    stage.commands.seconds = {"c": 5.0}
    problems = stage.run.after(ENVIRONMENT, completed=False)
    assert problems == (
        "the onFailure command a ended with exit code 1",
        "the onFailure command c failed: c did not end within 1 s, and was ended",
    )
    assert len(stage.warnings) == 3


def test_the_environment_holds_what_a_process_can_take() -> None:
    """An error may hold anything, and be long."""
    stage = Stage(onFailure=[command("a")])
    stage.run.after({"TRYSAIL_ERROR": "x\0y" * 9000}, completed=False)
    told = stage.commands.calls[0].environment["TRYSAIL_ERROR"]
    assert "\0" not in told
    assert len(told) == 8192
