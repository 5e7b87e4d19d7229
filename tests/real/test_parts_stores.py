"""The real object stores themselves: each does its one essential thing, and is gone after exit.

What a store does differently from the vendor it stands for is held here, so that nobody trusts it for that.
"""

import base64
import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.parts.azurite import Azurite
from tests.parts.rclone import RcloneS3
from tests.parts.s3 import s3_client
from tests.parts.seaweedfs import SeaweedFS

pytestmark = pytest.mark.real

BUCKET = "parts"
BODY = b"the bytes that were meant"
OTHER = b"other bytes"


def _digest(algorithm: str, body: bytes) -> str:
    """A digest as headers carry it."""
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A SeaweedFS with one bucket."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as running:
        running.create_bucket(BUCKET)
        yield running


@pytest.fixture(scope="module")
def weed(seaweedfs: SeaweedFS) -> Iterator[BaseClient]:
    """The admin's client for it."""
    with closing(s3_client(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)) as client:
        yield client


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseClient]:
    """A client for an rclone with one bucket."""
    with RcloneS3(tmp_path_factory.mktemp("rclone")) as running:
        running.create_bucket(BUCKET)
        with closing(s3_client(running.endpoint, running.access_key, running.secret_key)) as client:
            yield client


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An Azurite with one container."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        running.create_container(BUCKET)
        yield running


class TestSeaweedFS:
    """The S3 server that the product's claims about S3 are tested on."""

    def test_puts_once(self, weed: BaseClient) -> None:
        """A second conditional put is refused with 412, and the first bytes stay."""
        target = {"Bucket": BUCKET, "Key": "once"}
        weed.put_object(**target, Body=BODY, IfNoneMatch="*")

        assert _refused(lambda: weed.put_object(**target, Body=OTHER, IfNoneMatch="*")) == 412
        assert weed.get_object(**target)["Body"].read() == BODY

    def test_completes_once(self, weed: BaseClient) -> None:
        """So is a second conditional multipart; even the first one's completion, asked again, is 412."""
        first, second = _upload(weed, "multipart-once", BODY), _upload(weed, "multipart-once", OTHER)
        first(IfNoneMatch="*")

        assert _refused(lambda: second(IfNoneMatch="*")) == 412
        assert _refused(lambda: first(IfNoneMatch="*")) == 412
        assert weed.get_object(Bucket=BUCKET, Key="multipart-once")["Body"].read() == BODY

    @pytest.mark.parametrize(
        "wrong", [{"ContentMD5": _digest("md5", OTHER)}, {"ChecksumSHA256": _digest("sha256", OTHER)}]
    )
    def test_checks_what_it_receives(self, weed: BaseClient, wrong: dict[str, str]) -> None:
        """A body that is not what its digest says is refused with 400, by PutObject and by UploadPart.

        Both digests are checked, by both calls, and nothing of the body stays. The upload goes on.
        """
        target = {"Bucket": BUCKET, "Key": "checked"}
        number = weed.create_multipart_upload(**target)["UploadId"]
        part = {**target, "UploadId": number, "PartNumber": 1, "Body": BODY}

        assert _refused(lambda: weed.put_object(**target, Body=BODY, **wrong)) == 400
        assert _refused(lambda: weed.upload_part(**part, **wrong)) == 400

        assert _refused(lambda: weed.head_object(**target)) == 404
        weed.upload_part(**part)
        weed.abort_multipart_upload(**target, UploadId=number)

    def test_lists_uploads_by_prefix(self, weed: BaseClient) -> None:
        """An upload that nobody completed is found by its prefix, and not by another's, until it is aborted."""

        def pending(prefix: str) -> list[tuple[str, str]]:
            listed = weed.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", [])
            return [(found["Key"], found["UploadId"]) for found in listed]

        number = weed.create_multipart_upload(Bucket=BUCKET, Key="left/behind")["UploadId"]

        assert pending("left/") == [("left/behind", number)]
        assert pending("right/") == []
        weed.abort_multipart_upload(Bucket=BUCKET, Key="left/behind", UploadId=number)
        assert pending("left/") == []

    def test_reader_may_not_write(self, seaweedfs: SeaweedFS, weed: BaseClient) -> None:
        """The second identity reads and lists; writing is 403."""
        weed.put_object(Bucket=BUCKET, Key="readable", Body=BODY)
        keys = seaweedfs.reader_access_key, seaweedfs.reader_secret_key
        with closing(s3_client(seaweedfs.endpoint, *keys)) as reader:
            assert reader.get_object(Bucket=BUCKET, Key="readable")["Body"].read() == BODY
            assert reader.list_objects_v2(Bucket=BUCKET, Prefix="readable")["KeyCount"] == 1
            assert _refused(lambda: reader.put_object(Bucket=BUCKET, Key="written", Body=BODY)) == 403


