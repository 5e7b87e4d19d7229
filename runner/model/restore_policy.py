"""RestorePolicy: what is restored of a backup, where to, and changed in which way, as it is committed to git."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from runner.model.document import (
    NAME_PATTERN,
    DocumentName,
    LabelKey,
    LabelValue,
    Metadata,
    Strict,
    mistake,
    tuple_from_list,
)
from runner.model.duration import Duration
from runner.model.filters import Filters
from runner.model.hooks import RestoreHooks
from runner.model.modifiers import MODIFIER_PATTERNS, ModifierRule
from runner.model.policy import FsBackupSpec, SnapshotLocation, StorageLocation

# RFC 1123 subdomain, as most names of Kubernetes' are.
_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_TYPE_NAME: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

# What a pattern wants, for the message where it is not met.
RESTORE_PATTERNS: Final = {
    _SUBDOMAIN: "must be lower case letters, digits, '-' and '.', and begin and end with a letter or a digit",
    _TYPE_NAME: "must be the plural of one type, with its group where it has one: services, deployments.apps",
    **MODIFIER_PATTERNS,
}

NamespaceName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
SubdomainName = Annotated[str, StringConstraints(pattern=_SUBDOMAIN, max_length=253)]
TypeNames = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=_TYPE_NAME)], ...], BeforeValidator(tuple_from_list)
]


class Priorities(Strict):
    """Which types come first, and which last; all others stand between them, sorted by name."""

    high: TypeNames | None = Field(default=None, description="Types that come first, in this order; Velero's without.")
    low: TypeNames | None = Field(default=None, description="Types that come last, in this order; Velero's without.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        high, low = self.high or (), self.low or ()
        for field, names in (("high", high), ("low", low)):
            if twice := [name for at, name in enumerate(names) if name in names[:at]]:
                raise mistake(f"{twice[0]} is given twice", hint="keep one of them", field=field)
        if both := [name for name in low if name in high]:
            raise mistake(f"{both[0]} cannot come first and last", hint="keep it in one of them", field="low")
        return self


class RestorePolicySpec(Filters):
    """Which backup is restored, which of its items, and what is changed in them."""

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
    backup_name: SubdomainName = Field(
        default="latest", alias="backupName", description="A backup's name, or `latest`."
    )
    namespace_mapping: dict[NamespaceName, NamespaceName] = Field(
        default_factory=dict, alias="namespaceMapping", description="Namespaces that get another name: old: new."
    )
    storage_class_mapping: dict[SubdomainName, SubdomainName] = Field(
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
    restore_volumes: bool = Field(
        default=True,
        alias="restoreVolumes",
        description="Bring the data of volumes back for claims that are created; else they are provisioned empty.",
    )
    snapshot_location: SnapshotLocation | None = Field(
        default=None,
        alias="snapshotLocation",
        description="Where snapshots of native volumes lie; as the backup recorded it, without.",
    )
    fs_backup: FsBackupSpec | None = Field(
        default=None,
        alias="fsBackup",
        description="Password and image for files that restic keeps; as the backup recorded them, without.",
    )
    csi_snapshot_timeout: Duration = Field(
        default="10m",
        alias="csiSnapshotTimeout",
        description="How long a disk, or what stands for a snapshot, may take to be ready for its claim.",
    )
    item_operation_timeout: Duration = Field(
        default="4h", alias="itemOperationTimeout", description="How long the files of a volume may take to be written."
    )
    hooks: RestoreHooks | None = Field(default=None, description="Commands in Pods that have come back.")
    priorities: Priorities = Field(default_factory=Priorities, description="The order in which types are restored.")
    allow_empty: bool = Field(
        default=False, alias="allowEmpty", description="An include that matches nothing is no finding."
    )

    @model_validator(mode="after")
    def _namespaces_stay_apart(self) -> Self:
        first: dict[str, str] = {}
        for old, new in self.namespace_mapping.items():
            other = first.setdefault(new, old)
            if other != old:
                message = f"{other} and {old} both become {new}, where their items would collide"
                hint = "give each a namespace of its own, or write two policies"
                raise mistake(message, hint=hint, field="namespaceMapping")
        return self


class RestorePolicy(Strict):
    """A restore, as it is committed to git."""

    api_version: Literal["trysail.dev/v1alpha1"] = Field(
        alias="apiVersion", description="The version that this document is written in."
    )
    kind: Literal["RestorePolicy"] = Field(description="What is restored of a backup, and how.")
    metadata: Metadata = Field(description="The document's name and labels.")
    spec: RestorePolicySpec = Field(description="Which backup, what of it, and how.")
