"""Commands in Pods that a test scripts: what each returns, how long it takes, and what happens meanwhile.

exec = FakePodExec({"freeze": Ended(7, "no")})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.errors import ExecTimedOut, ItemNotFound, TrysailError
from runner.volume_ports import Ended


@dataclass(frozen=True)
class ExecCall:
    """One command, as it was asked for."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]


@dataclass
class FakePodExec:
    """A PodExec. `answers` are by the command's first word: how it ended, or the error; others end well at once.

    `on_call` is called before each command, and may raise or change the cluster; `takes` lets time pass by. `pods` are
    those that there are, with their containers; without it, all.
    """

    answers: Mapping[str, Ended | TrysailError] = field(default_factory=dict)
    on_call: Callable[[ExecCall], None] = lambda _: None
    takes: Callable[[float], None] = lambda _: None
    seconds: Mapping[str, float] = field(default_factory=dict)  # how long a command takes, by its first word
    calls: list[ExecCall] = field(default_factory=list)
    by: Callable[[Sequence[str]], str] = lambda command: command[0]  # the word that answers and seconds go by
    pods: Mapping[tuple[str, str], Sequence[str]] | None = None  # namespace and name -> containers

    def run(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float, most: int
    ) -> Ended:
        """See PodExec."""
        call = ExecCall(namespace, pod, container, tuple(command))
        self.calls.append(call)
        self.on_call(call)
        if self.pods is not None and container not in self.pods.get((namespace, pod), ()):
            raise ItemNotFound(f"{namespace}/{pod} has no container {container}, or is not there")
        word = self.by(command)
        seconds = self.seconds.get(word, 0.0)
        self.takes(min(seconds, timeout))
        if seconds > timeout:
            raise ExecTimedOut(f"{command[0]} did not end within {timeout:g} s")
        answer = self.answers.get(word, Ended(0, ""))
        if isinstance(answer, TrysailError):
            raise answer
        return Ended(answer.code, answer.output[-most:], len(answer.output) > most)

    @property
    def commands(self) -> list[str]:
        """`pod: first word` of each, in order."""
        return [f"{call.pod}: {call.command[0]}" for call in self.calls]
