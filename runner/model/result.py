"""Result: how a run ended."""

from __future__ import annotations

import msgspec

from runner.errors import ExitCode
from runner.model.manifest import PARTIALLY_FAILED, Manifest
from runner.model.plan import Plan
from runner.model.volumes import StoredVolume


class Leftover(msgspec.Struct, frozen=True, order=True):
    """Keys, or parts of an upload, of a run that ended before its manifest was written (or that still goes on)."""

    backup: str
    keys: int
    size: int  # bytes
    uploads: int  # unfinished ones, whose parts take space and are billed


class Result(msgspec.Struct, frozen=True):
    """A committed backup, and what its run met on the way."""

    manifest: Manifest
    plan: Plan
    leftovers: tuple[Leftover, ...]
    seconds: float
    volumes: tuple[StoredVolume, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """PARTIAL where something planned is missing, FINDINGS where an include matched nothing, else DONE."""
        if self.manifest.phase == PARTIALLY_FAILED:
            return ExitCode.PARTIAL
        return ExitCode.FINDINGS if self.plan.empty_includes else ExitCode.DONE
