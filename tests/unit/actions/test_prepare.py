"""Tests of what holds for every item that is restored: what it loses, what it keeps, where it goes, what is added."""

from __future__ import annotations

import pytest

from runner.actions.prepare import prepare
from runner.actions.restored import BACKUP_LABEL, LeftAlone, Prepared, label_value
from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule
from tests.unit.actions.restoring import BACKUP, NOBODY, UID, TheOthers, outcome, restored, rules_of, stored, why_left

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: shop
  generateName: web-
  selfLink: /api/v1/namespaces/shop/configmaps/web
  deletionTimestamp: "2026-11-22T22:30:00Z"
  deletionGracePeriodSeconds: 30
  labels: {app: web}
  annotations:
    note: kept
    kubectl.kubernetes.io/last-applied-configuration: '{"metadata":{"name":"web","namespace":"shop"}}'
  finalizers: [example.com/guard]
  ownerReferences:
  - {apiVersion: example.com/v1, kind: Shop, name: shop, uid: owner-1, controller: true, blockOwnerDeletion: true}
  - {apiVersion: v1, kind: ConfigMap, name: other, uid: owner-2}
data: {colour: blue}
"""


def test_what_the_api_server_gives_is_dropped() -> None:
    """Only name, namespace, labels, annotations and finalizers are left of the metadata, and no status."""
    body = restored("configmaps", stored(CONFIG, phase="Ready"))
    assert body.keys() == {"apiVersion", "kind", "metadata", "data"}
    assert body["metadata"].keys() == {"name", "namespace", "labels", "annotations", "finalizers"}


def test_labels_annotations_and_finalizers_are_kept() -> None:
    """They are the user's, kubectl's note of what was applied among them."""
    metadata = restored("configmaps", stored(CONFIG))["metadata"]
    assert metadata["labels"] == {"app": "web"}
    assert metadata["annotations"].keys() == {"note", "kubectl.kubernetes.io/last-applied-configuration"}
    assert metadata["finalizers"] == ["example.com/guard"]


def test_the_label_of_the_backup_is_added() -> None:
    """Beside those of the policy, and over those that the item has."""
    result = outcome("configmaps", stored(CONFIG), rules_of(labels={"app": "copy", "drill": "yes"}))
    assert result.body["metadata"]["labels"] == {"app": "copy", "drill": "yes", BACKUP_LABEL: BACKUP}


def test_labels_are_not_added_to_templates() -> None:
    """A label on Pods would change what selectors find, and roll Deployments out again."""
    template = "{metadata: {labels: {app: web}}, spec: {containers: []}}"
    deployment = stored(f"{{metadata: {{name: web, namespace: shop}}, spec: {{template: {template}}}}}")
    body = restored("deployments.apps", deployment, rules_of(labels={"drill": "yes"}))
    assert body["spec"]["template"]["metadata"]["labels"] == {"app": "web"}


def test_an_item_without_labels_is_given_one() -> None:
    """Where labels are missing or null."""
    item = stored("{metadata: {name: web, namespace: shop, labels: null}}")
    assert outcome("configmaps", item).body["metadata"]["labels"] == {BACKUP_LABEL: BACKUP}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shop-20261122220000-1a2b", "shop-20261122220000-1a2b"),
        ("x" * 63, "x" * 63),
        ("x" * 64, "x" * 54 + "-7ce10097"),
    ],
)
def test_a_long_backup_name_ends_in_a_digest(name: str, value: str) -> None:
    """The value of a label holds 63 characters."""
    assert label_value(name) == value
    assert len(label_value(name)) <= 63


def test_long_backup_names_stay_different() -> None:
    """Two that begin alike, and one that is cut at a dot, are legal and not the same."""
    values = {label_value("x" * 70 + end) for end in "ab"} | {label_value("x" * 53 + "." * 20 + "a")}
    assert len(values) == 3
    assert all(label_value(value) == value for value in values)


def test_an_item_goes_to_the_namespace_that_its_own_is_mapped_to() -> None:
    """In its id and in its body, while others keep their name."""
    result = outcome("configmaps", stored(CONFIG), rules_of(namespaces={"shop": "drill", "other": "nowhere"}))
    assert result.item == ItemId("", "configmaps", "drill", "web")
    assert result.body["metadata"]["namespace"] == "drill"


def test_last_applied_is_dropped_where_the_namespace_changes() -> None:
    """It names the namespace, and kubectl would believe it."""
    body = restored("configmaps", stored(CONFIG), rules_of(namespaces={"shop": "drill"}))
    assert body["metadata"]["annotations"] == {"note": "kept"}


def test_owners_that_are_restored_are_named_apart() -> None:
    """With the uid they had; an owner that is not restored would have the item collected as garbage."""
    result = outcome("configmaps", stored(CONFIG), others=TheOthers("owner-2"))
    assert result.owners == ({"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "owner-2"},)
    assert "ownerReferences" not in result.body["metadata"]


def test_an_owned_item_is_restored_though_its_owner_is_too() -> None:
    """A custom resource's ConfigMap: whether its controller makes it again, nobody knows."""
    assert isinstance(outcome("configmaps", stored(CONFIG), others=TheOthers("owner-1", UID)), Prepared)


