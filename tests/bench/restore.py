"""`python -m tests.bench.restore`: restores into fresh API servers, measured against bare POSTs of the same bodies.

Environment: RESTORED (objects that are restored, default 12,000), ROUNDS (default 3). Each round has a fresh API server
for the limit and another one for us, both without a controller manager, which would create further objects beside.
The table is written to .bench/restore-<RESTORED>.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from runner import wiring
from runner.adapters.kubernetes_connection import resource_path
from runner.cli.progress import PlainLines
from runner.cli.restore_options import resolved_restore
from runner.engine.catalog import LATEST, Scope, resolve
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.engine.restore.planning import make_restore_plan
from runner.engine.restore.works import Works
from tests.bench.measure import Usage, measured
from tests.bench.seed import SELECTED, seed
from tests.parts.controlplane import ControlPlane

OUT = Path(".bench")
TRYSAIL = [sys.executable, "-m", "runner"]
# Of what the seed makes, so much is restored; Pods, ReplicaSets, Endpoints and the like are made by their controllers.
RESTORED_OF_SEEDED = 900 / 1500


def main() -> None:
    """Runs everything and writes the table."""
    restored, rounds = int(os.environ.get("RESTORED", "12000")), int(os.environ.get("ROUNDS", "3"))
    with tempfile.TemporaryDirectory(prefix="trysail-bench-") as folder:
        work = Path(folder)
        location = work / "backups"
        seeded = int(restored / RESTORED_OF_SEEDED)
        print(f"seeding {seeded} objects, and backing them up …", flush=True)
        with ControlPlane(work / "source") as plane:
            seed(plane, seeded, beside=False)
            _back_up(plane, work, location)
        bodies = work / "bodies.jsonl"
        with _target(work / "planned") as plane:
            items = _write_bodies(plane, location, bodies)
        limits: list[float] = []
        ours: list[Usage] = []
        for number in range(rounds):
            with _target(work / f"limit-{number}") as plane:
                limits.append(_limit(plane, bodies))
            with _target(work / f"ours-{number}") as plane:
                ours.append(_restore(plane, location))
            print(f"round {number + 1}: limit {limits[-1]:.2f} s, restore {ours[-1].seconds:.2f} s", flush=True)
    table = _table(items, rounds, limits, ours)
    OUT.mkdir(exist_ok=True)
    (OUT / f"restore-{restored}.md").write_text(table, encoding="utf-8")
    print(table)


@contextmanager
def _target(folder: Path) -> Iterator[ControlPlane]:
    with ControlPlane(folder) as plane:
        plane.stop_controller_manager()
        yield plane


def _back_up(plane: ControlPlane, work: Path, location: Path) -> None:
    policy = work / "policy.json"
    spec = {
        "includedNamespaces": [f"{SELECTED}*"],
        "excludedNamespaceScopedResources": ["events"],
        "storageLocation": {"provider": "filesystem", "path": str(location)},
    }
    metadata = {"name": "bench"}
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupPolicy", "metadata": metadata, "spec": spec}
    policy.write_text(json.dumps(document), encoding="utf-8")
    measured([*TRYSAIL, "run", "-f", str(policy), "--auto-approve"], _environment(plane))


def _write_bodies(plane: ControlPlane, location: Path, bodies: Path) -> int:
    """What a restore sends, in its order."""
    where = wiring.location_of_url(str(location))
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=str(plane.kubeconfig)))
    retrier = wiring.retrier(PlainLines())
    written = 0
    with wiring.executor() as executor, bodies.open("w", encoding="utf-8") as file:
        reading = Reading(wiring.open_store(where, lambda: cluster), executor, retrier)
        stored = open_stored(reading, resolve(reading, LATEST, Scope()).backup)
        planned = make_restore_plan(stored, resolved_restore(None, {}), where, cluster, executor, retrier)
        for step in planned.plan.steps:
            assert step.action in {"create", "unchanged"}, step
            for work in Works(planned.facts).of(step) if step.action == "create" else ():
                path = resource_path(work.resource, work.item.namespace)
                line = (step.tier, path, msgspec.json.encode(work.body).decode())
                file.write(msgspec.json.encode(line).decode() + "\n")
                written += 1
    return written


def _limit(plane: ControlPlane, bodies: Path) -> float:
    command = [sys.executable, "-m", "tests.bench.limit_restore", str(plane.kubeconfig), str(bodies)]
    done = subprocess.run(command, check=True, capture_output=True, env=_environment(plane))
    return float(json.loads(done.stdout)["seconds"])


def _restore(plane: ControlPlane, location: Path) -> Usage:
    command = [*TRYSAIL, "restore", LATEST, "--location", str(location), "--auto-approve"]
    return measured(command, _environment(plane))


def _environment(plane: ControlPlane) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _table(items: int, rounds: int, limits: list[float], ours: list[Usage]) -> str:
    limit = statistics.median(limits)
    seconds = statistics.median(usage.seconds for usage in ours)
    cpu = statistics.median(usage.cpu for usage in ours)
    memory = statistics.median(usage.memory_mib for usage in ours)
    rows = [
        (f"limit: the same bodies, bare POSTs, {wiring.WRITERS} at once", f"{limit:.2f} s", f"{items / limit:.0f}/s"),
        (
            "`trysail restore`, whole process",
            f"{seconds:.2f} s",
            f"{seconds / limit:.2f} × the limit (at most 1.5), {items / seconds:.0f}/s (at least 400)",
        ),
        ("its CPU", f"{cpu:.2f} s", ""),
        ("its peak memory", f"{memory:.0f} MiB", "at most 200 MiB"),
    ]
    head = f"Medians of {rounds} rounds, {items:,} objects restored into empty namespaces, two cores.\n\n"
    lines = [f"| {what} | {figure} | {bound} |" for what, figure, bound in rows]
    return head + "\n".join(["| | measured | against |", "|---|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    main()
