"""AWS S3, and stores that speak its protocol, through botocore: the part of boto3 that is needed here.

Owns how create-only writes, multipart uploads and checksums are asked for, at AWS and away from it, and what
S3's errors mean. Must not retry, and must not know what is stored under which key.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from threading import Lock
from typing import Any

import botocore.session
import urllib3
from botocore.config import Config

from runner.adapters.s3_answers import (
    VENDOR_ERRORS,
    NoSuchUpload,
    NotImplementedThere,
    PastTheEnd,
    WriteConflict,
    error_of,
)
from runner.errors import KeyExists, KeyNotFound, StoreDenied, StoreError, StoreUnreachable
from runner.model.location import S3Config, S3Location
from runner.ports import StoredObject, UnfinishedUpload

_PIECE = 1024 * 1024
_MIN_PART = 5 * 1024 * 1024  # S3's own limit, for all parts of an upload but the last
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_CONNECTIONS = 32


class S3Store:
    """An `ObjectStore` in a bucket, which must exist.

    Only `config.s3Url`, or AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL in the environment, leads away from AWS; the
    endpoint of an AWS profile does not. At AWS, SHA-256 proves each upload and conditional writes are relied on.
    Elsewhere Content-MD5 goes along for stores that check it, and each write looks first, as some stores take
    the condition and ignore it.
    """

    def __init__(
        self,
        location: S3Location,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
    ) -> None:
        """Opens nothing. Without keys, AWS' own chain (environment, profile, instance role) is asked on first use."""
        prefix = location.object_storage.prefix.removesuffix("/")
        self._prefix = f"{prefix}/" if prefix else ""
        keys = {
            "aws_access_key_id": access_key_id,
            "aws_secret_access_key": secret_access_key,
            "aws_session_token": session_token,
        }
        self._bucket = _Bucket(location, keys)
        self.url = f"s3://{location.object_storage.bucket}/{prefix}".rstrip("/")
        self.min_part_size = _MIN_PART
        self.verifies_uploads = self._bucket.is_aws

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def create(self, key: str, data: bytes) -> None:
        """One PUT; away from AWS a HEAD before it."""
        self._bucket.put(self._prefix + key, data)

    def upload(self, key: str) -> _S3Upload:
        """Asks nothing of the store yet: the first part begins a multipart upload."""
        return _S3Upload(self._bucket, self._prefix + key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """One GET of a range."""
        if length == 0:
            self.stat(key)
            return b""
        asked = {"Range": f"bytes={start}-{'' if length is None else start + length - 1}"} if start or length else {}
        try:
            return b"".join(self._bucket.body(self._prefix + key, **asked))
        except PastTheEnd:
            return b""

    def stream(self, key: str) -> Iterator[bytes]:
        """One GET, whose connection is held until the last piece is taken, or the iterator is closed."""
        return self._bucket.body(self._prefix + key)

    def stat(self, key: str) -> StoredObject:
        """One HEAD; another one tells a missing bucket from a missing key."""
        try:
            answer = self._bucket.call("head_object", self._prefix + key)
        except KeyNotFound:
            with suppress(StoreDenied):  # one may read keys without the right to look at the bucket
                self._bucket.call("head_bucket")
            raise
        return StoredObject(key, answer["ContentLength"])

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """Has the whole answer in memory: stores that keep folders do not sort as S3 does."""
        pages = self._bucket.pages("list_objects_v2", Prefix=self._prefix + prefix)
        found = [item for page in pages for item in page.get("Contents", [])]
        # A key that ends in a slash is a folder that some console made.
        objects = [(item["Key"], item["Size"]) for item in found if not item["Key"].endswith("/")]
        return iter(sorted(StoredObject(key[len(self._prefix) :], size) for key, size in objects))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Asks for common prefixes."""
        start = self._prefix + prefix
        pages = self._bucket.pages("list_objects_v2", Prefix=start, Delimiter="/")
        found = {item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])}
        return tuple(sorted(folder[len(start) :].removesuffix("/") for folder in found))

    def unfinished(self, prefix: str) -> tuple[UnfinishedUpload, ...]:
        """Asks for multipart uploads; a store that cannot list them has none."""
        try:
            pages = self._bucket.pages("list_multipart_uploads", Prefix=self._prefix + prefix)
            found = [(item["Key"], item["UploadId"]) for page in pages for item in page.get("Uploads", [])]
        except (NotImplementedThere, NoSuchUpload):  # the latter is rclone's word for none
            return ()
        return tuple(sorted(UnfinishedUpload(key[len(self._prefix) :], token) for key, token in found))

    def discard(self, upload: UnfinishedUpload) -> None:
        """Aborts a multipart upload."""
        self._bucket.abort(self._prefix + upload.key, upload.id)


class _S3Upload:
    """An `Upload`: a multipart upload, begun with the first part."""

    def __init__(self, bucket: _Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._lock = Lock()
        self._id = ""
        self._parts: dict[int, dict[str, Any]] = {}
        self._completed = self._aborted = False

    def part(self, number: int, offset: int, data: bytes) -> None:  # noqa: ARG002 - S3 goes by numbers
        """One PUT, and one POST more for the first."""
        proof = self._bucket.proof(data)
        given = {"UploadId": self._begun(), "PartNumber": number}
        answer = self._bucket.call("upload_part", self._key, Body=data, **given, **proof)
        self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"]}
        if self._bucket.is_aws:
            self._parts[number] |= proof

    def complete(self) -> None:
        """One POST; away from AWS a HEAD before it."""
        if self._completed:
            return
        if self._aborted:
            raise StoreError("The upload was aborted", key=self._key)
        if not self._parts:
            self._bucket.put(self._key, b"")
        else:
            parts = {"Parts": [part for _, part in sorted(self._parts.items())]}
            given = {"UploadId": self._begun(), "MultipartUpload": parts}
            try:
                answer = self._bucket.write_once("complete_multipart_upload", self._key, **given)
            except NoSuchUpload as error:  # as after a first call whose answer was lost
                self._bucket.must_be_free(self._key, error)
                raise
            self._bucket.must_have("ETag", answer)
        self._completed = True

    def abort(self) -> None:
        """One DELETE, if there is something to forget. A part that is being sent meanwhile may survive it."""
        with self._lock:
            self._aborted = True
            if self._id and not self._completed:
                self._bucket.abort(self._key, self._id)
                self._id = ""

    def _begun(self) -> str:
        """The multipart upload's id; the first call makes it."""
        with self._lock:
            if self._aborted:
                raise StoreError("The upload was aborted", key=self._key)
            self._id = self._id or self._bucket.begin(self._key)
            return self._id


class _Bucket:
    """Requests to one bucket, by full keys; every error that leaves here is ours."""

    def __init__(self, location: S3Location, keys: Mapping[str, str | None]) -> None:
        self._name = location.object_storage.bucket
        self._config = location.config
        self._ca_file = location.object_storage.ca_file
        self._keys = keys
        configured = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._endpoint = location.config.s3_url or configured or None
        self._encryption = _encryption(location.config)
        self._lock = Lock()
        self._client: Any = None
        self._sends_condition = True
        self.is_aws = self._endpoint is None

    def call(self, operation: str, key: str = "", **parameters: Any) -> Any:
        """The answer to one request, about `key` or about the bucket."""
        if key:
            parameters["Key"] = key
        with self._mapped(key):
            return getattr(self._connected(), operation)(Bucket=self._name, **parameters)

    def pages(self, operation: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every page of a listing."""
        with self._mapped(""):
            paginator = self._connected().get_paginator(operation)
            pages = list(paginator.paginate(Bucket=self._name, **parameters))
        for page in pages:
            self.must_have("Name" if "Name" in page else "Bucket", page)
        return pages

    def body(self, key: str, **parameters: Any) -> Iterator[bytes]:
        """An object's bytes in pieces. An end that comes too early is an error: botocore counts."""
        body = self.call("get_object", key, **parameters)["Body"]
        with self._mapped(key), closing(body):
            while piece := body.read(_PIECE):
                yield piece

    def put(self, key: str, data: bytes) -> None:
        """Makes an object of one request; KeyExists."""
        self.write_once("put_object", key, Body=data, **self.proof(data), **self._encryption)

    def write_once(self, operation: str, key: str, **parameters: Any) -> Any:
        """The answer to a request that makes an object, if its key is free: KeyExists."""
        if not (self.is_aws and self._sends_condition):
            self.must_be_free(key)
        if not self._sends_condition:
            return self.call(operation, key, **parameters)
        try:
            return self.call(operation, key, IfNoneMatch="*", **parameters)
        except NotImplementedThere:
            self._sends_condition = False
            return self.write_once(operation, key, **parameters)
        except WriteConflict as error:
            self.must_be_free(key, error)
            raise

    def must_be_free(self, key: str, cause: StoreError | None = None) -> None:
        """Looks: KeyExists if the key is taken."""
        with suppress(KeyNotFound):
            self.call("head_object", key)
            raise KeyExists("The key exists already", location=f"s3://{self._name}", key=key) from cause

    def must_have(self, name: str, answer: Mapping[str, Any]) -> None:
        """An answer whose body was lost on the way reads as an empty one: a listing of nothing, a success."""
        if name not in answer:
            raise StoreUnreachable("The store's answer is cut off", location=f"s3://{self._name}")

    def begin(self, key: str) -> str:
        """The id of a new multipart upload."""
        checksum = {"ChecksumAlgorithm": "SHA256"} if self.is_aws else {}
        answer = self.call("create_multipart_upload", key, **checksum, **self._encryption)
        self.must_have("UploadId", answer)
        return str(answer["UploadId"])

    def abort(self, key: str, upload_id: str) -> None:
        """Forgets a multipart upload, which may be gone already."""
        with suppress(NoSuchUpload):
            self.call("abort_multipart_upload", key, UploadId=upload_id)

    def proof(self, data: bytes) -> dict[str, str]:
        """The checksum that goes along with `data`, as request parameters."""
        if self.is_aws:
            return {"ChecksumSHA256": b64encode(hashlib.sha256(data).digest()).decode()}
        return {"ContentMD5": b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}

    def _connected(self) -> Any:
        """The client of botocore, made on first use: it may ask the network for credentials."""
        with self._lock:
            if self._client is None:
                session = botocore.session.Session(profile=self._config.profile)
                region = self._config.region or session.get_config_variable("region")
                self._client = session.create_client(
                    "s3",
                    region_name=region or (None if self.is_aws else "us-east-1"),
                    endpoint_url=self._endpoint,
                    verify=self._verification(),
                    config=_client_config(self._config, is_aws=self.is_aws),
                    **self._keys,
                )
            return self._client

    def _verification(self) -> str | bool | None:
        """How certificates are checked, as botocore has it: not, against this file, or as the machine does."""
        if self._config.insecure_skip_tls_verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it would print one per request
            return False
        if self._ca_file:
            try:
                ssl.create_default_context(cafile=self._ca_file)
            except OSError as error:
                message = f"objectStorage.caFile cannot be read as certificates: {error.strerror or error}"
                raise StoreError(message, hint="name a readable file in PEM form", file=self._ca_file) from error
        return self._ca_file

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            yield
        except VENDOR_ERRORS as error:
            raise error_of(error, url=f"s3://{self._name}", key=key) from error


def _client_config(config: S3Config, *, is_aws: bool) -> Config:
    checksums = "when_supported" if is_aws else "when_required"
    return Config(
        retries={"total_max_attempts": 1},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        ignore_configured_endpoint_urls=True,
        s3={"addressing_style": "path" if config.s3_force_path_style else "auto"},
    )


def _encryption(config: S3Config) -> dict[str, str]:
    """Request parameters for encryption by the store."""
    wanted = {"ServerSideEncryption": config.server_side_encryption, "SSEKMSKeyId": config.kms_key_id}
    return {name: value for name, value in wanted.items() if value}
