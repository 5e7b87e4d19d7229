"""The examples hold: every policy is valid, and the shop is read as a cluster, as kubectl reads it too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runner.actions.modify import applies, modified
from runner.adapters.manifests import ManifestsCluster
from runner.engine.collect import collect
from runner.engine.retry import Retrier
from runner.model.cluster import ItemId, ListRequest, Resource
from runner.plan.backup import plan_backup
from runner.plan.selection import Selection
from runner.policies.load import load_policies
from tests.fakes.clock import SimulatedClock
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.parts.kubectl import run_kubectl

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "examples" / "policies"
SHOP = ROOT / "examples" / "clusters" / "shop"
FILES = sorted(POLICIES.rglob("*.yaml"))
RESTORES = sorted((ROOT / "examples" / "restores").rglob("*.yaml"))

Json = dict[str, Any]


@pytest.fixture(scope="module")
def shop() -> dict[str, list[Json]]:
    """Every object of the shop's cluster, whole, by the name of its type."""
    cluster = ManifestsCluster(SHOP)
    found: dict[str, list[Json]] = {}
    for resource in cluster.discover().resources:
        found[resource.name] = [
            _whole(cluster, resource, msgspec.json.decode(item)["metadata"])
            for item in cluster.page(ListRequest(resource)).items
        ]
    return found


def _whole(cluster: ManifestsCluster, resource: Resource, metadata: Json) -> Json:
    body = cluster.get(resource, metadata.get("namespace", ""), metadata["name"])
    whole: Json = msgspec.json.decode(body)
    return whole


def _name(body: Json) -> str:
    name: str = body["metadata"]["name"]
    return name


def _all(shop: dict[str, list[Json]]) -> list[Json]:
    return [value for values in shop.values() for value in values]


def test_there_are_seven_policies_and_the_demo() -> None:
    """Seven files that people start from, and one that the demo runs; the README names each."""
    assert len([file for file in FILES if file.parent == POLICIES]) == 7
    assert POLICIES / "demo" / "shop.yaml" in FILES
    readme = (ROOT / "examples" / "README.md").read_text()
    assert [file for file in FILES if f"`{file.relative_to(POLICIES)}`" not in readme] == []


@pytest.mark.parametrize("file", [*FILES, *RESTORES], ids=lambda file: str(file.relative_to(ROOT / "examples")))
def test_policy_is_valid_and_knows_its_schema(file: Path) -> None:
    """Each file holds by itself, and begins with the line that leads editors to the schema."""
    loaded = load_policies([file])
    assert loaded.restores if file in RESTORES else loaded.policies
    first = file.read_text().splitlines()[0]
    comment, _, path = first.partition("$schema=")
    assert comment == "# yaml-language-server: "
    assert (file.parent / path).resolve() == ROOT / "schemas" / "trysail.schema.json"


@pytest.mark.parametrize("file", RESTORES, ids=lambda file: file.name)
def test_restore_changes_the_shop(file: Path, shop: dict[str, list[Json]]) -> None:
    """The README names it, and each of its rules is for something in the shop and applies to all that it is for."""
    assert f"`{file.name}`" in (ROOT / "examples" / "README.md").read_text()
    (restore,) = load_policies([file]).restores
    items = {
        ItemId(name.partition(".")[2], name.partition(".")[0], body["metadata"].get("namespace", ""), _name(body)): body
        for name, values in shop.items()
        for body in values
    }
    for rule in restore.policy.spec.resource_modifiers:
        meant = [(item, body) for item, body in items.items() if applies(item, body, rule)]
        assert any(modified(item, body, (rule,)) != body for item, body in meant)


def test_all_policies_may_lie_in_one_folder() -> None:
    """No two files use one name for two things, and every kind of store is shown."""
    loaded = load_policies([POLICIES])
    assert len(loaded.policies) == len({one.policy.metadata.name for one in loaded.policies})
    assert {one.location.provider for one in loaded.policies} == {"filesystem", "s3", "azure"}


def test_volumes_are_kept_as_the_example_says() -> None:
    """On the shop's cluster, its rules decide each in its way: EBS by API, EFS by restic, scratch left out."""
    loaded = load_policies([POLICIES / "volumes.yaml"])
    (resolved,) = loaded.policies
    assert resolved.snapshot_location == loaded.snapshot_locations["ebs"] == loaded.restores[0].snapshot_location
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    selection = Selection(resolved.policy.spec)
    inventory = collect(ManifestsCluster(SHOP), SimulatedExecutor(), retrier, selection)
    volumes = plan_backup(resolved, inventory).volumes
    kept = {(volume.method, volume.source) for volume in volumes}
    assert kept == {("native-snapshot", "ebs.csi.aws.com"), ("fs-backup", "efs.csi.aws.com"), ("skip", "emptyDir")}


