"""What the real kubectl makes of YAML, without a cluster, and when that is the value which is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.parts.kubectl import run_kubectl


def read_by_kubectl(text: bytes, folder: Path) -> list[Any]:
    """The `spec` of each document; kubectl takes objects of unknown types, with any spec. Fails if it refuses one."""
    command = ("label", "--local", "-f", "-", "-o", "json", "x=y")
    shown = run_kubectl(*command, kubeconfig=folder / "none", stdin=text).stdout.decode()
    decoder, at, seen = json.JSONDecoder(), 0, []
    while at < len(shown):
        answer, at = decoder.raw_decode(shown, at)
        seen.append(answer["spec"])
        at += 1  # the newline after it
    return seen


def alike(one: Any, other: Any) -> bool:
    """Equal as kubectl's JSON can tell: numbers as doubles, all else by type too."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other)
    return bool(one == other)
