"""Volume policies: which volumes are protected how, in the words of Velero's resource policies. First match wins."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from runner.model.document import LabelKey, LabelValue, Strict, mistake, tuple_from_list

# As Kubernetes takes them, without a sign (actions/quantity.py reads them).
_QUANTITY: Final = r"([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
_CAPACITY_PATTERN: Final = rf"^({_QUANTITY})?,({_QUANTITY})?$"

# What a pattern wants, for the message where it is not met.
VOLUME_PATTERNS: Final = {
    _CAPACITY_PATTERN: 'must be a range as "10Gi,100Gi"; one end may be left out, the comma may not',
}

# Fields of a PersistentVolume's spec, and of a Pod's volumes, that say where bytes are
# (kubernetes.io/docs/reference/kubernetes-api: PersistentVolumeSpec, Volume).
VolumeType = Literal[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]

Words = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(min_length=1), BeforeValidator(tuple_from_list)
]


class CsiCondition(Strict):
    """Volumes of a CSI driver."""

    driver: Annotated[str, StringConstraints(min_length=1)] = Field(description="The driver's name, as in the volume.")
    volume_attributes: dict[str, str] = Field(
        default_factory=dict, alias="volumeAttributes", description="Attributes that the volume must have."
    )


class NfsCondition(Strict):
    """Volumes on an NFS server; of any, where nothing more is said."""

    server: str | None = Field(default=None, description="The server, as in the volume.")
    path: str | None = Field(default=None, description="The exported path, as in the volume.")


class VolumeConditions(Strict):
    """All of them must hold; without any, every volume is meant."""

    capacity: Annotated[str, StringConstraints(pattern=_CAPACITY_PATTERN)] | None = Field(
        default=None, description="A range of sizes, ends included: 10Gi,100Gi; one end may be left out."
    )
    storage_class: Words | None = Field(default=None, alias="storageClass", description="Names of StorageClasses.")
    csi: CsiCondition | None = Field(default=None, description="Volumes of a CSI driver.")
    nfs: NfsCondition | None = Field(default=None, description="Volumes on an NFS server; {} for any.")
    volume_types: Annotated[tuple[VolumeType, ...], Field(min_length=1), BeforeValidator(tuple_from_list)] | None = (
        Field(
            default=None,
            alias="volumeTypes",
            description="Where the volume's bytes are, as its field says: emptyDir, hostPath, nfs, csi …",
        )
    )
    pvc_labels: dict[LabelKey, LabelValue] | None = Field(
        default=None, alias="pvcLabels", description="Labels that the claim must have."
    )
    pvc_phase: (
        Annotated[
            tuple[Literal["Pending", "Bound", "Lost"], ...], Field(min_length=1), BeforeValidator(tuple_from_list)
        ]
        | None
    ) = Field(default=None, alias="pvcPhase", description="Phases that the claim may be in.")


class VolumeAction(Strict):
    """What becomes of the volumes that are meant."""

    type: Literal["snapshot", "fs-backup", "skip", "custom"] = Field(
        description="A snapshot by its provider or driver; its files, by restic; nothing; or another tool's matter."
    )
    reason: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="Why its data is not kept, for skip and custom: people read it in the plan."
    )

    @model_validator(mode="after")
    def _reason_fits(self) -> Self:
        if self.reason is not None and self.type not in {"skip", "custom"}:
            raise mistake("a reason is given for what is not kept: skip and custom", field="reason")
        return self


class VolumeRule(Strict):
    """One rule: the volumes that it means, and what becomes of them."""

    conditions: VolumeConditions = Field(
        default_factory=VolumeConditions, description="Which volumes are meant; all of them, without."
    )
    action: VolumeAction = Field(description="What becomes of them.")
