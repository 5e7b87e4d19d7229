"""Durations as Kubernetes and Velero write them: `30s`, `10m`, `1h30m`, `500ms`."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

from runner.model.document import mistake

_DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms))+$"
_UNIT: Final = re.compile(r"([0-9]+)(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

# What the pattern wants, for the message where it is not met.
DURATION_PATTERNS: Final = {_DURATION_PATTERN: "must be a time as 30s, 10m or 1h30m"}


def _some(duration: str) -> str:
    # Go writes 0s for what is not set; here that is a field that is left out.
    if not seconds(duration):
        raise mistake("must be more than no time at all", hint="leave it out, and the default holds")
    return duration


Duration = Annotated[str, StringConstraints(pattern=_DURATION_PATTERN, max_length=24), AfterValidator(_some)]


def seconds(duration: str) -> float:
    """How many seconds a checked Duration stands for."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _UNIT.findall(duration))
