"""Why an API server does not do what it is asked to change: its answer in, one of our errors out.

API servers repeat what they do not like. So of what they say about a Secret only that is passed on which holds no
value: fields, reasons, names of webhooks and policies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from runner.adapters.kubernetes_answers import error_of_status, retry_after, status_object, words
from runner.errors import (
    AlreadyExists,
    ApplyConflict,
    ClusterBusy,
    ClusterError,
    Forbidden,
    ItemNotFound,
    NamespaceTerminating,
    OwnedField,
    QuotaExceeded,
    Rejected,
    WriteConflict,
)

_DENIED = re.compile(
    r"admission webhook \"[^\"]*\" denied the request"
    r"|ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request"
)
_WEBHOOK_FAILED = re.compile(r"failed calling webhook \"[^\"]*\"|conversion webhook for [^:]*? failed")
# A 500 that is the same each time: apply's own schema check, and objects that pass the API server and not etcd.
_HOPELESS = re.compile(
    r"failed to create typed (?:patch|live) object|field not declared in schema"
    r"|etcdserver: request is too large|trying to send message larger than max"
)
_NO_RIGHT = re.compile(r"is forbidden: User \"")  # so begins what authorizers say: who may not do what
_MODIFIED = "Operation cannot be fulfilled on "
_TOO_FEW_RIGHTS = re.compile(r"is attempting to grant RBAC permissions|cannot set blockOwnerDeletion")
_NO_ACCOUNT = "error looking up service account"
_MANAGER = re.compile(r'conflict with "((?:[^"\\]|\\.)*)"')
_FIELDS = re.compile(r'(?:unknown|duplicate) field "(?:[^"\\]|\\.)*"')

_FINAL = "the reason will not pass: change the object with a resource modifier, or leave it out"
_CHANGED = "it is looked at again and tried once more; if this stays, something else keeps changing it"


class _Cause(NamedTuple):
    """One reason of several, as a Status has it."""

    reason: str
    field: str
    message: str


class _Refusal(NamedTuple):
    """What was answered. `text` may be shown; `message` is for looking at alone, and may hold a Secret's value."""

    status: int
    reason: str
    message: str
    causes: tuple[_Cause, ...]
    text: str
    headers: Mapping[str, str]
    path: str

    def has(self, reason: str) -> bool:
        """Whether `reason` is among the causes."""
        return any(cause.reason == reason for cause in self.causes)

    @property
    def wait(self) -> float | None:
        """Seconds that the server wants us to wait."""
        return retry_after(self.headers)


def error_of_write(status: int, headers: Mapping[str, str], body: bytes, path: str, *, secret: bool) -> ClusterError:
    """The error for a write that was refused. With `secret` the object was a Secret, of which no value is repeated."""
    answer = status_object(body)
    message, causes = words(answer, body) or f"HTTP {status}", _causes(answer)
    reason = str(answer.get("reason") or "") or f"HTTP {status}"
    text = _without_values(answer, message, reason, causes) if secret else _joined(message, causes)
    refusal = _Refusal(status, reason, message, causes, text, headers, path)
    if _DENIED.search(message):
        hint = "a rule of this cluster says no: ask those who keep the webhook or policy, or change the object"
        return Rejected(text, hint=hint, path=path)
    match status:
        case 403:
            return _forbidden(refusal)
        case 404:
            return _not_found(refusal)
        case 409:
            return _conflict(refusal)
        case 400 | 405 | 406 | 413 | 415 | 422:
            return _rejected(refusal)
        case 408 | 429 | 500 | 502 | 503 | 504:
            return _busy(refusal)
        case _:
            return error_of_status(status, headers, text.encode(), path)


def _forbidden(refusal: _Refusal) -> ClusterError:
    message, path = refusal.message, refusal.path
    if refusal.has("NamespaceTerminating"):
        hint = "it can be written into once it is gone and there again; what keeps it is in its status"
        return NamespaceTerminating(message, hint=hint, path=path)
    if "exceeded quota: " in message:
        hint = "raise the ResourceQuota of this namespace, or restore less into it"
        return QuotaExceeded(message, hint=hint, path=path)
    if _TOO_FEW_RIGHTS.search(message):
        hint = "ask for the rights that it grants, or for the verbs escalate and bind on roles"
        return Forbidden(message, hint=hint, path=path)
    if _NO_ACCOUNT in message:  # a new namespace has its `default` a moment later
        return ClusterBusy(message, hint="restore the ServiceAccount too, or name another one", path=path)
    if "is forbidden: " in message and not _NO_RIGHT.search(message):
        hint = "an admission rule of this cluster says no (limits, pod security …): change the object, or the rule"
        return Rejected(refusal.text, hint=hint, path=path)
    said = refusal.message if _NO_RIGHT.search(message) else refusal.text
    return Forbidden(said, hint="ask for the rights create, patch and delete on this type", path=path)


