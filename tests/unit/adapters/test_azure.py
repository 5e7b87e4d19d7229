"""What the Azure adapter asks for, and what it makes of refusals, of no answer at all, and of a missing client."""

from __future__ import annotations

import hashlib
import inspect
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core import exceptions as vendor
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from runner.adapters.azure import AzureStore
from runner.adapters.azure_answers import VENDOR_ERRORS, error_of
from runner.errors import (
    KeyExists,
    KeyNotFound,
    LocationNotFound,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnreachable,
    UploadDamaged,
)
from runner.model.location import AzureLocation
from runner.ports import UnfinishedUpload
from tests.conformance.stores import azure_location
from tests.unit.adapters.scripted_server import Answer, ScriptedServer

KEY = b64encode(b"a key that must not show").decode()
SAS = "sv=2024-01-01&sig=SiGnAtUrE"
NAMES = "/bucket/prefix/key"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """In Azure's place."""
    with ScriptedServer() as up:
        yield up


@pytest.fixture
def store(server: ScriptedServer) -> AzureStore:
    """A store there, with a key."""
    return AzureStore(azure_location("bucket", "prefix", server.url), account_key=KEY)


def _public(credential: dict[str, Any] | None = None) -> AzureLocation:
    return AzureLocation.model_validate(
        {
            "provider": "azure",
            "objectStorage": {"bucket": "bucket", "prefix": "a/b/"},
            "config": {"storageAccount": "account"},
            "credential": credential,
        }
    )


