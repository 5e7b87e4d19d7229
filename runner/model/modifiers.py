"""ResourceModifiers: patches on what is restored, in Velero's format (velero.io/docs: restore-resource-modifiers)."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from runner.model.document import Strict, mistake, tuple_from_list
from runner.model.filters import LabelSelector, NamespaceGlobs, TypeGlob


class Match(Strict):
    """A value that must stand at a path for a rule to hold."""

    path: str = Field(description="JSON pointer, as /spec/storageClassName.")
    value: JsonValue = Field(default=None, description="The value that must be there; in Velero's format a text.")


class Conditions(Strict):
    """Which items a rule is for: all that is given must hold."""

    group_resource: TypeGlob = Field(
        alias="groupResource", description="Type, as persistentvolumeclaims or deployments.apps; globs."
    )
    namespaces: NamespaceGlobs = Field(default=(), description="Namespaces in the backup; globs; all without.")
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

    operation: Literal["add", "remove", "replace", "move", "copy", "test"] = Field(description="What is done.")
    path: str = Field(description="JSON pointer to the field.")
    from_path: str = Field(default="", alias="from", description="JSON pointer, for move and copy.")
    value: JsonValue = Field(
        default=None, description="The value; a text that reads as JSON stands for that JSON, as in Velero."
    )


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
