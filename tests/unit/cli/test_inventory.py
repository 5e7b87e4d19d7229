"""`trysail inventory` as it is typed: what it saves, and that plans are made from it as from the cluster."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.real.trysail import assert_no_secret
from tests.unit.cli.shelf import EXAMPLES, SHOP, Shelf

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A small cluster."""
    return Shelf(tmp_path)


def save(shelf: Shelf, name: str = "inventory.json", code: int = 0) -> Path:
    """Saves the inventory of the small cluster."""
    out = shelf.folder / name
    shelf.trysail("inventory", "--manifests", shelf.cluster, "--out", out, code=code)
    return out


def test_it_says_what_it_saved(shelf: Shelf) -> None:
    """How many items of how many namespaces, and where to."""
    out = shelf.folder / "inventory.json"
    ended = shelf.trysail("inventory", "--manifests", shelf.cluster, "--out", out)
    content = json.loads(out.read_bytes())
    items = sum(holding["count"] for holding in content["holdings"])
    assert ended.out == f"Saved {items} items of {len(content['namespaces'])} namespaces to {out}.\n"
    assert (content["kind"], content["complete"]) == ("Inventory", True)


def test_compressed_or_not_it_is_the_same(shelf: Shelf) -> None:
    """A name that ends in .gz is compressed; the bytes depend on the cluster alone."""
    plain, packed = save(shelf), save(shelf, "inventory.json.gz")
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert save(shelf, "again.json.gz").read_bytes() == packed.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("policy", sorted(path.name for path in (EXAMPLES / "policies").glob("*.yaml")))
def test_plans_from_it_are_those_of_the_cluster(shelf: Shelf, policy: str) -> None:
    """For each example on the shop's cluster: the same plan, byte for byte, and the same exit code."""
    file = EXAMPLES / "policies" / policy
    inventory = shelf.folder / "shop.json.gz"
    shelf.trysail("inventory", "--manifests", SHOP, "--out", inventory)
    names = json.loads(shelf.trysail("validate", file, "-o", "json").out)
    policies = sorted(found["name"] for found in names["documents"] if found["kind"] == "BackupPolicy")
    assert policies
    for name in policies:
        words = ("plan", "-f", file, "--policy", name, "-o", "json")
        live = _either(shelf, *words, "--manifests", SHOP)
        assert _either(shelf, *words, "--inventory", inventory) == live


def test_contents_are_not_in_it(shelf: Shelf) -> None:
    """Neither data nor annotations: kubectl's last-applied-configuration has a Secret in plain text."""
    path = shelf.put("Secret", "applied", stringData={"key": "hunter2-correct-horse"})
    value = json.loads(path.read_bytes())
    value["metadata"]["annotations"] = {APPLIED: path.read_text()}
    path.write_text(json.dumps(value))
    content = save(shelf).read_bytes()
    assert b"applied" in content
    assert APPLIED.encode() not in content
    assert_no_secret(content)


def test_a_changed_selector_can_be_planned(shelf: Shelf) -> None:
    """What no policy selected when it was saved is in it all the same."""
    shelf.put("ConfigMap", "labelled")
    inventory = save(shelf)
    selected = shelf.policy(includedItems=[{"resource": "configmaps", "name": "labelled"}])
    plan = json.loads(shelf.trysail("plan", "-f", selected, "--inventory", inventory, "-o", "json").out)
    assert {step["resource"]: step["count"] for step in plan["steps"]} == {"configmaps": 1, "namespaces": 1}


def test_where_it_cannot_be_written(shelf: Shelf) -> None:
    """An error, after which nothing is left."""
    out = shelf.folder / "no" / "inventory.json"
    ended = shelf.trysail("inventory", "--manifests", shelf.cluster, "--out", out, code=1)
    assert f"{out} cannot be written: No such file or directory" in ended.err


def _either(shelf: Shelf, *words: str | Path) -> tuple[int, str]:
    """Exit code and standard output of a plan, with findings or without."""
    try:
        return 0, shelf.trysail(*words).out
    except AssertionError:
        return 4, shelf.trysail(*words, code=4).out
