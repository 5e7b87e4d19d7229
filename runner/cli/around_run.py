"""The commands of a policy around its run, on this machine: told which run it is, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runner import wiring_volumes
from runner.engine.volumes.run_commands import RunCommands
from runner.errors import ExitCode, TrysailError, worst
from runner.model.hooks import BackupHooks
from runner.model.manifest import COMPLETED, FAILED
from runner.model.result import Result
from runner.ports import Clock, Observer


@dataclass
class AroundRun:
    """One run with its commands: beforeRun, and onSuccess or onFailure."""

    policy: str
    backup: str
    hooks: BackupHooks | None
    clock: Clock
    observer: Observer
    cluster: str  # as it stands in keys; "" until that is known
    problems: tuple[str, ...] = field(default=())
    ended: bool = field(default=False)  # its end has had its commands

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Runs onFailure where this raises: before a plan or a store is there too, for no backup was made then."""
        try:
            yield
        except BaseException as error:
            if not self.ended:
                words = error.message if isinstance(error, TrysailError) else f"{type(error).__name__}: {error}"
                self._after(FAILED, words)
            raise

    def run(self, execute: Callable[[], Result]) -> Result:
        """What `execute` returns, with the commands around it. HookFailed where it is not to begin."""
        if self.hooks is not None:
            self._commands(self.hooks).before(self._environment(""))
        result = execute()
        self.problems = self._after(result.manifest.phase)
        return result

    def exit_code(self, result: Result) -> ExitCode:
        """The run's own, and PARTIAL where a command after it failed that matters."""
        return worst([result.exit_code, *([ExitCode.PARTIAL] if self.problems else [])])

    def _after(self, phase: str, error: str = "") -> tuple[str, ...]:
        self.ended = True
        if self.hooks is None:
            return ()
        return self._commands(self.hooks).after(self._environment(phase, error), completed=phase == COMPLETED)

    def _commands(self, hooks: BackupHooks) -> RunCommands:
        return RunCommands(hooks, wiring_volumes.commands(), self.clock, self.observer, wiring_volumes.redact)

    def _environment(self, phase: str, error: str = "") -> dict[str, str]:
        return {
            "TRYSAIL_BACKUP": self.backup,
            "TRYSAIL_POLICY": self.policy,
            "TRYSAIL_CLUSTER": self.cluster,
            "TRYSAIL_PHASE": phase,
            "TRYSAIL_ERROR": error,
        }
