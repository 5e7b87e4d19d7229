"""What a refused write means, with bodies as API servers send them: which error, what it says and what it keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.adapters.kubernetes_refusals import error_of_write
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
    Unauthorized,
    WriteConflict,
)
from tests.unit.adapters.kubernetes_wire import status_object

PATH = "/api/v1/namespaces/shop/configmaps"
VALUE = "hunter2"


def refused(
    code: int, message: str, reason: str = "", *causes: dict[str, str], secret: bool = False, retry_after: str = ""
) -> ClusterError:
    """The error for a Status."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    status = status_object(message, reason=reason, details={"name": "a", "causes": list(causes)}, code=code)
    return error_of_write(code, headers, json.dumps(status).encode(), PATH, secret=secret)


def cause(reason: str, message: str, field: str) -> dict[str, str]:
    """One of several reasons."""
    return {"reason": reason, "message": message, "field": field}


UID = cause("FieldValueInvalid", 'Invalid value: "x": field is immutable', "metadata.uid")
TERMINATING = cause("NamespaceTerminating", "namespace shop is being terminated", "metadata.namespace")
DENIED = 'admission webhook "no.example.com" denied the request: not on Fridays'
POLICY = """configmaps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"""


@pytest.mark.parametrize(
    ("code", "message", "reason", "causes", "kind", "retriable"),
    [
        (401, "Unauthorized", "Unauthorized", [], Unauthorized, False),
        (409, 'configmaps "a" already exists', "AlreadyExists", [], AlreadyExists, False),
        (409, 'object is being deleted: configmaps "a" already exists', "AlreadyExists", [], WriteConflict, True),
        (
            409,
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes '
            "to the latest version and try again",
            "Conflict",
            [],
            WriteConflict,
            True,
        ),
        (
            409,
            "uid mismatch: the provided object specified uid x",
            "Conflict",
            [],
            WriteConflict,
            True,
        ),
        (422, 'ConfigMap "a" is invalid: metadata.uid: Invalid value', "Invalid", [UID, UID], WriteConflict, True),
        (
            403,
            'configmaps "a" is forbidden: unable to create new content in namespace shop: it is being terminated',
            "Forbidden",
            [TERMINATING],
            NamespaceTerminating,
            True,
        ),
        (
            403,
            'secrets "a" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1',
            "Forbidden",
            [],
            QuotaExceeded,
            False,
        ),
        (
            403,
            'configmaps is forbidden: User "eve" cannot create resource "configmaps" in API group "" in the namespace',
            "Forbidden",
            [],
            Forbidden,
            False,
        ),
        (
            403,
            'roles.rbac.authorization.k8s.io "a" is forbidden: user "eve" (groups=["system:authenticated"]) is '
            "attempting to grant RBAC permissions not currently held:\n{APIGroups:...}",
            "Forbidden",
            [],
            Forbidden,
            False,
        ),
        (403, "<html>the proxy says no", "", [], Forbidden, False),
        (403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest": …', "Forbidden", [], Rejected, False),
        (
            403,
            'pods "a" is forbidden: error looking up service account shop/default: serviceaccount "default" not found',
            "Forbidden",
            [],
            ClusterBusy,
            True,
        ),
        (400, DENIED, "BadRequest", [], Rejected, False),
        (403, DENIED, "Forbidden", [], Rejected, False),
        (409, DENIED, "Conflict", [], Rejected, False),
        (500, DENIED, "", [], Rejected, False),
        (422, POLICY, "Invalid", [], Rejected, False),
        (400, "strict decoding error: unknown field", "BadRequest", [], Rejected, False),
        (400, 'admission webhook "a" does not support dry run', "BadRequest", [], Rejected, False),
        (405, "the server does not allow this method", "MethodNotAllowed", [], Rejected, False),
        (413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge", [], Rejected, False),
        (415, "the body of the request was in an unknown format", "UnsupportedMediaType", [], Rejected, False),
        (404, 'namespaces "shop" not found', "NotFound", [], ItemNotFound, False),
        (404, "the server could not find the requested resource", "NotFound", [], ItemNotFound, False),
        (500, "failed to create typed patch object: .a: field not declared in schema", "", [], Rejected, False),
        (500, "etcdserver: request is too large", "", [], Rejected, False),
        (500, "rpc error: trying to send message larger than max (3 vs. 2)", "", [], Rejected, False),
        (500, 'Internal error occurred: failed calling webhook "a": no', "InternalError", [], ClusterBusy, True),
        (500, "conversion webhook for a/v1, Kind=A failed: no", "", [], ClusterBusy, True),
        (500, "etcdserver: leader changed", "", [], ClusterBusy, True),
        (503, "apiserver not ready", "ServiceUnavailable", [], ClusterBusy, True),
        (504, "request did not complete within 34s", "Timeout", [], ClusterBusy, True),
        (429, "too many requests", "TooManyRequests", [], ClusterBusy, True),
        (302, "", "", [], ClusterError, False),
        (418, "teapot", "", [], ClusterError, False),
    ],
)
def test_each_refusal_has_its_error(
    code: int, message: str, reason: str, causes: list[dict[str, str]], kind: type[ClusterError], retriable: bool
) -> None:
    """Exactly that class; retriable is what may pass by itself."""
    error = refused(code, message, reason, *causes)
    assert (type(error), error.retriable) == (kind, retriable)
    assert error.context.get("path") == PATH or kind is Unauthorized
    assert error.hint or kind in {ClusterBusy, ClusterError}


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b'{"details": 7, "message": 7}', b'{"details": {"causes": [7, {"field": null}]}}', b"\xff"],
)
@pytest.mark.parametrize("code", [400, 403, 404, 409, 422, 500, 503])
def test_answers_that_are_no_status(code: int, body: bytes) -> None:
    """A proxy's page, or a Status that is malformed, is one of our errors all the same."""
    for secret in (False, True):
        assert error_of_write(code, {}, body, PATH, secret=secret).message


