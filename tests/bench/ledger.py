"""`python -m tests.bench.ledger [CLAIMS]`: what the ledger of so many claims (10,000) adds to a plan.

No cluster and no parts: an inventory in memory is planned with its claims, volumes and Pods, and without them. As many
rules as a careful policy has are put to each volume, and the last of them matches most.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from runner.model.canonical import canonical
from runner.model.inventory import Inventory
from runner.plan.backup import plan_backup
from tests.unit.plan.build import (
    S3,
    SNAPSHOT_CLASSES,
    SNAPSHOT_LOCATION,
    claim,
    named,
    pod,
    pod_volume,
    policy,
    seen,
    snapshot_class,
    volume,
)

CLAIMS = 10_000
NAMESPACES = 200
DRIVER = "disk.example.com"
ROUNDS = 5

SPEC: dict[str, Any] = {
    "storageLocation": S3,
    "snapshotLocation": SNAPSHOT_LOCATION,
    "fsBackup": {"repositoryPassword": {"env": "RESTIC_PASSWORD"}, "image": "trysail:1"},
    "volumePolicies": [
        {"conditions": {"volumeTypes": ["emptyDir", "hostPath"]}, "action": {"type": "skip"}},
        {"conditions": {"pvcLabels": {"backup": "no"}}, "action": {"type": "skip"}},
        {"conditions": {"nfs": {"server": "nfs.example.com"}}, "action": {"type": "fs-backup"}},
        {"conditions": {"capacity": "500Gi,"}, "action": {"type": "skip", "reason": "too large"}},
        {"conditions": {"storageClass": ["files"], "capacity": ",50Gi"}, "action": {"type": "fs-backup"}},
        {"conditions": {"csi": {"driver": DRIVER}}, "action": {"type": "snapshot"}},
    ],
    "hooks": {
        "resources": [
            {
                "name": "freeze",
                "labelSelector": {"matchLabels": {"app": "db"}},
                "pre": [{"exec": {"command": ["fsfreeze", "-f", "/data"]}}],
                "post": [{"exec": {"command": ["fsfreeze", "-u", "/data"]}}],
            }
        ]
    },
}


def main() -> None:
    """Prints a row: claims, lines of the ledger, seconds with and without it, and what it adds."""
    claims = int(sys.argv[1]) if len(sys.argv) > 1 else CLAIMS
    without, _ = _fastest(_inventory(claims, volumes=False))
    with_ledger, lines = _fastest(_inventory(claims, volumes=True))
    print(
        f"ledger: {claims:,} claims, {lines:,} lines: {with_ledger:.2f} s to plan, {without:.2f} s without, "
        f"{with_ledger - without:.2f} s added"
    )


def added_by_ledger(claims: int = CLAIMS) -> tuple[int, float]:
    """How many claims, and the seconds that their ledger adds to a plan."""
    without, _ = _fastest(_inventory(claims, volumes=False))
    return claims, _fastest(_inventory(claims, volumes=True))[0] - without


def _fastest(inventory: Inventory) -> tuple[float, int]:
    resolved = policy(**SPEC)
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        plan = plan_backup(resolved, inventory)
        canonical(plan)
        taken.append(time.perf_counter() - begun)
    return min(taken), len(plan.volumes)


def _inventory(claims: int, *, volumes: bool) -> Inventory:
    """A Pod for each claim, one in ten of them a database; with an emptyDir each, as most have."""
    contents: dict[str, Any] = {f"ns-{n:03}/configmaps": named("a", "b", "c") for n in range(NAMESPACES)}
    if volumes:
        for n in range(NAMESPACES):
            mine = range(n, claims, NAMESPACES)
            contents[f"ns-{n:03}/persistentvolumeclaims"] = [claim(f"c-{one}", f"pv-{one}") for one in mine]
            contents[f"ns-{n:03}/pods"] = [
                pod(
                    f"p-{one}",
                    f"c-{one}",
                    labels={"app": "db" if one % 10 == 0 else "web"},
                    volumes=(pod_volume("tmp"),),
                    containers=("app",),
                    phase="Running",
                )
                for one in mine
            ]
        contents["persistentvolumes"] = [
            volume(f"pv-{one}", f"ns-{one % NAMESPACES:03}/c-{one}", source=DRIVER if one % 2 else "ebs.csi.aws.com")
            for one in range(claims)
        ]
        contents[SNAPSHOT_CLASSES] = [snapshot_class("fast", DRIVER, default=True)]
    return seen(contents)


if __name__ == "__main__":
    main()
