"""Tests of the plan as a whole: its order, its keys, its digests, and what it never holds."""

from __future__ import annotations

import msgspec
import pytest

from runner.model.canonical import canonical, digest, readable
from runner.model.hooks import PlannedHook
from runner.model.plan import Gap, LeftOut, Plan, PlannedCluster, Step
from runner.model.volumes import PlannedVolume
from runner.plan.backup import sealed
from runner.plan.order import PRIORITIES, step_key
from tests.unit.plan.build import (
    RBAC,
    UID,
    claim,
    counts,
    left_out,
    named,
    names_of,
    namespace,
    planned,
    row,
    seen,
    volume,
)

CLUSTER = {
    "shop/configmaps": named("web", "api"),
    "shop/secrets": named("tls", "token"),
    "shop-db/configmaps": named("db"),
    "shop/pods": named("web"),
    "shop/widgets.example.com": named("w"),
    "shop/deployments.apps": named("web"),
    f"clusterroles.{RBAC}": named("view"),
    "customresourcedefinitions.apiextensions.k8s.io": named("widgets.example.com"),
}


def test_steps_come_in_the_order_a_restore_will_want() -> None:
    """Definitions, namespaces, roles, secrets, configuration, Pods, then the rest by group and plural."""
    plan = planned(CLUSTER)
    assert [f"{step.namespace}/{step.resource}" for step in plan.steps] == [
        "/customresourcedefinitions.apiextensions.k8s.io",
        "/namespaces",
        f"/clusterroles.{RBAC}",
        "shop/secrets",
        # As the API server sorts a list of the whole cluster: `shop-db/db` before `shop/api`.
        "shop-db/configmaps",
        "shop/configmaps",
        "shop/pods",
        "shop/deployments.apps",
        "shop/widgets.example.com",
    ]


def test_every_priority_is_a_type_of_its_own() -> None:
    """Each type has one place in the order; those without one follow after all that have."""
    assert len(set(PRIORITIES)) == len(PRIORITIES)
    assert max(step_key(name, "") for name in PRIORITIES) < step_key("aaa", "")


def test_a_step_says_what_the_archive_needs() -> None:
    """Type, version, kind, number and reason; no names where the filters alone decide."""
    step = next(step for step in planned(CLUSTER).steps if step.resource == "deployments.apps")
    assert step == Step("deployments.apps", "apps/v1", "Deployment", "shop", 1, "every namespace")


def test_keys_say_where_the_backup_will_lie() -> None:
    """Planning takes no clock: the backup's own name stays open."""
    assert planned(CLUSTER).keys == "/backups/demo/daily/{backup}/"


def test_a_cluster_without_a_name_of_its_own_goes_by_its_uid() -> None:
    """Without clusterName the UID of the namespace kube-system stands in every key."""
    plan = planned(CLUSTER, clusterName=None)
    assert plan.cluster == PlannedCluster(name=UID, uid=UID)
    assert plan.keys == f"/backups/{UID}/daily/{{backup}}/"


def test_a_plan_embeds_the_policy_as_it_was_written() -> None:
    """Only the fields that were given, in the words of YAML: defaults of a later version cannot change it."""
    plan = planned(CLUSTER, includedNamespaces=["shop"])
    assert plan.policy["spec"] == {
        "clusterName": "demo",
        "includedNamespaces": ["shop"],
        "storageLocation": {"provider": "filesystem", "path": "/backups"},
    }
    assert plan.location == {"provider": "filesystem", "path": "/backups"}


# namespaces


def test_namespaces_come_with_what_is_in_them() -> None:
    """Every namespace that is taken is an object of the backup, by name, whatever types are filtered."""
    plan = planned(CLUSTER, includedResources=["configmaps"])
    assert names_of(plan, "namespaces") == ("shop", "shop-db")


def test_filtered_items_bring_their_namespaces_alone() -> None:
    """With a label selector only namespaces that hold something selected come, or that carry the labels themselves."""
    inventory = seen(
        {"shop/configmaps": [row("web", {"app": "web"})], "other/configmaps": named("x")},
        namespaces=[namespace("shop"), namespace("other"), namespace("empty", {"app": "web"})],
    )
    plan = planned(inventory, labelSelector={"matchLabels": {"app": "web"}})
    assert names_of(plan, "namespaces") == ("empty", "shop")