def test_owners_of_fields() -> None:
    """Each field with its manager; one in quotation marks, or of a subresource, is read as it is."""
    error = refused(
        409,
        "Apply failed with 3 conflicts: …",
        "Conflict",
        cause("FieldManagerConflict", 'conflict with "kube-controller-manager" with subresource "status"', ".status.x"),
        cause("FieldManagerConflict", 'conflict with "hpa" using apps/v1', ".spec.replicas"),
        cause("FieldManagerConflict", r'conflict with "a \"b\"" using apps/v1', '.spec.containers[name="x"].image'),
        cause("FieldManagerConflict", "in words of another version", ".z"),
    )
    assert isinstance(error, ApplyConflict)
    assert error.fields == (
        OwnedField('.spec.containers[name="x"].image', 'a "b"'),
        OwnedField(".spec.replicas", "hpa"),
        OwnedField(".status.x", "kube-controller-manager"),
        OwnedField(".z", "unknown"),
    )
    assert ".spec.replicas (hpa)" in error.message
    assert "--force-conflicts" in error.hint


def test_causes_are_joined() -> None:
    """Each field that is wrong, once, in the order of the API server; without its brackets."""
    port = cause("FieldValueRequired", "Required value", "spec.ports")
    kind = cause("FieldValueNotSupported", 'Unsupported value: "X":\n supported values: "A"', "spec.type")
    error = refused(
        422, 'Service "a" is invalid: [spec.ports: Required value, spec.type: …]', "Invalid", port, kind, kind
    )
    assert error.message == (
        'Service "a" is invalid: spec.ports: Required value; spec.type: Unsupported value: "X": supported values: "A"'
    )


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ('ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set', "recreate"),
        ('Service "a" is invalid: spec.clusterIPs[0]: Invalid value: may not change once set', "recreate"),
        ('strict decoding error: unknown field "spec.new"', "lacks this field"),
        ('admission webhook "a" does not support dry run', "only the write itself"),
        ("anything else", "resource modifier"),
    ],
)
def test_hints_of_rejections(message: str, hint: str) -> None:
    """The hint is about what was wrong."""
    assert hint in refused(422, message, "Invalid").hint


def test_how_long_to_wait() -> None:
    """The server's own wish is passed on."""
    error: Any = refused(429, "slow down", "TooManyRequests", retry_after="7")
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (422, f'Secret "a" is invalid: data[k]: Invalid value: "{VALUE}"', "data[k]: FieldValueInvalid"),
        (400, f"couldn't get version/kind; json parse error ({VALUE})", "BadRequest"),
        (400, f'strict decoding error: unknown field "nosuch" near {VALUE}', 'unknown field "nosuch"'),
        (500, f"failed to create typed patch object: expected string, got {VALUE}", "BadRequest"),
        (403, f'admission webhook "w" denied the request: {VALUE} is weak', 'admission webhook "w" denied the request'),
        (
            422,
            f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {VALUE}",
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request",
        ),
        (500, f'failed calling webhook "w": answered {VALUE}', 'failed calling webhook "w"'),
        (403, f'secrets "a" is forbidden: a plugin dislikes {VALUE}', "BadRequest"),
        (403, f"a proxy dislikes {VALUE}", "BadRequest"),
        (409, f"conflict about {VALUE}", "BadRequest"),
        (413, VALUE, "BadRequest"),
        (503, VALUE, "BadRequest"),
        (418, VALUE, "BadRequest"),
    ],
)
def test_no_value_of_a_secret_is_repeated(code: int, message: str, said: str) -> None:
    """Of what the API server says only fields, reasons and names are kept."""
    causes = [cause("FieldValueInvalid", message, "data[k]")] if "FieldValue" in said else []
    error = refused(code, message, "BadRequest", *causes, secret=True)
    assert VALUE not in f"{error!r} {error.message} {error.hint} {error.context}"
    assert said in error.message


def test_what_holds_no_value_is_said_of_a_secret_too() -> None:
    """Rights, names that are taken, quotas and namespaces are told as they are of any object."""
    for code, message, reason in (
        (403, 'secrets is forbidden: User "eve" cannot create resource "secrets"', "Forbidden"),
        (403, 'secrets "a" is forbidden: exceeded quota: q, requested: secrets=1', "Forbidden"),
        (404, 'namespaces "shop" not found', "NotFound"),
        (409, 'secrets "a" already exists', "AlreadyExists"),
        (409, 'Operation cannot be fulfilled on secrets "a": the object has been modified', "Conflict"),
    ):
        assert refused(code, message, reason, secret=True).message == message
