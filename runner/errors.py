"""The whole taxonomy of errors, and the exit code of each.

    TrysailError                 1   anything the user can be told about
    ├── UsageError               1   the command line asks for what cannot be
    ├── PolicyError              1   documents that do not hold; one Finding a mistake
    ├── SecretError              1   a referenced secret cannot be had
    ├── FormatError              1   a file of ours that cannot be understood (damaged, or of a newer major format)
    ├── ClusterError             1
    │   ├── ClusterUnreachable       no answer: refused, reset, timed out                    retriable
    │   ├── ClusterBusy              429, 5xx; carries the server's Retry-After              retriable
    │   ├── Unauthorized             401
    │   ├── Forbidden                403
    │   ├── ItemNotFound             404
    │   ├── ContinueExpired          410 on a list; carries the token to go on with
    │   ├── PageTooLarge             a page over the byte limit that the caller set
    │   ├── AlreadyExists            a create met an item of this name
    │   ├── WriteConflict            409: it changed meanwhile, or is another object          retriable
    │   ├── ApplyConflict            a server-side apply met fields that others own
    │   ├── Rejected                 the API server does not take the object: 400, 422, admission
    │   │   └── QuotaExceeded            403: a ResourceQuota has no room
    │   ├── NamespaceTerminating     the namespace is on its way out                          retriable
    │   ├── ExecTimedOut             a command in a Pod, or here, did not end in time
    │   └── BadResponse              an answer that is no Kubernetes list or object          retriable
    ├── VolumeError              1   something between us and what keeps volumes and their snapshots
    │   ├── VolumesUnreachable       no answer                                               retriable
    │   ├── VolumesBusy              throttled, 5xx; carries the provider's Retry-After      retriable
    │   ├── VolumesDenied            credentials or rights
    │   ├── VolumeNotFound           the volume is not there: gone, or of another region or account
    │   ├── SnapshotNotFound         the snapshot is not there, or cannot be reached
    │   ├── VolumeQuotaExceeded      a quota or limit of the provider's has no room
    │   └── VolumeRejected           the provider does not take the request
    ├── CommandNotStarted        1   a command on this machine cannot be started
    ├── HookFailed               1   a command around the run failed
    ├── StoreError               1
    │   ├── StoreUnreachable         no answer                                               retriable
    │   ├── StoreBusy                throttled, 5xx                                          retriable
    │   ├── StoreDenied              credentials or rights
    │   ├── StoreFull                no space, quota
    │   ├── LocationNotFound         bucket, container or folder missing
    │   ├── KeyNotFound
    │   ├── KeyExists                a create-only write met an existing key
    │   └── UploadDamaged            what arrived is not what was sent                       retriable
    ├── BackupNotFound           1
    ├── BackupDamaged            4   what is stored is not what was recorded
    ├── PlanRefused              4   the plan has findings that stop a run before it writes
    ├── PlanStale                5   the saved plan no longer fits the cluster or the policy
    └── Cancelled              130   a signal

Adapters map every exception of a vendor to one of these, `raise … from`; vendors' own classes never leave their
adapter. Only the engine retries, and only what is `retriable`. Nothing here ever holds a secret's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process says to the shell; design: "Exit codes"."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    PARTIAL = 3
    FINDINGS = 4
    STALE = 5
    CANCELLED = 130


# Where several apply, the first of these is the one that is said.
EXIT_PRECEDENCE = (
    ExitCode.CANCELLED,
    ExitCode.STALE,
    ExitCode.ERROR,
    ExitCode.PARTIAL,
    ExitCode.FINDINGS,
    ExitCode.CHANGES,
    ExitCode.DONE,
)


def worst(codes: list[ExitCode]) -> ExitCode:
    """The exit code that stands for all of `codes`; DONE for none."""
    return next((code for code in EXIT_PRECEDENCE if code in codes), ExitCode.DONE)


class TrysailError(Exception):
    """An error that is shown as message, hint and context, never as a traceback.

    `message` says what is wrong in one sentence, `hint` what to do about it, `context` where it happened
    (name → value, shown in the order given).
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", **context: str) -> None:
        """`context` words are shown as `name: value` lines; empty values are left out."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = {name: value for name, value in context.items() if value}


class UsageError(TrysailError):
    """The command line asks for something that cannot be."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake in a document: where it stands and what was probably meant."""

    file: str
    line: int  # from 1; 0 where the whole file is meant
    column: int  # from 1
    path: str  # the field's path, as spec.includedNamespaces[0]
    message: str
    hint: str = ""


