"""Writes one item of a restore, on any thread: creates, updates or recreates it, and settles what stands in its way."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from runner.actions.drift import CONTROLLERS_OWN, drift
from runner.actions.restored import BACKUP_LABEL
from runner.engine.restore.waits import Waits
from runner.engine.retry import Retrier
from runner.errors import (
    AlreadyExists,
    ApplyConflict,
    ClusterError,
    ClusterUnreachable,
    ItemNotFound,
    Rejected,
    Unauthorized,
    WriteConflict,
)
from runner.model.cluster import ItemId, Resource
from runner.plan.restore import MANAGER, RELEASED, Existing
from runner.plan.restore_order import WEBHOOKS
from runner.ports import Cluster, Written

TRIES = 5  # to create an item whose name is taken by what is gone a moment later

_SERVICE_ACCOUNTS = ("", "serviceaccounts")


@dataclass
class Work:
    """One item on its way."""

    action: str  # create | update | recreate
    why: str
    resource: Resource
    item: ItemId  # where it goes
    stored: str  # its type's name in the backup
    name: str  # in the backup
    uid: str  # in the backup
    body: dict[str, Any]
    live: str = ""  # uid of what is there; for update and recreate
    owners: tuple[dict[str, Any], ...] = ()  # ownerReferences with old uids
    named: int = 0  # how many of them its body names
    new_type: bool = False  # the API server may not know the type yet
    strict: bool = False  # fields that the type lacks are refused


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a work: how it was done and the uid it has now, or the problem."""

    how: str = ""  # create | update | recreate | already
    uid: str = ""
    problem: str = ""


