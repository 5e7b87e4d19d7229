"""The objects of a folder, each checked by itself and against the others; together, the state of a cluster.

What is wrong is a FormatError that names file and line. An object's type is served in the version its file is written
in, since nothing here converts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from runner.adapters.manifests_changes import NAMESPACES
from runner.adapters.manifests_defaults import completed, implied_namespace
from runner.adapters.manifests_files import WrittenObject
from runner.adapters.manifests_state import ClusterState, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, KnownTypes
from runner.errors import FormatError, Rejected
from runner.model.cluster import ItemId, Resource

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Contents(NamedTuple):
    """What a folder holds."""

    state: ClusterState
    types: KnownTypes
    files: dict[ItemId, Path]  # where each object is written; namespaces that are implied alone are in none


def contents_of(manifests: Iterable[WrittenObject]) -> Contents:
    """What a cluster would hold after all of `manifests`. FormatError for what no cluster could hold."""
    folder = _Folder()
    for written in sorted(manifests, key=lambda written: written.type != DEFINITION):
        folder.take(written)
    folder.imply_namespaces()
    return Contents(folder.state(), folder.types, folder.files())


def stored(served: ServedType, value: Mapping[str, Any], item: ItemId) -> StoredItem:
    """One object as it is served: with the uid of its name, where it has none, and a resourceVersion of its content.

    One that is written down is not served: nobody changes it who edits the file.
    """
    metadata = {key: part for key, part in value["metadata"].items() if key != "resourceVersion"}
    return StoredItem.of(served, completed({**value, "metadata": metadata}, item, version_of(_digest(value))))


def checked(resource: Resource, value: dict[str, Any]) -> ItemId:
    """Who an object is that is to be written. Rejected for names that Kubernetes does not take."""
    try:
        return item_id(resource, WrittenObject(origin=resource.kind, value=value))
    except FormatError as error:
        raise Rejected(error.message, hint=error.hint) from error


def version_of(digest: bytes) -> str:
    """A resourceVersion."""
    # 48 bits: it is a number that every client can hold.
    return str(int.from_bytes(digest[:6]))


def fixed(served: ServedType) -> ServedType:
    """A type that is served in the version its objects are written in, and in no other: nothing here converts."""
    return ServedType(msgspec.structs.replace(served.resource, other_versions=()), served.bare)


class _Found(NamedTuple):
    served: ServedType
    written: WrittenObject


class _Folder:
    """The objects of a folder, each checked by itself and against the others."""

    def __init__(self) -> None:
        self.types = KnownTypes()
        self._found: dict[ItemId, _Found] = {}
        self._first: dict[tuple[str, str], _Found] = {}  # the first object of each type decides its version

    def take(self, written: WrittenObject) -> None:
        """Takes one object, and the type that it defines. So definitions come before all else."""
        try:
            served = self.types.find(*written.type)
        except FormatError as error:
            raise written.error(error.message, error.hint) from error
        found = _Found(served, written)
        self._check_version(found)
        item = item_id(served.resource, written)
        other = self._found.setdefault(item, found)
        if other is not found:
            raise written.error(
                f"{item} is here for the second time", f"the first is in {other.written.origin}; take one of them out"
            )
        if written.type == DEFINITION:
            self._define(written)

    def imply_namespaces(self) -> None:
        """Adds the namespaces that objects live in, and no file declares."""
        declared = {
            item.name for item in self._found if (item.group, item.plural) == (NAMESPACES.group, NAMESPACES.plural)
        }
        for name in sorted({item.namespace for item in self._found if item.namespace} - declared):
            self.take(WrittenObject(origin="", value=implied_namespace(name)))

    def state(self) -> ClusterState:
        """Everything, with what an API server adds."""
        served = {(known.group, known.plural): known.served() for known in self.types}
        served |= {name: fixed(found.served) for name, found in self._first.items()}
        held: dict[tuple[str, str], list[StoredItem]] = {name: [] for name in served}
        everything = hashlib.sha256()
        for item, found in sorted(self._found.items(), key=lambda pair: pair[0]):
            everything.update(_digest(found.written.value))
            held[item.group, item.plural].append(stored(found.served, found.written.value, item))
        return ClusterState(int(version_of(everything.digest())), ((served[name], held[name]) for name in served))

    def files(self) -> dict[ItemId, Path]:
        """Where each object is written."""
        return {item: found.written.file for item, found in self._found.items() if found.written.file}

    def _define(self, written: WrittenObject) -> None:
        try:
            self.types.define(written.value)
        except FormatError as error:
            raise written.error(error.message, error.hint) from error

    def _check_version(self, found: _Found) -> None:
        resource = found.served.resource
        first = self._first.setdefault((resource.group, resource.plural), found)
        if first.served.resource.version != resource.version:
            raise found.written.error(
                f"{resource.kind} is written in {resource.api_version} here, and in "
                f"{first.served.resource.api_version} in {first.written.origin}",
                "write all of them in one version: nothing here converts",
            )


class _Metadata(msgspec.Struct, rename="camel"):
    """The fields that a cluster is read by, in the types that Kubernetes gives them."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


def _metadata(written: WrittenObject) -> _Metadata:
    try:
        metadata = msgspec.convert(written.value.get("metadata"), type=_Metadata)
    except msgspec.ValidationError as error:
        raise written.error(
            f"metadata is not what Kubernetes takes: {error}",
            "it needs a name (an API server alone makes one from generateName); labels and annotations are texts",
        ) from error
    # https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names
    if metadata.name in {"", ".", ".."} or "/" in metadata.name or "%" in metadata.name:
        raise written.error(f"{metadata.name!r} is no name of an object", "names have no '/' and no '%'")
    if metadata.namespace and not _DNS_LABEL.fullmatch(metadata.namespace):
        raise written.error(f"{metadata.namespace!r} is no name of a namespace", "lower case letters, digits and '-'")
    return metadata


def item_id(resource: Resource, written: WrittenObject) -> ItemId:
    """Who an object is. FormatError for names that Kubernetes does not take."""
    metadata = _metadata(written)
    if metadata.namespace and not resource.namespaced:
        raise written.error(
            f"{resource.kind} {metadata.name} is written into the namespace {metadata.namespace}, and belongs to none",
            "take metadata.namespace out",
        )
    namespace = (metadata.namespace or "default") if resource.namespaced else ""
    return ItemId(resource.group, resource.plural, namespace, metadata.name)


def _digest(value: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(msgspec.json.encode(value)).digest()
