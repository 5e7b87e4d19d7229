"""RestoreResult: how a restore ended, item by item where it did not go as planned."""

from __future__ import annotations

from typing import Literal

import msgspec

from runner.errors import ExitCode
from runner.model.restore import RestorePlan


class Failed(msgspec.Struct, frozen=True, rename="camel", order=True):
    """An item that was planned to change and did not, and the API server's reason."""

    resource: str
    namespace: str
    name: str
    action: str
    reason: str


class BroughtVolume(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, order=True):
    """A claim whose data was to be brought back, and how that went."""

    namespace: str
    claim: str
    outcome: Literal["restored", "failed"]
    reason: str = ""  # why it failed
    handle: str = ""  # of a native volume that was made for it


class RestoreResult(msgspec.Struct, frozen=True, rename="camel"):
    """What a restore did. `undo` names the backup of what it overwrote; "" where it overwrote nothing."""

    plan: RestorePlan
    created: int
    updated: int
    recreated: int
    already: int  # planned, and found done: an earlier run of this restore got so far
    failed: tuple[Failed, ...]
    warnings: tuple[str, ...]
    undo: str
    seconds: float
    volumes: tuple[BroughtVolume, ...] = ()
    hooks: tuple[str, ...] = ()  # what went wrong with commands in Pods that matter, in words

    @property
    def done(self) -> int:
        """How many items are as planned."""
        return self.created + self.updated + self.recreated + self.already

    @property
    def exit_code(self) -> ExitCode:
        """PARTIAL where something planned failed, FINDINGS where the plan itself left something out, else DONE."""
        if self.failed or self.hooks or any(volume.outcome == "failed" for volume in self.volumes):
            return ExitCode.PARTIAL
        refused = any(volume.action == "refuse" for volume in self.plan.volumes)
        findings = self.plan.count("conflict", "invalid") or refused or self.plan.empty_includes or self.plan.gaps
        return ExitCode.FINDINGS if findings else ExitCode.DONE
