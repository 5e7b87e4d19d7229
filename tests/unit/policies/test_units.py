"""Tests of what is guessed where a time or a size has a wrong unit, or none."""

from __future__ import annotations

import pytest

from runner.model.duration import seconds
from runner.policies.units import meant_range, meant_time


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30", "30s"),
        ("90", "90s"),
        ("10min", "10m"),
        ("4 hours", "4h"),
        ("1.5h", "1h30m"),
        ("1d", "24h"),
        ("90m", "1h30m"),
        ("30 S", "30s"),
    ],
)
def test_a_time(written: str, meant: str) -> None:
    """What is proposed is the same time, in words that hold."""
    assert meant_time(written) == meant
    assert seconds(meant) > 0


@pytest.mark.parametrize("written", ["", "0", "0 hours", "soon", "-10m", "1w", "1.25h", "1.5", "1h 30m"])
def test_no_time(written: str) -> None:
    """Where it would be a guess into the blue, or of no time at all, nothing is proposed."""
    assert meant_time(written) == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10GB,1TB", "10G,1T"),
        ("10 Gi, 100 Gi", "10Gi,100Gi"),
        ("10gib,", "10Gi,"),
        (",1.5t", ",1.5T"),
        ("100Gi", "100Gi,"),
        ("100", "100Gi,"),
    ],
)
def test_a_range(written: str, meant: str) -> None:
    """Kubernetes' units, and the comma; a number alone is rather of Gi than of bytes."""
    assert meant_range(written) == meant


@pytest.mark.parametrize("written", ["", ",", "big", "10Gi-100Gi", "10GX,"])
def test_no_range(written: str) -> None:
    """Nothing is proposed where nothing can be read."""
    assert meant_range(written) == ""
