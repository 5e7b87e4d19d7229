"""BackupStorageLocation: where backups are kept. Names secrets, never holds one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from runner.model.document import Metadata, Strict, mistake, tuple_from_list


def _folder(value: str) -> str:
    if value.startswith("~"):
        raise mistake("'~' means the home folder to a shell alone", hint="write the path out")
    return value


# Endpoints and buckets are shown in messages and plans, so that nothing secret may ride in them.
_ENDPOINT_PATTERN = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"
_BUCKET_PATTERN = r"^[^\s/:@]+$"
_PREFIX_PATTERN = r"^([^\s/]+(/[^\s/]+)*/?)?$"
_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"

Bucket = Annotated[str, StringConstraints(min_length=3, pattern=_BUCKET_PATTERN)]
Endpoint = Annotated[str, StringConstraints(pattern=_ENDPOINT_PATTERN)]
Folder = Annotated[str, StringConstraints(min_length=1), AfterValidator(_folder)]
Prefix = Annotated[str, StringConstraints(pattern=_PREFIX_PATTERN)]
Word = Annotated[str, StringConstraints(min_length=1)]

# What a pattern wants, for the message where it is not met.
LOCATION_PATTERNS = {
    _ENDPOINT_PATTERN: "must be a URL as https://host:port, without user, password or query",
    _BUCKET_PATTERN: "must be a name alone, without scheme, host or path",
    _PREFIX_PATTERN: "must be a path as team/prod, without '/' at its start and without empty parts",
    _VARIABLE_PATTERN: "must be the name of an environment variable, without '$'",
}

# What does not meet these may hold a password or a token: it is never repeated in a message.
URL_PATTERNS = frozenset((_ENDPOINT_PATTERN, _BUCKET_PATTERN))

_EXACTLY_ONE = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})


class SecretKeyRef(Strict):
    """One key of a Secret in the cluster that is backed up."""

    namespace: Word = Field(description="Namespace of the Secret.")
    name: Word = Field(description="Name of the Secret.")
    key: Word = Field(description="Key within the Secret's data.")


class SecretRef(Strict):
    """Where a secret is to be had when it is needed; exactly one of the four."""

    model_config = _EXACTLY_ONE

    env: Annotated[str, StringConstraints(pattern=_VARIABLE_PATTERN)] | None = Field(
        default=None, description="Name of an environment variable."
    )
    file: Word | None = Field(default=None, description="Path of a file; a trailing newline is dropped.")
    secret_key_ref: SecretKeyRef | None = Field(
        default=None, alias="secretKeyRef", description="A key of a Secret in the cluster."
    )
    exec: Annotated[tuple[Word, ...], Field(min_length=1), BeforeValidator(tuple_from_list)] | None = Field(
        default=None,
        description="A command whose standard output is the secret; run without a shell.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in (self.env, self.file, self.secret_key_ref, self.exec) if name is not None]
        if len(given) != 1:
            raise mistake(
                "a secret is named by exactly one of env, file, secretKeyRef, exec", hint="as {env: NAME_OF_A_VARIABLE}"
            )
        return self


class FilesystemLocation(Strict):
    """A folder: on this machine, or a mounted share."""

    provider: Literal["filesystem"] = Field(description="A folder.")
    path: Folder = Field(description="The folder; relative to the working directory. Made when missing.")


class S3ObjectStorage(Strict):
    """Bucket and prefix, in Velero's words."""

    bucket: Bucket = Field(description="The bucket; it must exist.")
    prefix: Prefix = Field(default="", description="Keys begin with this; a bucket shared with Velero needs one.")
    ca_file: str | None = Field(
        default=None,
        alias="caFile",
        description="Certificates (PEM) that the endpoint's own is checked against.",
    )


class S3Config(Strict):
    """How the endpoint is reached, in Velero's words."""

    region: str | None = Field(default=None, description="The bucket's region; AWS' own settings decide without it.")
    s3_url: Endpoint | None = Field(
        default=None, alias="s3Url", description="Endpoint of a store that is not AWS, as https://host:port."
    )
    s3_force_path_style: bool = Field(
        default=False, alias="s3ForcePathStyle", description="Bucket in the path, not in the host name."
    )
    profile: str | None = Field(default=None, description="Profile of the AWS configuration files.")
    server_side_encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, alias="serverSideEncryption", description="Encryption that the store applies."
    )
    kms_key_id: str | None = Field(default=None, alias="kmsKeyId", description="Key for aws:kms.")
    insecure_skip_tls_verify: bool = Field(
        default=False, alias="insecureSkipTLSVerify", description="Do not check the endpoint's certificate."
    )

    @model_validator(mode="after")
    def _key_needs_kms(self) -> Self:
        if self.kms_key_id and self.server_side_encryption != "aws:kms":
            raise mistake("kmsKeyId needs serverSideEncryption: aws:kms", field="kmsKeyId")
        return self


