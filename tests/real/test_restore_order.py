"""In which order the API server is asked: definitions and namespaces first, whatever a policy says of the rest."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from tests.parts.controlplane import ControlPlane
from tests.real.fault_proxy import FaultProxy
from tests.real.restores import dead_owners, let_the_collector_work
from tests.real.small_shop import SmallShop, small_shop

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    """A small application, backed up."""
    with small_shop(control_plane, f"order-{secrets.token_hex(4)}", tmp_path_factory.mktemp("order")) as found:
        yield found


@pytest.fixture
def proxy(shop: SmallShop, tmp_path: Path) -> Iterator[FaultProxy]:
    """Sees what is asked; the application is gone."""
    shop.lose()
    with FaultProxy(shop.plane, tmp_path) as between:
        yield between


def test_the_usual_order(shop: SmallShop, proxy: FaultProxy) -> None:
    """What others need comes first; objects come after the definition of their type, which is new."""
    shop.trysail("restore", "latest", "-f", shop.policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)
    first = ["customresourcedefinitions", "namespaces", "serviceaccounts", "secrets", "configmaps", "services"]
    created = _created(proxy)
    assert created[:6] == first
    assert set(created[6:]) == {"deployments", "shops"}


def test_the_order_of_a_policy(shop: SmallShop, proxy: FaultProxy, tmp_path: Path) -> None:
    """Objects may come before all others, but not before their definition; owners are right in any order."""
    shops = f"shops.{shop.namespace}.example.com"
    priorities = {"high": [shops, "services"], "low": ["secrets", "serviceaccounts"]}
    spec = {"storageLocation": {"provider": "filesystem", "path": str(shop.trysail.folder / "backups")}}
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": "ordered"}}
    file = tmp_path / "restore.yaml"
    file.write_text(yaml.safe_dump({**document, "spec": {**spec, "priorities": priorities}}))

    shop.trysail("restore", "-f", file, "--auto-approve", "--kubeconfig", proxy.kubeconfig)

    created = _created(proxy)
    assert created[:4] == ["customresourcedefinitions", "namespaces", "shops", "services"]
    assert created[-2:] == ["secrets", "serviceaccounts"]
    let_the_collector_work(shop.plane, shop.namespace)
    assert shop.state() == shop.before
    assert dead_owners(shop.plane, shop.namespace) == []


def _created(proxy: FaultProxy) -> list[str]:
    """The types of what was created, each time that another one begins."""
    made = [ask.path.rpartition("/")[2] for ask in proxy.written if ask.method == "POST" and json.loads(ask.body)]
    return [plural for plural, _ in groupby(made)]
