"""Tests of the rules for Namespaces, and for what extends the API by a Service in one."""

from __future__ import annotations

import pytest

from runner.model.cluster import ItemId
from tests.unit.actions.restoring import outcome, restored, rules_of, stored, why_left

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {kubernetes.io/metadata.name: shop, team: web}
  annotations: {note: kept}
  finalizers: [example.com/guard]
spec: {finalizers: [kubernetes]}
"""
SERVICE = "service: {name: hook, namespace: shop, path: /}"


def test_a_namespace_keeps_labels_and_annotations_only() -> None:
    """The API server adds its own finalizer."""
    assert restored("namespaces", stored(NAMESPACE, phase="Active")) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "shop",
            "labels": {"kubernetes.io/metadata.name": "shop", "team": "web"},
            "annotations": {"note": "kept"},
        },
    }


def test_a_namespace_takes_the_name_that_it_is_mapped_to() -> None:
    """And the label that says its name does."""
    result = outcome("namespaces", stored(NAMESPACE), rules_of({"shop": "drill"}))
    assert result.item == ItemId("", "namespaces", "", "drill")
    assert result.body["metadata"]["name"] == "drill"
    assert result.body["metadata"]["labels"]["kubernetes.io/metadata.name"] == "drill"


def test_last_applied_is_dropped_where_a_namespace_is_renamed() -> None:
    """It names the old one."""
    item = stored(NAMESPACE)
    item["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    body = restored("namespaces", item, rules_of({"shop": "drill"}))
    assert body["metadata"]["annotations"] == {"note": "kept"}


def test_only_namespaces_are_renamed() -> None:
    """A volume that has the name of a mapped namespace keeps it."""
    item = stored("{metadata: {name: shop}, spec: {}}")
    assert outcome("storageclasses.storage.k8s.io", item, rules_of({"shop": "drill"})).item.name == "shop"


def test_the_conversion_webhook_of_a_definition_follows_its_namespace() -> None:
    """With its certificate authority; the status, which lists stored versions, is dropped."""
    item = stored(
        f"""
        metadata: {{name: widgets.example.com}}
        spec:
          conversion: {{strategy: Webhook, webhook: {{clientConfig: {{caBundle: Y2E=, {SERVICE}}}}}}}
        """,
        storedVersions=["v1"],
    )
    body = restored("customresourcedefinitions.apiextensions.k8s.io", item, rules_of({"shop": "drill"}))
    config = body["spec"]["conversion"]["webhook"]["clientConfig"]
    assert config == {"caBundle": "Y2E=", "service": {"name": "hook", "namespace": "drill", "path": "/"}}
    assert "status" not in body


def test_an_aggregated_api_follows_its_servers_namespace() -> None:
    """Its APIService is the user's."""
    item = stored(f"{{metadata: {{name: v1.metrics.k8s.io}}, spec: {{group: metrics.k8s.io, {SERVICE}}}}}")
    body = restored("apiservices.apiregistration.k8s.io", item, rules_of({"shop": "drill"}))
    assert body["spec"]["service"]["namespace"] == "drill"


def test_an_automanaged_apiservice_is_left_out() -> None:
    """The API server makes it."""
    labels = "{kube-aggregator.kubernetes.io/automanaged: onstart}"
    item = stored(f"{{metadata: {{name: v1.apps, labels: {labels}}}, spec: {{service: null}}}}")
    assert why_left("apiservices.apiregistration.k8s.io", item)


@pytest.mark.parametrize("plural", ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"])
def test_webhooks_follow_their_servers_namespace(plural: str) -> None:
    """One that is called by its URL has none."""
    item = stored(
        f"""
        metadata: {{name: hooks}}
        webhooks:
        - {{name: a.example.com, clientConfig: {{caBundle: Y2E=, {SERVICE}}}}}
        - {{name: b.example.com, clientConfig: {{url: "https://hooks.example.com/shop"}}}}
        """
    )
    first, second = restored(f"{plural}.admissionregistration.k8s.io", item, rules_of({"shop": "drill"}))["webhooks"]
    assert first["clientConfig"]["service"]["namespace"] == "drill"
    assert first["clientConfig"]["caBundle"] == "Y2E="
    assert second == item["webhooks"][1]


def test_references_in_other_kinds_are_not_guessed() -> None:
    """A namespace's name in a custom resource may mean anything."""
    item = stored("{metadata: {name: w, namespace: shop}, spec: {namespace: shop, target: {namespace: shop}}}")
    assert restored("widgets.example.com", item, rules_of({"shop": "drill"}))["spec"] == item["spec"]