@pytest.mark.parametrize("pattern", ["namespaces", "ns", "Namespace", "*"])
def test_namespaces_can_be_left_out_as_a_type(pattern: str) -> None:
    """An exclusion of the type leaves the Namespace objects out and not what is in them; the plan says so."""
    plan = planned(CLUSTER, excludedClusterScopedResources=[pattern])
    assert not any(step.resource == "namespaces" for step in plan.steps)
    assert counts(plan)["shop/secrets"] == 2
    assert left_out(plan)["type namespaces"] == f'excludedClusterScopedResources "{pattern}"'


def test_namespaces_can_be_left_out_by_name() -> None:
    """The excludedItems mean Namespace objects too: exclusion wins, and is counted."""
    plan = planned(CLUSTER, excludedItems=[{"resource": "namespaces", "name": "shop"}])
    assert names_of(plan, "namespaces") == ("shop-db",)
    assert counts(plan)["shop/secrets"] == 2
    assert left_out(plan)["items (1)"] == "excludedItems namespaces/shop"


def test_an_empty_namespace_stays_when_only_names_are_excluded() -> None:
    """The excludedItems say nothing of a namespace whose every item they leave out: it is still an object."""
    plan = planned({"shop/configmaps": named("web")}, excludedItems=[{"resource": "configmaps", "name": "*"}])
    assert names_of(plan, "namespaces") == ("shop",)


# warnings


def test_secrets_in_plain_text_are_a_warning() -> None:
    """Whoever plans Secrets into an archive is told that they lie there as they are; without any, nobody is."""
    (warning,) = planned(CLUSTER).warnings
    assert warning.startswith("2 Secrets will lie in the archive in plain text")
    assert planned(CLUSTER, excludedResources=["secrets"]).warnings == ()


def test_a_plan_says_what_a_run_will_leave_out() -> None:
    """Items that are being deleted go by themselves while the run lasts: the plan says so, and counts none."""
    counted = planned({"shop/configmaps": [row("web"), row("dying", terminating=True)]})
    assert counts(counted) == {"shop/configmaps": 2}
    assert left_out(counted)["items"] == "being deleted when the run meets them"


# digests


def test_the_digest_names_the_plan() -> None:
    """It is that of the canonical JSON of all the rest, so anybody can check it."""
    plan = planned(CLUSTER)
    assert plan.digest == digest(canonical(msgspec.structs.replace(plan, digest="")))


OTHERWISE = {
    "format_version": "9.9",
    "kind": "Other",
    "cluster": PlannedCluster("demo", "other"),
    "policy_name": "other",
    "policy": {"spec": {}},
    "location": {},
    "keys": "/elsewhere",
    "basis": "sha256:other",
    "volumes": (PlannedVolume("skip", "why", volume="x"),),
    "steps": (),
    "left_out": (LeftOut("items", "why"),),
    "gaps": (Gap("secrets", "no"),),
    "empty_includes": ("nothing",),
    "warnings": ("warned",),
    "hooks": (PlannedHook("a", "b", "c", "pre", ("sync",), "fail", 30, "why"),),
    "snapshot_location": {},
}


@pytest.mark.parametrize("field", [name for name in Plan.__struct_fields__ if name != "digest"])
def test_the_digest_covers_every_field(field: str) -> None:
    """Whatever is altered in a plan, its digest is another; a field that is added later is tested here too."""
    plan = planned(CLUSTER)
    altered = sealed(msgspec.structs.replace(plan, **{field: OTHERWISE[field]}))
    assert altered.digest != plan.digest


def test_the_basis_changes_with_what_the_plan_rests_on() -> None:
    """Counts, names and volumes are in it; reasons and resourceVersions are not."""
    bound = {"shop/persistentvolumeclaims": [claim("a", "pv-1")], "persistentvolumes": [volume("pv-1", "shop/a")]}
    plan = planned(bound)
    assert planned({**bound, "shop/configmaps": named("x")}).basis != plan.basis
    assert planned({**bound, "persistentvolumes": [volume("pv-2")]}).basis != plan.basis
    later = [msgspec.structs.replace(found, resource_version="999") for found in bound["persistentvolumes"]]
    assert planned({**bound, "persistentvolumes": later}).basis == plan.basis
    assert planned(bound, includeClusterResources=True).basis == plan.basis


def test_a_plan_comes_back_from_its_file() -> None:
    """What is written for review is read to the very plan."""
    plan = planned(CLUSTER)
    assert msgspec.json.decode(readable(plan), type=Plan) == plan
