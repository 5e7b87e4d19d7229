"""Writes a folder of manifests as if it were a cluster: each change is in a file before it is answered.

A new object has a file of its own, `<namespace or cluster>/<plural.group>/<name>.yaml`; one that is changed stays in
the file it came from. No controller, schema or admission is here: everything is taken as it is given, `status` too. But
a namespace goes with all that is in it, and a definition with all of its type, since no cluster holds them without.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import RLock
from typing import Any

import msgspec

from runner.adapters.manifests_changes import (
    NAMESPACES,
    applied,
    created,
    merged,
    read_object,
    read_patch,
    to_delete,
)
from runner.adapters.manifests_defaults import stable_uid
from runner.adapters.manifests_edit import add, change, new_file
from runner.adapters.manifests_files import read_folder
from runner.adapters.manifests_folder import Contents, checked, contents_of, fixed, stored, version_of
from runner.adapters.manifests_state import ClusterState, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, KnownType, known_type
from runner.errors import FormatError, Rejected
from runner.model.cluster import ItemId, Resource, Right
from runner.ports import Written

Object = dict[str, Any]

# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_JSON = msgspec.json.Decoder()


class ManifestsWriter:
    """A ClusterWriter over a folder; `strict` and `force` have nothing to say here."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self._folder = folder
        self._create = create
        self._lock = RLock()
        self._read: Contents | None = None

    def create(
        self,
        resource: Resource,
        namespace: str,
        body: bytes,
        *,
        dry_run: bool = False,
        strict: bool = False,  # noqa: ARG002 -- no schema is here
    ) -> Written:
        """A new file; see ports. The uid depends on the name alone."""
        with self._lock:
            state, served = self._writable(resource)
            value = read_object(resource, namespace, body)
            return self._keep(served, created(state, resource, namespace, value), dry_run=dry_run)

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        force: bool = False,  # noqa: ARG002 -- nobody owns a field here
        dry_run: bool = False,
    ) -> Written:
        """Merges maps and replaces lists; see ports. There are no conflicts: a folder has no managers of fields."""
        with self._lock:
            state, served = self._writable(resource)
            value = read_object(resource, namespace, body, name)
            return self._keep(served, applied(state, resource, namespace, value), dry_run=dry_run)

    def merge(self, resource: Resource, namespace: str, name: str, patch: bytes) -> Written:
        """See ports."""
        with self._lock:
            state, served = self._writable(resource)
            return self._keep(served, merged(state, resource, namespace, name, read_patch(patch)), dry_run=False)

    def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """At once, finalizers or not; with a namespace goes what is in it, and with a definition all of its type."""
        with self._lock:
            state, served = self._writable(resource)
            gone = [(served, to_delete(state, resource, namespace, name, uid))]
            if (resource.group, resource.plural) == (NAMESPACES.group, NAMESPACES.plural):
                gone = [*state.within(name), *gone]
            defined = _defined(_JSON.decode(gone[-1][1].whole)) if _is_definition(resource) else None
            if defined is not None:
                of = state.served(defined.served().resource)
                gone = [*((of, item) for item in state.items(of.resource)), *gone]
            for one in gone:
                self._forget(*one)
            if defined is not None:
                contents = self._contents()
                contents.types.forget(defined.group, defined.plural)
                state = contents.state
                self._read = contents._replace(state=state.without_type(_next(state, name), defined.served().resource))

    def may(self, right: Right) -> bool:  # noqa: ARG002 -- the file system's rights are others
        """True: whether the folder can be written shows when it is."""
        return True

    def _contents(self, *, to_write: bool = True) -> Contents:
        """What the folder holds; missing and empty folders hold nothing for whoever writes."""
        with self._lock:
            if self._read is None:
                self._read = contents_of(read_folder(self._folder, may_be_empty=self._create or to_write))
            return self._read

    def _state(self) -> ClusterState:
        return self._contents(to_write=False).state

    def _writable(self, resource: Resource) -> tuple[ClusterState, ServedType]:
        """The state as one sees it who writes this version; a type that nothing is of may be written in any."""
        state = self._contents().state
        served = state.served(resource)
        if "list" not in served.resource.verbs:
            raise Rejected(f"a {resource.kind} is a question to the API server, and never stored")
        if resource.version in served.resource.other_versions:
            of = msgspec.structs.replace(served.resource, version=resource.version)
            served = ServedType(of, served.bare)
            state = state.later(state.version, [(served, ())])
        return state, fixed(served)

    def _keep(self, served: ServedType, value: Object, *, dry_run: bool) -> Written:
        """Writes an object as it will be, unless it is so already."""
        contents = self._contents()
        item = checked(served.resource, value)
        defined = _defined(value) if _is_definition(served.resource) else None
        live = contents.state.find(contents.state.served(served.resource).resource, item.namespace, item.name)
        if live is not None and _JSON.decode(live.whole) == value:
            return _answer(live)
        value = _to_write(value, item)
        after = stored(served, value, item)
        if defined is not None:
            self._check_definition(defined, new=live is None)
        if dry_run:
            return _answer(after)
        self._write(served.resource, item, value)
        state = contents.state.put(_next(contents.state, after.whole), served, after)
        if defined is not None:
            contents.types.redefine(value)
            state = _serving(state, defined)
        self._read = contents._replace(state=state)
        return _answer(after)

    def _write(self, resource: Resource, item: ItemId, value: Object) -> None:
        """Puts an object where it is written already; else into a file of its own."""
        files = self._contents().files
        there = item in files and _edit(files[item], resource, item, value)
        if not there:
            files[item] = new_file(self._folder, item)
            add(files[item], value)

    def _forget(self, served: ServedType, stored_item: StoredItem) -> None:
        contents, resource = self._contents(), served.resource
        item = ItemId(resource.group, resource.plural, stored_item.namespace, stored_item.name)
        if item in contents.files:
            _edit(contents.files[item], resource, item, None)
            del contents.files[item]
        state = contents.state
        self._read = contents._replace(state=state.without(_next(state, str(item)), resource, stored_item.key))

    def _check_definition(self, known: KnownType, *, new: bool) -> None:
        """Rejects a definition of a type that is here already, or of none that its objects are written in."""
        state = self._contents().state
        of = known.served().resource
        there = next((one.resource for one in state.types if one.resource.name == of.name), None)
        if there is None:
            return
        if new:
            raise Rejected(f"{of.name} is served already")
        if state.items(there) and there.version not in known.versions:
            raise Rejected(f"there are objects of {of.name} in {there.api_version}, which would no longer be served")


