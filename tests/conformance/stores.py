"""Every object store that the conformance suite is run against, and how each is brought up.

A shelf is one store that is up; each test takes a place of its own on it, by a prefix that nobody else has.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from moto import mock_aws

from runner.adapters.azure import AzureStore
from runner.adapters.filesystem import FilesystemStore
from runner.adapters.s3 import S3Store
from runner.model.location import AzureLocation, S3Location
from runner.ports import ObjectStore
from tests.fakes.store import MemoryStore
from tests.parts.azurite import Azurite
from tests.parts.rclone import RcloneS3
from tests.parts.seaweedfs import SeaweedFS

BUCKET = "backups"


@dataclass(frozen=True)
class Shelf:
    """A store that is up. The callables make clients: `at` for a prefix, `missing` for a place that is not there."""

    at: Callable[[str], ObjectStore]
    missing: Callable[[], ObjectStore] | None = None
    reader: Callable[[str], ObjectStore] | None = None  # with credentials that may only read
    endpoint: str = ""
    completes: str = "POST /"  # what the request that completes an upload begins with, or has in it
    via: Callable[[str, str], ObjectStore] | None = None  # for an endpoint that leads here, and a prefix

    def place(self) -> str:
        """A prefix of its own."""
        return f"place-{secrets.token_hex(4)}"


Shelved = Callable[[Path], AbstractContextManager[Shelf]]


@contextmanager
def _memory(folder: Path) -> Iterator[Shelf]:
    places: dict[str, MemoryStore] = {}
    yield Shelf(at=lambda prefix: places.setdefault(prefix, MemoryStore()))


@contextmanager
def _filesystem(folder: Path) -> Iterator[Shelf]:
    file = folder / "a-file"
    file.touch()
    yield Shelf(at=lambda prefix: FilesystemStore(folder / prefix), missing=lambda: FilesystemStore(file))


@contextmanager
def _moto(folder: Path) -> Iterator[Shelf]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        environment.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        botocore.session.Session().create_client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)

        def client(prefix: str = "", bucket: str = BUCKET) -> S3Store:
            location = s3_location(bucket, prefix, region="us-east-1")
            return S3Store(location, access_key_id="key", secret_access_key="secret")

        yield Shelf(at=client, missing=lambda: client(bucket="no-such-bucket"))


@contextmanager
def _seaweedfs(folder: Path) -> Iterator[Shelf]:
    with SeaweedFS(folder) as server:
        server.create_bucket(BUCKET)

        def client(prefix: str = "", bucket: str = BUCKET, endpoint: str = server.endpoint) -> S3Store:
            location = s3_location(bucket, prefix, s3Url=endpoint, s3ForcePathStyle=True)
            return S3Store(location, access_key_id=server.access_key, secret_access_key=server.secret_key)

        def reader(prefix: str) -> S3Store:
            location = s3_location(BUCKET, prefix, s3Url=server.endpoint, s3ForcePathStyle=True)
            keys = (server.reader_access_key, server.reader_secret_key)
            return S3Store(location, access_key_id=keys[0], secret_access_key=keys[1])

        yield Shelf(
            at=client,
            missing=lambda: client(bucket="no-such-bucket"),
            reader=reader,
            endpoint=server.endpoint,
            via=lambda endpoint, prefix: client(prefix, endpoint=endpoint),
        )


@contextmanager
def _rclone(folder: Path) -> Iterator[Shelf]:
    with RcloneS3(folder) as server:
        server.create_bucket(BUCKET)

        def client(prefix: str = "", bucket: str = BUCKET, endpoint: str = server.endpoint) -> S3Store:
            location = s3_location(bucket, prefix, s3Url=endpoint, s3ForcePathStyle=True)
            return S3Store(location, access_key_id=server.access_key, secret_access_key=server.secret_key)

        yield Shelf(
            at=client,
            missing=lambda: client(bucket="no-such-bucket"),
            endpoint=server.endpoint,
            via=lambda endpoint, prefix: client(prefix, endpoint=endpoint),
        )


@contextmanager
def _azurite(folder: Path) -> Iterator[Shelf]:
    with Azurite(folder) as server:
        server.create_container(BUCKET)

        def client(prefix: str = "", bucket: str = BUCKET, endpoint: str = server.endpoint) -> AzureStore:
            return AzureStore(azure_location(bucket, prefix, endpoint), account_key=server.key)

        def reader(prefix: str) -> AzureStore:
            token = generate_container_sas(
                server.account,
                BUCKET,
                account_key=server.key,
                permission=ContainerSasPermissions(read=True, list=True),
                expiry=datetime.now(UTC) + timedelta(hours=1),
            )
            return AzureStore(azure_location(BUCKET, prefix, server.endpoint), sas_token=token)

        yield Shelf(
            at=client,
            missing=lambda: client(bucket="no-such-container"),
            reader=reader,
            endpoint=server.endpoint,
            completes="comp=blocklist",
            via=lambda endpoint, prefix: client(prefix, endpoint=endpoint),
        )


def s3_location(bucket: str, prefix: str, **config: Any) -> S3Location:
    """A location, as a policy would have it."""
    storage = {"bucket": bucket, "prefix": prefix}
    return S3Location.model_validate({"provider": "s3", "objectStorage": storage, "config": config})


def azure_location(bucket: str, prefix: str, endpoint: str) -> AzureLocation:
    """A location in the account that every emulator has, as a policy would have it."""
    config = {"storageAccount": Azurite.account, "storageAccountURI": endpoint}
    storage = {"bucket": bucket, "prefix": prefix}
    return AzureLocation.model_validate({"provider": "azure", "objectStorage": storage, "config": config})


MEMORY = pytest.param(_memory, id="memory")
FILESYSTEM = pytest.param(_filesystem, id="filesystem")
MOTO = pytest.param(_moto, id="moto")
SEAWEEDFS = pytest.param(_seaweedfs, id="seaweedfs", marks=pytest.mark.real)
RCLONE = pytest.param(_rclone, id="rclone", marks=pytest.mark.real)
AZURITE = pytest.param(_azurite, id="azurite", marks=pytest.mark.real)

ALL = (MEMORY, FILESYSTEM, MOTO, SEAWEEDFS, RCLONE, AZURITE)
WITH_CONDITIONAL_CREATE = (MEMORY, FILESYSTEM, SEAWEEDFS, AZURITE)
WITH_CONDITIONAL_COMPLETE = (MEMORY, FILESYSTEM, AZURITE)
WITH_MISSING_PLACES = (FILESYSTEM, MOTO, SEAWEEDFS, RCLONE, AZURITE)
WITH_READERS = (SEAWEEDFS, AZURITE)
WITH_ENDPOINTS = (SEAWEEDFS, RCLONE, AZURITE)
