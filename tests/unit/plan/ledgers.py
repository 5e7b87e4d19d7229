"""Ledgers for tests of the planner, in few words: one(claim, volume, …) is the only line of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.model.inventory import Row
from runner.model.plan import Plan
from runner.model.volumes import PlannedVolume
from tests.unit.plan.build import S3, claim, planned, volume

DRIVER = "disk.example.com"
FILES: dict[str, Any] = {
    "storageLocation": S3,
    "fsBackup": {"repositoryPassword": {"env": "RESTIC_PASSWORD"}, "image": "trysail:1"},
}
Contents = Mapping[str, Iterable[Row]]


def rules(*actions: str | tuple[dict[str, Any], str]) -> list[dict[str, Any]]:
    """Volume policies: an action for every volume, or (conditions, action)."""
    pairs = [({}, one) if isinstance(one, str) else one for one in actions]
    return [{"conditions": conditions, "action": {"type": action}} for conditions, action in pairs]


def lines(plan: Plan) -> dict[str, tuple[str, str]]:
    """Each line's method and why, by name."""
    return {line.name: (line.method, line.why) for line in plan.volumes}


def one(found: Row, disk: Row, more: Contents | None = None, **spec: Any) -> PlannedVolume:
    """The line of the only claim, in shop."""
    plan = planned({"shop/persistentvolumeclaims": [found], "persistentvolumes": [disk], **(more or {})}, **spec)
    (line,) = plan.volumes
    return line


def ebs(**fields: Any) -> Row:
    """An EBS volume, bound to shop/data."""
    return volume("pv-1", "shop/data", **fields)


def disk(name: str = "pv-1", claimed: str = "shop/data", **fields: Any) -> Row:
    """A volume of another CSI driver."""
    return volume(name, claimed, **{"source": DRIVER, **fields})


DATA = claim("data", "pv-1")
