"""As which type an item is sent: in its stored version where that is served, else in another one of its kind. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runner.model.cluster import Discovery, Resource


@dataclass(frozen=True, slots=True)
class Route:
    """How items of a stored type reach the cluster; or `problem`, which says why they do not."""

    resource: Resource | None
    mapped: str = ""  # the stored apiVersion, where it is not served and another one takes its place
    after: str = ""  # what must be restored before the API server knows the type
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CustomResourceDefinition that is restored too, or an APIService, says of the types it brings."""

    resource: Resource  # in the version that is preferred
    versions: tuple[str, ...]  # served ones
    webhook: bool = False  # converts between versions by a webhook


@dataclass(frozen=True, slots=True)
class Coming:
    """The types that the restore itself brings."""

    definitions: Mapping[str, Definition] = field(default_factory=dict)  # by widgets.example.com
    aggregated: frozenset[str] = frozenset()  # group/version of APIServices with a service behind them

    @property
    def late(self) -> frozenset[str]:
        """Types whose API answers only once workloads run."""
        return frozenset(name for name, definition in self.definitions.items() if definition.webhook)


def coming(crds: Iterable[Mapping[str, Any]], api_services: Iterable[Mapping[str, Any]]) -> Coming:
    """From the CRDs and APIServices that are restored."""
    definitions = {}
    for crd in crds:
        definition = _definition(crd)
        if definition is not None:
            definitions[definition.resource.name] = definition
    aggregated = {
        f"{spec.get('group', '')}/{spec.get('version', '')}"
        for service in api_services
        if isinstance(spec := service.get("spec"), dict) and spec.get("service")
    }
    return Coming(definitions, frozenset(aggregated))


@dataclass(frozen=True)
class Served:
    """The types of the target, and those that come with the restore."""

    discovery: Discovery
    coming: Coming

    def route(self, resource: str, api_version: str, kind: str) -> Route:
        """For items stored as `resource` (deployments.apps) in `api_version`."""
        plural, _, group = resource.partition(".")
        version = api_version.rpartition("/")[2]
        for served in self.discovery.resources:
            if (served.group, served.plural) == (group, plural):
                return _routed(served, version, api_version)
        definition = self.coming.definitions.get(resource)
        if definition is not None:
            after = f"customresourcedefinition {resource}"
            if version in definition.versions:
                return Route(msgspec.structs.replace(definition.resource, version=version), after=after)
            return Route(definition.resource, mapped=api_version, after=after)
        if api_version in self.coming.aggregated:
            guess = Resource(group, plural, version, kind, namespaced=True)
            return Route(guess, after=f"apiservice {version}.{group}")
        for failure in self.discovery.failures:
            if failure.group_version == api_version:
                return Route(None, problem=f"{api_version} cannot be discovered: {failure.reason}")
        return Route(None, problem=f"the cluster serves no {resource}, and nothing that is restored defines it")


def _routed(served: Resource, version: str, api_version: str) -> Route:
    if version == served.version:
        return Route(served)
    if version in served.other_versions:
        return Route(msgspec.structs.replace(served, version=version))
    return Route(served, mapped=api_version)


def _definition(crd: Mapping[str, Any]) -> Definition | None:
    spec = crd.get("spec")
    if not isinstance(spec, dict):
        return None
    names = spec.get("names") or {}
    versions = [one for one in spec.get("versions") or () if isinstance(one, dict)]
    served = tuple(str(one.get("name", "")) for one in versions if one.get("served"))
    stored = [str(one.get("name", "")) for one in versions if one.get("storage") and one.get("served")]
    if not served:
        return None
    resource = Resource(
        group=str(spec.get("group", "")),
        plural=str(names.get("plural", "")),
        version=(stored or list(served))[0],
        kind=str(names.get("kind", "")),
        namespaced=spec.get("scope") == "Namespaced",
    )
    webhook = (spec.get("conversion") or {}).get("strategy") == "Webhook"
    return Definition(resource, served, webhook=webhook)
