"""Commands around a whole run, on the machine that runs it. `plan` and `validate` never come here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.engine.hooks import READ_BYTES, complaint, shown
from runner.errors import CommandNotStarted, ExecTimedOut, HookFailed
from runner.model.duration import seconds
from runner.model.event import HookRan, Warned
from runner.model.hooks import BackupHooks, RunCommand
from runner.ports import Clock, Observer
from runner.volume_ports import CommandRunner

_LONGEST_VALUE: Final = 8192  # characters of a variable: no error needs more, and a system takes only so much


@dataclass(frozen=True)
class RunCommands:
    """The commands of one run. `environment` tells them which one."""

    hooks: BackupHooks
    runner: CommandRunner
    clock: Clock
    observer: Observer
    redact: Callable[[str], str]

    def before(self, environment: Mapping[str, str]) -> None:
        """HookFailed where one fails that matters: nothing has been touched then."""
        for command in self.hooks.before_run:
            problem = self._run("beforeRun", command, environment)
            if problem and command.on_error == "fail":
                raise HookFailed(f"{problem}: nothing was begun", hint="onError: continue would go on without it")
            if problem:
                self.observer.notice(Warned(message=problem))

    def after(self, environment: Mapping[str, str], *, completed: bool) -> tuple[str, ...]:
        """Runs all that fit the end of the run, each though another fails. Problems that matter, in words."""
        when = "onSuccess" if completed else "onFailure"
        commands: Sequence[RunCommand] = self.hooks.on_success if completed else self.hooks.on_failure
        problems = []
        for command in commands:
            problem = self._run(when, command, environment)
            if problem:
                self.observer.notice(Warned(message=problem))
            if problem and command.on_error == "fail":
                problems.append(problem)
        return tuple(problems)

    def _run(self, when: str, command: RunCommand, environment: Mapping[str, str]) -> str:
        """What went wrong, in words."""
        what = f"{when} command {command.command[0]}"
        begun = self.clock.monotonic()
        told = {name: value.replace("\0", "")[:_LONGEST_VALUE] for name, value in environment.items()}
        try:
            ended = self.runner.run(command.command, told, timeout=seconds(command.timeout), most=READ_BYTES)
        except (CommandNotStarted, ExecTimedOut) as error:
            return f"the {what} failed: {self.redact(error.message)}"
        output = shown(ended, self.redact)
        took = round(self.clock.monotonic() - begun, 3)
        self.observer.notice(HookRan(what=what, code=ended.code, output=output, seconds=took))
        return complaint(f"the {what}", ended.code, output)
