"""`python -m tests.bench`: seeds a real API server, measures runs against the limit, prints a Markdown table.

Environment: N (objects in the selected namespaces, default 15,000), ROUNDS (default 5), LARGE=0 leaves the 600
Secrets of 1 MB out. The table is written to .bench/backup-<N>.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Usage, measured
from tests.bench.seed import LARGE_SECRETS, SELECTED, seed, seed_large_secrets
from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS

BUCKET = "bench"
TRYSAIL = [sys.executable, "-m", "runner"]
OUT = Path(".bench")


def main() -> None:
    """Runs everything and writes the table."""
    objects, rounds = int(os.environ.get("N", "15000")), int(os.environ.get("ROUNDS", "5"))
    with tempfile.TemporaryDirectory(prefix="trysail-bench-") as folder:
        work = Path(folder)
        with ControlPlane(work / "plane") as plane, SeaweedFS(work / "store") as store:
            store.create_bucket(BUCKET)
            print(f"seeding {objects} selected objects and as many beside …", flush=True)
            seed(plane, objects)
            rows = _Bench(work, plane, store, rounds).rows()
            if os.environ.get("LARGE", "1") == "1":
                print("seeding 600 Secrets of 1 MB …", flush=True)
                seed_large_secrets(plane)
                rows += _Bench(work, plane, store, 1).large_rows()
    table = _table(objects, rounds, rows)
    OUT.mkdir(exist_ok=True)
    (OUT / f"backup-{objects}.md").write_text(table, encoding="utf-8")
    print(table)


class _Bench:
    def __init__(self, work: Path, plane: ControlPlane, store: SeaweedFS, rounds: int) -> None:
        self.work, self.plane, self.store, self.rounds = work, plane, store, rounds
        self.environment = {
            **os.environ,
            "KUBECONFIG": str(plane.kubeconfig),
            "BENCH_ACCESS_KEY": store.access_key,
            "BENCH_SECRET_KEY": store.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for key in ("NO_PROXY", "no_proxy"):
            self.environment[key] = "127.0.0.1"

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, figure, bound) of the main figures."""
        to_store = self._policy("weed", f"{SELECTED}*", self._seaweed())
        to_folder = self._policy("folder", f"{SELECTED}*", self._folder())
        plan = self.work / "plan.json"
        self._trysail("plan", "-f", str(to_folder), "--out", str(plan), "-o", "json")
        limits, weed, folder, metadata, planning = [], [], [], [], []
        for number in range(self.rounds):
            limits.append(self._limit(plan, "whole"))
            weed.append(self._run(to_store))
            folder.append(self._run(to_folder))
            metadata.append(self._limit(plan, "metadata"))
            planning.append(self._plan_seconds(to_folder))
            print(f"round {number + 1}: limit {limits[-1]:.2f} s, run {weed[-1].seconds:.2f} s", flush=True)
        help_cpu = statistics.median(self._trysail("--help").cpu for _ in range(9))
        limit, list_metadata = statistics.median(limits), statistics.median(metadata)
        items = json.loads(plan.read_bytes())
        return [
            ("planned items", f"{sum(step['count'] for step in items['steps']):,}", ""),
            ("limit: list of the planned pairs, and gzip", f"{limit:.2f} s", ""),
            *_ratios("`trysail run` to SeaweedFS, whole process", weed, limit),
            *_ratios("`trysail run` to a folder, whole process", folder, limit),
            ("metadata-only list of the same pairs", f"{list_metadata:.2f} s", ""),
            (
                "`trysail plan`, start-up aside",
                f"{statistics.median(planning):.2f} s",
                f"{statistics.median(planning) / list_metadata:.2f} × the metadata list (at most 1.5)",
            ),
            ("`trysail --help`, CPU", f"{help_cpu * 1000:.0f} ms", "at most 100 ms"),
        ]

    def large_rows(self) -> list[tuple[str, str, str]]:
        """Memory with large objects."""
        usage = self._run(self._policy("large", LARGE_SECRETS, self._seaweed()))
        return [("peak memory with 600 Secrets of 1 MB", f"{usage.memory_mib:.0f} MiB", "at most 150 MiB")]

    def _limit(self, plan: Path, what: str) -> float:
        command = [sys.executable, "-m", "tests.bench.limit", str(self.plane.kubeconfig), str(plan), what]
        done = subprocess.run(command, check=True, capture_output=True, env=self.environment)
        return float(json.loads(done.stdout)["seconds"])

    def _plan_seconds(self, policy: Path) -> float:
        command = [sys.executable, "-m", "tests.bench.planning", str(policy)]
        done = subprocess.run(command, check=True, capture_output=True, env=self.environment)
        return float(done.stdout)

    def _run(self, policy: Path) -> Usage:
        return self._trysail("run", "-f", str(policy), "--auto-approve")

    def _trysail(self, *arguments: str) -> Usage:
        return measured([*TRYSAIL, *arguments], self.environment)

    def _policy(self, name: str, namespaces: str, location: dict[str, object]) -> Path:
        spec = {
            "includedNamespaces": [namespaces],
            "excludedNamespaceScopedResources": ["events"],
            "storageLocation": location,
        }
        document = {
            "apiVersion": "trysail.dev/v1alpha1",
            "kind": "BackupPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        path = self.work / f"{name}.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def _folder(self) -> dict[str, object]:
        return {"provider": "filesystem", "path": str(self.work / "folder")}

    def _seaweed(self) -> dict[str, object]:
        return {
            "provider": "s3",
            "objectStorage": {"bucket": BUCKET},
            "config": {"s3Url": self.store.endpoint, "s3ForcePathStyle": True},
            "credential": {
                "accessKeyId": {"env": "BENCH_ACCESS_KEY"},
                "secretAccessKey": {"env": "BENCH_SECRET_KEY"},
            },
        }


def _ratios(what: str, runs: list[Usage], limit: float) -> list[tuple[str, str, str]]:
    def median(figure: Callable[[Usage], float]) -> float:
        return statistics.median(figure(run) for run in runs)

    seconds = median(lambda run: run.seconds)
    return [
        (what, f"{seconds:.2f} s", f"{seconds / limit:.2f} × the limit"),
        ("its CPU", f"{median(lambda run: run.cpu):.2f} s", ""),
        ("its peak memory", f"{median(lambda run: run.memory_mib):.0f} MiB", "at most 150 MiB"),
    ]


def _table(objects: int, rounds: int, rows: list[tuple[str, str, str]]) -> str:
    head = f"Medians of {rounds} rounds, {objects:,} objects selected, as many beside them, two cores.\n\n"
    lines = [f"| {what} | {figure} | {bound} |" for what, figure, bound in rows]
    return head + "\n".join(["| | measured | against |", "|---|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    main()
