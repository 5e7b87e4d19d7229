"""A small application whose items own each other across the tiers of a restore: few enough to be restored many times.

Owns its objects, how it is backed up, and what of it counts when two lives of it are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.parts.controlplane import ControlPlane
from tests.real.estate import PASSWORDS
from tests.real.places import folder_place
from tests.real.restores import RESTLESS, backed_up, emptied, everything
from tests.real.round_trip import create, normalised
from tests.real.shop import encoded
from tests.real.trysail import Trysail

Json = dict[str, Any]

SETTINGS: Final = 6


@dataclass(frozen=True)
class SmallShop:
    """The application, backed up as `backup`."""

    plane: ControlPlane
    trysail: Trysail
    namespace: str
    policy: Path
    backup: str
    before: dict[str, Json]

    def state(self) -> dict[str, Json]:
        """Every object that somebody made, without what each life of it is given anew."""
        return _state(self.plane, self.namespace)

    def lose(self) -> None:
        """Takes it away, with its type, and waits until it is gone."""
        emptied(self.plane, self.namespace)
        self.plane.kubectl("delete", "crd", _crd(self.namespace), "--ignore-not-found")


@contextmanager
def small_shop(plane: ControlPlane, namespace: str, folder: Path) -> Iterator[SmallShop]:
    """It lives, and is backed up into a folder; in the end it is taken away."""
    trysail = Trysail(folder, {"KUBECONFIG": str(plane.kubeconfig)})
    create(plane, [*_definitions(namespace), *_objects(namespace)])
    policy = trysail.policy(
        location=folder_place(folder / "backups").location,
        includedNamespaces=[namespace],
        excludedNamespaceScopedResources=RESTLESS,
    )
    backup = backed_up(trysail, policy)
    shop = SmallShop(plane, trysail, namespace, policy, backup, _state(plane, namespace))
    yield shop
    shop.lose()


def _state(plane: ControlPlane, namespace: str) -> dict[str, Json]:
    """Every object that somebody made, without what each life of it is given anew."""
    return {
        f"{item['kind']}/{item['metadata']['name']}": normalised(item)
        for item in everything(plane, namespace)
        if not any(owner.get("controller") for owner in item["metadata"].get("ownerReferences", ()))
        and item["metadata"]["name"] not in {"default", "kube-root-ca.crt"}
        and "endpoints.kubernetes.io/managed-by" not in item["metadata"].get("labels", {})
    }


def _crd(namespace: str) -> str:
    return f"shops.{namespace}.example.com"


def _definitions(namespace: str) -> list[Json]:
    group = f"{namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "shops", "singular": "shop", "kind": "Shop", "listKind": "ShopList"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": _crd(namespace)},
            "spec": spec,
        },
    ]


def _objects(namespace: str) -> list[Json]:
    """Owners of a later tier (the Shop, a Deployment), of the same (a ConfigMap), and of none."""
    shop_type = f"{namespace}.example.com/v1"
    shop = {"apiVersion": shop_type, "kind": "Shop", "name": "main"}
    first = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings-0"}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    pods = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.com/web"}]},
    }
    deployment = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": pods}
    objects = [
        {"apiVersion": shop_type, "kind": "Shop", "metadata": {"name": "main"}, "spec": {"open": True}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}},
        _map("settings-0"),
        *(_map(f"settings-{number}", owner=first) for number in range(1, SETTINGS)),
        _map("of-the-shop", owner=shop),
        _map("of-web", owner=web),
        {"apiVersion": "v1", "kind": "Secret", **_named("certificate", shop), "data": {"key": encoded(PASSWORDS[0])}},
        {"apiVersion": "v1", "kind": "ServiceAccount", **_named("web", shop)},
    ]
    return [{**item, "metadata": {**item["metadata"], "namespace": namespace}} for item in objects]


def _map(name: str, owner: Json | None = None) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", **_named(name, owner), "data": {"name": name}}


def _named(name: str, owner: Json | None = None) -> Json:
    return {"metadata": {"name": name} | ({"ownerReferences": [owner]} if owner else {})}
