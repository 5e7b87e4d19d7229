"""Namespaces, and what extends the API by a Service in one: CRDs, APIServices, webhooks."""

from __future__ import annotations

from typing import Any

from runner.actions.fields import drop_from, part, parts, text
from runner.actions.restored import Case

_NAME_LABEL = "kubernetes.io/metadata.name"
_KEPT_OF_NAMESPACES = frozenset({"apiVersion", "kind", "metadata", "spec"})


def namespace(case: Case) -> None:
    """A Namespace: its labels, annotations and spec, under its new name; the API server adds its own finalizer."""
    body = case.body
    for key in body.keys() - _KEPT_OF_NAMESPACES:
        del body[key]
    drop_from(body, "spec", "finalizers")
    metadata = part(body, "metadata")
    metadata.pop("finalizers", None)
    metadata["name"] = case.rules.namespace(case.item.name)
    labels = part(metadata, "labels")
    if _NAME_LABEL in labels:
        labels[_NAME_LABEL] = metadata["name"]


def definition(case: Case) -> None:
    """A CustomResourceDefinition, whose conversion webhook moves with its namespace."""
    _follow(case, part(case.body, "spec", "conversion", "webhook", "clientConfig", "service"))


def api_service(case: Case) -> None:
    """An APIService of an aggregated API, whose server moves with its namespace."""
    _follow(case, part(case.body, "spec", "service"))


def webhooks(case: Case) -> None:
    """A webhook configuration, whose servers move with their namespaces."""
    for webhook in parts(case.body, "webhooks"):
        _follow(case, part(webhook, "clientConfig", "service"))


def _follow(case: Case, service: dict[str, Any]) -> None:
    if text(service, "namespace"):
        service["namespace"] = case.rules.namespace(service["namespace"])
