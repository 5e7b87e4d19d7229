"""`trysail coverage` as it is typed: what it finds, from a cluster and from an inventory, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.shelf import EXAMPLES, SHOP, Shelf

Json = dict[str, Any]

BOUND: Json = {"spec": {"volumeName": "disk"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
SKIP: Json = {"volumePolicies": [{"action": {"type": "skip", "reason": "disposable"}}]}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A small cluster: the namespace shop, and an empty kube-system."""
    return Shelf(tmp_path)


def put_claim(shelf: Shelf) -> None:
    """A claim with its volume on an NFS server."""
    shelf.put("PersistentVolumeClaim", "data", **BOUND)
    spec = {"capacity": {"storage": "1Gi"}, "nfs": {"server": "nas", "path": "/"},
            "claimRef": {"namespace": "shop", "name": "data"}}  # fmt: skip
    disk = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": spec}
    (shelf.cluster / "disk.json").write_text(json.dumps(disk))


def test_all_is_protected(shelf: Shelf) -> None:
    """Exit 0; an empty namespace needs nobody's protection."""
    ended = shelf.trysail("coverage", "-f", shelf.policy(), "--manifests", shelf.cluster)
    assert "Nothing: what is there is protected" in ended.out
    assert ended.out.endswith("Coverage: 1 of 1 namespace protected, 0 of 0 volumes kept.\n")


def test_what_no_policy_protects_is_a_finding(shelf: Shelf) -> None:
    """A namespace outside of every policy, and a volume that no rule keeps: each with why, exit 4."""
    put_claim(shelf)
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "kube-system"}}
    (shelf.cluster / "system.json").write_text(json.dumps(content))
    ended = shelf.trysail("coverage", "-f", shelf.policy(), "--manifests", shelf.cluster, code=4)
    assert "  # (policy shop: not in includedNamespaces)\n  ! kube-system  1 item\n" in ended.out
    assert "  # (policy shop: no rule protects it)\n  ! shop/data  1Gi  nfs\n" in ended.out


def test_several_policies_protect_together(shelf: Shelf) -> None:
    """From one look at the cluster: what one of them skips is a decision."""
    put_claim(shelf)
    shelf.policy("one", includedNamespaces=["kube-*"], allowEmpty=True)
    shelf.policy("two", **SKIP)
    ended = shelf.trysail("coverage", "-f", shelf.folder, "--manifests", shelf.cluster)
    assert "  policies  one, two\n" in ended.out
    assert "  - 1 volume (policy two: volumePolicies[0]: every volume (disposable))\n      shop/data" in ended.out


def test_policies_of_other_clusters_protect_nothing_here(shelf: Shelf) -> None:
    """They select a namespace of the same name, in another cluster; a policy without clusterName is for any."""
    put_claim(shelf)
    shelf.policy("east", clusterName="east", **SKIP)
    shelf.policy("west", clusterName="west")
    words = ("coverage", "-f", shelf.folder, "--manifests", shelf.cluster)
    refused = shelf.trysail(*words, code=1)
    assert (
        "the policies are of several clusters: east, west\n  hint: say which one this is: --cluster NAME" in refused.err
    )
    west = shelf.trysail(*words, "--cluster", "west", code=4)
    assert "  policies  west\n" in west.out
    assert "  # (policy west: no rule protects it)\n  ! shop/data" in west.out
    assert "  policies  east\n" in shelf.trysail(*words, "--cluster", "east").out
    shelf.policy("any", clusterName=None)
    assert "  policies  any, west\n" in shelf.trysail(*words, "--cluster", "west", code=4).out


def test_a_cluster_that_no_policy_names(shelf: Shelf) -> None:
    """Is a slip of the pen, and not a cluster without protection."""
    policy = shelf.policy(clusterName="east")
    ended = shelf.trysail("coverage", "-f", policy, "--manifests", shelf.cluster, "--cluster", "eest", code=1)
    assert 'no policy has the clusterName "eest"\n  hint: there are: east' in ended.err


def test_as_json(shelf: Shelf) -> None:
    """Every volume and namespace with its reason, for programs."""
    put_claim(shelf)
    ended = shelf.trysail("coverage", "-f", shelf.policy(), "--manifests", shelf.cluster, "-o", "json", code=4)
    found = json.loads(ended.out)
    assert (found["kind"], found["formatVersion"], found["policies"]) == ("Coverage", "1.0", ["shop"])
    (volume,) = found["openVolumes"]
    assert (volume["claim"], volume["why"]) == ("shop/data", "policy shop: no rule protects it")


def test_from_a_saved_inventory(shelf: Shelf) -> None:
    """The same, without the cluster."""
    inventory = shelf.folder / "inventory.json"
    shelf.trysail("inventory", "--manifests", SHOP, "--out", inventory)
    policies = EXAMPLES / "policies" / "demo" / "shop.yaml"
    saved = shelf.trysail("coverage", "-f", policies, "--inventory", inventory, "-o", "json", code=4)
    live = shelf.trysail("coverage", "-f", policies, "--manifests", SHOP, "-o", "json", code=4)
    assert saved.out == live.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which policies?"),
        (("-f", "POLICY", "--inventory", "x", "--context", "y"), "--inventory stands for the cluster"),
        (("-f", "POLICY", "--inventory", "no-such-file"), "no-such-file cannot be read"),
        (("-f", "POLICY", "--inventory", "PART"), "does not hold the whole cluster"),
    ],
)
def test_what_it_refuses(shelf: Shelf, words: tuple[str, ...], message: str) -> None:
    """With an error that says what to do."""
    part = shelf.folder / "part.json"
    shelf.trysail("inventory", "--manifests", shelf.cluster, "--out", part)
    part.write_text(part.read_text().replace('"complete":true', '"complete":false'))
    known = {"POLICY": str(shelf.policy()), "PART": str(part)}
    ended = shelf.trysail("coverage", *(known.get(word, word) for word in words), code=1)
    assert message in ended.err
    assert "hint: " in ended.err


def test_a_location_alone_is_no_policy(shelf: Shelf) -> None:
    """There is nothing to hold against the cluster."""
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "BackupStorageLocation", "metadata": {"name": "here"}}
    file = shelf.folder / "location.yaml"
    file.write_text(json.dumps({**document, "spec": shelf.location}))
    assert "no BackupPolicy in these files" in shelf.trysail("coverage", "-f", file, code=1).err
