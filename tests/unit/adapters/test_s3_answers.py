"""What the S3 adapter makes of refusals, and of no answer at all: one error of ours for each, and no secret in it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from runner.adapters.s3 import S3Store
from runner.adapters.s3_answers import VENDOR_ERRORS, error_of
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
from tests.unit.adapters.s3_wire import ACCESS_KEY, CREATED, SECRET_KEY, TOKEN, Wire, aws


@pytest.fixture(scope="module")
def store() -> S3Store:
    """AWS."""
    return aws()


@pytest.fixture(scope="module")
def wire(store: S3Store) -> Wire:
    """The wire to it; one for all tests here, as making a client takes its time."""
    return Wire(store)


ANSWERS = [
    (400, "BadDigest", UploadDamaged),
    (400, "XAmzContentSHA256Mismatch", UploadDamaged),
    (400, "IncompleteBody", UploadDamaged),
    (400, "InvalidPart", UploadDamaged),
    (400, "EntityTooSmall", StoreError),
    (400, "ExpiredToken", StoreDenied),
    (400, "RequestTimeout", StoreBusy),
    (400, "KMS.DisabledException", StoreDenied),
    (400, "AuthorizationHeaderMalformed", LocationNotFound),
    (400, "InvalidBucketName", LocationNotFound),
    (400, "KeyTooLongError", StoreError),
    (403, "AccessDenied", StoreDenied),
    (403, "InvalidAccessKeyId", StoreDenied),
    (403, "SignatureDoesNotMatch", StoreDenied),
    (403, "RequestTimeTooSkewed", StoreDenied),
    (403, "QuotaExceeded", StoreFull),
    (403, "InvalidObjectState", StoreError),
    (403, "", StoreDenied),
    (404, "NoSuchBucket", LocationNotFound),
    (404, "NoSuchKey", KeyNotFound),
    (404, "", KeyNotFound),
    (412, "PreconditionFailed", KeyExists),
    (429, "TooManyRequests", StoreBusy),
    (500, "InternalError", StoreBusy),
    (502, "", StoreBusy),
    (503, "SlowDown", StoreBusy),
    (503, "ServiceUnavailable", StoreBusy),
    (507, "XMinioStorageFull", StoreFull),
    (507, "", StoreFull),
    (418, "SomethingNew", StoreError),
]


@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS)
def test_what_refusals_mean(store: S3Store, wire: Wire, status: int, code: str, expected: type[StoreError]) -> None:
    """Each code, and each status without one, is the error it means; asked once; no secret, no address in it."""
    wire.expect((status, code, {"Retry-After": "7"}))
    with pytest.raises(StoreError) as caught:
        store.create("key", b"data")
    error = caught.value
    assert type(error) is expected
    assert len(wire.requests) == 1
    assert str(status) in error.message
    assert code in error.message
    shown = f"{error.message} {error.hint} {error.context}"
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, TOKEN, "http", "Signature=") if secret in shown]
    assert error.hint or isinstance(error, StoreBusy | UploadDamaged | KeyNotFound | KeyExists)
    if isinstance(error, StoreBusy):
        assert error.retry_after == 7.0


def test_a_bucket_in_another_region(store: S3Store, wire: Wire) -> None:
    """Botocore goes where AWS points to; where that is not to be had, the setting is named."""
    wire.expect((301, "PermanentRedirect"), (200, b"", {"x-amz-bucket-region": "us-west-2"}), CREATED)
    store.create("key", b"")
    wire.expect((301, "PermanentRedirect"), (403, ""))
    with pytest.raises(LocationNotFound) as caught:
        store.create("key", b"")
    assert "config.region" in caught.value.hint


def test_a_retry_after_that_is_a_date(store: S3Store, wire: Wire) -> None:
    """What is no number of seconds is no wish."""
    wire.expect((503, "SlowDown", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    with pytest.raises(StoreBusy) as caught:
        store.create("key", b"")
    assert caught.value.retry_after is None


VENDOR_CLASSES = [
    found
    for _, found in inspect.getmembers(vendor, inspect.isclass)
    if issubclass(found, Exception) and not issubclass(found, Warning) and found.__module__ == vendor.__name__
]


@pytest.mark.parametrize("found", VENDOR_CLASSES, ids=lambda found: found.__name__)
def test_no_exception_of_botocore_gets_out(found: type[Exception]) -> None:
    """Every class in botocore.exceptions, and so every one that a later botocore adds, is caught and mapped."""
    assert issubclass(found, VENDOR_ERRORS)
    made: Any = found  # each wants arguments of its own, which the mapping must not rely on
    error = error_of(made.__new__(made), url="s3://bucket", key="key")
    assert isinstance(error, StoreError)
    assert found.__name__ in error.message or issubclass(found, vendor.ClientError)


NO_ANSWERS: list[tuple[Exception, type[StoreError]]] = [
    (vendor.EndpointConnectionError(endpoint_url="http://x?Signature=", error="e"), StoreUnreachable),
    (vendor.ConnectTimeoutError(endpoint_url="u"), StoreUnreachable),
    (vendor.ReadTimeoutError(endpoint_url="u"), StoreUnreachable),
    (vendor.ConnectionClosedError(endpoint_url="u"), StoreUnreachable),
    (vendor.ProxyConnectionError(proxy_url="http://user:pass@proxy"), StoreUnreachable),
    (vendor.ResponseStreamingError(error="e"), StoreUnreachable),
    (vendor.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnreachable),
    (vendor.HTTPClientError(error="e"), StoreUnreachable),
    (HTTPError("e"), StoreUnreachable),
    (vendor.SSLError(endpoint_url="u", error="[SSL: UNEXPECTED_EOF_WHILE_READING]"), StoreUnreachable),
    (vendor.SSLError(endpoint_url="u", error="[SSL: CERTIFICATE_VERIFY_FAILED]"), StoreError),
    (ResponseParserError("e"), StoreUnreachable),
    (vendor.FlexibleChecksumError(error_msg="e"), UploadDamaged),
    (vendor.NoCredentialsError(), StoreDenied),
    (vendor.PartialCredentialsError(provider="p", cred_var="v"), StoreDenied),
    (vendor.CredentialRetrievalError(provider="p", error_msg=SECRET_KEY), StoreDenied),
    (vendor.UnauthorizedSSOTokenError(), StoreDenied),
    (vendor.ProfileNotFound(profile="p"), StoreDenied),
    (vendor.NoRegionError(), StoreError),
    (vendor.ParamValidationError(report="r"), StoreError),
    (ValueError("Invalid endpoint"), StoreError),
]


@pytest.mark.parametrize(("raised", "expected"), NO_ANSWERS, ids=lambda value: type(value).__name__)
def test_what_no_answer_means(store: S3Store, wire: Wire, raised: Exception, expected: type[StoreError]) -> None:
    """What botocore raises where no answer comes is the error it means, with a hint and without its own text."""
    wire.expect(raised)
    with pytest.raises(StoreError) as caught:
        store.create("key", b"data")
    error = caught.value
    assert (type(error), len(wire.requests)) == (expected, 1)
    assert error.__cause__ is raised
    assert error.hint or expected is UploadDamaged
    shown = f"{error.message} {error.hint} {error.context}"
    assert not [secret for secret in (SECRET_KEY, "http", "pass@", "Signature") if secret in shown]
