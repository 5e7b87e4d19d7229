"""Our table of keyed lists says what the API server's own OpenAPI document says, of every type that it serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from runner.actions.list_keys import BUILT_IN_GROUPS, KeyedList, keyed_list, merge_keys, replaced_whole, tabled
from tests.parts.controlplane import ControlPlane

pytestmark = pytest.mark.real

Json = dict[str, Any]
Path = tuple[str, ...]
Type = tuple[str, str]

# Schemas in schemas go on for ever; two levels show the pattern.
_RECURSIVE: Final = "JSONSchemaProps"
_DEPTH: Final = 2


@pytest.fixture(scope="module")
def openapi(control_plane: ControlPlane) -> Json:
    """The OpenAPI document of the API server."""
    document: Json = json.loads(control_plane.kubectl("get", "--raw", "/openapi/v2").stdout)
    return document


def _types(openapi: Json) -> Iterator[tuple[Type, str]]:
    """Group and plural of every type that can be created, with the definition of its body, in each version."""
    for path, operations in openapi["paths"].items():
        post = operations.get("post", {})
        kind = post.get("x-kubernetes-group-version-kind")
        parts = path.strip("/").split("/")
        if kind is None or parts[-1].startswith("{") or "{name}" in parts:
            continue
        bodies = [each["schema"]["$ref"] for each in post.get("parameters", []) if each.get("in") == "body"]
        for body in bodies:
            yield (kind["group"], parts[-1]), body


def _lists(openapi: Json, reference: str, path: Path = (), above: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every field below a definition but `status`, with its path."""
    name = reference.removeprefix("#/definitions/")
    if above.count(name) >= (_DEPTH if name.endswith(_RECURSIVE) else 1):
        return
    for field, schema in openapi["definitions"][name].get("properties", {}).items():
        if field == "status":
            continue
        at = (*path, field)
        yield at, schema
        for part in (schema, schema.get("items", {}), schema.get("additionalProperties", {})):
            if isinstance(part, dict) and "$ref" in part:
                # The keys of a free mapping are part of the path.
                below = (*at, "any") if part is schema.get("additionalProperties") else at
                yield from _lists(openapi, part["$ref"], below, (*above, name))


def _said(schema: Json) -> KeyedList | None:
    """What the API server says of a list."""
    kind, key = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-patch-merge-key")
    merged = "merge" in schema.get("x-kubernetes-patch-strategy", "").split(",")
    if kind == "map":
        keys = tuple(schema["x-kubernetes-list-map-keys"])
        assert not merged or keys[0] == key
        return KeyedList(keys, merged)
    return KeyedList((), merged) if kind == "set" else None


def test_every_list_of_every_type(openapi: Json) -> None:
    """Each list is a map by these keys, a set, or neither, as the API server has it; and so is it in patches."""
    seen = 0
    for (group, plural), body in _types(openapi):
        for path, schema in _lists(openapi, body):
            if schema.get("type") == "array":
                said = _said(schema)
                assert keyed_list(group, plural, path) == said, (group, plural, path)
                assert merge_keys(group, plural, path) == (None if said is None else said.keys)
                seen += said is not None
    assert seen > 400


def test_nothing_in_the_table_is_made_up(openapi: Json) -> None:
    """Every list in the table is one that the API server has."""
    known = {(group, plural, path) for (group, plural), body in _types(openapi) for path, _ in _lists(openapi, body)}
    assert set(tabled()) - known == set()


def test_what_patches_replace(openapi: Json) -> None:
    """The mappings that a strategic merge patch replaces are those that the API server names."""
    for (group, plural), body in _types(openapi):
        for path, schema in _lists(openapi, body):
            said = "replace" in schema.get("x-kubernetes-patch-strategy", "").split(",")
            assert replaced_whole(group, plural, path) == said, (group, plural, path)


def test_groups_are_the_servers(openapi: Json) -> None:
    """Every group that an API server serves is one of Kubernetes' own, but for those of CRDs."""
    groups = {group for (group, _), _ in _types(openapi)}
    assert {
        group for group in groups if not group.endswith((".example.com", "snapshot.storage.k8s.io"))
    } <= BUILT_IN_GROUPS