def _answer(item: StoredItem) -> Written:
    return Written(uid=str(_JSON.decode(item.whole)["metadata"]["uid"]), raw=item.whole)


def _is_definition(resource: Resource) -> bool:
    return (resource.api_version, resource.kind) == DEFINITION


def _defined(definition: Object) -> KnownType:
    try:
        return known_type(definition)
    except FormatError as error:
        raise Rejected(error.message, hint=error.hint) from error


def _serving(state: ClusterState, known: KnownType) -> ClusterState:
    """The state with the type that a definition brings, in the version of the objects that are there."""
    served = known.served()
    there = next((one.resource for one in state.types if one.resource.name == served.resource.name), None)
    items = state.items(there) if there else ()
    if there and items:
        served = fixed(known.served(there.version))
    return state.later(state.version, [(served, items)])


def _to_write(value: Object, item: ItemId) -> Object:
    """Without what comes by itself whenever the folder is read."""
    metadata = {name: field for name, field in value["metadata"].items() if name != "resourceVersion"}
    if metadata.get("uid") == stable_uid(item):
        del metadata["uid"]
    return {**value, "metadata": metadata}


def _edit(file: Path, resource: Resource, item: ItemId, new: Object | None) -> bool:
    """Puts `new` (nothing takes it away) in the place of an object; false where the file has it no longer."""
    found = False

    def edit(value: Object) -> Object | None:
        nonlocal found
        if not _is(value, resource, item):
            return value
        found = True
        return new

    change(file, edit)
    return found


def _is(value: Object, resource: Resource, item: ItemId) -> bool:
    metadata = value.get("metadata")
    group, _, _ = value["apiVersion"].rpartition("/")
    if (group, value["kind"]) != (resource.group, resource.kind) or not isinstance(metadata, dict):
        return False
    namespace = (metadata.get("namespace") or "default") if resource.namespaced else ""
    return (namespace, metadata.get("name")) == (item.namespace, item.name)


def _next(state: ClusterState, change_: str | bytes) -> int:
    """The version after a change: another one, and the same for the same change."""
    digest = hashlib.sha256(str(state.version).encode())
    digest.update(change_.encode() if isinstance(change_, str) else change_)
    return int(version_of(digest.digest()))
