"""What a cluster is made of, as its API server tells it: resources, pages of raw items, an identity.

msgspec structs, since they come in hundreds of thousands.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class ItemId(NamedTuple):
    """Names one object in a cluster. Sorts by group, plural, namespace, name."""

    group: str  # "" for the core group
    plural: str
    namespace: str  # "" for cluster-scoped items
    name: str

    def __str__(self) -> str:
        """As kubectl would take it, with the namespace before: `shop/deployments.apps/web`."""
        kind = f"{self.plural}.{self.group}" if self.group else self.plural
        return f"{self.namespace}/{kind}/{self.name}" if self.namespace else f"{kind}/{self.name}"


class Resource(msgspec.Struct, frozen=True, rename="camel", order=True):
    """A type as discovery names it, in the version that is preferred among those served."""

    group: str
    plural: str
    version: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    other_versions: tuple[str, ...] = ()  # served too, in the server's order

    @property
    def name(self) -> str:
        """`deployments.apps`, or `pods` for the core group: the words of kubectl and of Velero's archive."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Right(msgspec.Struct, frozen=True, rename="camel", order=True):
    """A verb on a type, in one namespace or ("") everywhere, on one name or ("") all."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """In words: `create deployments.apps in namespace shop`."""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource.name}{f' {self.name}' if self.name else ''}{where}"


class DiscoveryFailure(msgspec.Struct, frozen=True, rename="camel", order=True):
    """A group (or one version of it) whose resources the API server could not name."""

    group_version: str
    reason: str


class Discovery(msgspec.Struct, frozen=True, rename="camel"):
    """Every resource that is served, sorted, once per group; and what could not be discovered."""

    resources: tuple[Resource, ...]
    failures: tuple[DiscoveryFailure, ...] = ()


class ClusterIdentity(msgspec.Struct, frozen=True, rename="camel"):
    """Which cluster this is. `uid` is that of the namespace kube-system: it outlives addresses and contexts."""

    uid: str
    context: str  # how the user names it: a kubeconfig context, "in-cluster", a folder
    server: str  # where it answers: a URL, or the folder's path
    version: str = ""  # the server's gitVersion, where it has one

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of manifests: its uids are made up, and nothing may be made to name them."""
        return bool(self.server) and "://" not in self.server


class ListRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One page of a list; `namespace` "" lists the whole cluster. resourceVersion is never set: 0 ignores the limit."""

    resource: Resource
    namespace: str = ""
    limit: int = 500
    continue_token: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False  # PartialObjectMetadata: apiVersion, kind and metadata alone
    max_bytes: int = 0  # the page is given up (PageTooLarge) once its body passes this; 0 for no limit


class Page(msgspec.Struct, frozen=True, rename="camel"):
    """Items as raw JSON, in the order of the server; `apiVersion` and `kind` are missing where it leaves them out."""

    items: tuple[msgspec.Raw, ...]
    resource_version: str
    continue_token: str = ""  # "" on the last page
    remaining: int | None = None  # items after this page, where the server counts them
    size: int = 0  # bytes of the body
