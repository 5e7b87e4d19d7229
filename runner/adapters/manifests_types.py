"""Which types a folder of manifests serves: those that Kubernetes has built in, and those that its CRDs define.

Knows names, scopes and versions; objects are not its business, but for the CRDs that it is given.
The built-in ones are data, taken from a real API server by tests/tools/builtin_resources.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec

from runner.adapters.manifests_state import ServedType
from runner.errors import FormatError
from runner.model.cluster import Resource

DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

_CUSTOM_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_MATURITY = {None: 2, "beta": 1, "alpha": 0}


class KnownType(msgspec.Struct, frozen=True, rename="camel"):
    """A type in all versions that are served."""

    group: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    versions: tuple[str, ...]  # the preferred one first
    custom: bool = False

    def served(self, version: str = "") -> ServedType:
        """The type in `version`; in the preferred one without."""
        version = version or self.versions[0]
        resource = Resource(
            group=self.group,
            plural=self.plural,
            version=version,
            kind=self.kind,
            namespaced=self.namespaced,
            verbs=self.verbs,
            short_names=self.short_names,
            other_versions=tuple(other for other in self.versions if other != version),
        )
        return ServedType(resource, bare=not self.custom)


class KnownTypes:
    """All types, found by group and kind. Begins with those that are built in."""

    def __init__(self) -> None:
        table = resources.files("runner.adapters").joinpath("builtin_resources.json").read_bytes()
        built_in = msgspec.json.decode(table, type=list[KnownType])
        self._types = {(known.group, known.kind): known for known in built_in}

    def __iter__(self) -> Iterator[KnownType]:
        return iter(self._types.values())

    def define(self, definition: dict[str, Any]) -> KnownType:
        """Takes the type that a CustomResourceDefinition brings. FormatError says what is wrong with it."""
        known = known_type(definition)
        if any((other.group, other.plural) == (known.group, known.plural) for other in self._types.values()):
            raise FormatError(f"{known.plural}.{known.group} is served already")
        self._types[known.group, known.kind] = known
        return known

    def redefine(self, definition: dict[str, Any]) -> KnownType:
        """Takes what has become of a definition that was taken before. FormatError says what is wrong with it."""
        known = known_type(definition)
        self.forget(known.group, known.plural)
        self._types[known.group, known.kind] = known
        return known

    def forget(self, group: str, plural: str) -> None:
        """A type whose definition is gone."""
        self._types = {
            name: known for name, known in self._types.items() if (known.group, known.plural) != (group, plural)
        }

    def find(self, api_version: str, kind: str) -> ServedType:
        """The type of an object. FormatError with a hint where it, or its version, is unknown, or is never stored."""
        group, _, version = api_version.rpartition("/")
        known = self._types.get((group, kind))
        if known is None:
            raise FormatError(
                f"the type {kind} of {api_version} is unknown",
                hint="add its CustomResourceDefinition to the folder, or check apiVersion and kind",
            )
        if version not in known.versions:
            served = " or ".join(f"{group}/{one}" if group else one for one in known.versions)
            raise FormatError(f"{kind} is not served in {api_version}", hint=f"write it as {served}")
        if "list" not in known.verbs:
            raise FormatError(f"a {kind} is a question to the API server, and never stored", hint="take it out")
        return known.served(version)


class _Names(msgspec.Struct, rename="camel"):
    plural: str
    kind: str
    short_names: tuple[str, ...] | None = None


class _Version(msgspec.Struct):
    name: str
    served: bool


class _Spec(msgspec.Struct):
    group: str
    scope: str
    names: _Names
    versions: list[_Version]


class _Definition(msgspec.Struct):
    spec: _Spec


def known_type(definition: dict[str, Any]) -> KnownType:
    """What a CustomResourceDefinition defines; its versions ordered as Kubernetes does, v1 before v1beta1 before v0a.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
    """
    try:
        spec = msgspec.convert(definition, type=_Definition).spec
    except msgspec.ValidationError as error:
        raise FormatError(f"this CustomResourceDefinition is none: {error}") from error
    if definition["metadata"]["name"] != f"{spec.names.plural}.{spec.group}":
        raise FormatError(
            f"{definition['metadata']['name']} defines {spec.names.plural} of {spec.group}",
            hint=f"name it {spec.names.plural}.{spec.group}",
        )
    versions = sorted((version.name for version in spec.versions if version.served), key=_rank)
    if not versions:
        raise FormatError(f"{definition['metadata']['name']} serves no version")
    return KnownType(
        group=spec.group,
        plural=spec.names.plural,
        kind=spec.names.kind,
        namespaced=spec.scope == "Namespaced",
        verbs=_CUSTOM_VERBS,
        short_names=tuple(sorted(spec.names.short_names or ())),
        versions=tuple(versions),
        custom=True,
    )


def _rank(version: str) -> tuple[int, int, int, str]:
    match = _VERSION.fullmatch(version)
    if match is None:
        return 1, 0, 0, version
    major, maturity, minor = match.groups()
    # Within a maturity the higher number is preferred: v2, v1, v1beta2, v1beta1.
    return 0, -_MATURITY[maturity], -(int(major) * 1_000_000 + int(minor or 0)), ""
