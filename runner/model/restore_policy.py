"""RestorePolicy: what is restored of a backup, where to, and changed in which way, as it is committed to git."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from runner.model.document import NAME_PATTERN, DocumentName, LabelKey, LabelValue, Metadata, Strict, tuple_from_list
from runner.model.filters import Filters, TypeGlob
from runner.model.modifiers import ModifierRule
from runner.model.policy import StorageLocation

NamespaceName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
TypeNames = Annotated[tuple[TypeGlob, ...], BeforeValidator(tuple_from_list)]


class Priorities(Strict):
    """The order in which types are restored."""

    high: TypeNames | None = Field(default=None, description="Types that come first, in this order; Velero's without.")
    low: TypeNames | None = Field(default=None, description="Types that come last, in this order; Velero's without.")


class RestorePolicySpec(Filters):
    """Which backup, what of it, and how."""

    storage_location: StorageLocation | None = Field(
        default=None,
        alias="storageLocation",
        description="A BackupStorageLocation by name, or one written here; else -f or --location says it.",
    )
    backup_policy: DocumentName | None = Field(
        default=None, alias="backupPolicy", description="The BackupPolicy whose backups are meant."
    )
    cluster_name: DocumentName | None = Field(
        default=None, alias="clusterName", description="The cluster whose backups are meant: clusterName or UID."
    )
    backup_name: str = Field(default="latest", alias="backupName", description="A backup's name, or `latest`.")
    namespace_mapping: dict[NamespaceName, NamespaceName] = Field(
        default_factory=dict, alias="namespaceMapping", description="Namespaces that get another name: old: new."
    )
    storage_class_mapping: dict[str, str] = Field(
        default_factory=dict,
        alias="storageClassMapping",
        description="StorageClasses that get another name in claims, volumes and claim templates: old: new.",
    )
    resource_modifiers: Annotated[tuple[ModifierRule, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(),
        alias="resourceModifiers",
        description="Patches on what is restored; Velero's resourceModifierRules.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="Labels that everything restored gets."
    )
    preserve_node_ports: bool = Field(
        default=False, alias="preserveNodePorts", description="Keep node ports that Kubernetes had chosen."
    )
    existing_resource_policy: Literal["none", "update", "recreate"] = Field(
        default="none",
        alias="existingResourcePolicy",
        description="What becomes of items that are there and differ: left alone, updated, or deleted and recreated.",
    )
    force_conflicts: bool = Field(
        default=False, alias="forceConflicts", description="Take over fields that other field managers own."
    )
    priorities: Priorities = Field(default_factory=Priorities, description="The order in which types are restored.")
    allow_empty: bool = Field(
        default=False, alias="allowEmpty", description="An include that matches nothing is no finding."
    )


class RestorePolicy(Strict):
    """A restore, as it is committed to git."""

    api_version: Literal["trysail.dev/v1alpha1"] = Field(
        alias="apiVersion", description="The version that this document is written in."
    )
    kind: Literal["RestorePolicy"] = Field(description="What is restored of a backup, and how.")
    metadata: Metadata = Field(description="The document's name and labels.")
    spec: RestorePolicySpec = Field(default_factory=RestorePolicySpec, description="Which backup, what of it, and how.")
