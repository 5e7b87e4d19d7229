"""`python -m tests.bench.planning POLICY`: seconds that planning takes, start-up aside."""

from __future__ import annotations

import sys
import time

from runner import wiring
from runner.adapters.kubernetes import KubernetesCluster
from runner.cli.progress import PlainLines
from runner.engine.changes import changes_since_last
from runner.engine.planning import make_plan
from runner.policies.load import load_policies
from runner.report.plan_text import render_plan


def main() -> None:
    """Plans as `trysail plan` does, the comparison with the last backup included."""
    (resolved,) = load_policies([sys.argv[1]]).policies
    cluster = KubernetesCluster.connect()
    retrier = wiring.retrier(PlainLines())
    begun = time.perf_counter()
    with wiring.executor() as executor:
        planned = make_plan(resolved, cluster, executor, retrier)
        changes, note = changes_since_last(
            planned,
            resolved,
            lambda: wiring.open_store(resolved.location, lambda: cluster),
            cluster,
            executor,
            retrier,
        )
    render_plan(planned.plan, changes=changes, changes_note=note)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
