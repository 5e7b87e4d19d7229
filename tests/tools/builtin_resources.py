"""Writes runner/adapters/builtin_resources.json, the types that Kubernetes has built in, from a real API server.

Run it after the control plane of the tests moves to another Kubernetes: `python -m tests.tools.builtin_resources`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import urllib3

from tests.parts.controlplane import ControlPlane

TABLE: Final = Path(__file__).parents[2] / "runner" / "adapters" / "builtin_resources.json"
_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def builtin_resources(cluster: ControlPlane) -> list[dict[str, Any]]:
    """Every type that an API server of no more than its own groups serves, sorted by group and plural.

    `versions` are those that are served, the preferred one first: the order of aggregated discovery.
    """
    types: dict[tuple[str, str], dict[str, Any]] = {}
    for path in ("/api", "/apis"):
        for group in _discovered(cluster, path):
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                for resource in version.get("resources", []):
                    known = types.setdefault((name, resource["resource"]), _type(name, resource))
                    known["versions"].append(version["version"])
    return [types[key] for key in sorted(types)]


def table(types: list[dict[str, Any]]) -> str:
    """The file's text: one type a line, so that a newer Kubernetes shows as a readable difference."""
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in types)
    return f"[\n{lines}\n]\n"


def _discovered(cluster: ControlPlane, path: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {cluster.token}", "Accept": _AGGREGATED}
    with urllib3.PoolManager(ca_certs=str(cluster.ca_file), headers=headers) as pool:
        answer = pool.request("GET", cluster.server + path)
    groups: list[dict[str, Any]] = answer.json()["items"]
    return groups


def _type(group: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "group": group,
        "plural": resource["resource"],
        "kind": resource["responseKind"]["kind"],
        "namespaced": resource["scope"] == "Namespaced",
        "verbs": sorted(resource["verbs"]),
        "shortNames": sorted(resource.get("shortNames", [])),
        "versions": [],
    }


def main() -> None:
    """Boots an API server of its own, and writes the table."""
    with tempfile.TemporaryDirectory() as folder, ControlPlane(Path(folder)) as cluster:
        TABLE.write_text(table(builtin_resources(cluster)))


if __name__ == "__main__":
    main()
