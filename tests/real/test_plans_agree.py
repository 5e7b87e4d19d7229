"""One plan for one cluster, however it was looked at: by counts, by every row, or from a saved inventory."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from runner import wiring
from runner.engine.planning import make_plan
from runner.model.canonical import readable
from runner.policies.load import load_policies
from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.shop import GROUP, apply_shop
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

SHOP: Final = "agree-shop"
MANY: Final = ("agree-many-1", "agree-many-2")  # more items than a first page holds: these are counted, not listed
EVERYWHERE: Final = "agree-*"
ATTEMPTS: Final = 20

POLICIES: Final[dict[str, Json]] = {
    "all namespaces": {},
    "without some types": {"excludedNamespaceScopedResources": ["events", "pods"]},
    "by glob": {"includedNamespaces": [EVERYWHERE]},
    "one namespace": {"includedNamespaces": [MANY[0]]},
    "all but one": {"includedNamespaces": [EVERYWHERE], "excludedNamespaces": [MANY[1]]},
    "by namespace labels": {"namespaceSelector": {"matchLabels": {"team": "many"}}},
    "types": {"includedNamespaces": [EVERYWHERE], "includedNamespaceScopedResources": ["configmaps", f"*.{GROUP}"]},
    "older family": {
        "includedNamespaces": [EVERYWHERE],
        "includedResources": ["configmaps", "secrets", "persistentvolumes", "clusterroles"],
        "includeClusterResources": True,
    },
    "no cluster scope": {"includedNamespaces": [EVERYWHERE], "includedClusterScopedResources": []},
    "all cluster scope": {"includedNamespaces": [SHOP], "includedClusterScopedResources": "all"},
    "by labels": {"includedNamespaces": [EVERYWHERE], "labelSelector": {"matchLabels": {"parity": "even"}}},
    "by one of some labels": {
        "includedNamespaces": [EVERYWHERE],
        "orLabelSelectors": [
            {"matchLabels": {"app": "web"}},
            {"matchExpressions": [{"key": "parity", "operator": "Exists"}]},
        ],
    },
    "by not having a label": {
        "includedNamespaces": [EVERYWHERE],
        "labelSelector": {"matchExpressions": [{"key": "parity", "operator": "NotIn", "values": ["odd"]}]},
    },
    "by name": {
        "includedNamespaces": [EVERYWHERE],
        "includedItems": [{"resource": "configmaps", "name": "many-1?"}, {"resource": "pods", "name": "db-*"}],
    },
    "without some names": {"includedNamespaces": [EVERYWHERE], "excludedItems": [{"name": "many-*"}]},
}

# What a child of ours does before it becomes Trysail: any socket or process from here on ends it.
WATCHED: Final = """
import sys
def refuse(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.fork", "os.system", "pty.")):
        raise SystemExit(f"{event} {arguments}")
from runner.cli.main import main
sys.addaudithook(refuse)
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The shop, and two namespaces with more ConfigMaps than a page, some of which a label excludes."""
    apply_shop(control_plane, SHOP)
    items = []
    for namespace in MANY:
        items.append({"kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "many"}}})
        items += [_config_map(namespace, number) for number in range(120)]
    listed = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **item} for item in items]}
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())
    for namespace in MANY:
        control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", namespace, "--timeout=60s")
        control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
    return control_plane


@pytest.fixture(scope="module")
def files(
    cluster: ControlPlane, seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trysail, dict[str, Path]]:
    """A policy each; and Trysail."""
    folder = tmp_path_factory.mktemp("policies")
    trysail = Trysail(folder, environment(cluster, seaweedfs))
    location = {"provider": "filesystem", "path": str(folder / "backups")}
    written = {
        name: trysail.policy(f"policy-{number}", location=location, **spec)
        for number, (name, spec) in enumerate(POLICIES.items())
    }
    return trysail, written


def test_counts_rows_and_inventory_give_the_same_bytes(files: tuple[Trysail, dict[str, Path]]) -> None:
    """For each policy: the live plan, the live plan that read every row, and the plan from a file are one.

    Other tests' namespaces may still be going away: when a look at the end differs from the first, all look again.
    """
    trysail, policies = files
    for _ in range(ATTEMPTS):
        before = _looks(trysail, policies)
        rows = {name: _with_rows(trysail, policy) for name, policy in policies.items()}
        saved = _from_inventory(trysail, policies)
        if before == _looks(trysail, policies):
            break
    assert before.keys() == POLICIES.keys()
    for name, plan in before.items():
        assert rows[name] == plan, name
        assert saved[name] == plan, name
    # The policies are different, and so are their plans.
    assert len(set(before.values())) == len(POLICIES)


def test_the_large_types_were_counted_and_not_listed(files: tuple[Trysail, dict[str, Path]]) -> None:
    """The comparison above means something: without filters, the first page did not hold the ConfigMaps."""
    trysail, policies = files
    resolved = wiring.choose_policy(load_policies([policies["by glob"]]), None)
    retrier = wiring.retrier(_Silent())
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=trysail.env["KUBECONFIG"]))
    with wiring.executor() as executor:
        inventory = make_plan(resolved, cluster, executor, retrier).inventory
    counted = {holding.namespace for holding in inventory.holdings if holding.rows is None}
    assert set(MANY) <= counted


@pytest.mark.parametrize("name", ["by labels", "all cluster scope"])
def test_a_saved_inventory_needs_no_socket_and_no_process(
    files: tuple[Trysail, dict[str, Path]], name: str, tmp_path: Path
) -> None:
    """`validate` and `plan --inventory` of a policy with secrets to be fetched: an audit hook sees no such thing."""
    trysail, _ = files
    trysail("inventory", "--out", trysail.folder / "watched.json.gz")
    secret = {"exec": ["/bin/sh", "-c", f"touch {tmp_path}/ran; echo secret"]}
    location = {
        "provider": "s3",
        "objectStorage": {"bucket": "nobody", "prefix": "p"},
        "config": {"s3Url": "http://127.0.0.1:9"},
        "credential": {"accessKeyId": secret, "secretAccessKey": {"env": "NOT_SET_ANYWHERE"}},
    }
    policy = trysail.policy("watched", location=location, **POLICIES[name])
    watched = (sys.executable, "-c", WATCHED)
    alone = Trysail(trysail.folder)  # no kubeconfig, no keys
    alone.process("validate", policy, command=watched)
    inventory = trysail.folder / "watched.json.gz"
    planned = alone.process("plan", "-f", policy, "--inventory", inventory, command=watched)
    assert "Plan: " in planned.out
    assert not (tmp_path / "ran").exists()


def test_the_watch_sees_what_it_should(files: tuple[Trysail, dict[str, Path]]) -> None:
    """The same plan from the live cluster is ended by the hook: it would have seen a socket."""
    trysail, policies = files
    command = (sys.executable, "-c", WATCHED)
    ended = trysail.process("plan", "-f", policies["by glob"], code=1, command=command)
    assert "socket." in ended.err


def _config_map(namespace: str, number: int) -> Json:
    labels = {"parity": "odd" if number % 2 else "even"}
    if number % 30 == 7:
        labels["velero.io/exclude-from-backup"] = "true"
    return {"kind": "ConfigMap", "metadata": {"name": f"many-{number}", "namespace": namespace, "labels": labels}}


def _looks(trysail: Trysail, policies: dict[str, Path]) -> dict[str, str]:
    return {name: trysail("plan", "-f", policy, "-o", "json").out for name, policy in policies.items()}


def _from_inventory(trysail: Trysail, policies: dict[str, Path]) -> dict[str, str]:
    inventory = trysail.folder / "inventory.json.gz"
    trysail("inventory", "--out", inventory)
    plan = partial(trysail, "plan", "--inventory", inventory, "-o", "json", "-f")
    return {name: plan(policy).out for name, policy in policies.items()}


def _with_rows(trysail: Trysail, policy: Path) -> str:
    resolved = wiring.choose_policy(load_policies([policy]), None)
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=trysail.env["KUBECONFIG"]))
    with wiring.executor() as executor:
        planned = make_plan(resolved, cluster, executor, wiring.retrier(_Silent()), rows=True)
    assert all(holding.rows is not None for holding in planned.inventory.holdings)
    return readable(planned.plan).decode()


class _Silent:
    """An Observer that has no use for what it is told."""

    def notice(self, event: object) -> None:
        """Says nothing."""
