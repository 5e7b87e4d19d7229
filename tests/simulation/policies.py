"""Policies by chance, over all filters. They are policies that people could write; what they mean is in oracle.py."""

from __future__ import annotations

from random import Random
from typing import Any

from runner.model.location import FilesystemLocation
from runner.model.policy import BackupPolicy
from runner.model.policy_set import ResolvedPolicy
from tests.simulation.objects import NAMESPACES

_TYPES = (
    "configmaps",
    "secrets",
    "Pod",
    "po",
    "deploy",
    "deployments.apps",
    "persistentvolumeclaims",
    "widgets.x.example.com",
    "*.rbac.authorization.k8s.io",
    "serviceaccounts",
    "pv",
    "*.example.com",
    "nothing.example.org",
    "*",
    "crd",
    "namespaces",
)


def any_policy(random: Random) -> ResolvedPolicy:
    """A policy, merged and with its location, as `load_policies` would have it."""
    spec: dict[str, Any] = {"storageLocation": {"provider": "filesystem", "path": "/backups"}}
    spec |= any_selection(random)
    spec["onUncovered"] = random.choice(("warn", "ignore", "ignore", "ignore", "fail"))
    if random.random() < 0.3:
        spec["clusterName"] = "prod"
    if random.random() < 0.3:
        spec["allowEmpty"] = True
    document = {
        "apiVersion": "trysail.dev/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "sim"},
        "spec": spec,
    }
    policy = BackupPolicy.model_validate(document)
    location = FilesystemLocation(provider="filesystem", path="/backups")
    return ResolvedPolicy(policy=policy, location=location, location_name="", file="policy.yaml")


def any_selection(random: Random) -> dict[str, Any]:
    """The filters alone, which backups and restores share."""
    return _namespaces(random) | _types(random) | _items(random)


def _namespaces(random: Random) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if random.random() < 0.5:
        spec["includedNamespaces"] = random.choice(
            (["shop*"], ["shop", "team-a"], ["*"], list(NAMESPACES), ["team-?", "nowhere"], ["[ds]*"])
        )
    if random.random() < 0.25:
        spec["excludedNamespaces"] = random.choice((["team-*"], ["data"], ["kube-*"]))
    if random.random() < 0.12:
        spec["namespaceSelector"] = {"matchLabels": {"team": "red"}}
    return spec


def _types(random: Random) -> dict[str, Any]:
    def some(most: int = 4) -> list[str]:
        return random.sample(_TYPES, random.randint(1, most))

    match random.choice(("all", "all", "old", "new", "new")):
        case "old":
            old: dict[str, Any] = {}
            if random.random() < 0.5:
                old["includedResources"] = some(8)
            if random.random() < 0.4:
                old["excludedResources"] = some(2)
            if random.random() < 0.5:
                old["includeClusterResources"] = random.random() < 0.7
            return old
        case "new":
            new: dict[str, Any] = {}
            if random.random() < 0.6:
                new["includedClusterScopedResources"] = random.choice(("related", "related", "all", some(), []))
            if random.random() < 0.3:
                new["excludedClusterScopedResources"] = some(2)
            if random.random() < 0.3:
                new["includedNamespaceScopedResources"] = some(8)
            if random.random() < 0.4:
                new["excludedNamespaceScopedResources"] = some(2)
            return new
    return {}


def _items(random: Random) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    match random.choice(("", "", "", "one", "several")):
        case "one":
            spec["labelSelector"] = _selector(random)
        case "several":
            spec["orLabelSelectors"] = [_selector(random) for _ in range(random.randint(1, 2))]
    if random.random() < 0.08:
        spec["includedItems"] = [
            {"resource": random.choice(("*", "configmaps", "deploy", "pods")), "name": random.choice(("web*", "*-a"))}
            for _ in range(random.randint(1, 2))
        ]
    if random.random() < 0.15:
        spec["excludedItems"] = [
            {
                "resource": random.choice(("*", "secrets", "roles.rbac.authorization.k8s.io")),
                "namespace": random.choice(("*", "shop*")),
                "name": random.choice(("web*", "*-b", "Edit", "shop")),
            }
        ]
    return spec


def _selector(random: Random) -> dict[str, Any]:
    key, value = random.choice((("app", "web"), ("tier", "back"), ("backup", "yes")))
    match random.choice(("labels", "In", "NotIn", "Exists", "DoesNotExist")):
        case "labels":
            return {"matchLabels": {key: value}}
        case "In" | "NotIn" as operator:
            return {"matchExpressions": [{"key": key, "operator": operator, "values": [value, "other"]}]}
        case operator:
            return {"matchExpressions": [{"key": key, "operator": operator}]}