class PolicyError(TrysailError):
    """Documents that do not hold; `findings` has every mistake that was found, in file order."""

    def __init__(self, message: str, *, findings: tuple[Finding, ...] = (), hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.findings = findings


class SecretError(TrysailError):
    """A secret that is named by reference cannot be had."""


class FormatError(TrysailError):
    """A file of our own that cannot be understood."""


class ClusterError(TrysailError):
    """Something between us and the API server."""


class ClusterUnreachable(ClusterError):
    """The API server gave no answer."""

    retriable = True


class ClusterBusy(ClusterError):
    """The API server answered 429 or 5xx; `retry_after` is its own wish in seconds, where it has one."""

    retriable = True

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.retry_after = retry_after


class Unauthorized(ClusterError):
    """401: the API server does not know who we are."""


class Forbidden(ClusterError):
    """403: the API server knows us and says no."""


class ItemNotFound(ClusterError):
    """404: the item, or its type, is not there."""


class ContinueExpired(ClusterError):
    """410 on a list; `token` goes on where the list broke off, at a newer resourceVersion (empty: it cannot)."""

    def __init__(self, message: str, *, token: str, hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.token = token


class PageTooLarge(ClusterError):
    """The page grew over the limit in bytes that its request set; ask again for fewer items."""


class AlreadyExists(ClusterError):
    """A create met an item that has this name already."""


class WriteConflict(ClusterError):
    """409: the item changed meanwhile, or is not the one that the precondition (uid, resourceVersion) names."""

    retriable = True


@dataclass(frozen=True, slots=True, order=True)
class OwnedField:
    """A field that another manager owns."""

    path: str  # as the API server writes it: .spec.replicas
    manager: str


class ApplyConflict(ClusterError):
    """A server-side apply would change fields that other managers own; `fields` names each with its manager."""

    def __init__(self, message: str, *, fields: tuple[OwnedField, ...] = (), hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.fields = fields


class Rejected(ClusterError):
    """The API server does not take the object: malformed, invalid, immutable, or denied by admission."""


class QuotaExceeded(Rejected):
    """A ResourceQuota of the namespace has no room for the object."""


class NamespaceTerminating(ClusterError):
    """The namespace is being deleted: nothing can be created in it until it is gone and there again."""

    retriable = True


class BadResponse(ClusterError):
    """An answer that is not what Kubernetes' API promises: cut off, malformed, of another kind."""

    retriable = True


class ExecTimedOut(ClusterError):
    """A command, in a Pod or on this machine, did not end in time; in a Pod it may still go on."""


class VolumeError(TrysailError):
    """Something between us and what keeps volumes: a cloud's disks, a CSI driver, restic."""


class VolumesUnreachable(VolumeError):
    """The provider gave no answer."""

    retriable = True


class VolumesBusy(VolumeError):
    """The provider throttles or answers 5xx; `retry_after` is its own wish in seconds, where it has one."""

    retriable = True

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.retry_after = retry_after


class VolumesDenied(VolumeError):
    """The provider does not accept the credentials, or they lack a right."""


class VolumeNotFound(VolumeError):
    """The volume is not there: it is gone, or in another region or account."""


class SnapshotNotFound(VolumeError):
    """The snapshot is not there, or cannot be reached from here."""


class VolumeQuotaExceeded(VolumeError):
    """A quota or limit of the provider's has no room for one more."""


class VolumeRejected(VolumeError):
    """The provider does not take the request as it is."""


class CommandNotStarted(TrysailError):
    """A command on this machine cannot be started: it is not there, or may not be run."""


class HookFailed(TrysailError):
    """A command before or after the whole run failed, and the policy says that this matters."""


class StoreError(TrysailError):
    """Something between us and the object store."""


class StoreUnreachable(StoreError):
    """The store gave no answer."""

    retriable = True


class StoreBusy(StoreError):
    """The store throttles or answers 5xx; `retry_after` is its own wish in seconds, where it has one."""

    retriable = True

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.retry_after = retry_after


class StoreDenied(StoreError):
    """The store does not accept the credentials, or they lack a right."""


class StoreFull(StoreError):
    """No space left, or a quota is used up."""


class LocationNotFound(StoreError):
    """The bucket, the container or the folder is not there."""


class KeyNotFound(StoreError):
    """No object has this key."""


class KeyExists(StoreError):
    """A create-only write met an object that has this key already."""


class UploadDamaged(StoreError):
    """What the store holds is not what was sent."""

    retriable = True


class BackupNotFound(TrysailError):
    """No committed backup answers to this name."""


class BackupDamaged(TrysailError):
    """What is stored is not what was recorded; `damages` names each thing."""

    exit_code = ExitCode.FINDINGS

    def __init__(self, message: str, *, damages: tuple[str, ...] = (), hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.damages = damages


class PlanRefused(TrysailError):
    """The plan has findings that stop a run before anything is written."""

    exit_code = ExitCode.FINDINGS


class PlanStale(TrysailError):
    """The saved plan no longer fits; `reasons` names each difference that forbids it."""

    exit_code = ExitCode.STALE

    def __init__(self, message: str, *, reasons: tuple[str, ...] = (), hint: str = "", **context: str) -> None:
        super().__init__(message, hint=hint, **context)
        self.reasons = reasons


class Cancelled(TrysailError):
    """A signal asked us to stop."""

    exit_code = ExitCode.CANCELLED