@dataclass
class ItemWriter:
    """Shared by all threads of a restore."""

    cluster: Cluster
    retrier: Retrier
    waits: Waits
    existing: Existing
    warnings: set[str] = field(default_factory=set)

    def write(self, work: Work) -> Done:
        """Does one work. Errors that meet every item alike are raised."""
        if work.stored in WEBHOOKS and (service := self.waits.unanswered(work.body)):
            return Done(
                problem=f"held back: no endpoint of its service {service} is ready, and it would refuse requests; "
                "restore again once it is"
            )
        match work.action:
            case "create":
                return self._create(work, "create")
            case "update":
                return self._update(work)
            case _:
                return self._recreate(work)

    def adopt(self, work: Work, uid: str, owners: list[dict[str, Any]]) -> None:
        """Names the owners of an item that was created before they were."""
        ours = {(owner.get("kind"), owner.get("name")) for owner in owners}

        def name() -> None:
            metadata = _DECODER.decode(self.cluster.get(work.resource, work.item.namespace, work.item.name))["metadata"]
            if metadata.get("uid") != uid:
                raise Rejected("it is another object by now", hint="restore again")
            others = [one for one in metadata.get("ownerReferences") or () if (one["kind"], one["name"]) not in ours]
            known = {"uid": uid, "resourceVersion": metadata.get("resourceVersion")}
            patch = _encode({"metadata": {**known, "ownerReferences": [*others, *owners]}})
            self.cluster.merge(work.resource, work.item.namespace, work.item.name, patch)

        self.retrier.call(f"owners of {work.item}", name)

    # creating

    def _create(self, work: Work, how: str, tries: int = TRIES) -> Done:
        body = _encode(work.body)
        send = partial(self.cluster.create, work.resource, work.item.namespace, body, strict=work.strict)
        call = partial(self.retrier.call, f"creating {work.item}", partial(_unless_taken, send))
        try:
            written: Written = self.waits.until_served(work.resource.name, call) if work.new_type else call()
        except AlreadyExists:
            return self._met(work, how, tries - 1)
        self._heed(work, written)
        return Done(how, written.uid)

    def _met(self, work: Work, how: str, tries: int) -> Done:
        """Something has its name by now: an answer of ours that was lost, an earlier run, or a controller."""
        if not tries:
            return Done(problem="it comes and goes: somebody else creates and deletes it")
        try:
            found = self._get(work)
        except ItemNotFound:
            return self._create(work, how, tries)
        metadata = found["metadata"]
        uid = str(metadata.get("uid", ""))
        if "deletionTimestamp" in metadata:
            if self.waits.gone(work.resource, work.item, uid):
                return self._create(work, how, tries)
            return Done(problem="it is being deleted, and does not go away: see its finalizers")
        changes = drift(work.item, work.body, found)
        if not changes or (metadata.get("labels") or {}).get(BACKUP_LABEL) == self.existing.backup:
            return Done("already", uid)
        if (work.item.group, work.item.plural) == _SERVICE_ACCOUNTS:
            work.live = uid
            return self._update(work)
        fields = ", ".join(change.path for change in changes[:3])
        return Done(problem=f"it has come into being since the plan was made, and differs: {fields}")

    # changing

    def _update(self, work: Work) -> Done:
        if work.why == RELEASED:
            patch = {"metadata": {"uid": work.live}, "spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
            merge = partial(self.cluster.merge, work.resource, "", work.item.name, _encode(patch))
            return self._changed(work, merge)
        return self._changed(work, partial(applied, self.cluster, work, force=self.existing.force_conflicts))

    def _changed(self, work: Work, change: Any) -> Done:
        try:
            written = self.retrier.call(f"updating {work.item}", partial(_once, change))
        except ApplyConflict as error:
            owned = ", ".join(f"{field.path} ({field.manager})" for field in error.fields)
            return Done(problem=f"others own what would change: {owned or error.message}")
        self._heed(work, written)
        return Done("update", written.uid)

    def _recreate(self, work: Work) -> Done:
        delete = partial(self.cluster.delete, work.resource, work.item.namespace, work.item.name, uid=work.live)
        # Gone already, by an earlier try of ours or by somebody else: it is to be created in any case.
        with suppress(ItemNotFound):
            self.retrier.call(f"deleting {work.item}", partial(_once, delete))
        if not self.waits.gone(work.resource, work.item, work.live):
            return Done(problem="it was deleted to be recreated, and does not go away: see its finalizers")
        try:
            return self._create(work, "recreate")
        except (Unauthorized, ClusterUnreachable):
            raise
        except ClusterError as error:
            return Done(problem=f"it was deleted to be recreated, and is not taken anew: {error.message}")

    def _get(self, work: Work) -> dict[str, Any]:
        get = partial(self.cluster.get, work.resource, work.item.namespace, work.item.name)
        return _DECODER.decode(self.retrier.call(str(work.item), get))

    def _heed(self, work: Work, written: Written) -> None:
        for warning in written.warnings:
            self.warnings.add(f"{work.stored}: {warning}")


def applied(cluster: Cluster, work: Work, *, force: bool, dry_run: bool = False) -> Written:
    """Server-side apply of what is stored onto what is there. Our label is for what we create alone."""
    metadata = {**work.body["metadata"], "uid": work.live}
    metadata["labels"] = {name: value for name, value in (metadata.get("labels") or {}).items() if name != BACKUP_LABEL}
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {key: value for key, value in annotations.items() if key not in CONTROLLERS_OWN}
    body = _encode({**work.body, "metadata": metadata})
    item = work.item
    apply = partial(cluster.apply, work.resource, item.namespace, item.name, body, dry_run=dry_run)
    try:
        return apply(force=force)
    except ApplyConflict as error:
        # What we have created is ours, though not by an apply: to the API server that is another manager.
        if any(owned.manager != MANAGER for owned in error.fields) or not error.fields:
            raise
        return apply(force=True)


def _unless_taken(create: Any) -> Any:
    """What is on its way out holds its name until it is gone: that is looked at and waited for, not tried blindly."""
    try:
        return create()
    except WriteConflict as error:
        raise AlreadyExists(error.message) from error


def _once(change: Any) -> Any:
    """A precondition that does not hold will not hold the next time either."""
    try:
        return change()
    except WriteConflict as error:
        raise Rejected(f"it is another object than the plan saw: {error.message}", hint="plan again") from error


def _encode(body: dict[str, Any]) -> bytes:
    return _ENCODER.encode(body)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(dict[str, Any])
