"""What S3's refusals mean: an exception of botocore in, one of our errors out.

Owns the table of S3's error codes. Messages hold the code and never the store's own text or an address: those
may show a signature, a key or a signed URL.
"""

from __future__ import annotations

from typing import Any

from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

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

# ValueError: botocore raises it for an endpoint that is no URL. OSError: for a file of its own that is unreadable.
VENDOR_ERRORS = (
    vendor.BotoCoreError,
    vendor.ClientError,
    vendor.UndefinedModelAttributeError,
    ResponseParserError,
    HTTPError,
    ValueError,
    OSError,
)


class NotImplementedThere(StoreError):
    """501: the store lacks an operation, or a header's meaning."""


class NoSuchUpload(StoreError):
    """The multipart upload is not there: completed, aborted, or never begun."""


class PastTheEnd(StoreError):
    """A range begins at or after the object's end."""


class WriteConflict(StoreBusy):
    """409: another write to the same key is under way; who wins is not known yet."""


def error_of(error: Exception, *, url: str, key: str) -> StoreError:
    """The error for one of `VENDOR_ERRORS`, raised by a request about `key`, or about the bucket where it is empty."""
    if isinstance(error, vendor.ClientError):
        return _error_of_answer(getattr(error, "response", {}), url=url, key=key)
    if isinstance(error, vendor.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "name the authority's certificate in objectStorage.caFile"
        return StoreError("The store's certificate cannot be verified", hint=hint, location=url)
    for kinds, ours, message, hint in _WITHOUT_ANSWER:
        if isinstance(error, kinds):
            return ours(f"{message} ({type(error).__name__})", hint=hint, location=url, key=key)
    hint = "check the location's bucket, config.region, config.s3Url and config.profile"
    return StoreError(f"S3 cannot be asked this way ({type(error).__name__})", hint=hint, location=url, key=key)


_SET_UP_ACCESS = "give the location a credential, or set up AWS' own (environment, profile, instance role)"
_RIGHTS = "are the credentials right, and may they read, list, write and abort uploads in this bucket?"

_WITHOUT_ANSWER: tuple[tuple[tuple[type[Exception], ...], type[StoreError], str, str], ...] = (
    (
        (
            vendor.NoCredentialsError,
            vendor.PartialCredentialsError,
            vendor.CredentialRetrievalError,
            vendor.UnknownCredentialError,
            vendor.MetadataRetrievalError,
            vendor.NoAuthTokenError,
            vendor.TokenRetrievalError,
            vendor.UnknownTokenProviderError,
            vendor.RefreshWithMFAUnsupportedError,
            vendor.SSOError,
            vendor.LoginError,
        ),
        StoreDenied,
        "No credentials for the store can be had",
        _SET_UP_ACCESS,
    ),
    (
        (vendor.ProfileNotFound, vendor.ConfigNotFound, vendor.ConfigParseError, vendor.InvalidConfigError),
        StoreDenied,
        "AWS' own configuration cannot be used",
        "check config.profile, and the files in ~/.aws",
    ),
    (
        (vendor.FlexibleChecksumError, vendor.ChecksumError),
        UploadDamaged,
        "What arrived does not have the checksum that the store recorded",
        "",
    ),
    (
        (
            vendor.ConnectionError,
            vendor.HTTPClientError,
            vendor.IncompleteReadError,
            HTTPError,
            ConnectionError,
        ),
        StoreUnreachable,
        "The store gives no answer",
        "check the network, config.s3Url and config.region; config.s3ForcePathStyle where buckets have no host names",
    ),
    (
        (ResponseParserError,),
        StoreUnreachable,
        "The store's answer is cut off, or not S3's",
        "does config.s3Url lead to an S3 API?",
    ),
)

_LOCATION = "create the bucket, or correct objectStorage.bucket"
_REGION = "set config.region to the bucket's region"
_KMS = "check config.kmsKeyId, and the right to use that key"
_RENEW = "renew the credentials: they have expired"

# Code → error and hint. Codes are AWS' unless said otherwise.
_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchBucket": (LocationNotFound, _LOCATION),
    "InvalidBucketName": (LocationNotFound, "correct objectStorage.bucket"),
    "AllAccessDisabled": (LocationNotFound, "correct objectStorage.bucket"),
    "PermanentRedirect": (LocationNotFound, _REGION),
    "AuthorizationHeaderMalformed": (LocationNotFound, _REGION),
    "IllegalLocationConstraintException": (LocationNotFound, _REGION),
    "NoSuchKey": (KeyNotFound, ""),
    "NoSuchVersion": (KeyNotFound, ""),
    "NoSuchUpload": (NoSuchUpload, "it was aborted elsewhere: begin the run again"),
    "PreconditionFailed": (KeyExists, ""),
    "ConditionalRequestConflict": (WriteConflict, ""),
    "OperationAborted": (WriteConflict, ""),
    "InvalidRange": (PastTheEnd, ""),
    "NotImplemented": (NotImplementedThere, ""),
    "AccessDenied": (StoreDenied, _RIGHTS),
    "AccessForbidden": (StoreDenied, _RIGHTS),
    "AccountProblem": (StoreDenied, _RIGHTS),
    "InvalidAccessKeyId": (StoreDenied, "the access key is not known there: correct the credential"),
    "SignatureDoesNotMatch": (StoreDenied, "the secret access key is wrong: correct the credential"),
    "InvalidSecurity": (StoreDenied, _RIGHTS),
    "InvalidToken": (StoreDenied, "the session token is wrong: correct the credential"),
    "ExpiredToken": (StoreDenied, _RENEW),
    "ExpiredTokenException": (StoreDenied, _RENEW),
    "TokenRefreshRequired": (StoreDenied, _RENEW),
    "RequestExpired": (StoreDenied, "set this machine's clock"),
    "RequestTimeTooSkewed": (StoreDenied, "set this machine's clock"),
    "NotSignedUp": (StoreDenied, _RIGHTS),
    "InvalidObjectState": (StoreError, "the object is in cold storage: restore it there first"),
    "KMS.DisabledException": (StoreDenied, _KMS),
    "KMS.NotFoundException": (StoreDenied, _KMS),
    "KMS.KMSInvalidStateException": (StoreDenied, _KMS),
    "BadDigest": (UploadDamaged, ""),
    "InvalidDigest": (UploadDamaged, ""),
    "IncompleteBody": (UploadDamaged, ""),
    "XAmzContentSHA256Mismatch": (UploadDamaged, ""),
    "XAmzContentChecksumMismatch": (UploadDamaged, ""),
    "InvalidPart": (UploadDamaged, ""),
    "QuotaExceeded": (StoreFull, "raise the bucket's quota, or delete old backups"),  # Ceph, Wasabi
    "QuotaExceededException": (StoreFull, "raise the bucket's quota, or delete old backups"),
    "XMinioAdminBucketQuotaExceeded": (StoreFull, "raise the bucket's quota, or delete old backups"),
    "XMinioStorageFull": (StoreFull, "give the store more space"),
    "InsufficientStorage": (StoreFull, "give the store more space"),
    "SlowDown": (StoreBusy, ""),
    "SlowDownRead": (StoreBusy, ""),
    "SlowDownWrite": (StoreBusy, ""),
    "Throttling": (StoreBusy, ""),
    "ThrottlingException": (StoreBusy, ""),
    "RequestLimitExceeded": (StoreBusy, ""),
    "BandwidthLimitExceeded": (StoreBusy, ""),
    "TooManyRequests": (StoreBusy, ""),
    "RequestTimeout": (StoreBusy, ""),
    "InternalError": (StoreBusy, ""),
    "ServiceUnavailable": (StoreBusy, ""),
    "XMinioServerNotInitialized": (StoreBusy, ""),
}

