"""A folder of manifests, read as if it were a cluster: for demos, for tests, and for planning without a cluster.

The folder is read once, at the first question; what is wrong in it is a FormatError that names file and line. It opens
no socket and starts no process. `status`, ownerReferences and all else are served as they are written: no controller
runs here. An object's type is served in the version its file is written in, since nothing here converts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from runner.adapters.manifests_defaults import completed, implied_namespace
from runner.adapters.manifests_files import WrittenObject, read_folder
from runner.adapters.manifests_state import ClusterState, ServedType, StoredItem
from runner.adapters.manifests_types import DEFINITION, KnownTypes
from runner.errors import FormatError, ItemNotFound
from runner.model.cluster import ClusterIdentity, Discovery, ItemId, ListRequest, Page, Resource

_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_LENGTH = 63
_NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)


class ManifestsCluster:
    """A ClusterReader over a folder.

    Namespaces that objects live in but no file declares are there all the same. Its uid is that of the namespace
    kube-system where a file has it, else `manifests-<folder>`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._state: ClusterState | None = None

    def identity(self) -> ClusterIdentity:
        """The folder's name is its context, its path its server."""
        name = self._folder.name or self._folder.resolve().name
        return ClusterIdentity(
            uid=self._kube_system_uid() or _label(f"manifests-{name}"), context=name, server=str(self._folder)
        )

    def discover(self) -> Discovery:
        """Every type that is built into Kubernetes, and those of the folder's CRDs; empty ones too."""
        return Discovery(tuple(served.resource for served in self._loaded().types))

    def page(self, request: ListRequest) -> Page:
        """One page; see ports. Errors of the folder are FormatError."""
        return self._loaded().page(request)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object; see ports."""
        return self._loaded().get(resource, namespace, name).whole

    def _loaded(self) -> ClusterState:
        with self._lock:
            if self._state is None:
                self._state = state_of(read_folder(self._folder))
            return self._state

    def _kube_system_uid(self) -> str:
        try:
            whole = self._loaded().get(_NAMESPACES, "", "kube-system").whole
        except ItemNotFound:
            return ""
        return str(msgspec.json.decode(whole)["metadata"]["uid"])


def state_of(manifests: Iterable[WrittenObject]) -> ClusterState:
    """What a cluster would hold after all of `manifests`. FormatError for what no cluster could hold."""
    folder = _Folder()
    for written in sorted(manifests, key=lambda written: written.type != DEFINITION):
        folder.take(written)
    folder.imply_namespaces()
    return folder.state()


class _Found(NamedTuple):
    served: ServedType
    written: WrittenObject


class _Folder:
    """The objects of a folder, each checked by itself and against the others."""

    def __init__(self) -> None:
        self._types = KnownTypes()
        self._found: dict[ItemId, _Found] = {}
        self._first: dict[tuple[str, str], _Found] = {}  # the first object of each type decides its version

    def take(self, written: WrittenObject) -> None:
        """Takes one object, and the type that it defines. So definitions come before all else."""
        try:
            served = self._types.find(*written.type)
        except FormatError as error:
            raise written.error(error.message, error.hint) from error
        found = _Found(served, written)
        self._check_version(found)
        item = _item_id(served.resource, written)
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
            item.name for item in self._found if (item.group, item.plural) == (_NAMESPACES.group, _NAMESPACES.plural)
        }
        for name in sorted({item.namespace for item in self._found if item.namespace} - declared):
            self.take(WrittenObject(origin="", value=implied_namespace(name)))

    def state(self) -> ClusterState:
        """Everything, with what an API server adds."""
        served = {(known.group, known.plural): known.served() for known in self._types}
        served |= {name: found.served for name, found in self._first.items()}
        held: dict[tuple[str, str], list[StoredItem]] = {name: [] for name in served}
        everything = hashlib.sha256()
        for item, found in sorted(self._found.items(), key=lambda pair: pair[0]):
            digest = hashlib.sha256(msgspec.json.encode(found.written.value)).digest()
            everything.update(digest)
            value = completed(found.written.value, item, _version(digest))
            held[item.group, item.plural].append(StoredItem.of(found.served, value))
        return ClusterState(int(_version(everything.digest())), ((served[name], held[name]) for name in served))

    def _define(self, written: WrittenObject) -> None:
        try:
            self._types.define(written.value)
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


def _item_id(resource: Resource, written: WrittenObject) -> ItemId:
    metadata = _metadata(written)
    if metadata.namespace and not resource.namespaced:
        raise written.error(
            f"{resource.kind} {metadata.name} is written into the namespace {metadata.namespace}, and belongs to none",
            "take metadata.namespace out",
        )
    namespace = (metadata.namespace or "default") if resource.namespaced else ""
    return ItemId(resource.group, resource.plural, namespace, metadata.name)


def _version(digest: bytes) -> str:
    # 48 bits: as a resourceVersion, it is a number that every client can hold.
    return str(int.from_bytes(digest[:6]))


def _label(text: str) -> str:
    """`text` as a DNS label."""
    return _NOT_IN_LABELS.sub("-", text.lower())[:_LABEL_LENGTH].strip("-")
