"""What the tests of plan, run and inventory share: small clusters as folders of YAML, and Trysail beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.real.trysail import Ended, Trysail

Json = dict[str, Any]

EXAMPLES = Path(__file__).parents[3] / "examples"
SHOP = EXAMPLES / "clusters" / "shop"


class Shelf:
    """A cluster of one namespace, `shop`, which tests change at will; a folder for backups; Trysail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "cluster"
        self.backups = folder / "backups"
        self.location = {"provider": "filesystem", "path": str(self.backups)}
        self.trysail = Trysail(folder)
        self.cluster.mkdir()
        self.put("Namespace", "kube-system", uid="11111111-2222-4333-8444-555555555555")
        self.put("Namespace", "shop")
        self.put("ConfigMap", "settings", data={"mode": "on"})
        self.put("Secret", "password", data={"key": "aHVudGVyMi1jb3JyZWN0LWhvcnNl"})

    def put(self, kind: str, name: str, /, *, uid: str | None = None, **fields: Any) -> Path:
        """Writes an object, or writes it anew; its uid comes from its name, its version from its content."""
        metadata = {"name": name} | ({} if kind == "Namespace" else {"namespace": "shop"})
        metadata |= {} if uid is None else {"uid": uid}
        path = self.cluster / f"{kind}-{name}.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}))
        return path

    def policy(self, name: str = "shop", /, **spec: Any) -> Path:
        """A policy that takes the namespace, unless `spec` says otherwise."""
        usual: Json = {"includedNamespaces": ["shop"], "location": self.location}
        return self.trysail.policy(name, **(usual | spec))

    def plan(self, *words: str | Path, code: int = 0) -> Ended:
        """`trysail plan`, of this cluster."""
        return self.trysail("plan", "--manifests", self.cluster, *words, code=code)

    def run(self, *words: str | Path, code: int = 0) -> Ended:
        """`trysail run`, on this cluster and approved."""
        return self.trysail("run", "--manifests", self.cluster, "--auto-approve", *words, code=code)

    def names(self) -> list[str]:
        """Names of the committed backups, the newest first."""
        return self.trysail("list", "--location", self.backups, "-o", "name").out.split()
