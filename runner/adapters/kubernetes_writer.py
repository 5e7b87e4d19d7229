"""The writing half of a live cluster: one request a change, and what the API server made of it.

Bodies are sent as they are given. Field names of queries and bodies: kubernetes.io/docs/reference/using-api/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from runner.adapters.kubernetes_connection import Answer, Connection, Query, object_path, resource_path
from runner.adapters.kubernetes_refusals import error_of_write
from runner.errors import BadResponse
from runner.model.cluster import Resource, Right
from runner.ports import Written

FIELD_MANAGER = "trysail"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MERGE = "application/merge-patch+json"
_SECRETS = ("", "secrets")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class _Metadata(msgspec.Struct):
    uid: str


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Allowed(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Allowed


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_OBJECT = msgspec.json.Decoder(_Object)
_REVIEW = msgspec.json.Decoder(_Review)
_ENCODER = msgspec.json.Encoder()


class KubernetesWriter:
    """A ClusterWriter over an API server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self, resource: Resource, namespace: str, body: bytes, *, dry_run: bool = False, strict: bool = False
    ) -> Written:
        """One POST; see ports. What `strict` would refuse is a warning without it."""
        query = _query(dry_run=dry_run, validation="Strict" if strict else "Warn")
        return self._written("POST", resource_path(resource, namespace), query, body, resource)

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> Written:
        """One PATCH by server-side apply; see ports."""
        query = [*_query(dry_run=dry_run), ("force", "true" if force else "false")]
        return self._written("PATCH", object_path(resource, namespace, name), query, body, resource, _APPLY)

    def merge(self, resource: Resource, namespace: str, name: str, patch: bytes) -> Written:
        """One PATCH by a JSON merge patch; see ports."""
        return self._written("PATCH", object_path(resource, namespace, name), _query(), patch, resource, _MERGE)

    def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """One DELETE; see ports."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Orphan",
        }
        path = object_path(resource, namespace, name)
        self._change("DELETE", path, (), _ENCODER.encode(options), resource)

    def may(self, right: Right) -> bool:
        """One SelfSubjectAccessReview; every user may ask for it."""
        of = right.resource
        attributes = {
            "verb": right.verb,
            "group": of.group,
            "version": of.version,
            "resource": of.plural,
            "namespace": right.namespace,
            "name": right.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._change("POST", REVIEWS, (), _ENCODER.encode(review), of)
        try:
            return _REVIEW.decode(answer.body).status.allowed
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadResponse(f"the answer to a SelfSubjectAccessReview is none: {error}") from error

    def _written(
        self,
        method: str,
        path: str,
        query: Query,
        body: bytes,
        resource: Resource,
        content_type: str = "application/json",
    ) -> Written:
        answer = self._change(method, path, query, body, resource, content_type)
        try:
            uid = _OBJECT.decode(answer.body).metadata.uid
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadResponse(f"what became of {path} is not what Kubernetes' API promises: {error}") from error
        return Written(uid=uid, raw=answer.body, warnings=warnings(answer.headers))

    def _change(
        self,
        method: str,
        path: str,
        query: Query,
        body: bytes,
        resource: Resource,
        content_type: str = "application/json",
    ) -> Answer:
        answer = self._connection.request(path, query, method=method, body=body, content_type=content_type)
        if answer.status not in {200, 201, 202}:
            secret = (resource.group, resource.plural) == _SECRETS
            raise error_of_write(answer.status, answer.headers, answer.body, path, secret=secret)
        return answer


def warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The texts of `Warning: 299 - "…"`; several headers of the name come as one, with commas between."""
    text = headers.get("Warning")
    if not text:
        return ()
    # http.client takes headers for Latin-1; Kubernetes writes UTF-8.
    text = text.encode("latin-1", errors="replace").decode(errors="replace")
    return tuple(_ESCAPED.sub(r"\1", found) for found in _WARNING.findall(text))


def _query(*, dry_run: bool = False, validation: str = "Warn") -> list[tuple[str, str]]:
    query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", validation)]
    if dry_run:
        query.append(("dryRun", "All"))
    return query
