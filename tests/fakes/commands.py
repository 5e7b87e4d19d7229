"""Commands on this machine that a test scripts: what each returns, and how long it takes.

commands = FakeCommands({"notify": Ended(7, "no")})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.errors import ExecTimedOut, TrysailError
from runner.volume_ports import Ended


@dataclass(frozen=True)
class CommandCall:
    """One command, as it was asked for."""

    command: tuple[str, ...]
    environment: dict[str, str]
    timeout: float


@dataclass
class FakeCommands:
    """A CommandRunner. `answers` are by first words: how the command ended, or the error; others end well at once."""

    answers: Mapping[str, Ended | TrysailError] = field(default_factory=dict)
    takes: Callable[[float], None] = lambda _: None
    seconds: Mapping[str, float] = field(default_factory=dict)
    calls: list[CommandCall] = field(default_factory=list)

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, timeout: float, most: int) -> Ended:
        """See CommandRunner."""
        self.calls.append(CommandCall(tuple(command), dict(environment), timeout))
        seconds = self.seconds.get(command[0], 0.0)
        self.takes(min(seconds, timeout))
        if seconds > timeout:
            raise ExecTimedOut(f"{command[0]} did not end within {timeout:g} s, and was ended")
        answer = self.answers.get(command[0], Ended(0, ""))
        if isinstance(answer, TrysailError):
            raise answer
        return Ended(answer.code, answer.output[-most:], len(answer.output) > most)

    @property
    def commands(self) -> list[str]:
        """First words, in order."""
        return [call.command[0] for call in self.calls]
