"""A run that freezes a Pod and then waits to be killed: what `trysail run` does around a snapshot, and no snapshot.

    python -m tests.real.frozen_run KUBECONFIG NAMESPACE POD PRE POST LIMIT

PRE and POST are lines of shell, LIMIT the seconds that a snapshot might take. Prints a line once the Pod is frozen. A
signal thaws it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from runner import wiring, wiring_volumes
from runner.cli.progress import lines
from runner.cli.signals import cancel_on_signals
from runner.engine.volumes.freeze import Freezer
from runner.engine.volumes.protect import PODS
from runner.model.hooks import PlannedHook


def planned(namespace: str, pod: str, when: Any, script: str, **fields: Any) -> PlannedHook:
    """A line of shell as a hook."""
    given: dict[str, Any] = {"container": "main", "on_error": "fail", "timeout": 20.0, "why": "a test", **fields}
    return PlannedHook(namespace=namespace, pod=pod, when=when, command=("sh", "-c", script), **given)


def main(kubeconfig: str, namespace: str, pod: str, pre: str, post: str, limit: str) -> None:
    """Freezes, says so, and waits."""
    cancel_on_signals("thawed")
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=kubeconfig))
    ports = wiring_volumes.freeze_ports(cluster, lines("text"))
    freezer = Freezer(ports, PODS, backup="killed-1", policy="killed")
    frozen = freezer.freeze(
        "group",
        [planned(namespace, pod, "pre", pre)],
        [planned(namespace, pod, "post", post)],
        limit=float(limit),
    )
    try:
        print("frozen" if not frozen.problem else frozen.problem, flush=True)  # noqa: T201
        time.sleep(600)
    finally:
        freezer.thaw(frozen)


if __name__ == "__main__":
    main(*sys.argv[1:])
