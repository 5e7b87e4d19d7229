"""The commands of a policy around its run, on this machine: told which run it is, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from runner import wiring_volumes
from runner.engine.volumes.run_commands import RunCommands
from runner.errors import ExitCode, TrysailError, worst
from runner.model.hooks import BackupHooks
from runner.model.manifest import COMPLETED, FAILED
from runner.model.plan import Plan
from runner.model.result import Result
from runner.ports import Clock, Observer


@dataclass
class AroundRun:
    """One run with its commands: beforeRun, and onSuccess or onFailure."""

    plan: Plan
    backup: str
    hooks: BackupHooks | None
    clock: Clock
    observer: Observer
    problems: tuple[str, ...] = field(default=())

    def run(self, execute: Callable[[], Result]) -> Result:
        """What `execute` returns or raises, with the commands around it. HookFailed where it is not to begin."""
        if self.hooks is None:
            return execute()
        commands = RunCommands(self.hooks, wiring_volumes.commands(), self.clock, self.observer, wiring_volumes.redact)
        try:
            commands.before(self._environment(""))
            result = execute()
        except TrysailError as error:
            commands.after(self._environment(FAILED, error.message), completed=False)
            raise
        phase = result.manifest.phase
        self.problems = commands.after(self._environment(phase), completed=phase == COMPLETED)
        return result

    def exit_code(self, result: Result) -> ExitCode:
        """The run's own, and PARTIAL where a command after it failed that matters."""
        return worst([result.exit_code, *([ExitCode.PARTIAL] if self.problems else [])])

    def _environment(self, phase: str, error: str = "") -> dict[str, str]:
        return {
            "TRYSAIL_BACKUP": self.backup,
            "TRYSAIL_POLICY": self.plan.policy_name,
            "TRYSAIL_CLUSTER": self.plan.cluster.name,
            "TRYSAIL_PHASE": phase,
            "TRYSAIL_ERROR": error,
        }
