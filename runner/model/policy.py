"""BackupPolicy: what is backed up, in the field names of Velero and Kubernetes. A field is unknown until it works."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from runner.model.document import DocumentName, Metadata, Strict, mistake, tuple_from_list
from runner.model.duration import Duration
from runner.model.filters import Filters
from runner.model.hooks import BackupHooks
from runner.model.location import LocationSpec, SecretRef, Word
from runner.model.snapshot_location import SnapshotLocationSpec
from runner.model.volume_policy import VolumeRule


def _name_or_inline(value: object) -> str:
    return "inline" if isinstance(value, (dict, Strict)) else "name"


# The tags keep each error to the branch that was meant.
StorageLocation = Annotated[
    Annotated[DocumentName, Tag("name")] | Annotated[LocationSpec, Tag("inline")], Discriminator(_name_or_inline)
]


SnapshotLocation = Annotated[
    Annotated[DocumentName, Tag("name")] | Annotated[SnapshotLocationSpec, Tag("inline")],
    Discriminator(_name_or_inline),
]


class FsBackupSpec(Strict):
    """How the files of volumes are kept that no snapshot reaches: by restic, in a Job for each volume."""

    repository_password: SecretRef = Field(
        alias="repositoryPassword",
        description="Where the password of the repository is to be had; without it nobody reads the files again.",
    )
    image: Word = Field(description="Image of the Jobs: one that holds trysail and restic.")
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(default=2, description="How many Jobs run at once.")
    service_account: Word | None = Field(
        default=None, alias="serviceAccountName", description="ServiceAccount of the Jobs' Pods; `default` without."
    )


VELERO_TTL = "720h"  # without a word of the policy, as in Velero
_TTL = re.compile(r"(?:([1-9][0-9]{0,5})h)?(?:([1-9][0-9]{0,7})m)?")


class ArchiveSpec(Strict):
    """The form that a backup is stored in."""

    layout: Literal["trysail", "velero"] = Field(
        default="trysail",
        description="`velero`: under backups/, as Velero writes it, so that a Velero of this bucket restores it too.",
    )
    ttl: str | None = Field(
        default=None,
        description="With layout `velero`: when a Velero of this bucket deletes the backup, as 2160h; 720h without.",
    )

    @model_validator(mode="after")
    def _ttl_holds(self) -> Self:
        if self.ttl is None:
            return self
        if self.layout != "velero":
            raise mistake("only a Velero knows a ttl", hint="say layout: velero, or take it out", field="ttl")
        if not self.ttl or not _TTL.fullmatch(self.ttl):
            raise mistake("must be a time in hours and minutes, as 2160h or 1h30m", field="ttl")
        return self

    @property
    def ttl_minutes(self) -> int:
        """How long a Velero keeps the backup."""
        match = _TTL.fullmatch(self.ttl or VELERO_TTL)
        assert match is not None
        return int(match[1] or 0) * 60 + int(match[2] or 0)


class BackupPolicySpec(Filters):
    """What is selected, and where it is kept. Everything that is given must hold; exclusion wins."""

    cluster_name: DocumentName | None = Field(
        default=None,
        alias="clusterName",
        description="Names the cluster in every key; the UID of the namespace kube-system without it.",
    )
    storage_location: StorageLocation = Field(
        alias="storageLocation", description="A BackupStorageLocation by name, or one written here."
    )
    on_uncovered: Literal["fail", "warn", "ignore"] = Field(
        default="fail",
        alias="onUncovered",
        description="A selected volume that nothing protects: stops the run, is a warning, or is only counted.",
    )
    snapshot_location: SnapshotLocation | None = Field(
        default=None,
        alias="snapshotLocation",
        description="A VolumeSnapshotLocation by name, or one written here: for volumes of its provider.",
    )
    volume_policies: Annotated[tuple[VolumeRule, ...], BeforeValidator(tuple_from_list)] = Field(
        default=(),
        alias="volumePolicies",
        description="What becomes of each volume: the first rule that matches it decides.",
    )
    fs_backup: FsBackupSpec | None = Field(
        default=None, alias="fsBackup", description="For volumePolicies with the action fs-backup."
    )
    hooks: BackupHooks | None = Field(default=None, description="Commands around snapshots, and around the run.")
    csi_snapshot_timeout: Duration = Field(
        default="10m",
        alias="csiSnapshotTimeout",
        description="How long a volume may take to have its point in time, frozen meanwhile where hooks freeze it.",
    )
    item_operation_timeout: Duration = Field(
        default="4h", alias="itemOperationTimeout", description="How long a snapshot or a Job may take to be complete."
    )
    parallel_volumes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=8, alias="parallelVolumes", description="How many groups of volumes are snapshotted at once."
    )
    csi_snapshot_objects: Literal["keep", "delete"] = Field(
        default="keep",
        alias="csiSnapshotObjects",
        description="Whether the run's VolumeSnapshot objects stay in the cluster; their data stays in any case.",
    )
    on_volume_error: Literal["continue", "stop"] = Field(
        default="continue",
        alias="onVolumeError",
        description="A volume that fails makes the backup partial, or stops the run with nothing stored.",
    )
    allow_empty: bool = Field(
        default=False, alias="allowEmpty", description="An include that matches nothing is no finding."
    )
    archive: ArchiveSpec | None = Field(default=None, description="The form that the backup is stored in.")


class BackupPolicy(Strict):
    """A backup, as it is committed to git. Several may share a folder with the locations they name."""

    api_version: Literal["trysail.dev/v1alpha1"] = Field(
        alias="apiVersion", description="The version that this document is written in."
    )
    kind: Literal["BackupPolicy"] = Field(description="What is backed up, and where it is kept.")
    metadata: Metadata = Field(description="The document's name and labels; the name is part of every key.")
    extends: DocumentName | None = Field(
        default=None, description="A BackupPolicy whose spec this one is merged onto, as a JSON merge patch."
    )
    spec: BackupPolicySpec = Field(description="What is selected, and where it is kept.")
