"""An EC2 of moto's, and the adapter that reaches it: within this process, of which a module has one, or as a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from runner.adapters.ebs import EbsVolumes
from runner.model.snapshot_location import AwsSnapshotConfig, AwsSnapshotLocation
from tests.parts.moto_ec2 import KEYS, REGION, MotoEc2


@contextmanager
def cloud() -> Iterator[tuple[Any, EbsVolumes]]:
    """(EC2's client, the adapter)."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        # There are thousands of images, and each look would go through their snapshots.
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with mock_aws():
            location = AwsSnapshotLocation(provider="aws", config=AwsSnapshotConfig(region=REGION))
            yield boto3.client("ec2", region_name=REGION), EbsVolumes(location)


def server(running: MotoEc2) -> tuple[Any, EbsVolumes]:
    """The same of a server, which others use too."""
    config = AwsSnapshotConfig(region=REGION, endpoint=running.endpoint)
    key, secret = KEYS.values()
    location = AwsSnapshotLocation(provider="aws", config=config)
    return running.ec2, EbsVolumes(location, access_key_id=key, secret_access_key=secret)


def snapshots(ec2: Any) -> set[str]:
    """All that it holds."""
    return {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
