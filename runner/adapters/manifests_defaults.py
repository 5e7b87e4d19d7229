"""What an API server adds to an object that is handed to it. Nothing is taken away, and nothing written over."""

from __future__ import annotations

import uuid
from typing import Any

from runner.model.cluster import ItemId

# Of this adapter's own making, so that no uid of a real cluster is ever met by chance.
_UIDS = uuid.UUID("6f0d7f6e-7f0b-5a37-9d0a-3c2d6a9a7a53")
_NAME_LABEL = "kubernetes.io/metadata.name"


def completed(value: dict[str, Any], item: ItemId, resource_version: str, *, uid: str = "") -> dict[str, Any]:
    """`value` with namespace, uid and resourceVersion where it has none, and the label each Namespace has."""
    metadata = dict(value["metadata"])
    if item.namespace:
        metadata["namespace"] = item.namespace
    metadata["uid"] = metadata.get("uid") or uid or stable_uid(item)
    metadata["resourceVersion"] = metadata.get("resourceVersion") or resource_version
    if (item.group, item.plural) == ("", "namespaces"):
        metadata["labels"] = {_NAME_LABEL: item.name, **(metadata.get("labels") or {})}
    return {**value, "metadata": metadata}


def implied_namespace(name: str) -> dict[str, Any]:
    """The Namespace that an object lives in, where nobody wrote it down."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}}


def stable_uid(item: ItemId) -> str:
    """A uid that is the same in every run."""
    return str(uuid.uuid5(_UIDS, str(item)))
