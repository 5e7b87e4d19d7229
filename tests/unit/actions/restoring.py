"""Items and restores for tests of the rules by kind, in few words.

restored("services", SERVICE, namespaces={"shop": "shop-2"}).body
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from runner.actions.prepare import prepare
from runner.actions.restored import BACKUP_LABEL, LeftAlone, Others, Prepared, RestoreRules
from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule

BACKUP = "shop-20261122220000-1a2b"
UID = "3c4a596f-1a1b-4eba-8ea0-d29cb3f09865"


class TheOthers(Others):
    """A restore that other items are part of, by uid, and volumes, by name."""

    def __init__(self, *uids: str, volumes: tuple[str, ...] = ()) -> None:
        self._uids, self._volumes = uids, volumes

    def selected(self, uid: str) -> bool:
        """Whether it was named."""
        return uid in self._uids

    def volume_comes(self, name: str) -> bool:
        """Whether it was named."""
        return name in self._volumes

    def made_anew(self, name: str) -> bool:
        """Never: its data comes from no snapshot."""
        del name
        return False


NOBODY = TheOthers()


def stored(text: str, **status: Any) -> dict[str, Any]:
    """An object as YAML, with what an API server adds to each."""
    found: dict[str, Any] = yaml.safe_load(text)
    given = {
        "uid": UID,
        "resourceVersion": "319",
        "generation": 1,
        "creationTimestamp": "2026-11-22T22:22:18Z",
        "managedFields": [{"manager": "kubectl-create", "operation": "Update", "fieldsV1": {}}],
    }
    found["metadata"] = {**given, **found["metadata"]}
    return {**found, "status": status} if status else found


def item_of(name: str, body: Mapping[str, Any]) -> ItemId:
    """The id of an object of the type `deployments.apps`."""
    plural, _, group = name.partition(".")
    metadata = body["metadata"]
    return ItemId(group, plural, metadata.get("namespace", ""), metadata["name"])


def rules_of(
    namespaces: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    modifiers: tuple[ModifierRule, ...] = (),
    *,
    node_ports: bool = False,
) -> RestoreRules:
    """What a restore changes, of the backup BACKUP."""
    return RestoreRules(BACKUP, namespaces or {}, classes or {}, modifiers, labels or {}, node_ports)


def outcome(name: str, body: dict[str, Any], rules: RestoreRules | None = None, others: Others = NOBODY) -> Any:
    """What becomes of an object of a type: Prepared or LeftAlone."""
    return prepare(item_of(name, body), body, rules or rules_of(), others)


def restored(name: str, body: dict[str, Any], rules: RestoreRules | None = None, others: Others = NOBODY) -> Any:
    """The body that is sent for an object, without the label that all are given."""
    result = outcome(name, body, rules, others)
    assert isinstance(result, Prepared), result
    sent = dict(result.body)
    sent["metadata"] = dict(sent["metadata"])
    labels = {key: value for key, value in sent["metadata"].pop("labels").items() if key != BACKUP_LABEL}
    if labels:
        sent["metadata"]["labels"] = labels
    return sent


def why_left(name: str, body: dict[str, Any], others: Others = NOBODY) -> str:
    """Why an object is left alone."""
    result = outcome(name, body, others=others)
    assert isinstance(result, LeftAlone), result
    return result.why