def _refusal(status: int, code: str, **headers: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{KEY} {SAS}</Message></Error>".encode()
    marks = {"x-ms-error-code": code} if code else {}
    return Answer(status, body if code else b"", {"Content-Type": "application/xml", **marks, **headers})


def _done(**headers: str) -> Answer:
    return Answer(201, b"", {"ETag": '"0x1"', **headers})


def test_making_a_store_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Creation is cheap, even where credentials will have to be searched for."""
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a socket was opened"))
    store = AzureStore(_public())
    store.upload("key")
    assert (store.url, repr(store)) == (
        "azure://account/bucket/a/b",
        "AzureStore('azure://account/bucket/a/b')",
    )


def test_the_public_cloud_is_trusted_and_others_are_not(store: AzureStore) -> None:
    """Without an endpoint of its own the account is at Azure, which checks what it is sent."""
    public = AzureStore(_public(), account_key=KEY)
    assert (public.verifies_uploads, store.verifies_uploads) == (True, False)
    assert public._container._connected().url == "https://account.blob.core.windows.net/bucket"


def test_which_credential_is_used() -> None:
    """A key, a token with or without its question mark, the machine's identity, or else the default chain."""
    identity = {"managedIdentity": {"clientId": "id"}}
    assert isinstance(AzureStore(_public(), account_key=KEY)._container._credential(), AzureNamedKeyCredential)
    token = AzureStore(_public(), sas_token="?" + SAS)._container._credential()
    assert isinstance(token, AzureSasCredential)
    assert token.signature == SAS
    assert isinstance(AzureStore(_public(identity))._container._credential(), ManagedIdentityCredential)
    assert isinstance(AzureStore(_public())._container._credential(), DefaultAzureCredential)


def test_secrets_do_not_show(store: AzureStore) -> None:
    """Neither the store nor what it is made of shows a key when it is printed."""
    with_token = AzureStore(_public(), sas_token=SAS)
    shown = f"{store!r}{store._container!r}{store.upload('key')!r}{with_token!r}{with_token._container!r}"
    assert not [secret for secret in (KEY, SAS) if secret in shown]


def test_create(store: AzureStore, server: ScriptedServer) -> None:
    """One PUT with Content-MD5 and the condition."""
    server.expect(_done())
    store.create("key", b"data")
    [put] = server.asked
    assert (put.method, put.path, put.body, put.headers["If-None-Match"]) == ("PUT", NAMES, b"data", "*")
    assert put.headers["Content-MD5"] == b64encode(hashlib.md5(b"data").digest()).decode()


def test_an_upload(store: AzureStore, server: ScriptedServer) -> None:
    """Blocks bring Content-MD5; ids have one length and are this upload's own; their list is conditional."""
    server.expect(_done(), _done(), _done(), _done())
    upload, other = store.upload("key"), store.upload("key")
    upload.part(10000, 5, b"more")
    upload.part(2, 0, b"data")
    other.part(2, 0, b"else")
    upload.complete()
    last, first, foreign, complete = server.asked
    ids = [asked.path.split("blockid=")[1].split("&")[0] for asked in (first, last, foreign)]
    assert len(set(ids)) == 3
    assert len({len(block) for block in ids}) == 1
    assert first.headers["Content-MD5"] == b64encode(hashlib.md5(b"data").digest()).decode()
    assert complete.headers["If-None-Match"] == "*"
    listed = [complete.body.find(block.replace("%3D", "=").encode()) for block in ids]
    assert 0 < listed[0] < listed[1]
    assert listed[2] == -1


def test_an_unfinished_upload_that_is_committed_meanwhile(store: AzureStore, server: ScriptedServer) -> None:
    """What the second listing has is no longer unfinished."""

    def listing(*names: str) -> Answer:
        kind = "<Properties><BlobType>BlockBlob</BlobType></Properties>"
        blobs = "".join(f"<Blob><Name>prefix/{name}</Name>{kind}</Blob>" for name in names)
        body = f"<?xml version='1.0'?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    server.expect(listing("a", "b", "c"), listing("a", "b"))
    assert [upload.key for upload in store.unfinished("")] == ["c"]
    assert "uncommittedblobs" in server.asked[0].path
    assert "uncommittedblobs" not in server.asked[1].path


LEFT = UnfinishedUpload("key", "prefix/key")


def test_dropping_blocks(store: AzureStore, server: ScriptedServer) -> None:
    """The right to delete is tried where it can do no harm; an empty blob replaces the blocks, and goes by its tag."""
    server.expect(_refusal(404, "BlobNotFound"), _done(), Answer(202))
    store.discard(LEFT)
    asked = [(request.method, request.headers["If-Match"]) for request in server.asked]
    assert asked == [("DELETE", '"0x0"'), ("PUT", None), ("DELETE", '"0x1"')]
    assert server.asked[1].headers["If-None-Match"] == "*"


def test_blocks_stay_where_deleting_is_not_allowed(store: AzureStore, server: ScriptedServer) -> None:
    """No empty blob is made that could not be deleted again."""
    server.expect(_refusal(403, "AuthorizationPermissionMismatch"))
    store.discard(LEFT)
    assert [asked.method for asked in server.asked] == ["DELETE"]


def test_dropping_blocks_leaves_a_blob_alone(store: AzureStore, server: ScriptedServer) -> None:
    """A key that is taken, or taken in that instant, keeps its blob."""
    server.expect(_refusal(412, "ConditionNotMet"), _refusal(409, "BlobAlreadyExists"))
    store.discard(LEFT)
    assert [asked.method for asked in server.asked] == ["DELETE", "PUT"]
    server.expect(_refusal(404, "BlobNotFound"), _done(), _refusal(412, "ConditionNotMet"))
    store.discard(LEFT)
    assert server.asked[2].headers["If-Match"] == '"0x1"'


ANSWERS = [
    (400, "Md5Mismatch", UploadDamaged),
    (400, "InvalidBlockList", StoreError),
    (400, "InvalidHeaderValue", StoreError),
    (400, "InvalidResourceName", LocationNotFound),
    (401, "InvalidAuthenticationInfo", StoreDenied),
    (401, "NoAuthenticationInformation", StoreDenied),
    (403, "AuthenticationFailed", StoreDenied),
    (403, "AuthorizationFailure", StoreDenied),
    (403, "AuthorizationPermissionMismatch", StoreDenied),
    (403, "UnauthorizedBlobOverwrite", KeyExists),
    (403, "", StoreDenied),
    (404, "BlobNotFound", KeyNotFound),
    (404, "ContainerNotFound", LocationNotFound),
    (404, "ResourceNotFound", KeyNotFound),
    (409, "BlobAlreadyExists", KeyExists),
    (409, "ContainerBeingDeleted", LocationNotFound),
    (409, "BlobImmutableDueToPolicy", StoreDenied),
    (412, "ConditionNotMet", KeyExists),
    (412, "LeaseIdMissing", StoreDenied),
    (429, "", StoreBusy),
    (500, "InternalError", StoreBusy),
    (500, "OperationTimedOut", StoreBusy),
    (502, "", StoreBusy),
    (503, "ServerBusy", StoreBusy),
    (507, "", StoreFull),
    (418, "SomethingNew", StoreError),
]


@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS)
def test_what_refusals_mean(
    store: AzureStore, server: ScriptedServer, status: int, code: str, expected: type[StoreError]
) -> None:
    """Each code, and each status without one, is the error it means; asked once; no secret, no address in it."""
    server.expect(_refusal(status, code, **{"Retry-After": "7"}))
    with pytest.raises(StoreError) as caught:
        store.create("key", b"data")
    error = caught.value
    assert (type(error), len(server.asked)) == (expected, 1)
    assert str(status) in error.message
    assert code in error.message
    shown = f"{error.message} {error.hint} {error.context}"
    assert not [secret for secret in (KEY, SAS, "http", "sig=") if secret in shown]
    assert error.hint or isinstance(error, StoreBusy | UploadDamaged | KeyNotFound | KeyExists)
    if isinstance(error, StoreBusy):
        assert error.retry_after == 7.0


