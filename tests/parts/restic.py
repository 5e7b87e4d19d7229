"""Builds restic, once: `python -m tests.parts.restic`. Its version and digests are those of `tests/restic/go.mod`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.parts.golang import built_once, say

_RESTIC: Final = Path(__file__).parents[1] / "restic"


def restic_program() -> Path:
    """The restic binary; the first call on a machine builds it, which takes about three minutes on two cores."""
    return built_once("restic", "github.com/restic/restic/cmd/restic", module=_RESTIC, flags=["-ldflags", "-s -w"])


if __name__ == "__main__":
    say(str(restic_program()))
