"""Runs the command of a hook in its Pod, and says in words what went wrong. Its output is told cut and redacted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from runner.engine.retry import Retrier
from runner.errors import ClusterError, ExecTimedOut, Forbidden, ItemNotFound
from runner.model.event import HookRan
from runner.ports import Clock, Observer
from runner.volume_ports import Ended, PodExec

OUTPUT_BYTES: Final = 4096  # of a command's output that are shown: its end
# What is had of it. A secret may be cut in two where it begins: that is never shown, for the half is not recognised.
READ_BYTES: Final = 2 * OUTPUT_BYTES
_LAST_LINE: Final = 200  # characters of the last line, in a problem

# What would steer a terminal; line breaks and tabs stay.
_STEERS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Hook(NamedTuple):
    """A command to be run in a Pod; `what` names it for people."""

    what: str
    namespace: str
    pod: str
    container: str
    command: Sequence[str]
    timeout: float  # seconds


class Outcome(NamedTuple):
    """How that went."""

    problem: str = ""  # in words; "" where all is well
    not_found: bool = False  # the Pod is not there, or its container
    begun: bool = True  # whether the command was, or may have been


@dataclass(frozen=True)
class HookRunner:
    """What running hooks touches."""

    exec: PodExec
    clock: Clock
    retrier: Retrier
    observer: Observer
    redact: Callable[[str], str]

    def run(self, hook: Hook) -> Outcome:
        """Runs it once: tried again is only what was not begun, which an adapter's retriable errors are."""
        what = hook.what
        begun = self.clock.monotonic()
        work = partial(
            self.exec.run,
            hook.namespace,
            hook.pod,
            hook.container,
            hook.command,
            timeout=hook.timeout,
            most=READ_BYTES,
        )
        try:
            ended = self.retrier.call(f"the {what}", work)
        except ItemNotFound as error:
            return Outcome(f"the {what} failed: {self._words(error)}", not_found=True, begun=False)
        except Forbidden as error:
            return Outcome(f"the {what} failed: {self._words(error)}", begun=False)
        except ExecTimedOut:
            return Outcome(f"the {what} did not end within {hook.timeout:g} s, and may still go on")
        except ClusterError as error:
            return Outcome(f"the {what} failed: {self._words(error)}")
        output = shown(ended, self.redact)
        seconds = round(self.clock.monotonic() - begun, 3)
        self.observer.notice(HookRan(what=what, code=ended.code, output=output, seconds=seconds))
        return Outcome(complaint(f"the {what}", ended.code, output))

    def _words(self, error: ClusterError) -> str:
        return self.redact(f"{error.message} ({error.hint})" if error.hint else error.message)


def shown(ended: Ended, redact: Callable[[str], str]) -> str:
    """What is shown of a command's output: its end, without secrets and without what steers terminals."""
    text = redact(_STEERS.sub("", ended.output.replace("\r\n", "\n").replace("\r", "\n")))
    cut = ended.cut
    if cut:
        # Not from the middle of a line; of a single one, not what was had for the sake of secrets alone. That counts in
        # bytes as they were read: where secrets were taken out, more than these are left of what follows.
        extra = max(len(ended.output.encode()) - OUTPUT_BYTES, 0)
        text = text.partition("\n")[2] or text.encode()[extra:].decode(errors="ignore")
    whole = text.encode()
    if len(whole) > OUTPUT_BYTES:
        cut, text = True, whole[-OUTPUT_BYTES:].decode(errors="ignore")
    return f"…{text}" if cut else text


def complaint(what: str, code: int, output: str) -> str:
    """Words for a command that ended badly, with the last line of what it printed; "" where it ended well."""
    if code == 0:
        return ""
    last = (output.strip().splitlines() or [""])[-1].strip()
    said = f"{last[:_LAST_LINE]}…" if len(last) > _LAST_LINE else last
    return f"{what} ended with exit code {code}" + (f": {said}" if said else "")
