"""A folder of manifests as if it were a cluster: for demos and tests, for plans without a cluster, and to restore into.

The folder is read once, at the first question; what is wrong in it is a FormatError that names file and line. It opens
no socket and starts no process. `status`, ownerReferences and all else are served as they are written: no controller
runs here. An object's type is served in the version its file is written in, since nothing here converts.
"""

from __future__ import annotations

import re

import msgspec

from runner.adapters.manifests_changes import NAMESPACES
from runner.adapters.manifests_defaults import stable_uid
from runner.adapters.manifests_writer import ManifestsWriter
from runner.errors import ItemNotFound
from runner.model.cluster import ClusterIdentity, Discovery, ItemId, ListRequest, Page, Resource

_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")
_LABEL_LENGTH = 63
_KUBE_SYSTEM = stable_uid(ItemId("", "namespaces", "", "kube-system"))


class ManifestsCluster(ManifestsWriter):
    """A Cluster over a folder; see ManifestsWriter for what writing does.

    Namespaces that objects live in but no file declares are there all the same. Its uid is that of the namespace
    kube-system where a file gives it one, else `manifests-<folder>`.

    A folder that is missing, or has no manifest, is a mistake of whoever wants to read it, and an empty cluster for
    whoever writes; with `create`, for both.
    """

    def identity(self) -> ClusterIdentity:
        """The folder's name is its context, its path its server."""
        name = self._folder.name or self._folder.resolve().name
        return ClusterIdentity(
            uid=self._kube_system_uid() or _label(f"manifests-{name}"), context=name, server=str(self._folder)
        )

    def discover(self) -> Discovery:
        """Every type that is built into Kubernetes, and those of the folder's CRDs; empty ones too."""
        return Discovery(tuple(served.resource for served in self._state().types))

    def page(self, request: ListRequest) -> Page:
        """One page; see ports. Errors of the folder are FormatError."""
        return self._state().page(request)

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object; see ports."""
        return self._state().get(resource, namespace, name).whole

    def _kube_system_uid(self) -> str:
        try:
            whole = self._state().get(NAMESPACES, "", "kube-system").whole
        except ItemNotFound:
            return ""
        uid = str(msgspec.json.decode(whole)["metadata"]["uid"])
        return "" if uid == _KUBE_SYSTEM else uid  # that one, every folder would have


def _label(text: str) -> str:
    """`text` as a DNS label."""
    return _NOT_IN_LABELS.sub("-", text.lower())[:_LABEL_LENGTH].strip("-")
