"""What the restore of one item needs to know of the others, and what comes of it. Shared by the rules for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule

BACKUP_LABEL = "trysail.dev/backup"


@dataclass(frozen=True, slots=True)
class RestoreRules:
    """What a restore changes in everything it restores; from the RestorePolicy."""

    backup: str  # name of the backup, for the label
    namespaces: Mapping[str, str] = field(default_factory=dict)  # old -> new; others keep their name
    storage_classes: Mapping[str, str] = field(default_factory=dict)
    modifiers: tuple[ModifierRule, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    preserve_node_ports: bool = False

    def namespace(self, name: str) -> str:
        """Where the items of a namespace go."""
        return self.namespaces.get(name, name)


class Others(Protocol):
    """The other items of a restore."""

    def selected(self, uid: str) -> bool:
        """Whether the item that had this uid is part of this restore."""
        ...

    def volume_comes(self, name: str) -> bool:
        """Whether a PersistentVolume of this name is restored, or is there and free for, or bound to, its old claim."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item as it will be sent: without status, uid and ownerReferences."""

    item: ItemId  # where it goes
    body: dict[str, Any]
    owners: tuple[dict[str, Any], ...] = ()  # its ownerReferences with old uids, where the owner is restored too


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """An item that is not restored, by rule."""

    why: str