def _not_found(refusal: _Refusal) -> ClusterError:
    if refusal.message.startswith('namespaces "'):
        return ItemNotFound(refusal.message, hint="create the namespace first", path=refusal.path)
    hint = "it may have been deleted; if its type is not there: is its CustomResourceDefinition, or its API service?"
    return ItemNotFound(refusal.message, hint=hint, path=refusal.path)


def _conflict(refusal: _Refusal) -> ClusterError:
    fields = tuple(
        OwnedField(cause.field, _manager(cause.message))
        for cause in refusal.causes
        if cause.reason == "FieldManagerConflict"
    )
    if fields:
        owners = ", ".join(f"{one.path} ({one.manager})" for one in fields)
        return ApplyConflict(
            f"others own what would change: {owners}",
            fields=tuple(sorted(fields)),
            hint="--force-conflicts takes these fields over",
            path=refusal.path,
        )
    if refusal.message.startswith("object is being deleted"):
        hint = "what keeps it is in its metadata.finalizers"
        return WriteConflict(refusal.message, hint=hint, path=refusal.path)
    if refusal.reason == "AlreadyExists":
        hint = "existingResourcePolicy says what becomes of what is there: none, update or recreate"
        return AlreadyExists(refusal.message, hint=hint, path=refusal.path)
    said = refusal.message if refusal.message.startswith(_MODIFIED) else refusal.text
    return WriteConflict(said, hint=_CHANGED, path=refusal.path)


def _rejected(refusal: _Refusal) -> ClusterError:
    path = refusal.path
    # This is how a patch hears that it names another object's uid.
    if any(cause.field == "metadata.uid" for cause in refusal.causes):
        said = "the object is not the one that was looked at: its uid is another"
        return WriteConflict(said, hint=_CHANGED, path=path)
    hint = _FINAL
    if "field is immutable" in refusal.message or "may not change once set" in refusal.message:
        hint = "what cannot be changed can be deleted and created anew: existingResourcePolicy: recreate"
    elif "unknown field " in refusal.message:
        hint = "the type lacks this field here: another version of Kubernetes, or of the CustomResourceDefinition"
    elif "does not support dry run" in refusal.message:
        hint = "only the write itself can show what this webhook says"
    return Rejected(refusal.text, hint=hint, path=path)


def _busy(refusal: _Refusal) -> ClusterError:
    path = refusal.path
    if _HOPELESS.search(refusal.message):
        return Rejected(refusal.text, hint=_FINAL, path=path)
    hint = ""
    if _WEBHOOK_FAILED.search(refusal.message):
        hint = "does the service behind this webhook run? It may have to be restored first"
    said = f"the API server answers {refusal.status}: {refusal.text}"
    return ClusterBusy(said, retry_after=refusal.wait, hint=hint, path=path)


def _causes(answer: Mapping[str, Any]) -> tuple[_Cause, ...]:
    details = answer.get("details")
    listed = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(listed, list):
        return ()
    found = (
        _Cause(*(str(cause.get(name) or "") for name in ("reason", "field", "message")))
        for cause in listed
        if isinstance(cause, dict)
    )
    return tuple(dict.fromkeys(found))  # some are said twice


def _joined(message: str, causes: tuple[_Cause, ...]) -> str:
    """`Service "web" is invalid: spec.ports: Required value; spec.type: …`, or the message as it is."""
    subject, invalid, _ = message.partition(" is invalid: ")
    if not invalid or not causes:
        return " ".join(message.split())
    said = "; ".join(f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes)
    return " ".join(f"{subject} is invalid: {said}".split())


def _without_values(answer: Mapping[str, Any], message: str, reason: str, causes: tuple[_Cause, ...]) -> str:
    """What may be said about a Secret: fields and reasons, never the words that may repeat its values."""
    details = answer.get("details")
    name = details.get("name") if isinstance(details, dict) else None
    subject = f'Secret "{name}"' if name else "the Secret"
    parts = [f"{cause.field}: {cause.reason}" for cause in causes if cause.field]
    for pattern in (_DENIED, _WEBHOOK_FAILED, _FIELDS):
        parts += pattern.findall(message)
    return f"{subject}: {'; '.join(parts) or reason} (the server's words are kept back, for they may hold its values)"


def _manager(message: str) -> str:
    found = _MANAGER.search(message)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else "unknown"
