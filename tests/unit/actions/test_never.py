"""Tests of what is never restored, whatever the filters, and of its neighbours that are."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from runner.actions.never import never_restored, never_type
from runner.model.cluster import ItemId
from tests.unit.actions.restoring import item_of


def _item(text: str) -> ItemId:
    """`namespace/plural.group/name`, or without the namespace."""
    *namespace, resource, name = text.split("/")
    plural, _, group = resource.partition(".")
    return ItemId(group, plural, "".join(namespace), name)


def _why(resource: str, text: str) -> str:
    body: dict[str, Any] = yaml.safe_load(text)
    return never_restored(item_of(resource, body), body)


@pytest.mark.parametrize(
    "resource",
    [
        "nodes",
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "ipaddresses.networking.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",
        "resourceslices.resource.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "backups.velero.io",
        "restores.velero.io",
        "backuprepositories.velero.io",
    ],
)
def test_types_that_a_cluster_makes_for_itself(resource: str) -> None:
    """By the type alone, so that it need not be read; an item that was not read is left out by it too."""
    plural, _, group = resource.partition(".")
    assert never_type(group, plural)
    assert never_restored(ItemId(group, plural, "shop", "x"), None)


@pytest.mark.parametrize("resource", ["nodes.example.com", "backups.k8s.cnpg.io", "events.example.com", "configmaps"])
def test_types_of_the_same_name_in_other_groups_are_restored(resource: str) -> None:
    """A custom resource called Backup is somebody's own."""
    plural, _, group = resource.partition(".")
    assert not never_type(group, plural)


@pytest.mark.parametrize(
    "text",
    [
        "shop/configmaps/kube-root-ca.crt",
        "kube-system/configmaps/extension-apiserver-authentication",
        "kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking",
        "default/services/kubernetes",
        "default/endpoints/kubernetes",
        "default/endpointslices.discovery.k8s.io/kubernetes",
        "servicecidrs.networking.k8s.io/kubernetes",
        "priorityclasses.scheduling.k8s.io/system-cluster-critical",
        "priorityclasses.scheduling.k8s.io/system-node-critical",
        "flowschemas.flowcontrol.apiserver.k8s.io/exempt",
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io/catch-all",
    ],
)
def test_items_that_every_cluster_has(text: str) -> None:
    """By name alone, read or not."""
    assert never_restored(_item(text), None)
    assert never_restored(_item(text), {"metadata": {"name": "x"}})


@pytest.mark.parametrize(
    "text",
    [
        "shop/configmaps/extension-apiserver-authentication",
        "shop/services/kubernetes",
        "shop/secrets/kube-root-ca.crt",
        "servicecidrs.networking.k8s.io/more",
        "priorityclasses.scheduling.k8s.io/critical",
        "namespaces/default",
    ],
)
def test_items_of_the_same_name_elsewhere_are_restored(text: str) -> None:
    """Only where the cluster itself keeps them are they its own."""
    assert not never_restored(_item(text), {"metadata": {"name": "x"}})


def test_endpoints_of_a_selector_are_never_restored() -> None:
    """By the label of servers since 1.33, without the time as with it, and by the time that older ones note."""
    label = "endpoints.kubernetes.io/managed-by: endpoint-controller"
    time = 'endpoints.kubernetes.io/last-change-trigger-time: "2026-11-22T22:22:15Z"'
    assert _why("endpoints", f"metadata: {{name: web, namespace: shop, labels: {{{label}}}}}")
    assert _why("endpoints", f"metadata: {{name: web, namespace: shop, annotations: {{{time}}}}}")


def test_endpoints_made_by_hand_are_restored() -> None:
    """Nobody makes those again."""
    assert not _why("endpoints", "{metadata: {name: db, namespace: shop}, subsets: [{addresses: [{ip: 1.2.3.4}]}]}")


@pytest.mark.parametrize("by", ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"])
def test_endpointslices_of_controllers_are_never_restored(by: str) -> None:
    """Those of a selector's Pods, and the mirrors of Endpoints."""
    label = f"endpointslice.kubernetes.io/managed-by: {by}"
    assert _why("endpointslices.discovery.k8s.io", f"metadata: {{name: web-x, namespace: shop, labels: {{{label}}}}}")


@pytest.mark.parametrize("by", ["me", "cluster.x-k8s.io"])
def test_endpointslices_made_by_hand_are_restored(by: str) -> None:
    """Whoever says that they manage it."""
    label = f"endpointslice.kubernetes.io/managed-by: {by}"
    body = f"metadata: {{name: web-x, namespace: shop, labels: {{{label}}}}}"
    assert not _why("endpointslices.discovery.k8s.io", body)


@pytest.mark.parametrize("plural", ["clusterroles", "clusterrolebindings", "roles", "rolebindings"])
def test_bootstrap_rbac_is_never_restored(plural: str) -> None:
    """The API server's defaults; the same label on anything else means nothing."""
    body = "metadata: {name: view, labels: {kubernetes.io/bootstrapping: rbac-defaults}}"
    assert _why(f"{plural}.rbac.authorization.k8s.io", body)
    assert not _why("configmaps", body)
    assert not _why(f"{plural}.rbac.authorization.k8s.io", "metadata: {name: view, labels: {app: x}}")


@pytest.mark.parametrize("plural", ["flowschemas", "prioritylevelconfigurations"])
def test_default_flow_schemas_are_never_restored(plural: str) -> None:
    """Unless somebody has taken them over: "false" tells the API server to leave them as they are."""
    body = 'metadata: {name: global-default, annotations: {apf.kubernetes.io/autoupdate-spec: "%s"}}'
    assert _why(f"{plural}.flowcontrol.apiserver.k8s.io", body % "true")
    assert not _why(f"{plural}.flowcontrol.apiserver.k8s.io", body % "false")


@pytest.mark.parametrize("value", ["onstart", "true"])
def test_automanaged_apiservices_are_never_restored(value: str) -> None:
    """Those of built-in groups and of CRDs; an aggregated API's is somebody's own."""
    label = f'kube-aggregator.kubernetes.io/automanaged: "{value}"'
    assert _why("apiservices.apiregistration.k8s.io", f"metadata: {{name: v1.apps, labels: {{{label}}}}}")
    assert not _why("apiservices.apiregistration.k8s.io", "metadata: {name: v1beta1.metrics.k8s.io}")
