"""The physical limit of a restore: the very bodies, POSTed by a bare client with the same concurrency, tier by tier.

Run as a process of its own that prints one JSON line; it times its work without start-up and without making bodies.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import urllib3
import yaml

from runner.wiring import WRITERS

_PATIENCE = 30.0  # seconds, for a type whose definition was created just before


def main() -> None:
    """`python -m tests.bench.limit_restore KUBECONFIG BODIES`; BODIES has a JSON line for each: tier, path, body."""
    kubeconfig, bodies = sys.argv[1:3]
    with open(kubeconfig, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    pool = urllib3.PoolManager(
        ca_certs=cluster["certificate-authority"],
        maxsize=WRITERS,
        headers={"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"},
    )
    with open(bodies, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]

    def post(line: tuple[int, str, str]) -> int:
        _, path, body = line
        end = time.monotonic() + _PATIENCE
        while True:
            answer = pool.request("POST", cluster["server"] + path, body=body)
            if answer.status == 201:
                return 1
            # The account `default` may be there already; a new type is a moment late.
            if answer.status == 409:
                return 0
            assert time.monotonic() < end, f"POST {path}: {answer.status} {answer.data[:300]!r}"
            time.sleep(0.05)

    begun = time.perf_counter()
    created = 0
    with ThreadPoolExecutor(WRITERS) as threads:
        for _, tier in groupby(lines, key=lambda line: line[0]):
            created += sum(threads.map(post, tier))
    print(json.dumps({"seconds": time.perf_counter() - begun, "created": created}))


if __name__ == "__main__":
    main()