# For answers without a body, as all answers to HEAD are, and for codes that are not in the table.
_BY_STATUS: dict[int, tuple[type[StoreError], str]] = {
    301: (LocationNotFound, _REGION),
    307: (StoreBusy, ""),
    401: (StoreDenied, _RIGHTS),
    403: (StoreDenied, _RIGHTS),
    408: (StoreBusy, ""),
    409: (WriteConflict, ""),
    412: (KeyExists, ""),
    416: (PastTheEnd, ""),
    429: (StoreBusy, ""),
    501: (NotImplementedThere, ""),
    507: (StoreFull, "give the store more space"),
}


def _error_of_answer(response: dict[str, Any], *, url: str, key: str) -> StoreError:
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", ""))
    context = {"location": url, "key": key}
    kind, hint = _BY_CODE.get(code) or _by_status(status, key)
    said = code if code == str(status) else f"{status} {code}".strip()
    message = _SENTENCES.get(kind, "The store refuses the request")
    if issubclass(kind, StoreBusy):
        return kind(f"{message} ({said})", retry_after=_retry_after(metadata), hint=hint, **context)
    return kind(f"{message} ({said})", hint=hint, **context)


def _by_status(status: int, key: str) -> tuple[type[StoreError], str]:
    if status == 404:
        return (KeyNotFound, "") if key else (LocationNotFound, _LOCATION)
    if status >= 500 and status not in _BY_STATUS:
        return StoreBusy, ""
    return _BY_STATUS.get(status, (StoreError, "check the location's bucket, config.region and config.s3Url"))


def _retry_after(metadata: dict[str, Any]) -> float | None:
    try:
        return float(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    except ValueError:
        return None  # absent, or a date


_SENTENCES: dict[type[StoreError], str] = {
    LocationNotFound: "The bucket is not there",
    KeyNotFound: "There is no such key",
    KeyExists: "The key exists already",
    NoSuchUpload: "The upload is gone",
    PastTheEnd: "The range is past the object's end",
    StoreDenied: "The store denies access",
    StoreFull: "The store is full",
    StoreBusy: "The store asks to try again later",
    WriteConflict: "Another write to this key is under way",
    UploadDamaged: "What the store received is not what was sent",
}
