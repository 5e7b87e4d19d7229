"""Filters: which items of a cluster, or of a backup, are meant. In the field names of Velero and Kubernetes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from runner.model.document import LabelKey, LabelValue, Strict, conflict, mistake, tuple_from_list


def _word_or_list(value: object) -> str:
    return "list" if isinstance(value, (list, tuple)) else "word"


_TYPE_GLOB_PATTERN = r"^[-a-zA-Z0-9.*?\[\]!]+$"
_NAMESPACE_GLOB_PATTERN = r"^[-a-z0-9*?\[\]!]+$"
# Names of RBAC objects may hold everything that a part of a path may.
_NAME_GLOB_PATTERN = r"^[^/%]+$"

# What a pattern wants, for the message where it is not met.
POLICY_PATTERNS = {
    _TYPE_GLOB_PATTERN: "must be one type or glob, as deployments.apps: letters, digits, '-', '.', and * ? [ ]",
    _NAMESPACE_GLOB_PATTERN: "must be one name or glob: lower case letters, digits, '-', and * ? [ ]",
    _NAME_GLOB_PATTERN: "must be one name or glob, without '/' and '%'",
}

TypeGlob = Annotated[str, StringConstraints(pattern=_TYPE_GLOB_PATTERN)]
TypeGlobs = Annotated[tuple[TypeGlob, ...], BeforeValidator(tuple_from_list)]
SomeTypeGlobs = Annotated[tuple[TypeGlob, ...], Field(min_length=1), BeforeValidator(tuple_from_list)]
NamespaceGlob = Annotated[str, StringConstraints(pattern=_NAMESPACE_GLOB_PATTERN)]
NamespaceGlobs = Annotated[tuple[NamespaceGlob, ...], BeforeValidator(tuple_from_list)]
SomeNamespaceGlobs = Annotated[tuple[NamespaceGlob, ...], Field(min_length=1), BeforeValidator(tuple_from_list)]
LabelValues = Annotated[tuple[LabelValue, ...], BeforeValidator(tuple_from_list)]

# The tags keep each error to the branch that was meant.
ClusterScoped = Annotated[
    Annotated[Literal["related", "all"], Tag("word")] | Annotated[TypeGlobs, Tag("list")], Discriminator(_word_or_list)
]

# What the fields of either family are called; mixing them is an error, as in Velero.
OLD_FAMILY = ("includedResources", "excludedResources", "includeClusterResources")
NEW_FAMILY = (
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
)


class LabelRequirement(Strict):
    """One expression of a label selector, as Kubernetes has it."""

    key: LabelKey = Field(description="The label's key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="NotIn holds for items without the label too, as in Kubernetes."
    )
    values: LabelValues = Field(default=(), description="For In and NotIn alone.")

    @model_validator(mode="after")
    def _values_fit_operator(self) -> Self:
        if self.operator in {"In", "NotIn"} and not self.values:
            raise mistake(f"operator {self.operator} needs values", field="operator")
        if self.operator in {"Exists", "DoesNotExist"} and self.values:
            raise mistake(f"operator {self.operator} takes no values", field="values")
        return self


class LabelSelector(Strict):
    """Kubernetes' LabelSelector: all of it must hold."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    match_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, alias="matchLabels", description="Labels that items must have."
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), alias="matchExpressions", description="Expressions that must hold."
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.match_labels and not self.match_expressions:
            raise mistake("an empty selector would match everything", hint="leave it out, or say what it selects")
        return self


class ItemSelector(Strict):
    """Items by name; globs in each part."""

    resource: TypeGlob = Field(default="*", description="Type, as `configmaps` or `deployments.apps`.")
    namespace: NamespaceGlob = Field(default="*", description="Namespace; cluster-scoped items match `*` alone.")
    name: Annotated[str, StringConstraints(pattern=_NAME_GLOB_PATTERN)] = Field(description="Name of the items.")


SomeSelectors = Annotated[tuple[LabelSelector, ...], Field(min_length=1), BeforeValidator(tuple_from_list)]
SomeItems = Annotated[tuple[ItemSelector, ...], Field(min_length=1), BeforeValidator(tuple_from_list)]


class Filters(Strict):
    """What is selected. Everything that is given must hold; exclusion wins."""

    included_namespaces: SomeNamespaceGlobs = Field(
        default=("*",), alias="includedNamespaces", description="Namespaces to take; globs."
    )
    excluded_namespaces: NamespaceGlobs = Field(
        default=(), alias="excludedNamespaces", description="Namespaces to leave out; globs."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, alias="namespaceSelector", description="Take only namespaces whose labels match."
    )
    included_resources: SomeTypeGlobs | None = Field(
        default=None, alias="includedResources", description="Types to take (older family)."
    )
    excluded_resources: TypeGlobs | None = Field(
        default=None, alias="excludedResources", description="Types to leave out (older family)."
    )
    include_cluster_resources: bool | None = Field(
        default=None,
        alias="includeClusterResources",
        description="Cluster-scoped items: true all, false none, unset: all with every namespace, else related.",
    )
    included_cluster_scoped_resources: ClusterScoped | None = Field(
        default=None,
        alias="includedClusterScopedResources",
        description="`related` to what is selected, `all`, or a list of types.",
    )
    excluded_cluster_scoped_resources: TypeGlobs | None = Field(
        default=None, alias="excludedClusterScopedResources", description="Cluster-scoped types to leave out."
    )
    included_namespace_scoped_resources: SomeTypeGlobs | None = Field(
        default=None,
        alias="includedNamespaceScopedResources",
        description="Types in namespaces to take.",
    )
    excluded_namespace_scoped_resources: TypeGlobs | None = Field(
        default=None,
        alias="excludedNamespaceScopedResources",
        description="Types in namespaces to leave out.",
    )
    label_selector: LabelSelector | None = Field(
        default=None, alias="labelSelector", description="Take only items whose labels match."
    )
    or_label_selectors: SomeSelectors | None = Field(
        default=None,
        alias="orLabelSelectors",
        description="Take only items whose labels match one of these.",
    )
    included_items: SomeItems | None = Field(
        default=None, alias="includedItems", description="Take only items with these names."
    )
    excluded_items: Annotated[tuple[ItemSelector, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(), alias="excludedItems", description="Leave out items with these names."
    )

    @model_validator(mode="after")
    def _no_conflict(self) -> Self:
        fields = type(self).model_fields
        given = [field.alias or name for name, field in fields.items() if getattr(self, name) is not None]
        for error in field_conflicts(given):
            raise error
        return self


def field_conflicts(given: Collection[str]) -> Iterator[PydanticCustomError]:
    """Every pair among the fields `given` (as YAML spells them) of a spec that may not stand together."""
    old = [name for name in OLD_FAMILY if name in given]
    new = [name for name in NEW_FAMILY if name in given]
    if old and new:
        yield conflict(
            f"{old[0]} and {new[0]} are of two families of type filters, which may not be mixed",
            hint=f"keep one family: {', '.join(NEW_FAMILY)}; or {', '.join(OLD_FAMILY)}",
            field=new[0],
        )
    if "labelSelector" in given and "orLabelSelectors" in given:
        yield conflict(
            "labelSelector and orLabelSelectors may not be given together",
            hint="write what labelSelector demands into each of orLabelSelectors",
            field="orLabelSelectors",
        )
