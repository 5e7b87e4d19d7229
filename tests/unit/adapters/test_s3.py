"""What the S3 adapter asks for, and how it goes on after answers that real servers give too rarely to wait for."""

from __future__ import annotations

import hashlib
import socket
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from runner.adapters.s3 import S3Store
from runner.errors import (
    KeyExists,
    KeyNotFound,
    LocationNotFound,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreUnreachable,
)
from tests.conformance.stores import s3_location
from tests.unit.adapters.s3_wire import (
    ACCESS_KEY,
    BEGUN,
    COMPLETED,
    CREATED,
    FREE,
    SECRET_KEY,
    TAKEN,
    TOKEN,
    Wire,
    away,
    aws,
)

AWS_SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*AWS_SETTINGS, *AWS_KEYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_making_a_store_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Creation is cheap: neither keys nor the lack of them make it ask anybody."""
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a socket was opened"))
    for store in (aws(), away(), S3Store(s3_location("bucket", ""))):
        store.upload("key")
        assert repr(store).startswith("S3Store('s3://bucket")


def test_urls_name_the_place() -> None:
    """Bucket and prefix, however its slashes were written."""
    assert [aws().url, away().url] == ["s3://bucket/prefix"] * 2
    assert S3Store(s3_location("bucket", "")).url == "s3://bucket"


def test_secrets_do_not_show() -> None:
    """Neither the store nor what it is made of shows a key when it is printed."""
    store = away()
    shown = repr(store) + repr(store._bucket) + repr(store.upload("key"))
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, TOKEN) if secret in shown]


def test_aws_is_trusted_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only AWS itself is known to check; an endpoint in the environment is another store as well."""
    assert (aws().verifies_uploads, away().verifies_uploads) == (True, False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert not aws().verifies_uploads
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert not aws().verifies_uploads


def test_create_at_aws() -> None:
    """One PUT, with SHA-256 and the condition; no look before it, which would need one more right."""
    store = aws()
    wire = Wire(store, CREATED)
    store.create("a/key", b"data")
    assert wire.said() == ["PUT /prefix/a/key if-none-match"]
    [request] = wire.requests
    assert request.headers["x-amz-checksum-sha256"] == b64encode(hashlib.sha256(b"data").digest())
    assert urlsplit(request.url).netloc == "bucket.s3.eu-west-1.amazonaws.com"


def test_create_elsewhere() -> None:
    """A look, then a PUT with Content-MD5 and the condition; path style, as the policy says, and a region."""
    store = away()
    wire = Wire(store, FREE, CREATED)
    store.create("key", b"data")
    assert wire.said() == ["HEAD /bucket/prefix/key", "PUT /bucket/prefix/key if-none-match"]
    sent = wire.requests[1].headers
    assert sent["Content-MD5"] == b64encode(hashlib.md5(b"data").digest())
    assert not [name for name in sent if name.lower().startswith("x-amz-checksum")]
    assert b"/us-east-1/s3/" in sent["Authorization"]


def test_a_store_that_lacks_conditions() -> None:
    """501 is followed by another look and a PUT without the condition, which is not tried again; also at AWS."""
    store = away()
    wire = Wire(store, FREE, (501, "NotImplemented"), FREE, CREATED, FREE, CREATED, TAKEN)
    store.create("a", b"")
    store.create("b", b"")
    with pytest.raises(KeyExists):
        store.create("b", b"")
    assert [line.replace("/bucket/prefix", "") for line in wire.said()] == [
        *("HEAD /a", "PUT /a if-none-match", "HEAD /a", "PUT /a"),
        *("HEAD /b", "PUT /b"),
        "HEAD /b",
    ]
    store = aws()
    wire = Wire(store, (501, "NotImplemented"), TAKEN)
    with pytest.raises(KeyExists):
        store.create("a", b"")


def _uploaded(store: S3Store, *answers: Any) -> tuple[Any, Wire]:
    """An upload whose only part is there, and what it is answered from then on."""
    wire = Wire(store, BEGUN, CREATED, *answers)
    upload = store.upload("key")
    upload.part(1, 0, b"data")
    return upload, wire


def test_an_upload_at_aws() -> None:
    """The upload declares SHA-256, each part brings its own, and the list repeats them; no look before it."""
    upload, wire = _uploaded(aws(), COMPLETED)
    upload.complete()
    begin, part, complete = wire.requests
    digest = b64encode(hashlib.sha256(b"data").digest())
    assert begin.headers["x-amz-checksum-algorithm"] == b"SHA256"
    assert part.headers["x-amz-checksum-sha256"] == digest
    assert b"<ChecksumSHA256>" + digest + b"</ChecksumSHA256>" in complete.body
    assert complete.headers["If-None-Match"] == b"*"


def test_an_upload_elsewhere() -> None:
    """Parts bring Content-MD5, and complete looks first and falls back where the condition is unknown."""
    upload, wire = _uploaded(away(), FREE, (501, "NotImplemented"), FREE, COMPLETED)
    upload.complete()
    assert wire.requests[1].headers["Content-MD5"] == b64encode(hashlib.md5(b"data").digest())
    key = "/bucket/prefix/key"
    assert wire.said()[2:] == [f"HEAD {key}", f"POST {key} if-none-match", f"HEAD {key}", f"POST {key}"]


def test_encryption_by_the_store() -> None:
    """The settings go along with PUT and with the beginning of an upload."""
    store = away(serverSideEncryption="aws:kms", kmsKeyId="key-id")
    wire = Wire(store, FREE, CREATED, BEGUN, CREATED)
    store.create("key", b"")
    store.upload("other").part(1, 0, b"")
    for request in (wire.requests[1], wire.requests[2]):
        assert request.headers["x-amz-server-side-encryption"] == b"aws:kms"
        assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == b"key-id"


def test_completing_an_upload_that_is_gone() -> None:
    """Gone with the key taken is KeyExists, as after a lost answer; gone with nothing there is the end of it."""
    upload, _ = _uploaded(aws(), (404, "NoSuchUpload"), TAKEN)
    with pytest.raises(KeyExists):
        upload.complete()
    upload, _ = _uploaded(aws(), (404, "NoSuchUpload"), FREE)
    with pytest.raises(StoreError) as caught:
        upload.complete()
    assert (caught.value.retriable, bool(caught.value.hint)) == (False, True)


@pytest.mark.parametrize("answer", [(409, "ConditionalRequestConflict"), (409, "OperationAborted"), (409, "")])
def test_writers_in_the_same_instant(answer: tuple[int, str]) -> None:
    """409 means that somebody else is writing: taken, if the key is there, and to be tried again if it is not."""
    store = aws()
    Wire(store, answer, TAKEN, answer, FREE)
    with pytest.raises(KeyExists):
        store.create("key", b"")
    with pytest.raises(StoreBusy):
        store.create("key", b"")


def test_an_error_in_a_successful_answer() -> None:
    """Complete may say 200 and then change its mind; that is an error to be tried again."""
    upload, _ = _uploaded(aws(), (200, "InternalError"), (200, b""), COMPLETED)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            upload.complete()
        assert caught.value.retriable
    upload.complete()


def test_abort_is_repeated_until_it_is_done() -> None:
    """A first try that failed is not taken for done; a second one that finds nothing is."""
    upload, wire = _uploaded(aws(), (503, "SlowDown"), (404, "NoSuchUpload"))
    with pytest.raises(StoreBusy):
        upload.abort()
    upload.abort()
    upload.abort()
    assert wire.said()[2:] == ["DELETE /prefix/key"] * 2


def test_a_missing_bucket_is_no_missing_key() -> None:
    """HEAD answers both alike, so the bucket is asked for; who may not ask is told that the key is missing."""
    store = aws()
    Wire(store, FREE, FREE, FREE, TAKEN, FREE, (403, ""))
    with pytest.raises(LocationNotFound):
        store.stat("key")
    for _ in range(2):
        with pytest.raises(KeyNotFound):
            store.stat("key")


LISTING = b"<ListBucketResult><Name>bucket</Name>%s</ListBucketResult>"


def test_listings_are_put_in_order() -> None:
    """Whatever order a store has, keys come sorted by bytes; folders that a console made are no objects."""
    store = aws()
    keys = ["b/a/b", "b/a-b", "b/", "a"]
    contents = "".join(f"<Contents><Key>prefix/{key}</Key><Size>1</Size></Contents>" for key in keys)
    Wire(store, (200, LISTING % contents.encode()))
    assert [item.key for item in store.keys("")] == ["a", "b/a-b", "b/a/b"]


@pytest.mark.parametrize("body", [b"", b"<ListBucketResult><Name>buck", b"<html><p>Welcome</html>"])
def test_a_listing_that_is_cut_off(body: bytes) -> None:
    """An answer without a body is not an empty bucket, and half of one, or a web page, is no answer."""
    store = aws()
    Wire(store, (200, body), (200, body), (200, body))
    asked: list[Callable[[str], object]] = [store.keys, store.folders, store.unfinished]
    for ask in asked:
        with pytest.raises((StoreUnreachable, StoreBusy)):
            ask("")


def test_an_upload_whose_beginning_is_cut_off() -> None:
    """Without an id there is nothing to go on with; the next part begins again."""
    store = aws()
    Wire(store, (200, b""), BEGUN, CREATED)
    upload = store.upload("key")
    with pytest.raises(StoreUnreachable):
        upload.part(1, 0, b"")
    upload.part(1, 0, b"")


@pytest.mark.parametrize("answer", [(501, "NotImplemented"), (404, "NoSuchUpload")])
def test_a_store_that_cannot_list_uploads(answer: tuple[int, str]) -> None:
    """It has none, as far as anybody can tell."""
    store = away()
    Wire(store, answer)
    assert store.unfinished("") == ()


def test_an_object_that_breaks_off() -> None:
    """Fewer bytes than announced are an error, by read and by stream."""
    store = aws()
    short = (200, b"half", {"Content-Length": "8"})
    Wire(store, short, short)
    with pytest.raises(StoreUnreachable):
        store.read("key")
    with pytest.raises(StoreUnreachable):
        list(store.stream("key"))


def test_without_credentials() -> None:
    """AWS' own chain is asked at the first request, and its failure says what to do."""
    store = S3Store(s3_location("bucket", "", region="eu-west-1"))
    with pytest.raises(StoreDenied) as caught:
        store.create("key", b"")
    assert "credential" in caught.value.hint


def test_a_profile(tmp_path: Path) -> None:
    """Keys and region are the profile's; its endpoint is not, since a store must be named where all can see it."""
    (tmp_path / "credentials").write_text(f"[work]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = s\n")
    settings = "region = eu-north-1\nendpoint_url = http://127.0.0.1:9\n"
    (tmp_path / "config").write_text(f"[profile work]\n{settings}")
    store = S3Store(s3_location("bucket", "", profile="work"))
    wire = Wire(store, CREATED)
    store.create("key", b"")
    [request] = wire.requests
    assert ACCESS_KEY.encode() in request.headers["Authorization"]
    assert urlsplit(request.url).netloc == "bucket.s3.eu-north-1.amazonaws.com"


def test_a_missing_profile() -> None:
    """Is an error that names the setting."""
    store = S3Store(s3_location("bucket", "", profile="nobody"))
    with pytest.raises(StoreDenied) as caught:
        list(store.keys(""))
    assert "config.profile" in caught.value.hint


@pytest.mark.parametrize("url", ["http://[bad", "http://host:port", "http://a..b"])
def test_an_endpoint_that_is_no_url(url: str) -> None:
    """Is an error that names the setting and is not retried, not a traceback."""
    store = S3Store(s3_location("bucket", "", s3Url=url), access_key_id="a", secret_access_key="b")
    with pytest.raises(StoreError) as caught:
        store.create("key", b"")
    assert "config.s3Url" in caught.value.hint