class S3Credential(Strict):
    """Keys by reference; without this, boto3's own chain (environment, profile, instance role) decides."""

    access_key_id: SecretRef = Field(alias="accessKeyId", description="Where the access key's id is to be had.")
    secret_access_key: SecretRef = Field(
        alias="secretAccessKey", description="Where the secret access key is to be had."
    )
    session_token: SecretRef | None = Field(
        default=None, alias="sessionToken", description="Where a temporary session's token is to be had."
    )


class S3Location(Strict):
    """AWS S3, or a store that speaks its protocol: MinIO, SeaweedFS, Ceph and others."""

    provider: Literal["s3"] = Field(description="AWS S3, or a store that speaks its protocol.")
    object_storage: S3ObjectStorage = Field(alias="objectStorage", description="Bucket and prefix.")
    config: S3Config = Field(default_factory=S3Config, description="How the endpoint is reached.")
    credential: S3Credential | None = Field(
        default=None, description="Keys by reference; without it, AWS' own chain decides."
    )


class AzureObjectStorage(Strict):
    """Container and prefix; the container is called bucket, as Velero calls it."""

    bucket: Bucket = Field(description="The container; it must exist.")
    prefix: Prefix = Field(default="", description="Keys begin with this.")


class AzureConfig(Strict):
    """Which account, in Velero's words."""

    storage_account: Word = Field(alias="storageAccount", description="The storage account's name.")
    storage_account_uri: Endpoint | None = Field(
        default=None,
        alias="storageAccountURI",
        description="Endpoint, where it is not that of Azure's public cloud.",
    )


class ManagedIdentity(Strict):
    """The identity that Azure gives to a machine or a pod."""

    client_id: str | None = Field(default=None, alias="clientId", description="Of a user-assigned identity.")


class AzureCredential(Strict):
    """Exactly one of the three; without a credential, Azure's default chain decides."""

    model_config = _EXACTLY_ONE

    account_key: SecretRef | None = Field(
        default=None, alias="accountKey", description="Where the account's key is to be had."
    )
    sas_token: SecretRef | None = Field(
        default=None, alias="sasToken", description="Where a shared access signature is to be had."
    )
    managed_identity: ManagedIdentity | None = Field(
        default=None, alias="managedIdentity", description="Use the identity of this machine or pod."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(given is not None for given in (self.account_key, self.sas_token, self.managed_identity)) != 1:
            raise mistake("a credential is exactly one of accountKey, sasToken, managedIdentity")
        return self


class AzureLocation(Strict):
    """Azure Blob Storage."""

    provider: Literal["azure"] = Field(description="Azure Blob Storage.")
    object_storage: AzureObjectStorage = Field(alias="objectStorage", description="Container and prefix.")
    config: AzureConfig = Field(description="Which account.")
    credential: AzureCredential | None = Field(
        default=None, description="Key, SAS or identity by reference; without it, Azure's own chain decides."
    )


LocationSpec = Annotated[FilesystemLocation | S3Location | AzureLocation, Field(discriminator="provider")]


class BackupStorageLocation(Strict):
    """A place that backups are written to and read from."""

    api_version: Literal["trysail.dev/v1alpha1"] = Field(
        alias="apiVersion", description="The version that this document is written in."
    )
    kind: Literal["BackupStorageLocation"] = Field(description="A place that backups are written to and read from.")
    metadata: Metadata = Field(description="The document's name and labels.")
    spec: LocationSpec = Field(description="The store; `provider` says which fields there are.")


def location_url(location: LocationSpec) -> str:
    """The location in one word for people: `s3://bucket/prefix`, `azure://account/container/prefix`, a path."""
    match location:
        case FilesystemLocation():
            return location.path
        case S3Location():
            return _joined(f"s3://{location.object_storage.bucket}", location.object_storage.prefix)
        case AzureLocation():
            account = f"azure://{location.config.storage_account}/{location.object_storage.bucket}"
            return _joined(account, location.object_storage.prefix)


def _joined(root: str, prefix: str) -> str:
    prefix = prefix.strip("/")
    return f"{root}/{prefix}" if prefix else root
