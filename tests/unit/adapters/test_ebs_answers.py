"""What the EBS adapter makes of refusals, and of no answer at all: one error of ours for each, and no secret in it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from runner.adapters.ebs_answers import _BY_CODE, VENDOR_ERRORS, error_of
from runner.errors import (
    SnapshotNotFound,
    VolumeError,
    VolumeNotFound,
    VolumeQuotaExceeded,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from tests.parts.moto_ec2 import REGION
from tests.unit.adapters.ec2_stub import SECRET


def refused(code: str, status: int = 400, action: str = "CreateSnapshot", **headers: str) -> VolumeError:
    """What is made of a refusal."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    response: Any = {"Error": {"Code": code, "Message": "no."}, "ResponseMetadata": metadata}
    return error_of(vendor.ClientError(response, action), region=REGION, action="CreateSnapshot", subject="vol-1")


REFUSALS = [
    ("RequestLimitExceeded", 503, VolumesBusy),
    ("Throttling", 400, VolumesBusy),
    ("SnapshotCreationPerVolumeRateExceeded", 400, VolumesBusy),
    ("ConcurrentSnapshotLimitExceeded", 400, VolumesBusy),
    ("PendingSnapshotLimitExceeded", 400, VolumesBusy),
    ("IncorrectState", 400, VolumesBusy),
    ("InternalError", 500, VolumesBusy),
    ("NeverHeardOf", 500, VolumesBusy),
    ("", 429, VolumesBusy),
    ("", 403, VolumesDenied),
    ("NeverHeardOf", 400, VolumeRejected),
    ("SnapshotLimitExceeded", 400, VolumeQuotaExceeded),
    ("VolumeLimitExceeded", 400, VolumeQuotaExceeded),
    ("ResourceLimitExceeded", 400, VolumeQuotaExceeded),
    ("InvalidVolume.NotFound", 400, VolumeNotFound),
    ("InvalidSnapshot.NotFound", 400, SnapshotNotFound),
    ("UnauthorizedOperation", 403, VolumesDenied),
    ("AuthFailure", 401, VolumesDenied),
    ("ExpiredToken", 400, VolumesDenied),
    ("OptInRequired", 401, VolumesDenied),
    ("TagLimitExceeded", 400, VolumeRejected),
    ("KmsKeyNotAccessibleFault", 400, VolumeRejected),
]


@pytest.mark.parametrize(("code", "status", "kind"), REFUSALS)
def test_what_a_refusal_means(code: str, status: int, kind: type[VolumeError]) -> None:
    """Throttling passes by itself, a quota does not; each says what EC2 said."""
    error = refused(code, status)
    assert type(error) is kind
    assert error.retriable == (kind is VolumesBusy)
    assert f"EC2 refuses CreateSnapshot ({code or status}): no." in str(error)
    assert error.context == {"region": REGION, "volume": "vol-1"}


@pytest.mark.parametrize("code", sorted(_BY_CODE))
def test_every_hint_is_whole(code: str) -> None:
    """No placeholder is left in one, and what people can mend has one."""
    error = refused(code)
    assert "{" not in error.hint
    assert error.hint or isinstance(error, VolumesBusy | VolumeRejected)


@pytest.mark.parametrize(
    ("action", "hint"),
    [
        ("DescribeVolumes", "do the credentials have the right ec2:DescribeVolumes?"),
        ("CreateVolume", "ec2:CreateVolume, and ec2:CreateTags: without its tags nothing is made?"),
        ("AssumeRole", "sts:AssumeRole on config.roleArn, and does the role trust them?"),
    ],
)
def test_the_right_that_lacks_is_named(action: str, hint: str) -> None:
    """That of the very request: tags go along with some, and a role comes before all of them."""
    error = refused("AccessDenied", 403, action)
    assert hint in error.hint
    assert f"EC2 refuses {action}" in error.message


def test_ec2s_own_wish_is_kept() -> None:
    """Where it says how long to wait."""
    wishes = [refused("RequestLimitExceeded", 503, **headers) for headers in ({"retry-after": "7"}, {})]
    assert [error.retry_after for error in wishes if isinstance(error, VolumesBusy)] == [7.0, None]


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
    error = error_of(made.__new__(made), region=REGION, action="CreateSnapshot", subject="vol-1")
    assert isinstance(error, VolumeError)
    assert found.__name__ in error.message or issubclass(found, vendor.ClientError)


NO_ANSWERS: list[tuple[Exception, type[VolumeError]]] = [
    (vendor.EndpointConnectionError(endpoint_url=f"http://{SECRET}@x", error="e"), VolumesUnreachable),
    (vendor.ConnectTimeoutError(endpoint_url="http://x"), VolumesUnreachable),
    (vendor.ReadTimeoutError(endpoint_url=f"https://{SECRET}@ec2"), VolumesUnreachable),
    (vendor.ProxyConnectionError(proxy_url=f"http://user:{SECRET}@proxy"), VolumesUnreachable),
    (vendor.HTTPClientError(error="e"), VolumesUnreachable),
    (HTTPError("e"), VolumesUnreachable),
    (ResponseParserError(SECRET), VolumesUnreachable),
    (vendor.SSLError(endpoint_url="u", error="[SSL: UNEXPECTED_EOF_WHILE_READING]"), VolumesUnreachable),
    (vendor.SSLError(endpoint_url="u", error="[SSL: CERTIFICATE_VERIFY_FAILED]"), VolumeError),
    (vendor.NoCredentialsError(), VolumesDenied),
    (vendor.CredentialRetrievalError(provider="p", error_msg=SECRET), VolumesDenied),
    (vendor.ProfileNotFound(profile="p"), VolumesDenied),
    (vendor.NoRegionError(), VolumeError),
    (vendor.ParamValidationError(report=SECRET), VolumeError),
    (ValueError(f"Invalid endpoint: {SECRET}"), VolumeError),
]


@pytest.mark.parametrize(("raised", "kind"), NO_ANSWERS, ids=lambda value: getattr(value, "__name__", None))
def test_what_never_reached_ec2_tells_no_secret(raised: Exception, kind: type[VolumeError]) -> None:
    """Neither botocore's texts nor addresses are repeated: they may hold what nobody should read."""
    error = error_of(raised, region=REGION, action="CreateSnapshot", subject="vol-1")
    assert type(error) is kind
    assert error.hint
    assert SECRET not in f"{error}{error.hint}{error.context}"