def test_shop_is_a_cluster(shop: dict[str, list[Json]]) -> None:
    """It has the size, the namespaces and the variety that the demo and the tutorial speak of."""
    assert 120 <= len(_all(shop)) <= 200
    namespaces = {value["metadata"]["name"] for value in shop["namespaces"]}
    assert namespaces == {"default", "kube-system", "shop-prod", "shop-staging"}
    filled = {name for name, values in shop.items() if values}
    assert filled >= {
        "configmaps", "secrets", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "pods",
        "events", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch",
        "cronjobs.batch", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy",
        "ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io", "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io", "storageclasses.storage.k8s.io",
        "priorityclasses.scheduling.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
        "storefronts.shop.example.com", "regions.shop.example.com",
    }  # fmt: skip


def test_shop_shows_what_a_plan_has_to_decide(shop: dict[str, list[Json]]) -> None:
    """It has an object that is being deleted, excluded ones, and volumes that nothing protects."""
    going = [value["metadata"]["name"] for value in _all(shop) if "deletionTimestamp" in value["metadata"]]
    assert going == ["black-friday"]
    label = "trysail.dev/exclude-from-backup"
    left_out = [value["kind"] for value in _all(shop) if value["metadata"].get("labels", {}).get(label) == "true"]
    assert left_out == ["ConfigMap", "ConfigMap"]
    claims = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in shop["persistentvolumeclaims"]}
    assert {name for namespace, name in claims if namespace == "shop-prod"} == {
        "data-postgres-0",
        "data-postgres-1",
        "uploads",
    }
    drivers = {one["metadata"]["name"]: one["spec"]["csi"]["driver"] for one in shop["persistentvolumes"]}
    assert {drivers[one["spec"]["volumeName"]] for one in claims.values()} == {"ebs.csi.aws.com", "efs.csi.aws.com"}


def test_shop_is_whole(shop: dict[str, list[Json]]) -> None:
    """Every object has a uid of its own, and every owner, claim and volume that is named is there."""
    objects = _all(shop)
    uids = {value["metadata"]["uid"] for value in objects}
    assert len(uids) == len(objects)
    owners = {owner["uid"] for value in objects for owner in value["metadata"].get("ownerReferences", [])}
    assert owners <= uids
    claims = {value["metadata"]["uid"]: value["spec"]["volumeName"] for value in shop["persistentvolumeclaims"]}
    volumes = {one["spec"]["claimRef"]["uid"]: one["metadata"]["name"] for one in shop["persistentvolumes"]}
    assert claims == volumes


def test_secrets_of_the_shop_say_that_they_are_none(shop: dict[str, list[Json]]) -> None:
    """Whoever finds one of its passwords sees at once that it opens nothing."""
    for secret in shop["secrets"]:
        values = [base64.b64decode(value).decode() for value in secret["data"].values()]
        values += [base64.b64decode(line).decode() for value in values for line in value.split("\n")[1:2]]
        told = [value for value in values if any(word in value for word in ("not real", "not-real", "fake", "not a"))]
        assert told, secret["metadata"]["name"]


@pytest.mark.real
def test_kubectl_reads_the_same_shop(shop: dict[str, list[Json]], tmp_path: Path) -> None:
    """The manifests cluster reads every file of the shop to the very objects that kubectl reads."""
    read = run_kubectl(
        "label", "--local", "-R", "-f", str(SHOP), "-o", "json", "--show-managed-fields", "seen-by=kubectl",
        kubeconfig=tmp_path / "none",
    ).stdout.decode()  # fmt: skip
    one_after_another = json.loads("[" + read.replace("\n}\n{", "\n},\n{") + "]")
    objects = [one for value in one_after_another for one in (value["items"] if value["kind"] == "List" else [value])]
    ours = [{**value, "metadata": {"labels": {}, **value["metadata"]}} for value in _all(shop)]
    for value in objects:
        del value["metadata"]["labels"]["seen-by"]
    for value in (*objects, *ours):
        value["metadata"].pop("resourceVersion", None)  # a folder's follows from the content
    assert sorted(objects, key=_uid) == sorted(ours, key=_uid)


def _uid(value: Json) -> str:
    uid: str = value["metadata"]["uid"]
    return uid
