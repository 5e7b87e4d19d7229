"""A live cluster through its API server: how it is found, and read. `kubernetes_writer` changes it.

Bytes stay bytes: typed models would cost fifty times as much. Never retries; every failure leaves as one of
`runner.errors`.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Self, TypeVar

import msgspec
import yaml
from kubernetes.client import Configuration
from kubernetes.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from runner.adapters.kubernetes_answers import error_of_status
from runner.adapters.kubernetes_connection import Connection, first_line, object_path, resource_path
from runner.adapters.kubernetes_discovery import discover
from runner.adapters.kubernetes_writer import KubernetesWriter
from runner.errors import BadResponse, ClusterError, Forbidden
from runner.model.cluster import ClusterIdentity, Discovery, ListRequest, Page, Resource

METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

_IN_CLUSTER = "in-cluster"

T = TypeVar("T")


class KubernetesCluster(KubernetesWriter):
    """A Cluster over an API server."""

    def __init__(self, configuration: Configuration, context: str) -> None:
        super().__init__(Connection(configuration, context))

    @classmethod
    def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """As kubectl does: the kubeconfig where there is one, else the service account of the pod we run in."""
        logging.getLogger().addFilter(_PLUGIN_FAILURES)
        configuration = Configuration()
        in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
        if kubeconfig is None and context is None and in_pod and not _default_kubeconfig_exists():
            return cls._in_cluster(configuration)
        source = kubeconfig or os.environ.get("KUBECONFIG") or KUBE_CONFIG_DEFAULT_LOCATION
        try:
            name = context or _current_context(source)
            load_kube_config(source, name, configuration, persist_config=False)
        except (ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
            raise ClusterError(
                f"the kubeconfig cannot be used: {_kubeconfig_reason(error, context)}",
                hint="check --kubeconfig, KUBECONFIG and --context with: kubectl config get-contexts",
                kubeconfig=str(source),
                context=context or "",
            ) from error
        return cls(configuration, name)

    @classmethod
    def _in_cluster(cls, configuration: Configuration) -> Self:
        try:
            load_incluster_config(configuration)
        except (ConfigException, OSError) as error:
            raise ClusterError(
                f"the pod's service account cannot be used: {first_line(error)}",
                hint="mount the service account's token (automountServiceAccountToken)",
            ) from error
        return cls(configuration, _IN_CLUSTER)

    @property
    def connection(self) -> Connection:
        """The way to the API server, for what goes it too."""
        return self._connection

    def identity(self) -> ClusterIdentity:
        """The UID of kube-system; "" where we may not read it (then only a clusterName can name the cluster)."""
        try:
            body = self._get("/api/v1/namespaces/kube-system")
        except Forbidden:
            uid = ""
        else:
            uid = _decode(body, _OBJECT, "namespace kube-system").metadata.uid
        version = _decode(self._get("/version"), _VERSION, "/version").git_version
        way = self._connection
        return ClusterIdentity(uid=uid, context=way.context, server=way.server, version=version)

    def discover(self) -> Discovery:
        """Aggregated discovery; group by group where the server is too old for it."""
        return discover(self._connection.request)

    def page(self, request: ListRequest) -> Page:
        """One page as raw items; see ports."""
        query = [("limit", str(request.limit))]
        if request.continue_token:
            query.append(("continue", request.continue_token))
        if request.label_selector:
            query.append(("labelSelector", request.label_selector))
        if request.field_selector:
            query.append(("fieldSelector", request.field_selector))
        accept = METADATA_LIST if request.metadata_only else "application/json"
        path = resource_path(request.resource, request.namespace)
        body = self._get(path, query, accept, request.max_bytes)
        page = _decode(body, _LIST, f"the list of {request.resource.name}")
        if not page.kind.endswith("List"):
            raise BadResponse(f"the list of {request.resource.name} is of kind {page.kind or 'none'}")
        return Page(
            items=tuple(page.items or ()),
            resource_version=page.metadata.resource_version,
            continue_token=page.metadata.continue_token,
            remaining=page.metadata.remaining_item_count,
            size=len(body),
        )

    def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object as the API server gives it."""
        return self._get(object_path(resource, namespace, name))

    def _get(
        self,
        path: str,
        query: list[tuple[str, str]] | None = None,
        accept: str = "application/json",
        max_bytes: int = 0,
    ) -> bytes:
        status, headers, body = self._connection.request(path, query or [], accept, max_bytes)
        if status != 200:
            raise error_of_status(status, headers, body, path)
        return body


class _ObjectMeta(msgspec.Struct):
    uid: str


class _Object(msgspec.Struct):
    metadata: _ObjectMeta


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_token: str = msgspec.field(name="continue", default="")
    remaining_item_count: int | None = None


class _List(msgspec.Struct):
    metadata: _ListMeta
    kind: str = ""
    items: list[msgspec.Raw] | None = None


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_OBJECT = msgspec.json.Decoder(_Object)
_VERSION = msgspec.json.Decoder(_Version)
_LIST = msgspec.json.Decoder(_List)


def _decode(body: bytes, decoder: msgspec.json.Decoder[T], what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadResponse(
            f"{what} is not what Kubernetes' API promises: {error}",
            hint="ask the operator of this API (an aggregated one?) to look at its answer: kubectl get --raw",
        ) from error


def _default_kubeconfig_exists() -> bool:
    source = os.environ.get("KUBECONFIG") or KUBE_CONFIG_DEFAULT_LOCATION
    return any(Path(part).expanduser().is_file() for part in source.split(os.pathsep) if part)


def _current_context(source: str) -> str:
    """The context of the first file that names one, as kubectl has it; the client would take the last one's."""
    files = [path for part in source.split(os.pathsep) if part and (path := Path(part).expanduser()).is_file()]
    if not files:
        raise ConfigException("there is no such file")
    for file in files:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("current-context"):
            return str(document["current-context"])
    raise ConfigException("it names no current-context")


def _kubeconfig_reason(error: Exception, context: str | None) -> str:
    """What is wrong with a kubeconfig; the client's own words but for the commonest mistake."""
    reason = first_line(error)
    if context is not None and f"name {context} in " in reason and reason.endswith("/contexts list"):
        return f'it has no context "{context}"'
    return reason.removeprefix("Invalid kube-config file. ")


class _PluginFailures(logging.Filter):
    """Where a credential plugin fails, the client tells the log and goes on as nobody: here that is an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Raises out of the client's own function; every other record passes."""
        if record.funcName != "_load_from_exec_plugin":
            return True
        reason = record.getMessage().removeprefix("exec: ")
        # What a plugin prints when it fails may well hold a secret: it is left out.
        if exited := re.match(r"process returned (-?\d+)", reason):
            reason = f"it ended with exit code {exited[1]}"
        # Some of the client's complaints are raised through the client once more.
        raise ConfigException(f"the credential plugin failed: {reason.removeprefix('the credential plugin failed: ')}")


_PLUGIN_FAILURES = _PluginFailures()
