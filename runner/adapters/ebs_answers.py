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
VENDOR_ERRORS = (vendor.BotoCoreError, vendor.ClientError, ResponseParserError, HTTPError, ValueError, OSError)

_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)
_RIGHTS = "may the credentials {action}, and ec2:CreateTags? a snapshot without its tags is never made"
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
    "InvalidVolumeID.Duplicate": (VolumeRejected, ""),
    "InvalidVolumeID.ZoneMismatch": (VolumeRejected, ""),
    "InvalidSnapshot.NotFound": (SnapshotNotFound, "was it deleted? is it in {region}, and shared with this account?"),
    "InvalidSnapshotID.Malformed": (SnapshotNotFound, ""),
    "InvalidSnapshot.InUse": (VolumeRejected, "an image uses it: deregister that first"),
    "InvalidZone.NotFound": (VolumeRejected, "the snapshot's zone is not in {region}"),
    "IncorrectState": (VolumesBusy, ""),
    "UnauthorizedOperation": (VolumesDenied, _RIGHTS),
    "AccessDenied": (VolumesDenied, _RIGHTS),
    "AuthFailure": (VolumesDenied, "the credentials are not valid in {region}"),
    "Blocked": (VolumesDenied, "the account is blocked"),
    "InvalidClientTokenId": (VolumesDenied, "the access key is not known there"),
    "SignatureDoesNotMatch": (VolumesDenied, "the secret access key is wrong"),
    "ExpiredToken": (VolumesDenied, "renew the credentials: they have expired"),
    "ExpiredTokenException": (VolumesDenied, "renew the credentials: they have expired"),
    "RequestExpired": (VolumesDenied, "set this machine's clock, or renew the credentials"),
    "OptInRequired": (VolumesDenied, "the account has not opted into {region}"),
    "PendingVerification": (VolumesDenied, "the account is still being verified"),
    "SnapshotLimitExceeded": (VolumeQuotaExceeded, "delete old snapshots, or ask AWS for a higher quota"),
    "VolumeLimitExceeded": (VolumeQuotaExceeded, "delete volumes, or ask AWS for a higher quota"),
    "MaxIOPSLimitExceeded": (VolumeQuotaExceeded, "ask AWS for a higher quota of provisioned IOPS"),
    "TagLimitExceeded": (VolumeRejected, "a resource has at most 50 tags: take some out of the snapshot location"),
    # These pass by themselves.
    "ConcurrentSnapshotLimitExceeded": (VolumesBusy, ""),
    "SnapshotCreationPerVolumeRateExceeded": (VolumesBusy, ""),
    "ResourceCountExceeded": (VolumesBusy, ""),
    "RequestLimitExceeded": (VolumesBusy, ""),
    "Throttling": (VolumesBusy, ""),
    "ThrottlingException": (VolumesBusy, ""),
    "InsufficientVolumeCapacity": (VolumesBusy, ""),
    "InternalError": (VolumesBusy, ""),
    "InternalFailure": (VolumesBusy, ""),
    "ServiceUnavailable": (VolumesBusy, ""),
    "Unavailable": (VolumesBusy, ""),
    "InvalidKmsKey.InvalidState": (VolumeRejected, _KMS),
    "KmsKeyNotAccessibleFault": (VolumeRejected, _KMS),
    "InvalidParameterValue": (VolumeRejected, ""),
    "IdempotentParameterMismatch": (VolumeRejected, ""),
}


def error_of(error: Exception, *, region: str, action: str, subject: str) -> VolumeError:
    """The error for one of `VENDOR_ERRORS`. `action` is EC2's name of what was asked, `subject` whom it was about."""
    context = {"region": region, "volume": subject}
    if isinstance(error, vendor.ClientError):
        return _of_answer(getattr(error, "response", {}), region, action, context)
    if isinstance(error, _NO_ACCESS):
        hint = "give the snapshot location a credential or a profile, or set up AWS' own (environment, instance role)"
        return VolumesDenied(f"No credentials for EC2 can be had ({type(error).__name__})", hint=hint, **context)
    if isinstance(error, _NO_ANSWER):
        hint = "check the network, config.region and config.endpoint"
        return VolumesUnreachable(f"EC2 gives no answer ({type(error).__name__})", hint=hint, **context)
    hint = "check config.region, config.endpoint and config.profile"
    return VolumeError(f"EC2 cannot be asked this way ({type(error).__name__})", hint=hint, **context)


def _of_answer(response: dict[str, Any], region: str, action: str, context: dict[str, str]) -> VolumeError:
    said = response.get("Error", {})
    code = str(said.get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind, hint = _BY_CODE.get(code) or ((VolumesBusy, "") if status >= 500 else (VolumeRejected, ""))
    sentence = _ENCODED.sub("", str(said.get("Message") or "")).strip()
    message = f"EC2 refuses {action} ({code or status})" + (f": {sentence}" if sentence else "")
    return kind(message, hint=hint.format(region=region, action=f"ec2:{action}"), **context)


def code_of(error: BaseException | None) -> str:
    """EC2's code of a refusal; "" where it is none."""
    response: dict[str, Any] = getattr(error, "response", {}) or {}
    return str(response.get("Error", {}).get("Code", ""))
