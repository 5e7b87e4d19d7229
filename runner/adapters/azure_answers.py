"""What Azure's refusals mean: an exception of Microsoft's client in, one of our errors out.

Owns the table of Azure's error codes. Messages hold the code and never Azure's own text or an address: those may
show a signature or a signed URL.
"""

from __future__ import annotations

from collections.abc import Mapping

from azure.core import exceptions as vendor

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

# ValueError: the client raises it for an address or a name that cannot be, and its (de)serializers do.
# AttributeError: it falls over a listing without a body.
VENDOR_ERRORS = (vendor.AzureError, ValueError, OSError, AttributeError)


class PastTheEnd(StoreError):
    """A range begins at or after the blob's end."""


def error_of(error: Exception, *, url: str, key: str) -> StoreError:
    """The error for one of `VENDOR_ERRORS`, raised by a request about `key`, or the container where it is empty."""
    context = {"location": url, "key": key}
    status = getattr(error, "status_code", None)
    if isinstance(error, vendor.HttpResponseError) and isinstance(status, int) and status >= 300:
        return _error_of_answer(error, status, url=url, key=key)
    name = type(error).__name__
    if isinstance(error, vendor.ClientAuthenticationError):
        hint = "give the location a credential, or set up one of Azure's own (environment, identity, az login)"
        return StoreDenied(f"No credentials for the store can be had ({name})", hint=hint, **context)
    if isinstance(error, vendor.ServiceRequestError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "name the authority's certificates in the environment: REQUESTS_CA_BUNDLE"
        return StoreError("The store's certificate cannot be verified", hint=hint, **context)
    if isinstance(error, _NO_ANSWER):
        hint = "check the network, config.storageAccount and config.storageAccountURI"
        return StoreUnreachable(f"The store gives no answer, or not all of it ({name})", hint=hint, **context)
    hint = "check the location's bucket, config.storageAccount and config.storageAccountURI"
    return StoreError(f"Azure cannot be asked this way ({name})", hint=hint, **context)


# HttpResponseError is here for those without a status, or with 200: an answer that broke off or is not Azure's.
_NO_ANSWER = (
    vendor.ServiceRequestError,
    vendor.ServiceResponseError,
    vendor.HttpResponseError,
    vendor.DeserializationError,
    AttributeError,
    ConnectionError,
    TimeoutError,
)

_LOCATION = "create the container, or correct objectStorage.bucket"
_CREDENTIAL = "is the key or token right and still in force, and this machine's clock?"
_RIGHTS = "the token or identity needs the rights to read, create, write and list blobs, and to delete unfinished ones"
_LEASE = "somebody holds a lease on the blob: break it"
_GONE = "its blocks were dropped elsewhere: begin the run again"

_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "ContainerNotFound": (LocationNotFound, _LOCATION),
    "ContainerBeingDeleted": (LocationNotFound, _LOCATION),
    "ContainerDisabled": (LocationNotFound, _LOCATION),
    "InvalidResourceName": (LocationNotFound, "correct objectStorage.bucket"),
    "BlobNotFound": (KeyNotFound, ""),
    "BlobAlreadyExists": (KeyExists, ""),
    "ResourceAlreadyExists": (KeyExists, ""),
    "ConditionNotMet": (KeyExists, ""),
    "UnauthorizedBlobOverwrite": (
        KeyExists,
        "",
    ),  # what a token without the right to write says of a taken key
    "InvalidRange": (PastTheEnd, ""),
    "InvalidBlockList": (StoreError, _GONE),
    "InvalidBlobOrBlock": (StoreError, _GONE),
    "BlobArchived": (StoreError, "the blob is in the archive tier: rehydrate it first"),
    "BlobBeingRehydrated": (StoreError, "the blob comes back from the archive tier: wait until it is there"),
    "Md5Mismatch": (UploadDamaged, ""),
    "InvalidMd5": (UploadDamaged, ""),
    "Crc64Mismatch": (UploadDamaged, ""),
    "IncompleteBody": (UploadDamaged, ""),
    "InvalidOperation": (UploadDamaged, ""),  # Azurite's word for Md5Mismatch
    "AuthenticationFailed": (StoreDenied, _CREDENTIAL),
    "AuthorizationFailure": (StoreDenied, _CREDENTIAL + " does the account's firewall let this machine in?"),
    "AccountIsDisabled": (StoreDenied, "the storage account is disabled"),
    "BlobImmutableDueToPolicy": (StoreDenied, "a retention policy protects the blob"),
    "LeaseIdMissing": (StoreDenied, _LEASE),
    "LeaseIdMismatchWithBlobOperation": (StoreDenied, _LEASE),
    "ServerBusy": (StoreBusy, ""),
    "OperationTimedOut": (StoreBusy, ""),
    "InternalError": (StoreBusy, ""),
    "AccountBeingCreated": (StoreBusy, ""),
}

# For answers to HEAD, and for codes that are not in the table.
_BY_STATUS: dict[int, tuple[type[StoreError], str]] = {
    401: (StoreDenied, _CREDENTIAL),
    403: (StoreDenied, _RIGHTS),
    408: (StoreBusy, ""),
    412: (KeyExists, ""),
    416: (PastTheEnd, ""),
    429: (StoreBusy, ""),
    507: (StoreFull, "give the account more space"),
}

_SENTENCES: dict[type[StoreError], str] = {
    LocationNotFound: "The container is not there",
    KeyNotFound: "There is no such key",
    KeyExists: "The key exists already",
    PastTheEnd: "The range is past the blob's end",
    StoreDenied: "The store denies access",
    StoreFull: "The store is full",
    StoreBusy: "The store asks to try again later",
    UploadDamaged: "What the store received is not what was sent",
}


def _error_of_answer(error: vendor.HttpResponseError, status: int, *, url: str, key: str) -> StoreError:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    code = headers.get("x-ms-error-code", "")
    kind, hint = _BY_CODE.get(code) or _by_status(status, key)
    message = f"{_SENTENCES.get(kind, 'The store refuses the request')} ({f'{status} {code}'.strip()})"
    if issubclass(kind, StoreBusy):
        after = _seconds(headers.get("Retry-After", ""))
        return kind(message, retry_after=after, hint=hint, location=url, key=key)
    return kind(message, hint=hint, location=url, key=key)


def _by_status(status: int, key: str) -> tuple[type[StoreError], str]:
    if status == 404:
        return (KeyNotFound, "") if key else (LocationNotFound, _LOCATION)
    if status >= 500 and status not in _BY_STATUS:
        return StoreBusy, ""
    return _BY_STATUS.get(status, (StoreError, "check the location's bucket and config"))


def _seconds(retry_after: str) -> float | None:
    try:
        return float(retry_after)
    except ValueError:
        return None  # absent, or a date
