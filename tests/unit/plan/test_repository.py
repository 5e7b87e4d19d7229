"""Where restic finds a policy's files: URLs, options and what is in the way of a Job."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from runner.model.location import LocationSpec
from runner.plan.repository import Repository, repository_of

_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)
KEY = "files/prod"


def of(**spec: Any) -> Repository:
    """The repository of a location."""
    return repository_of(_LOCATION.validate_python(spec), KEY)


def s3(config: dict[str, Any] | None = None, **storage: Any) -> Repository:
    """One in S3."""
    return of(provider="s3", objectStorage={"bucket": "backups", **storage}, config=config or {})


def azure(**config: Any) -> Repository:
    """One in Azure."""
    storage = {"bucket": "backups", "prefix": "team/"}
    return of(provider="azure", objectStorage=storage, config={"storageAccount": "acme", **config})


@pytest.mark.parametrize(
    ("config", "storage", "url"),
    [
        ({}, {}, "s3:https://s3.us-east-1.amazonaws.com/backups/files/prod"),
        ({"region": "eu-west-1"}, {}, "s3:https://s3.eu-west-1.amazonaws.com/backups/files/prod"),
        ({"s3Url": "http://minio:9000/"}, {"prefix": "a/b/"}, "s3:http://minio:9000/backups/a/b/files/prod"),
    ],
)
def test_s3(config: dict[str, Any], storage: dict[str, Any], url: str) -> None:
    """Endpoint, bucket, the location's prefix, and the repository's own."""
    found = s3(config, **storage)
    assert (found.url, found.key, found.obstacle) == (url, KEY, "")


def test_s3_options() -> None:
    """Each field of the location that restic has a word for."""
    config = {"s3Url": "https://minio", "s3ForcePathStyle": True, "insecureSkipTLSVerify": True, "region": "here"}
    found = s3(config)
    assert found.options == ("-o", "s3.bucket-lookup=path", "--insecure-tls")
    assert found.environment == {"AWS_DEFAULT_REGION": "here"}
    assert s3().options == ()


def test_azure() -> None:
    """Its account is in the environment; a sovereign cloud is one suffix."""
    found = azure()
    assert (found.url, found.environment) == ("azure:backups:/team/files/prod", {"AZURE_ACCOUNT_NAME": "acme"})
    public = azure(storageAccountURI="https://acme.blob.core.windows.net/")
    assert (public.environment, public.obstacle) == ({"AZURE_ACCOUNT_NAME": "acme"}, "")
    china = azure(storageAccountURI="https://acme.blob.core.chinacloudapi.cn")
    assert china.environment == {"AZURE_ACCOUNT_NAME": "acme", "AZURE_ENDPOINT_SUFFIX": "core.chinacloudapi.cn"}


@pytest.mark.parametrize("uri", ["http://127.0.0.1:10000/acme", "https://other.blob.core.windows.net"])
def test_an_azure_that_restic_has_no_word_for_is_an_obstacle(uri: str) -> None:
    """An emulator, or a name of its own: no Job is sent there to fail."""
    assert "storageAccountURI" in azure(storageAccountURI=uri).obstacle


def test_a_folder_is_out_of_reach() -> None:
    """No Job mounts the machine's folders."""
    assert "folder" in of(provider="filesystem", path="/backups").obstacle