def test_what_is_never_restored_is_left_alone() -> None:
    """Whatever the filters take."""
    assert why_left("events", stored("{metadata: {name: web.17, namespace: shop}}"))


def test_modifiers_come_after_the_kinds_rule_and_the_mapping() -> None:
    """A patch sees the item as it would be sent, by the id that it has in the backup."""
    modifier = ModifierRule.model_validate(
        {
            "conditions": {"groupResource": "services", "namespaces": ["shop"]},
            "patches": [
                {"operation": "test", "path": "/metadata/namespace", "value": "drill"},
                {"operation": "add", "path": "/spec/clusterIP", "value": "10.96.7.7"},
            ],
        }
    )
    service = stored("{metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.1.1, ports: []}}")
    body = restored("services", service, rules_of({"shop": "drill"}, modifiers=(modifier,)))
    assert body["spec"]["clusterIP"] == "10.96.7.7"


def test_labels_are_added_after_modifiers() -> None:
    """A patch that takes all labels away does not take ours."""
    modifier = ModifierRule.model_validate(
        {
            "conditions": {"groupResource": "configmaps"},
            "mergePatches": [{"patchData": "metadata: {labels: null, uid: forged}"}],
        }
    )
    result = outcome("configmaps", stored(CONFIG), rules_of(modifiers=(modifier,)))
    assert result.body["metadata"]["labels"] == {BACKUP_LABEL: BACKUP}
    assert "uid" not in result.body["metadata"]


def test_a_modifier_that_does_not_apply_is_an_error() -> None:
    """It is the user's to know, and no reason to restore the item unmodified."""
    modifier = ModifierRule.model_validate(
        {
            "conditions": {"groupResource": "configmaps"},
            "patches": [{"operation": "remove", "path": "/data/nothing"}],
        }
    )
    with pytest.raises(ValueError, match="/data/nothing"):
        outcome("configmaps", stored(CONFIG), rules_of(modifiers=(modifier,)))


def test_a_modifier_may_rename_an_item() -> None:
    """Where it goes is what its body says."""
    modifier = ModifierRule.model_validate(
        {"conditions": {"groupResource": "configmaps"}, "mergePatches": [{"patchData": "metadata: {name: copy}"}]}
    )
    assert outcome("configmaps", stored(CONFIG), rules_of(modifiers=(modifier,))).item.name == "copy"


@pytest.mark.parametrize("bad", [{}, {"metadata": None}, {"metadata": {"labels": {}}}])
def test_what_is_no_object_is_an_error(bad: dict[str, object]) -> None:
    """An archive may hold anything."""
    with pytest.raises(ValueError, match="metadata"):
        prepare(ItemId("", "configmaps", "shop", "web"), bad, rules_of(), NOBODY)


def test_fields_of_the_wrong_shape_do_no_harm() -> None:
    """They are the API server's to refuse."""
    for name in (
        "pods",
        "services",
        "secrets",
        "jobs.batch",
        "persistentvolumes",
        "rolebindings.rbac.authorization.k8s.io",
    ):
        item = stored("{metadata: {name: a, namespace: b, annotations: 1, finalizers: x}, spec: [], subjects: {}}")
        assert isinstance(outcome(name, item), Prepared | LeftAlone)
