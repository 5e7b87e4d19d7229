"""Decides what becomes of one item of a backup, given what is live in its place. Pure; the engine brings the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.actions.drift import drift
from runner.actions.drift_owners import obstacles
from runner.actions.restored import BACKUP_LABEL, Prepared
from runner.model.cluster import ItemId
from runner.model.restore import Action, FieldChange

MANAGER = "trysail"  # our field manager

MISSING = "it is not there"
SAME = "it is there, and as it was stored"
# Told from the label, where the item has changed since: controllers do that at once.
OURS = "an earlier run of this restore has created it, and it has changed since"
MERGED = "a ServiceAccount that is there is merged: secrets, imagePullSecrets, labels and annotations are added"
RELEASED = "it is released, and its claim is restored: the old claim's uid is taken off, so that the new one can bind"
GOING = "it is being deleted: it is created when it is gone"
ADOPTED = "an earlier run of this restore has created it, and ended before it named its owner"
OWNED_ANEW = "its owner is recreated, and it names the new one"
OWNERS_ALONE = frozenset({ADOPTED, OWNED_ANEW})  # updates that change nothing but ownerReferences

_SERVICE_ACCOUNTS = ("", "serviceaccounts")
_VOLUMES = ("", "persistentvolumes")
# Deleting one of these deletes what lives in it, or the data behind it.
_NEVER_RECREATED = {
    ("", "namespaces"): "everything in it would be deleted with it",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "every object of its type would be deleted with it",
    _VOLUMES: "its data might be deleted with it",
    ("", "persistentvolumeclaims"): "its volume might be deleted with it",
}


@dataclass(frozen=True, slots=True)
class Existing:
    """What a restore does with items that are there; from the RestorePolicy."""

    policy: str = "none"  # none | update | recreate
    force_conflicts: bool = False
    backup: str = ""  # value of BACKUP_LABEL on what this restore creates


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an item, why, and which fields differ where it is there."""

    action: Action
    why: str
    changes: tuple[FieldChange, ...] = ()


def decide(prepared: Prepared, live: Mapping[str, Any] | None, existing: Existing) -> Decision:
    """The fate of an item. `live` is what has its name in the target, or None."""
    if live is None:
        return Decision("create", MISSING)
    item, metadata = prepared.item, live.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return Decision("create", GOING)
    kind = (item.group, item.plural)
    if kind == _VOLUMES and (fate := _of_volume(prepared, live)):
        return fate
    changes = drift(item, prepared.body, dict(live))
    if kind == _SERVICE_ACCOUNTS and existing.policy != "recreate" and changes:
        # Each namespace gets an account `default` of its own before any restore could create it.
        return _update(item, changes, live, existing, MERGED)
    if lacking_owners(prepared, live, existing):
        return Decision("update", ADOPTED)
    if not changes:
        return Decision("unchanged", SAME)
    if existing.policy == "none":
        return _left_alone(metadata, changes, existing)
    if existing.policy == "update":
        return _update(item, changes, live, existing, "it differs: existingResourcePolicy update")
    reason = _NEVER_RECREATED.get(kind)
    if reason is not None:
        return Decision("conflict", f"it differs, and is never recreated: {reason}", changes)
    return Decision("recreate", "it differs: existingResourcePolicy recreate", changes)


def _left_alone(metadata: Mapping[str, Any], changes: tuple[FieldChange, ...], existing: Existing) -> Decision:
    if existing.backup and (metadata.get("labels") or {}).get(BACKUP_LABEL) == existing.backup:
        return Decision("skip", OURS, changes)
    return Decision("skip", "it is there and differs: existingResourcePolicy none", changes)


def _update(
    item: ItemId, changes: tuple[FieldChange, ...], live: Mapping[str, Any], existing: Existing, why: str
) -> Decision:
    in_the_way = () if existing.force_conflicts else obstacles(item, changes, dict(live))
    # What we have created is ours to change, though to the API server a create and an apply are two managers.
    if all(change.owner == MANAGER for change in in_the_way):
        return Decision("update", why, changes)
    owners = ", ".join(sorted({change.owner for change in in_the_way} - {MANAGER}))
    owned = {change.path: change for change in in_the_way}
    return Decision(
        "conflict",
        f"fields that would change belong to {owners}",
        tuple(owned.get(change.path, change) for change in changes),
    )


def _of_volume(prepared: Prepared, live: Mapping[str, Any]) -> Decision | None:
    """What is only said of a PersistentVolume that is there; None where the rules for all items decide."""
    other = _other_claim(prepared, live)
    if other:
        return Decision("skip", f"it is bound to the claim {other}")
    claim = (live.get("spec") or {}).get("claimRef") or {}
    if (live.get("status") or {}).get("phase") == "Released" and claim.get("uid"):
        return Decision("update", RELEASED)
    return None


def _other_claim(prepared: Prepared, live: Mapping[str, Any]) -> str:
    """The claim that a live PersistentVolume is kept for, where it is not the one that is restored."""
    stored, found = (body.get("spec", {}).get("claimRef") or {} for body in (prepared.body, live))
    here = (found.get("namespace"), found.get("name"))
    same = here == (stored.get("namespace"), stored.get("name"))
    return "" if not found or same else "/".join(str(part) for part in here)


def lacking_owners(prepared: Prepared, live: Mapping[str, Any], existing: Existing) -> tuple[dict[str, Any], ...]:
    """Owners of an item that we have created, and were stopped before it could be given them."""
    metadata = live.get("metadata") or {}
    if not prepared.owners or (metadata.get("labels") or {}).get(BACKUP_LABEL) != existing.backup:
        return ()
    named = {(owner.get("kind"), owner.get("name")) for owner in metadata.get("ownerReferences") or ()}
    return tuple(owner for owner in prepared.owners if (owner.get("kind"), owner.get("name")) not in named)