def test_a_retry_after_that_is_a_date(store: AzureStore, server: ScriptedServer) -> None:
    """What is no number of seconds is no wish."""
    server.expect(_refusal(503, "ServerBusy", **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    with pytest.raises(StoreBusy) as caught:
        store.create("key", b"")
    assert caught.value.retry_after is None


@pytest.mark.parametrize("body", [b"", b"<?xml version='1.0'?><EnumerationRes", b"<html><p>Welcome</html>"])
def test_a_listing_that_is_cut_off(store: AzureStore, server: ScriptedServer, body: bytes) -> None:
    """An answer without a body is not an empty container, and half of one, or a web page, is no answer."""
    asked: list[Callable[[str], object]] = [store.keys, store.folders, store.unfinished]
    for ask in asked:
        server.expect(Answer(200, body, {"Content-Type": "application/xml"}))
        with pytest.raises(StoreUnreachable):
            ask("")


VENDOR_CLASSES = [
    found
    for _, found in inspect.getmembers(vendor, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == vendor.__name__
]


@pytest.mark.parametrize("found", VENDOR_CLASSES, ids=lambda found: found.__name__)
def test_no_exception_of_azure_gets_out(found: type[Exception]) -> None:
    """Every class in azure.core.exceptions, and so every one that a later version adds, is caught and mapped."""
    assert issubclass(found, VENDOR_ERRORS)
    made: Any = found  # each wants arguments of its own, which the mapping must not rely on
    error = error_of(made.__new__(made), url="azure://account/bucket", key="key")
    assert isinstance(error, StoreError)
    assert found.__name__ in error.message


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (vendor.ServiceRequestError(SAS), StoreUnreachable),
        (vendor.ServiceResponseError(SAS), StoreUnreachable),
        (vendor.ServiceRequestTimeoutError(SAS), StoreUnreachable),
        (vendor.IncompleteReadError(SAS), StoreUnreachable),
        (vendor.HttpResponseError(SAS), StoreUnreachable),
        (vendor.DecodeError(SAS), StoreUnreachable),
        (vendor.ClientAuthenticationError(SAS), StoreDenied),
        (vendor.ServiceRequestError("[SSL: CERTIFICATE_VERIFY_FAILED]"), StoreError),
        (ValueError(SAS), StoreError),
    ],
)
def test_what_no_answer_means(raised: Exception, expected: type[StoreError]) -> None:
    """What the client raises where no answer comes is the error it means, with a hint and without its own text."""
    error = error_of(raised, url="azure://account/bucket", key="key")
    assert type(error) is expected
    assert error.hint
    assert SAS not in f"{error.message} {error.hint} {error.context}"


def test_a_key_that_is_no_key(server: ScriptedServer) -> None:
    """An account key that is not Base64 is a matter of credentials, and does not show."""
    store = AzureStore(azure_location("bucket", "", server.url), account_key="no-key!")
    with pytest.raises(StoreDenied) as caught:
        store.create("key", b"")
    assert "no-key!" not in f"{caught.value.message} {caught.value.hint} {caught.value.context}"


@pytest.mark.parametrize(
    ("absent", "step"),
    [
        ("azure.storage.blob", "import runner.adapters.azure"),
        ("azure.identity", "from runner.adapters.azure import AzureStore; AzureStore(location).keys('')"),
    ],
)
def test_without_the_extra(absent: str, step: str) -> None:
    """A client that is not installed, or not all of it, is a UsageError that says what to install."""
    script = f"""
import sys
from runner.errors import UsageError
from runner.model.location import AzureLocation

sys.modules["{absent}"] = None
location = AzureLocation.model_validate({_public().model_dump(by_alias=True, exclude_none=True)})
try:
    {step}
except UsageError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("pip install 'kube-trysail[azure]'\n", 0), done.stderr
