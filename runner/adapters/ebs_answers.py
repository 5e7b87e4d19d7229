"""What EC2's refusals mean: an exception of botocore in, one of our errors out.

Owns the table of EC2's error codes (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html). Of EC2's own
text only the sentence is repeated, never an encoded authorization message.
"""

from __future__ import annotations

import re
from typing import Any

from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

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

# ValueError: botocore raises it for an endpoint that is no URL. OSError: for a file of its own that is unreadable.
# RuntimeError: for credentials that are over at the moment when they are had.
VENDOR_ERRORS = (
    vendor.BotoCoreError,
    vendor.ClientError,
    vendor.UndefinedModelAttributeError,
    ResponseParserError,
    HTTPError,
    ValueError,
    OSError,
    RuntimeError,
)

_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)
_ASSUME = "AssumeRole"
_TAGGED = frozenset({"CreateSnapshot", "CreateVolume"})  # tags go along with what is made
_RIGHTS = "do the credentials have the right {right}?"
_THERE = "the credentials are not valid in {region}"
_GONE = "was it deleted? is it in {region}, and shared with this account?"
_KMS = "check the key's policy: the credentials need kms:CreateGrant, kms:Decrypt and kms:ReEncrypt* on it"

_NO_ACCESS = (
    vendor.NoCredentialsError,
    vendor.PartialCredentialsError,
    vendor.CredentialRetrievalError,
    vendor.MetadataRetrievalError,
    vendor.NoAuthTokenError,
    vendor.TokenRetrievalError,
    vendor.UnknownCredentialError,
    vendor.UnknownTokenProviderError,
    vendor.RefreshWithMFAUnsupportedError,
    vendor.SSOError,
    vendor.LoginError,
    vendor.ProfileNotFound,
    vendor.ConfigNotFound,
    vendor.ConfigParseError,
    vendor.InvalidConfigError,
)
_NO_ANSWER = (
    vendor.ConnectionError,
    vendor.HTTPClientError,
    vendor.IncompleteReadError,
    HTTPError,
    ConnectionError,
    ResponseParserError,
)

_BY_CODE: dict[str, tuple[type[VolumeError], str]] = {
    "InvalidVolume.NotFound": (VolumeNotFound, "is it in {region}, and in the account of these credentials?"),
    "InvalidVolumeID.Malformed": (VolumeNotFound, "the PersistentVolume names no EBS volume"),
    "InvalidSnapshot.NotFound": (SnapshotNotFound, _GONE),
    "InvalidSnapshotID.Malformed": (SnapshotNotFound, _GONE),
    "InvalidSnapshot.InUse": (VolumeRejected, "an image uses it: deregister that first"),
    "InvalidZone.NotFound": (VolumeRejected, "the zone that the disk was in is not one of {region}"),
    "UnknownVolumeType": (VolumeRejected, "{region} has no disks of this type"),
    "VolumeTypeNotAvailableInZone": (VolumeRejected, "the zone has no disks of this type"),
    "VolumeInUse": (VolumeRejected, "something uses it already"),
    "IncorrectState": (VolumesBusy, ""),
    "UnauthorizedOperation": (VolumesDenied, _RIGHTS),
    "AccessDenied": (VolumesDenied, _RIGHTS),
    "AuthFailure": (VolumesDenied, _THERE),
    "InvalidAccessKeyId": (VolumesDenied, _THERE),
    "MissingAuthenticationToken": (VolumesDenied, _THERE),
    "IncompleteSignature": (VolumesDenied, _THERE),
    "Blocked": (VolumesDenied, "the account is blocked"),
    "InvalidClientTokenId": (VolumesDenied, "the access key is not known there"),
    "SignatureDoesNotMatch": (VolumesDenied, "the secret access key is wrong"),
    "ExpiredToken": (VolumesDenied, "renew the credentials: they have expired"),
    "ExpiredTokenException": (VolumesDenied, "renew the credentials: they have expired"),
    "RequestExpired": (VolumesDenied, "set this machine's clock, or renew the credentials"),
    "OptInRequired": (VolumesDenied, "the account has not opted into {region}"),
    "PendingVerification": (VolumesDenied, "the account is still being verified"),
    "SnapshotLimitExceeded": (VolumeQuotaExceeded, "delete old snapshots, or ask AWS for a higher quota"),
    "ResourceLimitExceeded": (VolumeQuotaExceeded, "ask AWS for a higher quota"),
    "VolumeLimitExceeded": (VolumeQuotaExceeded, "delete volumes, or ask AWS for a higher quota"),
    "MaxIOPSLimitExceeded": (VolumeQuotaExceeded, "ask AWS for a higher quota of provisioned IOPS"),
    "VolumeIOPSLimit": (VolumeQuotaExceeded, "ask AWS for a higher quota of provisioned IOPS"),
    "TagLimitExceeded": (VolumeRejected, "a resource has at most 50 tags: take some out of the snapshot location"),
    "InvalidKmsKey.InvalidState": (VolumeRejected, _KMS),
    "KmsKeyNotAccessibleFault": (VolumeRejected, _KMS),
    "IdempotentParameterMismatch": (VolumeRejected, ""),
    # These pass by themselves.
    "ConcurrentSnapshotLimitExceeded": (VolumesBusy, ""),
    "PendingSnapshotLimitExceeded": (VolumesBusy, ""),
    "SnapshotCreationPerVolumeRateExceeded": (VolumesBusy, ""),
    "RequestLimitExceeded": (VolumesBusy, ""),
    "Throttling": (VolumesBusy, ""),
    "ThrottlingException": (VolumesBusy, ""),
    "EC2ThrottledException": (VolumesBusy, ""),
    "InsufficientVolumeCapacity": (VolumesBusy, ""),
    "InternalError": (VolumesBusy, ""),
    "InternalFailure": (VolumesBusy, ""),
    "ServiceUnavailable": (VolumesBusy, ""),
    "Unavailable": (VolumesBusy, ""),
    "IDPCommunicationError": (VolumesBusy, ""),
}

