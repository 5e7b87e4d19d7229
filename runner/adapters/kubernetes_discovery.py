"""Which types an API server serves: aggregated discovery in two requests, group by group on servers before 1.27.

Format: kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from runner.adapters.kubernetes_answers import error_of_status
from runner.errors import BadResponse, ClusterError
from runner.model.cluster import Discovery, DiscoveryFailure, Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

T = TypeVar("T")

# (path, query, accept) -> (status, headers, body)
Request = Callable[[str, list[tuple[str, str]], str], tuple[int, Mapping[str, str], bytes]]


class _Name(msgspec.Struct):
    name: str = ""


class _Kind(msgspec.Struct):
    kind: str = ""


class _AggregatedResource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _Kind = msgspec.field(default_factory=_Kind)
    scope: str = ""
    verbs: list[str] = []
    short_names: list[str] = []


class _AggregatedVersion(msgspec.Struct):
    version: str
    resources: list[_AggregatedResource] = []
    freshness: str = "Current"


class _AggregatedGroup(msgspec.Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)
    versions: list[_AggregatedVersion] = []


class _Aggregated(msgspec.Struct):
    kind: str = ""
    items: list[_AggregatedGroup] = []


class _GroupVersion(msgspec.Struct, rename="camel"):
    group_version: str
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    versions: list[_GroupVersion] = []
    preferred_version: _GroupVersion | None = None


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Versions(msgspec.Struct):
    versions: list[str]


class _ApiResource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool
    verbs: list[str] = []
    short_names: list[str] = []


class _ApiResources(msgspec.Struct):
    resources: list[_ApiResource]


def discover(request: Request) -> Discovery:
    """Every type in its preferred version, once per group. A group that does not answer is a failure inside."""
    core = _fetch(request, "/api")
    named = _fetch(request, "/apis")
    aggregated = [_decode(body, _Aggregated) for body in (core, named)]
    if all(answer.kind == "APIGroupDiscoveryList" for answer in aggregated):
        return _of_aggregated(group for answer in aggregated for group in answer.items)
    return _group_by_group(request, core, named)


def _of_aggregated(groups: Iterable[_AggregatedGroup]) -> Discovery:
    found = []
    failures = []
    for group in groups:
        name = group.metadata.name
        for version in group.versions:  # the preferred one comes first
            if version.freshness == "Stale":
                failures.append(
                    DiscoveryFailure(
                        group_version=f"{name}/{version.version}" if name else version.version,
                        reason="its API server did not answer when discovery asked it (stale)",
                    )
                )
                # What a stale version lists is from earlier: nothing can be read there now.
                continue
            for listed in version.resources:
                resource = Resource(
                    group=name,
                    plural=listed.resource,
                    version=version.version,
                    kind=listed.response_kind.kind,
                    namespaced=listed.scope == "Namespaced",
                    verbs=tuple(sorted(listed.verbs)),
                    short_names=tuple(sorted(listed.short_names)),
                )
                found.append(resource)
    return Discovery(_once_each(found), tuple(sorted(failures)))


def _group_by_group(request: Request, core: bytes, named: bytes) -> Discovery:
    found = []
    failures = []
    paths = [("", version, f"/api/{version}") for version in _decode(core, _Versions).versions]
    for group in _decode(named, _Groups).groups:
        preferred = [version for version in group.versions if version == group.preferred_version]
        versions = preferred + [version for version in group.versions if version != group.preferred_version]
        paths += [(group.name, version.version, f"/apis/{version.group_version}") for version in versions]
    for group_name, version_name, path in paths:
        try:
            listed = _decode(_fetch(request, path), _ApiResources).resources
        except ClusterError as error:
            name = path.removeprefix("/apis/").removeprefix("/api/")
            failures.append(DiscoveryFailure(group_version=name, reason=error.message))
            continue
        for api in listed:
            if "/" in api.name:  # a subresource
                continue
            resource = Resource(
                group=group_name,
                plural=api.name,
                version=version_name,
                kind=api.kind,
                namespaced=api.namespaced,
                verbs=tuple(sorted(api.verbs)),
                short_names=tuple(sorted(api.short_names)),
            )
            found.append(resource)
    return Discovery(_once_each(found), tuple(sorted(failures)))


def _once_each(found: Iterable[Resource]) -> tuple[Resource, ...]:
    """Each type in the version that came first, which knows the further ones."""
    types: dict[tuple[str, str], list[Resource]] = {}
    for resource in found:
        types.setdefault((resource.group, resource.plural), []).append(resource)
    return tuple(
        sorted(
            msgspec.structs.replace(first, other_versions=tuple(other.version for other in others))
            for first, *others in types.values()
        )
    )


def _fetch(request: Request, path: str) -> bytes:
    status, headers, body = request(path, [], AGGREGATED)
    if status != 200:
        raise error_of_status(status, headers, body, path)
    return body


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadResponse(f"the API server's discovery is not understood: {error}") from error
