"""Resource modifiers: patches on what is restored, in Velero's format (velero.io/docs: restore-resource-modifiers)."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from runner.model.document import Strict, mistake, tuple_from_list
from runner.model.filters import LabelSelector, NamespaceGlobs, TypeGlob

# RFC 6901, without the pointer to the whole document, which is nothing to patch.
_POINTER: Final = r"^(/([^~/]|~[01])*)+$"
MODIFIER_PATTERNS: Final = {_POINTER: "must be a JSON pointer, as /spec/replicas; in a name, '/' is ~1 and '~' is ~0"}

Pointer = Annotated[str, StringConstraints(pattern=_POINTER)]

_JSON: Final = msgspec.json.Decoder[Any]()


def meant(value: JsonValue) -> JsonValue:
    """What `value` stands for: in Velero's format values are texts, and one that reads as JSON stands for that JSON.

    So `"1"` is a number, and a text is what reads as none, or stands in double quotes of its own: `'"1"'`.
    """
    if not isinstance(value, str):
        return value
    try:
        read: JsonValue = _JSON.decode(value)
    except msgspec.DecodeError:
        return value
    # Velero takes spaces around a word for part of it.
    return read if value == value.strip() or isinstance(read, (dict, list)) else value


def _checked(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise mistake("it is no value of JSON", hint="quote it, if it is a text") from error
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} and isinstance(meant(value), str):
        message = "it begins as JSON does, and is none"
        raise mistake(message, hint="""a text that begins with a bracket is put into quotes twice: '"[…"'""")
    return value


# The value of a patch or a condition.
PatchValue = Annotated[JsonValue, BeforeValidator(_checked), WithJsonSchema({})]


class Match(Strict):
    """A value that must stand at a path for a rule to hold."""

    path: Pointer = Field(description="JSON pointer, as /spec/storageClassName.")
    value: PatchValue = Field(description="What must be there: a value, or its text; `null` where nothing may be.")


class Conditions(Strict):
    """Which items a rule is for: all that is given must hold, of the item as it is in the backup."""

    group_resource: TypeGlob = Field(
        alias="groupResource",
        description="Type, with its group where it has one: `services`, `deployments.apps`. `*` is every type of the "
        "core group, `*.apps` every one of apps, `*.*` every type.",
    )
    namespaces: NamespaceGlobs = Field(
        default=(),
        description="Namespaces in the backup; globs; all without. Cluster-scoped items are meant whatever it says.",
    )
    resource_name_regex: str | None = Field(
        default=None, alias="resourceNameRegex", description="Regular expression that is found in the item's name."
    )
    label_selector: LabelSelector | None = Field(
        default=None, alias="labelSelector", description="Only items whose labels match."
    )
    matches: Annotated[tuple[Match, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), description="Values that must stand in the item."
    )

    @model_validator(mode="after")
    def _regex_compiles(self) -> Self:
        try:
            re.compile(self.resource_name_regex or "")
        except re.error as error:
            raise mistake(f"it is no regular expression: {error}", field="resourceNameRegex") from error
        return self


class JsonPatch(Strict):
    """One operation of a JSON patch (RFC 6902)."""

    operation: Literal["add", "remove", "replace", "move", "copy", "test"] = Field(
        description="What is done. Where a `test` does not hold, the rule leaves the item as it is."
    )
    path: Pointer = Field(description="JSON pointer to the field.")
    from_path: Pointer | None = Field(default=None, alias="from", description="JSON pointer, for move and copy.")
    value: PatchValue = Field(
        default=None,
        description="For add, replace and test; a text that reads as JSON stands for that JSON, as in Velero.",
    )

    @model_validator(mode="after")
    def _has_what_it_takes(self) -> Self:
        takes = {"from": self.operation in {"move", "copy"}, "value": self.operation in {"add", "replace", "test"}}
        given = {"from": self.from_path is not None, "value": "value" in self.model_fields_set}
        for field, taken in takes.items():
            if taken and not given[field]:
                hint = 'write "" for the empty text, and "null" for nothing' if field == "value" else ""
                raise mistake(f"{self.operation} needs {field}", hint=hint, field="operation")
            if given[field] and not taken:
                raise mistake(f"{self.operation} takes no {field}", hint="take it out", field=field)
        return self


class PatchData(Strict):
    """A merge patch."""

    patch_data: str = Field(alias="patchData", description="The patch, in YAML or JSON.")


class ModifierRule(Strict):
    """Patches, and the items that they are for."""

    conditions: Conditions = Field(description="Which items are meant.")
    patches: Annotated[tuple[JsonPatch, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), description="JSON patch."
    )
    merge_patches: Annotated[tuple[PatchData, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), alias="mergePatches", description="JSON merge patches."
    )
    strategic_patches: Annotated[tuple[PatchData, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), alias="strategicPatches", description="Strategic merge patches, for built-in types."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        kinds = [bool(self.patches), bool(self.merge_patches), bool(self.strategic_patches)]
        if not any(kinds):
            raise mistake("a rule without patches does nothing", field="conditions")
        if sum(kinds) > 1:
            raise mistake("a rule has patches of one kind, as in Velero", hint="write two rules", field="patches")
        return self