# For answers whose code is not in the table, as those of proxies.
_BY_STATUS: dict[int, tuple[type[VolumeError], str]] = {
    401: (VolumesDenied, _RIGHTS),
    403: (VolumesDenied, _RIGHTS),
    408: (VolumesBusy, ""),
    429: (VolumesBusy, ""),
}


def error_of(error: Exception, *, region: str, action: str, subject: str) -> VolumeError:
    """The error for one of `VENDOR_ERRORS`. `action` is EC2's name of what was asked, `subject` whom it was about."""
    context = {"region": region, "snapshot" if subject.startswith("snap-") else "volume": subject}
    if isinstance(error, vendor.ClientError):
        # A request may have begun with another one, for the role that makes it.
        return _of_answer(getattr(error, "response", {}), getattr(error, "operation_name", action), context)
    if isinstance(error, _NO_ACCESS):
        hint = "give the snapshot location a credential or a profile, or set up AWS' own (environment, instance role)"
        return VolumesDenied(f"No credentials for EC2 can be had ({type(error).__name__})", hint=hint, **context)
    if isinstance(error, RuntimeError):
        hint = "set this machine's clock"
        return VolumesDenied("The credentials for EC2 are over as soon as they are had", hint=hint, **context)
    if isinstance(error, vendor.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "name the authority's certificate in AWS_CA_BUNDLE"
        return VolumeError("EC2's certificate cannot be verified", hint=hint, **context)
    if isinstance(error, ResponseParserError):
        return cut_off(action, context)
    if isinstance(error, _NO_ANSWER):
        hint = "check the network, config.region and config.endpoint"
        return VolumesUnreachable(f"EC2 gives no answer ({type(error).__name__})", hint=hint, **context)
    hint = "check config.region, config.endpoint and config.profile"
    return VolumeError(f"EC2 cannot be asked this way ({type(error).__name__})", hint=hint, **context)


def cut_off(action: str, context: dict[str, str]) -> VolumesUnreachable:
    """For an answer that lacks what it is made of: read as it is, it would say that nothing is there."""
    hint = "does config.endpoint lead to EC2, and no proxy answers in its place?"
    return VolumesUnreachable(f"The answer to {action} is cut off, or not EC2's", hint=hint, **context)


def code_of(error: BaseException | None) -> str:
    """EC2's code of a refusal; "" where it is none."""
    response: dict[str, Any] = getattr(error, "response", {}) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _of_answer(response: dict[str, Any], action: str, context: dict[str, str]) -> VolumeError:
    said = response.get("Error", {})
    code = str(said.get("Code", ""))
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    kind, hint = _BY_CODE.get(code) or _BY_STATUS.get(status) or (VolumesBusy if status >= 500 else VolumeRejected, "")
    sentence = _ENCODED.sub("", str(said.get("Message") or "")).strip()
    message = f"EC2 refuses {action} ({code or status})" + (f": {sentence}" if sentence else "")
    hint = hint.format(region=context["region"], right=_right(action))
    if issubclass(kind, VolumesBusy):
        return kind(message, retry_after=_retry_after(metadata), hint=hint, **context)
    return kind(message, hint=hint, **context)


def _right(action: str) -> str:
    if action == _ASSUME:
        return "sts:AssumeRole on config.roleArn, and does the role trust them"
    return f"ec2:{action}" + (", and ec2:CreateTags: without its tags nothing is made" if action in _TAGGED else "")


def _retry_after(metadata: dict[str, Any]) -> float | None:
    try:
        return float(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    except ValueError:
        return None  # absent, or a date
