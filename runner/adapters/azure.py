"""Azure Blob Storage, through Microsoft's own client.

Owns how create-only writes and block uploads are asked for, and what Azure's errors mean. Must not retry, and
must not know what is stored under which key. Importing it without the extra `azure` is a UsageError.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from runner.errors import KeyExists, KeyNotFound, StoreDenied, StoreError, UsageError
from runner.model.location import AzureLocation, ManagedIdentity
from runner.ports import StoredObject, UnfinishedUpload

_NOT_INSTALLED = "Azure Blob Storage needs Microsoft's client, which is not installed"
_INSTALL = "pip install 'kube-trysail[azure]'"

try:
    from azure.core import MatchConditions
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import BlobBlock, BlobClient, BlobPrefix, ContainerClient
    from requests import Session
    from requests.adapters import HTTPAdapter

    from runner.adapters.azure_answers import VENDOR_ERRORS, PastTheEnd, error_of
except ImportError as missing:
    raise UsageError(_NOT_INSTALLED, hint=_INSTALL) from missing

_PIECE = 1024 * 1024
_REQUEST = 8 * _PIECE  # what one request reads
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_CONNECTIONS = 32
_NO_ETAG = '"0x0"'  # no blob's


class AzureStore:
    """An `ObjectStore` in a container, which must exist.

    Azure checks the MD5 that goes along with each blob and block; another endpoint is not known to.
    """

    def __init__(
        self, location: AzureLocation, *, account_key: str | None = None, sas_token: str | None = None
    ) -> None:
        """Opens nothing. Without key, token and managed identity, Azure's default chain is asked on first use."""
        prefix = location.object_storage.prefix.removesuffix("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._container = _Container(location, account_key=account_key, sas_token=sas_token)
        self.url = f"azure://{location.config.storage_account}/{location.object_storage.bucket}/{prefix}".rstrip("/")
        self.min_part_size = 1
        self.verifies_uploads = location.config.storage_account_uri is None

    def __repr__(self) -> str:
        return f"AzureStore({self.url!r})"

    def create(self, key: str, data: bytes) -> None:
        """One conditional PUT."""
        with self._container.blob(self._prefix + key) as blob:
            blob.upload_blob(data, overwrite=False, validate_content=True)

    def upload(self, key: str) -> _BlockUpload:
        """Asks nothing of the store: blocks need no beginning."""
        return _BlockUpload(self._container, self._prefix + key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """One GET for each 8 MiB of a range."""
        if length == 0:
            self.stat(key)
            return b""
        try:
            with self._container.blob(self._prefix + key) as blob:
                return blob.download_blob(offset=start if start or length else None, length=length).readall()
        except PastTheEnd:
            return b""

    def stream(self, key: str) -> Iterator[bytes]:
        """One GET for each 8 MiB, all of the same version of the blob."""
        with self._container.blob(self._prefix + key) as blob:
            for chunk in blob.download_blob().chunks():
                for start in range(0, len(chunk), _PIECE):
                    yield chunk[start : start + _PIECE]

    def stat(self, key: str) -> StoredObject:
        """One HEAD."""
        with self._container.blob(self._prefix + key) as blob:
            return StoredObject(key, blob.get_blob_properties().size)

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """Has the whole answer in memory."""
        found = self._container.blobs(self._prefix + prefix)
        return iter(sorted(StoredObject(name[len(self._prefix) :], size) for name, size in found.items()))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Asks for blob prefixes."""
        start = self._prefix + prefix
        return tuple(sorted(folder[len(start) :] for folder in self._container.folders(start)))

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """Blobs that have blocks and no content; Azure itself forgets them a week after their last block."""
        started = self._container.blobs(self._prefix + prefix, uncommitted=True)
        # Asked second, so that what is committed between the two answers does not look unfinished.
        committed = self._container.blobs(self._prefix + prefix)
        names = sorted(started.keys() - committed.keys())
        return tuple(UnfinishedUpload(name[len(self._prefix) :], name) for name in names)

    def discard(self, upload: UnfinishedUpload) -> None:
        """Forgets the blob's blocks at once, where deleting is allowed."""
        self._container.drop_blocks(self._prefix + upload.key)


class _BlockUpload:
    """An `Upload`: blocks, which become a blob by their list."""

    def __init__(self, container: _Container, name: str) -> None:
        self._container = container
        self._name = name
        self._mark = secrets.token_hex(8)  # two writers' blocks lie beside each other under one name
        self._numbers: set[int] = set()
        self._committed = self._aborted = False

    def part(self, number: int, offset: int, data: bytes) -> None:  # noqa: ARG002 - Azure goes by block ids
        """One PUT."""
        self._must_go_on()
        with self._container.blob(self._name) as blob:
            blob.stage_block(self._block(number), data, length=len(data), validate_content=True)
        self._numbers.add(number)

    def complete(self) -> None:
        """One conditional PUT of the list."""
        if self._committed:
            return
        self._must_go_on()
        blocks = [BlobBlock(self._block(number)) for number in sorted(self._numbers)]
        with self._container.blob(self._name) as blob:
            blob.commit_block_list(blocks, match_condition=MatchConditions.IfMissing)
        self._committed = True

    def abort(self) -> None:
        """As `AzureStore.discard`, if there is something to forget."""
        self._aborted = True
        if self._numbers and not self._committed:
            self._container.drop_blocks(self._name)
            self._numbers.clear()

    def _must_go_on(self) -> None:
        if self._aborted:
            raise StoreError("The upload was aborted", key=self._name)

    def _block(self, number: int) -> str:
        """Ids of one blob's blocks must all have one length; Azure takes 50,000 blocks."""
        return f"{self._mark}-{number:05}"


class _Container:
    """Requests to one container, by full names; every error that leaves here is ours."""

    def __init__(self, location: AzureLocation, *, account_key: str | None, sas_token: str | None) -> None:
        self._name = location.object_storage.bucket
        self._account = location.config.storage_account
        self._address = location.config.storage_account_uri or f"https://{self._account}.blob.core.windows.net"
        self._identity = location.credential.managed_identity if location.credential else None
        self._account_key = account_key
        self._sas_token = sas_token
        self._lock = Lock()
        self._client: ContainerClient | None = None

    @contextmanager
    def blob(self, name: str) -> Iterator[BlobClient]:
        """A blob to be asked; what the client raises within leaves as an error of ours."""
        with self._mapped(name):
            yield self._connected().get_blob_client(name)

    def blobs(self, start: str, *, uncommitted: bool = False) -> dict[str, int]:
        """Name → size of every blob whose name starts with `start`; with those that have blocks only, if wanted."""
        include = ["uncommittedblobs"] if uncommitted else []
        with self._mapped(""):
            found = self._connected().list_blobs(name_starts_with=start, include=include)
            return {blob.name: blob.size or 0 for blob in found}

    def folders(self, start: str) -> set[str]:
        """The common beginnings, up to the next slash and without it, of the names that start with `start`."""
        with self._mapped(""):
            found = self._connected().walk_blobs(name_starts_with=start, delimiter="/")
            return {entry.name.removesuffix("/") for entry in found if isinstance(entry, BlobPrefix)}

    def drop_blocks(self, name: str) -> None:
        """Forgets the blocks of a blob that was never committed, without waiting a week for Azure to do it.

        There is no request for that: an empty blob is committed in their place, and deleted. Who may not delete
        would leave it there for all to see, and leaves the blocks to Azure instead. A blob that is there stays.
        """
        with self._mapped(name):
            blob = self._connected().get_blob_client(name)
        try:
            self._delete(blob, _NO_ETAG)  # asks for the right alone: no blob has this tag
        except StoreDenied:
            return
        try:
            with self._mapped(name):
                made = blob.commit_block_list([], match_condition=MatchConditions.IfMissing)
        except KeyExists:
            return
        self._delete(blob, made["etag"])

    def _delete(self, blob: BlobClient, etag: Any) -> None:
        """Deletes the blob if it has this tag; one that has not, or is not there, is no error."""
        with suppress(KeyNotFound, KeyExists), self._mapped(blob.blob_name):
            blob.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)

    def _connected(self) -> ContainerClient:
        """The client, made on first use: credentials may start a search for them."""
        with self._lock:
            if self._client is None:
                session = Session()
                for scheme in ("https://", "http://"):
                    session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
                self._client = ContainerClient(
                    self._address,
                    self._name,
                    credential=self._credential(),
                    transport=RequestsTransport(session=session),
                    retry_total=0,
                    connection_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    max_single_get_size=_REQUEST,
                    max_chunk_get_size=_REQUEST,
                )
            return self._client

    def _credential(self) -> AzureNamedKeyCredential | AzureSasCredential | TokenCredential:
        if self._account_key:
            return AzureNamedKeyCredential(self._account, self._account_key)
        if self._sas_token:
            return AzureSasCredential(self._sas_token.removeprefix("?"))
        return _identity(self._identity)

    @contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        try:
            yield
        except VENDOR_ERRORS as error:
            raise error_of(error, url=f"azure://{self._account}/{self._name}", key=name) from error


def _identity(managed: ManagedIdentity | None) -> TokenCredential:
    """Imported here: it costs half as much again as all of the above, and a key or a token needs none of it."""
    try:
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - see above
    except ImportError as missing:
        raise UsageError(_NOT_INSTALLED, hint=_INSTALL) from missing
    if managed is None:
        return DefaultAzureCredential()
    return ManagedIdentityCredential(client_id=managed.client_id)
