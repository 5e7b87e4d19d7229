"""What the restore of one item needs to know of the others, and what comes of it. Shared by the rules for each kind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from runner.actions.fields import copied, text
from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule

# What an API server gives an object itself, and what ties it to objects of another life.
_GIVEN = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)

BACKUP_LABEL = "trysail.dev/backup"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class RestoreRules:
    """What a restore changes in everything it restores; from the RestorePolicy."""

    backup: str  # name of the backup, for the label
    namespaces: Mapping[str, str] = field(default_factory=dict)  # old -> new; others keep their name
    storage_classes: Mapping[str, str] = field(default_factory=dict)
    modifiers: tuple[ModifierRule, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    preserve_node_ports: bool = False
    name_owners: bool = True  # not where uids do not last: the garbage collector deletes what names a wrong one

    def namespace(self, name: str) -> str:
        """Where the items of a namespace go."""
        return self.namespaces.get(name, name)


class Others(Protocol):
    """The other items of a restore."""

    def selected(self, uid: str) -> bool:
        """Whether the item that had this uid is part of this restore."""
        ...

    def volume_comes(self, name: str) -> bool:
        """Whether a PersistentVolume of this name is restored, or is there and free for, or bound to, its old claim.

        One that its rule leaves alone (its reclaim policy is Delete) is not restored.
        """
        ...

    def made_anew(self, name: str) -> bool:
        """Whether a new PersistentVolume comes in the place of this one, with the data of its claim."""
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


@dataclass(frozen=True, slots=True)
class Case:
    """One item before the rule for its kind, which changes `body` in place."""

    item: ItemId  # as the backup has it
    stored: Mapping[str, Any]  # as the API server gave it, status and managedFields included; only read
    body: dict[str, Any]  # what will be sent: a copy of its own, already without what no item keeps
    rules: RestoreRules
    others: Others


Rule = Callable[[Case], LeftAlone | None]


def label_value(name: str) -> str:
    """A backup's name as a label's value: itself, or, where it is too long (63), its beginning and a digest of it."""
    if _LABEL_VALUE.fullmatch(name):
        return name
    start = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:54].strip("._-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{start}-{digest}" if start else digest


def bare(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without status and without what the API server gives each object."""
    metadata = stored.get("metadata")
    if not isinstance(metadata, Mapping) or not text(metadata, "name"):
        raise ValueError("It has no metadata with a name.")
    kept = {key: copied(value) for key, value in metadata.items() if key not in _GIVEN}
    rest = {key: value for key, value in stored.items() if key != "status"}
    return {key: kept if key == "metadata" else copied(value) for key, value in rest.items()}
