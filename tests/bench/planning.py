"""`python -m tests.bench.planning POLICY`: seconds that planning takes, start-up aside."""

from __future__ import annotations

import sys
import time
from functools import partial

from runner import wiring
from runner.adapters.kubernetes import KubernetesCluster
from runner.cli.progress import PlainLines
from runner.engine.changes import plan_and_compare
from runner.policies.load import load_policies
from runner.report.plan_text import render_plan


def main() -> None:
    """Plans as `trysail plan` does, the comparison with the last backup included."""
    (resolved,) = load_policies([sys.argv[1]]).policies
    cluster = KubernetesCluster.connect()
    retrier = wiring.retrier(PlainLines())
    begun = time.perf_counter()
    with wiring.executor() as executor:
        open_store = partial(wiring.open_store, resolved.location, lambda: cluster)
        compared = plan_and_compare(resolved, cluster, open_store, executor, retrier)
    render_plan(compared.planned.plan, changes=compared.changes, changes_note=compared.note)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
