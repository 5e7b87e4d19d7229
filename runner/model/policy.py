"""BackupPolicy: what is backed up, in the field names of Velero and Kubernetes. A field is unknown until it works."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from runner.model.document import DocumentName, Metadata, Strict
from runner.model.filters import Filters
from runner.model.location import LocationSpec


def _name_or_inline(value: object) -> str:
    return "inline" if isinstance(value, (dict, Strict)) else "name"


# The tags keep each error to the branch that was meant.
StorageLocation = Annotated[
    Annotated[DocumentName, Tag("name")] | Annotated[LocationSpec, Tag("inline")], Discriminator(_name_or_inline)
]


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
    allow_empty: bool = Field(
        default=False, alias="allowEmpty", description="An include that matches nothing is no finding."
    )


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
