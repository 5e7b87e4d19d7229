"""The JSON Schema of the documents, in the form that editors read: draft 7, one schema for every kind. Pure.

pydantic emits 2020-12; the YAML language server reads draft 7, completes best where `if`/`then` says which branch is
meant, and shows only what stands beside no `$ref`. What a schema cannot say (names that nothing has), `validate` does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from runner.model.document import API_VERSION
from runner.model.filters import NEW_FAMILY, OLD_FAMILY
from runner.policies.explain import PATTERNS
from runner.policies.identity import KINDS

Schema = dict[str, Any]

_REF = "#/definitions/"
_SPEC = "BackupPolicySpec"
_PATCH = "Patch"  # ends the name of a definition whose every field may be left out, or taken away with null


def schema_text() -> str:
    """The schema as the file that is committed."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def document_schema() -> Schema:
    """One schema that every document of ours meets."""
    definitions: dict[str, Schema] = {}
    for kind, model in KINDS.items():
        root = model.model_json_schema(ref_template=f"{_REF}{{model}}")
        definitions |= {name: _draft7(definition) for name, definition in root.pop("$defs").items()}
        definitions[kind] = _draft7(root)
    for filtered in (_SPEC, "RestorePolicySpec"):
        definitions[filtered]["dependencies"] = _unmixed()
    definitions |= _patches(definitions, _SPEC)
    _let_extend(definitions["BackupPolicy"])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Trysail",
        "description": "Documents of trysail.dev, as they are committed to git.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version that this document is written in."},
            "kind": {"enum": list(KINDS), "description": "What the document describes."},
            "metadata": {"description": "The document's name and labels."},
            "spec": {"description": "What the document says; `kind` tells which fields there are."},
        },
        "allOf": [_where("kind", kind, {"$ref": f"{_REF}{kind}"}) for kind in KINDS],
        "definitions": dict(sorted(definitions.items())),
    }


def _draft7(node: Any) -> Any:
    """`node` of pydantic's schema without null, made titles and 2020-12."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "discriminator" in node:
        return _by_provider(node)
    plain = {name: _draft7(value) for name, value in node.items() if not _is_noise(name, value)}
    if plain.get("pattern") in PATTERNS:
        plain["patternErrorMessage"] = PATTERNS[plain["pattern"]]
    if "patternProperties" in plain:
        plain["additionalProperties"] = False
    choices = [choice for choice in plain.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del plain["anyOf"]
        plain = {**choices[0], **plain}
    if "$ref" in plain and len(plain) > 1:
        # Draft 7 ignores whatever stands beside a $ref.
        plain["allOf"] = [{"$ref": plain.pop("$ref")}]
    return plain


def _is_noise(name: str, value: Any) -> bool:
    """Titles that pydantic makes of field names, and the default null. A field may well be called `title`."""
    return (name == "title" and isinstance(value, str)) or (name == "default" and value is None)


def _by_provider(union: Schema) -> Schema:
    """A union whose branches `provider` tells apart."""
    name, mapping = union["discriminator"]["propertyName"], union["discriminator"]["mapping"]
    described = {"description": union["description"]} if "description" in union else {}
    return {
        **described,
        "type": "object",
        "required": [name],
        "properties": {name: {"enum": sorted(mapping), "description": "Which store this is."}},
        "allOf": [_where(name, value, {"$ref": reference}) for value, reference in sorted(mapping.items())],
    }


def _where(name: str, value: str, then: Schema) -> Schema:
    return {"if": {"required": [name], "properties": {name: {"const": value}}}, "then": then}


def _unmixed() -> Schema:
    """The two families of type filters, and the two kinds of selectors, keep each other out."""
    families = "of two families of type filters, which may not be mixed"
    return {
        **{old: _without(NEW_FAMILY, f"{old} and this are {families}") for old in OLD_FAMILY},
        "labelSelector": _without(("orLabelSelectors",), "labelSelector and this may not be given together"),
    }


def _without(fields: tuple[str, ...], message: str) -> Schema:
    # Null, which no field takes outside of a patch: so the complaint stands at the field, in our words.
    return {"properties": {name: {"type": "null", "errorMessage": message} for name in fields}}


def _let_extend(policy: Schema) -> None:
    """With `extends`, a spec is a merge patch."""
    whole = policy["properties"]["spec"].pop("allOf")[0]
    patch = {"$ref": whole["$ref"] + _PATCH}
    policy["if"] = {"required": ["extends"]}
    policy["then"] = {"properties": {"spec": patch}}
    policy["else"] = {"properties": {"spec": whole}}


def _patches(definitions: dict[str, Schema], name: str) -> dict[str, Schema]:
    """The definition `name` as a JSON merge patch, and every definition that it needs for that."""
    patching = _Patching(definitions, {}, [name])
    while patching.wanted:
        wanted = patching.wanted.pop()
        if wanted + _PATCH not in patching.made:
            patching.made[wanted + _PATCH] = patching.patch(definitions[wanted])
    return patching.made


@dataclass(frozen=True, slots=True)
class _Patching:
    definitions: dict[str, Schema]
    made: dict[str, Schema]
    wanted: list[str]

    def patch(self, node: Schema) -> Schema:
        """`node` as a merge patch. A list is replaced whole, and stays as it is."""
        if "$ref" in node:
            self.wanted.append(node["$ref"].removeprefix(_REF))
            return {"$ref": node["$ref"] + _PATCH}
        if any("if" in branch for branch in node.get("allOf", [])):
            return self._any_branch([branch["then"]["$ref"] for branch in node["allOf"]])
        dropped = {"required", "minProperties", "maxProperties", "dependencies", "default"}
        patch = {name: value for name, value in node.items() if name not in dropped}
        for combined in ("allOf", "oneOf", "anyOf"):
            if combined in node:
                patch[combined] = [self.patch(branch) for branch in node[combined]]
        for fields in ("properties", "patternProperties"):
            if fields in node:
                patch[fields] = {name: _or_null([self.patch(field)]) for name, field in node[fields].items()}
        return patch

    def _any_branch(self, references: list[str]) -> Schema:
        """The provider may be the base's, or be changed: every field of every branch may be given, or taken away."""
        fields: dict[str, list[Schema]] = {}
        for reference in references:
            branch = self.definitions[reference.removeprefix(_REF)]
            for name, field in branch["properties"].items():
                fields.setdefault(name, []).append(self.patch(field))
        properties = {name: _or_null(choices) for name, choices in fields.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}


def _or_null(choices: list[Schema]) -> Schema:
    """Any of `choices`, or null. A description that all share stands outside, where editors show it."""
    described = {choice.pop("description", "") for choice in choices}
    shared = {"description": described.pop()} if len(described) == 1 else {}
    return {**{name: text for name, text in shared.items() if text}, "anyOf": [*choices, {"type": "null"}]}
