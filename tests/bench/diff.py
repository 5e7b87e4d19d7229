"""`python -m tests.bench.diff`: two backups of OBJECTS (default 15,000), 50 of them different, compared by a process.

The table is written to .bench/diff-<OBJECTS>.md.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from runner.adapters.filesystem import FilesystemStore
from tests.bench.measure import Usage, measured
from tests.fakes.stored_backup import Made, StoredBackup, config_map, namespace_item

OUT = Path(".bench")
TRYSAIL = [sys.executable, "-m", "runner"]
DIFFERENT = 50
NAMESPACES = 10
ROUNDS = 5


def main() -> None:
    """Makes them, compares them, and writes the table."""
    objects = int(os.environ.get("OBJECTS", "15000"))
    with tempfile.TemporaryDirectory(prefix="trysail-bench-") as folder:
        store = FilesystemStore(Path(folder))
        for name, different in (("before", 0), ("after", DIFFERENT)):
            StoredBackup(name=name, items=_items(objects, different)).put(store)
        usages = [_diff(folder) for _ in range(ROUNDS)]
    cpu = statistics.median(usage.cpu for usage in usages)
    memory = statistics.median(usage.memory_mib for usage in usages)
    table = (
        f"Medians of {ROUNDS} rounds, two backups of {objects:,} objects, {DIFFERENT} of which differ.\n\n"
        "| | measured | against |\n|---|---|---|\n"
        f"| `trysail diff`, CPU of the whole process | {cpu:.2f} s | at most 1 s |\n"
        f"| its peak memory | {memory:.0f} MiB |  |\n"
    )
    OUT.mkdir(exist_ok=True)
    (OUT / f"diff-{objects}.md").write_text(table, encoding="utf-8")
    print(table)


def _diff(folder: str) -> Usage:
    # Like diff, it exits with 1 where something differs.
    shell = 'set +e; "$@" > diff.txt; test $? -eq 1'
    command = [*TRYSAIL, "diff", "before", "after", "--location", folder, "--names-only"]
    usage = measured(["sh", "-c", f"cd {folder} && {shell}", "sh", *command], _environment())
    told = Path(folder, "diff.txt").read_text(encoding="utf-8")
    assert f"{DIFFERENT} changed" in told, told
    return usage


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path.cwd())}


def _items(objects: int, different: int) -> list[Made]:
    namespaces = [f"bench-{number}" for number in range(NAMESPACES)]
    items = [namespace_item(name) for name in namespaces]
    for name in namespaces:
        for number in range(objects // NAMESPACES):
            changed = name == namespaces[0] and number < different
            labels = {"app": "changed" if changed else "as-it-was"}
            items.append(config_map(name, f"configmap-{number:05}", labels=labels, size=1500))
    return items


if __name__ == "__main__":
    main()
