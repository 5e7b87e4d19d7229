"""Where restic keeps the files of volumes: a repository under a prefix of its own in the policy's location. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.model.location import AzureLocation, FilesystemLocation, LocationSpec, S3Location

_AZURE_PUBLIC = "core.windows.net"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as restic is told of it (restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html)."""

    url: str
    key: str  # its prefix in the location
    options: tuple[str, ...] = ()  # of restic's command line
    environment: dict[str, str] = field(default_factory=dict)  # what is no secret
    obstacle: str = ""  # why a Job cannot reach it


def repository_of(location: LocationSpec, key: str) -> Repository:
    """The repository under a prefix of a location, as `archive.layout` has it."""
    match location:
        case FilesystemLocation():
            return Repository(f"{location.path}/{key}", key, obstacle="the storage location is a folder")
        case S3Location():
            return _s3(location, key)
        case AzureLocation():
            return _azure(location, key)


def _s3(location: S3Location, key: str) -> Repository:
    config = location.config
    endpoint = (config.s3_url or f"https://s3.{config.region or 'us-east-1'}.amazonaws.com").rstrip("/")
    parts = [location.object_storage.bucket, location.object_storage.prefix.strip("/"), key]
    options = ("-o", "s3.bucket-lookup=path") if config.s3_force_path_style else ()
    if config.insecure_skip_tls_verify:
        options = (*options, "--insecure-tls")
    return Repository(
        url=f"s3:{endpoint}/{'/'.join(part for part in parts if part)}",
        key=key,
        options=options,
        environment={"AWS_DEFAULT_REGION": config.region} if config.region else {},
    )


def _azure(location: AzureLocation, key: str) -> Repository:
    parts = [location.object_storage.prefix.strip("/"), key]
    account, uri = location.config.storage_account, location.config.storage_account_uri or ""
    environment = {"AZURE_ACCOUNT_NAME": account}
    obstacle = ""
    if uri:
        start, host = f"https://{account}.blob.", uri.rstrip("/")
        suffix = host.removeprefix(start)
        if not host.startswith(start) or "/" in suffix:
            obstacle = f"restic reaches no Azure account but at {start}…, and storageAccountURI is another"
        elif suffix != _AZURE_PUBLIC:
            environment["AZURE_ENDPOINT_SUFFIX"] = suffix
    return Repository(
        url=f"azure:{location.object_storage.bucket}:/{'/'.join(part for part in parts if part)}",
        key=key,
        environment=environment,
        obstacle=obstacle,
    )