class TestRclone:
    """The simple S3 server, held to what it does not do."""

    def test_keeps_objects(self, rclone: BaseClient) -> None:
        """What is put is what is got, whole and in part."""
        rclone.put_object(Bucket=BUCKET, Key="folder/kept", Body=BODY)

        assert rclone.get_object(Bucket=BUCKET, Key="folder/kept")["Body"].read() == BODY
        part = rclone.get_object(Bucket=BUCKET, Key="folder/kept", Range="bytes=4-8")
        assert part["Body"].read() == BODY[4:9]

    def test_ignores_conditions(self, rclone: BaseClient) -> None:
        """A conditional put and a conditional completion overwrite what is there."""
        target = {"Bucket": BUCKET, "Key": "overwritten"}
        rclone.put_object(**target, Body=BODY, IfNoneMatch="*")
        rclone.put_object(**target, Body=OTHER, IfNoneMatch="*")
        assert rclone.get_object(**target)["Body"].read() == OTHER

        _upload(rclone, "overwritten", BODY)(IfNoneMatch="*")
        assert rclone.get_object(**target)["Body"].read() == BODY

    def test_echoes_checksums_unchecked(self, rclone: BaseClient) -> None:
        """A wrong SHA-256 is taken, and given back as the object's own: it proves nothing here. MD5 is checked."""
        target = {"Bucket": BUCKET, "Key": "unchecked"}
        wrong = _digest("sha256", OTHER)

        rclone.put_object(**target, Body=BODY, ChecksumSHA256=wrong)

        assert rclone.head_object(**target, ChecksumMode="ENABLED")["ChecksumSHA256"] == wrong
        md5 = _digest("md5", OTHER)
        assert _refused(lambda: rclone.put_object(**target, Body=BODY, ContentMD5=md5)) == 400

    def test_a_refused_part_ends_the_upload(self, rclone: BaseClient) -> None:
        """After a part with a wrong MD5 the whole upload is unknown: only a new one helps."""
        target = {"Bucket": BUCKET, "Key": "ended"}
        number = rclone.create_multipart_upload(**target)["UploadId"]
        part = {**target, "UploadId": number, "PartNumber": 1, "Body": BODY}

        assert _refused(lambda: rclone.upload_part(**part, ContentMD5=_digest("md5", OTHER))) == 400
        assert _refused(lambda: rclone.upload_part(**part)) == 404


class TestAzurite:
    """A real Azure Blob server."""

    def test_keeps_blobs(self, azurite: Azurite) -> None:
        """What is uploaded is what is downloaded, whole and in part."""
        with azurite.service() as service:
            blob = service.get_blob_client(BUCKET, "folder/kept")
            blob.upload_blob(BODY)

            assert blob.download_blob().readall() == BODY
            assert blob.download_blob(offset=4, length=5).readall() == BODY[4:9]

    def test_creates_once(self, azurite: Azurite) -> None:
        """A conditional upload and a conditional block list are refused with 409 when the blob is there."""
        with azurite.service() as service:
            blob = service.get_blob_client(BUCKET, "once")
            blob.upload_blob(BODY, overwrite=False)
            with pytest.raises(HttpResponseError) as again:
                blob.upload_blob(OTHER, overwrite=False)
            blob.stage_block("AAAA", OTHER)
            with pytest.raises(HttpResponseError) as committed:
                blob.commit_block_list([BlobBlock("AAAA")], if_none_match="*")

            assert (again.value.status_code, committed.value.status_code) == (409, 409)
            assert blob.download_blob().readall() == BODY

    def test_checks_what_it_receives(self, azurite: Azurite) -> None:
        """A body or a block that is not what its Content-MD5 says is refused with 400."""
        wrong = {"Content-MD5": _digest("md5", OTHER)}
        with azurite.service() as service:
            blob = service.get_blob_client(BUCKET, "checked")
            with pytest.raises(HttpResponseError) as whole:
                blob.upload_blob(BODY, headers=wrong)
            with pytest.raises(HttpResponseError) as block:
                blob.stage_block("AAAA", BODY, headers=wrong)

            assert (whole.value.status_code, block.value.status_code) == (400, 400)
            assert not blob.exists()


@pytest.mark.parametrize("part", [RcloneS3, Azurite, SeaweedFS])
def test_a_store_is_gone_after_exit(part: type[SeaweedFS] | type[RcloneS3] | type[Azurite], tmp_path: Path) -> None:
    """Each store listens while it is wanted, and not after."""
    with part(tmp_path) as store:
        assert _listens(store.endpoint)

    assert not _listens(store.endpoint)


def test_seaweedfs_leaves_no_sockets(tmp_path: Path) -> None:
    """The sockets that it puts outside its folder are gone with it."""
    with SeaweedFS(tmp_path) as store:
        assert any(path.exists() for path in store.sockets())

    assert not any(path.exists() for path in store.sockets())


def _refused(call: Callable[[], object]) -> int:
    """The HTTP status with which S3 refuses `call`; it must."""
    with pytest.raises(ClientError) as caught:
        call()
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def _upload(client: BaseClient, key: str, body: bytes) -> Callable[..., object]:
    """Upload one part under `key`, and return what completes it."""
    target = {"Bucket": BUCKET, "Key": key}
    number = client.create_multipart_upload(**target)["UploadId"]
    tag = client.upload_part(**target, UploadId=number, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}

    def complete(**conditions: str) -> object:
        return client.complete_multipart_upload(**target, UploadId=number, MultipartUpload=parts, **conditions)

    return complete


def _listens(endpoint: str) -> bool:
    """Whether anything accepts connections at this URL."""
    address = urlsplit(endpoint)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0
