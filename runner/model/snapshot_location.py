"""VolumeSnapshotLocation: whose snapshots are taken of native volumes, and where. Names secrets, never holds one."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, field_validator

from runner.model.document import Metadata, Strict, mistake
from runner.model.location import Endpoint, S3Credential, Word

# Keys and values as EC2 takes them (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html).
MOST_TAGS = 30  # of the 50 that a snapshot can have: a run adds its own, and those of the volume
_ZONE: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9][a-z]")
_ROLE_PATTERN: Final = r"^arn:[a-z-]+:iam::[0-9]{12}:role/\S+$"

# What a pattern wants, for the message where it is not met.
SNAPSHOT_PATTERNS: Final = {_ROLE_PATTERN: "must be a role's ARN, as arn:aws:iam::111122223333:role/backup"}

TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TagValue = Annotated[str, StringConstraints(max_length=256)]


class AwsSnapshotConfig(Strict):
    """Which account and region the volumes are in."""

    region: Word = Field(description="The volumes' region.")
    profile: str | None = Field(default=None, description="Profile of the AWS configuration files.")
    role_arn: Annotated[str, StringConstraints(pattern=_ROLE_PATTERN)] | None = Field(
        default=None, alias="roleArn", description="A role to assume, by its ARN."
    )
    endpoint: Endpoint | None = Field(
        default=None, description="Endpoint of EC2, where it is not AWS' own, as https://host:port."
    )

    @field_validator("region")
    @classmethod
    def _no_zone(cls, region: str) -> str:
        if _ZONE.fullmatch(region):
            raise mistake(f"{region} is a zone of a region", hint=f"write {region[:-1]}")
        return region


class AwsSnapshotLocation(Strict):
    """EBS volumes of an AWS account."""

    provider: Literal["aws"] = Field(description="EBS volumes of an AWS account.")
    config: AwsSnapshotConfig = Field(description="Which account and region.")
    credential: S3Credential | None = Field(
        default=None, description="Keys by reference; without it, AWS' own chain decides."
    )
    tags: dict[TagKey, TagValue] = Field(
        default_factory=dict, description="Tags of your own, that every snapshot and restored volume gets."
    )

    @field_validator("tags")
    @classmethod
    def _own_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        for key in tags:
            if key.lower().startswith("aws:"):
                raise mistake("AWS keeps tags that begin with aws: to itself", hint="take the tag out", field=key)
            if key.startswith("trysail.dev/"):
                raise mistake("a run gives tags of trysail.dev/ itself", hint="take the tag out", field=key)
        if len(tags) > MOST_TAGS:
            raise mistake(f"must be at most {MOST_TAGS} tags: a run adds its own, and those of the volume")
        return tags


# Azure disks and GCE disks follow as further members, told apart by `provider`.
SnapshotLocationSpec = AwsSnapshotLocation


class VolumeSnapshotLocation(Strict):
    """Where snapshots of native volumes are taken, as it is committed to git."""

    api_version: Literal["trysail.dev/v1alpha1"] = Field(
        alias="apiVersion", description="The version that this document is written in."
    )
    kind: Literal["VolumeSnapshotLocation"] = Field(description="Whose snapshots are taken of native volumes.")
    metadata: Metadata = Field(description="The document's name and labels.")
    spec: SnapshotLocationSpec = Field(description="The provider; `provider` says which fields there are.")
