"""The physical limit: a bare concurrent paged LIST of the planned pairs as raw bytes, and gzip of those bytes.

Run as a process of its own that prints one JSON line; it times its work without start-up.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import msgspec
import urllib3
import yaml
from isal import isal_zlib

WORKERS = 6
_PAGE = 500
_MEMBER = 1 << 20
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Meta(msgspec.Struct, rename="camel"):
    continue_token: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw]


def main() -> None:
    """`python -m tests.bench.limit KUBECONFIG PLAN whole|metadata`."""
    kubeconfig, plan, what = sys.argv[1:4]
    with open(kubeconfig, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    accept = _METADATA if what == "metadata" else "application/json"
    pool = urllib3.PoolManager(
        ca_certs=cluster["certificate-authority"],
        maxsize=WORKERS,
        headers={"Authorization": f"Bearer {user['token']}", "Accept": accept},
    )
    with open(plan, encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    paths = [path for step in steps for path in _paths(step)]

    def fetch(path: str) -> tuple[int, int, int]:
        items = size = packed = 0
        token = ""
        while True:
            suffix = f"&continue={quote(token)}" if token else ""
            joiner = "&" if "?" in path else "?"
            body = pool.request("GET", f"{cluster['server']}{path}{joiner}limit={_PAGE}{suffix}").data
            page = msgspec.json.decode(body, type=_List)
            items += len(page.items)
            size += len(body)
            if what == "whole":
                for start in range(0, len(body), _MEMBER):
                    packed += len(isal_zlib.compress(body[start : start + _MEMBER], 2, 31))
            token = page.metadata.continue_token
            if not token:
                return items, size, packed

    begun = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as threads:
        results = list(threads.map(fetch, paths))
    seconds = time.perf_counter() - begun
    items, size, packed = (sum(result[n] for result in results) for n in range(3))
    print(json.dumps({"seconds": seconds, "items": items, "bytes": size, "packed": packed}))


def _paths(step: dict[str, str | int | list[str]]) -> list[str]:
    plural = str(step["resource"]).partition(".")[0]
    version = str(step["apiVersion"])
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = step["namespace"]
    names = step.get("names")
    path = f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
    if isinstance(names, list):
        return [f"{path}?fieldSelector=metadata.name%3D{quote(name)}" for name in names]
    return [path]


if __name__ == "__main__":
    main()
