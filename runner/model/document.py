"""What every document that people commit has in common: apiVersion, kind, metadata, spec; strict and frozen."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

API_VERSION = "trysail.dev/v1alpha1"

# RFC 1123 label: names of documents become parts of keys and of backups' names.
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# kubernetes.io/docs/concepts/overview/working-with-objects/labels: an optional DNS subdomain, then a name of 63.
_LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_KEY_PATTERN = rf"^({_DNS_LABEL}(\.{_DNS_LABEL})*/)?{_LABEL_NAME}$"
LABEL_VALUE_PATTERN = rf"^({_LABEL_NAME})?$"

DocumentName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN, max_length=317)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE_PATTERN)]


class Strict(BaseModel):
    """Unknown fields are errors, values are never coerced, fields are camelCase in YAML."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Metadata(Strict):
    """The document's name, and labels that people may put on it."""

    name: DocumentName = Field(description="The document's name: lower case letters, digits and '-'.")
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, description="Labels, for people and their tools.")


def tuple_from_list(value: object) -> object:
    """YAML and JSON have lists where the frozen models have tuples; for BeforeValidator."""
    return tuple(value) if isinstance(value, list) else value


def mistake(message: str, *, hint: str = "", field: str = "") -> PydanticCustomError:
    """What a validator raises: `field` (as YAML spells it) is the one below the checked value to point at.

    Messages never hold the value: it may be a secret.
    """
    return PydanticCustomError("mistake", "{message}", {"message": message, "hint": hint, "field": field})


def conflict(message: str, *, hint: str = "", field: str) -> PydanticCustomError:
    """A mistake by presence alone: `field` may not stand beside another, whatever either holds."""
    return PydanticCustomError("conflict", "{message}", {"message": message, "hint": hint, "field": field})
