"""What the tests of `trysail restore` share: a small cluster as a folder, a backup of it, and restores into folders."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.real.trysail import Ended, Trysail, assert_no_secret
from tests.unit.cli.shelf import Shelf

Json = dict[str, Any]

# What no output may hold.
PASSWORD = "hunter2-correct-horse"
OTHER_PASSWORD = "tr0ub4dor-and-3"
ENCODED = {PASSWORD: "aHVudGVyMi1jb3JyZWN0LWhvcnNl", OTHER_PASSWORD: "dHIwdWI0ZG9yLWFuZC0z"}
BACKUP = "b1"

EVERYTHING = {
    "clusterroles.rbac.authorization.k8s.io/reader",
    "namespaces/shop",
    "namespaces/stage",
    "shop/configmaps/settings",
    "shop/configmaps/texts",
    "shop/deployments.apps/web",
    "shop/persistentvolumeclaims/data",
    "shop/secrets/password",
    "shop/services/web",
    "stage/configmaps/settings",
}


class Repair:
    """A cluster of two namespaces, backed up as BACKUP; `lose` takes it away, `restore` brings it back."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder)
        self.folder, self.cluster, self.backups = folder, self.shelf.cluster, self.shelf.backups
        self.trysail: Trysail = self.shelf.trysail
        self.lose()
        for document in _objects():
            self.put(document)
        self.policy = self.shelf.policy(
            includedNamespaces=["shop", "stage"], includedClusterScopedResources=["namespaces", "clusterroles"]
        )
        self.back_up(BACKUP)

    def put(self, document: Json) -> Path:
        """Writes an object, or writes it anew: in the file where a restore puts it too. JSON is YAML."""
        metadata = document["metadata"]
        plural = f"{document['kind'].lower()}s"
        group, _, _ = document["apiVersion"].rpartition("/")
        folder: Path = self.cluster / metadata.get("namespace", "cluster") / (f"{plural}.{group}" if group else plural)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{metadata['name']}.yaml"
        path.write_text(json.dumps(document))
        return path

    def back_up(self, name: str) -> None:
        """Makes a backup of what is there now."""
        self.shelf.run("-f", self.policy, "--name", name)

    def lose(self) -> None:
        """Takes away all but kube-system, by which a cluster is known."""
        kept = self.cluster / "Namespace-kube-system.json"
        for path in self.cluster.iterdir():
            if path != kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def change(self, mode: str = "off", password: str = OTHER_PASSWORD) -> None:
        """Changes a ConfigMap and a Secret, as somebody does who is wrong."""
        self.put(config_map("shop", "settings", {"mode": mode, "extra": "kept"}, app="web"))
        self.put(named("v1", "Secret", "password", "shop", data={"key": ENCODED[password]}))

    def restore_policy(self, name: str = "repair", /, **spec: Any) -> Path:
        """A RestorePolicy of this bucket, unless `spec` says otherwise; None leaves a field out."""
        usual: Json = {"storageLocation": self.shelf.location, "backupName": BACKUP}
        given = {field: value for field, value in (usual | spec).items() if value is not None}
        document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": name}}
        folder = self.folder / "restores"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.yaml"
        path.write_text(json.dumps({**document, "spec": given}, indent=2))
        return path

    def restore(self, *words: str | Path, code: int = 0) -> Ended:
        """`trysail restore` of this bucket into this cluster; what it prints holds no Secret's value."""
        return self.call("restore", *words, "--location", self.backups, "--manifests", self.cluster, code=code)

    def call(self, *words: str | Path, code: int = 0) -> Ended:
        """Trysail, with nothing added."""
        ended = self.trysail(*words, code=code)
        assert_no_secret(ended.out, ended.err, more=(PASSWORD, OTHER_PASSWORD))
        return ended

    def again(self, printed: str, *, code: int = 0) -> Ended:
        """A command that Trysail has printed, as a shell would read it."""
        words = shlex.split(printed.replace("\\\n", " "))
        assert words.pop(0) == "trysail"
        return self.call(*words, code=code)

    def plan(self, *words: str | Path, code: int = 0) -> Json:
        """The plan of a restore."""
        plan: Json = json.loads(self.restore(*words, "--plan", "-o", "json", code=code).out)
        return plan

    def live(self, path: str) -> Json:
        """A live object: `shop/ConfigMap/settings`."""
        return self.objects(self.cluster)[path]

    def objects(self, folder: Path) -> dict[str, Json]:
        """Every object of a folder by `namespace/Kind/name`, whatever its file is called."""
        found: dict[str, Json] = {}
        for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
            for value in yaml.safe_load_all(path.read_text()):
                metadata = value["metadata"]
                where = f"{metadata['namespace']}/" if "namespace" in metadata else ""
                found[f"{where}{value['kind']}/{metadata['name']}"] = value
        return found

    def state(self) -> dict[str, bytes]:
        """Every file of the cluster, byte for byte."""
        return {str(path): path.read_bytes() for path in sorted(self.cluster.rglob("*")) if path.is_file()}

    def names(self) -> list[str]:
        """Every backup of the bucket."""
        return self.shelf.names()


def fates(plan: Json) -> dict[str, str]:
    """What becomes of each item: `namespace/type/name` -> action."""
    found: dict[str, str] = {}
    for step in plan["steps"]:
        where = f"{step['namespace']}/" if step["namespace"] else ""
        found |= {f"{where}{step['resource']}/{name}": step["action"] for name in step["names"]}
    return found


def named(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Json:
    """An object; `labels` go into its metadata, the rest beside it."""
    metadata: Json = {"name": name} | ({"namespace": namespace} if namespace else {})
    labels = fields.pop("labels", None)
    metadata |= {"labels": labels} if labels else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def config_map(namespace: str, name: str, data: dict[str, str], **labels: str) -> Json:
    """A ConfigMap."""
    return named("v1", "ConfigMap", name, namespace, data=data, labels=labels)


def _objects() -> list[Json]:
    pods = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    deployment = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pods}
    port = {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return [
        named("v1", "Namespace", "shop"),
        named("v1", "Namespace", "stage"),
        named("v1", "Secret", "password", "shop", data={"key": ENCODED[PASSWORD]}),
        config_map("shop", "settings", {"mode": "on"}, app="web"),
        config_map("shop", "texts", {"title": "Shop"}, app="web", tier="front"),
        config_map("stage", "settings", {"mode": "try"}),
        named("v1", "Service", "web", "shop", spec={"type": "NodePort", "selector": {"app": "web"}, "ports": [port]}),
        named("v1", "PersistentVolumeClaim", "data", "shop", spec=claim),
        named("apps/v1", "Deployment", "web", "shop", labels={"app": "web"}, spec=deployment),
        named("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", rules=[]),
    ]
