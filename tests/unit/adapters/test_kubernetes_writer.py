"""What the writing half asks of an API server, what it makes of its answers, and whose credentials it sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import AlreadyExists, BadResponse, ClusterUnreachable, Rejected
from runner.model.cluster import ListRequest, Resource, Right
from tests.real.waiting import wait_for
from tests.unit.adapters.kubernetes_wire import (
    DEPLOYMENTS,
    EMPTY,
    PODS,
    ROLES,
    TOKEN,
    Json,
    kubeconfig,
    said,
    status_object,
)
from tests.unit.adapters.scripted_server import Answer, Asked, ScriptedServer

SECRETS = Resource("", "secrets", "v1", "Secret", namespaced=True)
WRITTEN = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "u-1"}}
BODY = b'{"apiVersion":"apps/v1", "kind":"Deployment","metadata":{"name":"web"}, "n": 1.0}'


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An API server that says what a test wants."""
    with ScriptedServer() as up:
        yield up


@pytest.fixture
def cluster(server: ScriptedServer, tmp_path: Path) -> KubernetesCluster:
    """A client of it."""
    return KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", server.url)))


def parts(asked: Asked) -> tuple[str, str, Json]:
    """Method, path and query of a request."""
    path, _, query = asked.path.partition("?")
    return asked.method, path, dict(parse_qsl(query, keep_blank_values=True))


# what is asked


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, {"fieldManager": "trysail", "fieldValidation": "Warn"}),
        ({"strict": True}, {"fieldManager": "trysail", "fieldValidation": "Strict"}),
        ({"dry_run": True}, {"fieldManager": "trysail", "fieldValidation": "Warn", "dryRun": "All"}),
    ],
)
def test_create(server: ScriptedServer, cluster: KubernetesCluster, options: dict[str, bool], query: Json) -> None:
    """One POST with the very bytes that were given, and who we are."""
    server.expect(said(WRITTEN, 201))
    written = cluster.create(DEPLOYMENTS, "shop", BODY, **options)
    (asked,) = server.asked
    assert parts(asked) == ("POST", "/apis/apps/v1/namespaces/shop/deployments", query)
    assert asked.body == BODY
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["user-agent"].startswith("trysail/")
    assert (written.uid, json.loads(written.raw), written.warnings) == ("u-1", WRITTEN, ())


@pytest.mark.parametrize("force", [False, True])
def test_apply(server: ScriptedServer, cluster: KubernetesCluster, force: bool) -> None:
    """One PATCH of server-side apply; JSON is YAML."""
    server.expect(said(WRITTEN), said(WRITTEN))
    cluster.apply(DEPLOYMENTS, "shop", "web", BODY, force=force)
    cluster.apply(DEPLOYMENTS, "shop", "web", BODY, force=force, dry_run=True)
    query = {"fieldManager": "trysail", "fieldValidation": "Warn", "force": str(force).lower()}
    path = "/apis/apps/v1/namespaces/shop/deployments/web"
    assert [parts(asked) for asked in server.asked] == [
        ("PATCH", path, query),
        ("PATCH", path, {**query, "dryRun": "All"}),
    ]
    assert server.asked[0].headers["content-type"] == "application/apply-patch+yaml"
    assert server.asked[0].body == BODY


def test_merge(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """One PATCH of a JSON merge patch; names are quoted."""
    server.expect(said(WRITTEN))
    cluster.merge(ROLES, "", "a:b/c", b'{"a":null}')
    (asked,) = server.asked
    query = {"fieldManager": "trysail", "fieldValidation": "Warn"}
    assert parts(asked) == ("PATCH", "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Ab%2Fc", query)
    assert asked.headers["content-type"] == "application/merge-patch+json"
    assert asked.body == b'{"a":null}'


@pytest.mark.parametrize("answer", [said({"kind": "Status", "status": "Success"}), said(WRITTEN, 202), Answer(200)])
def test_delete(server: ScriptedServer, cluster: KubernetesCluster, answer: Answer) -> None:
    """One DELETE of that uid alone, which leaves what the object owns; whatever the answer has in it."""
    server.expect(answer)
    cluster.delete(PODS, "shop", "web", uid="u-1")
    (asked,) = server.asked
    assert parts(asked) == ("DELETE", "/api/v1/namespaces/shop/pods/web", {})
    options = json.loads(asked.body)
    assert (options["kind"], options["preconditions"], options["propagationPolicy"]) == (
        "DeleteOptions",
        {"uid": "u-1"},
        "Orphan",
    )


@pytest.mark.parametrize(
    ("status", "allowed"), [({"allowed": True}, True), ({"allowed": False, "denied": True}, False)]
)
def test_may(server: ScriptedServer, cluster: KubernetesCluster, status: Json, allowed: bool) -> None:
    """A SelfSubjectAccessReview of verb, type, namespace and name."""
    server.expect(said({"kind": "SelfSubjectAccessReview", "status": status}, 201))
    assert cluster.may(Right("escalate", ROLES, name="admin")) is allowed
    (asked,) = server.asked
    assert parts(asked) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {})
    assert json.loads(asked.body)["spec"]["resourceAttributes"] == {
        "verb": "escalate",
        "group": "rbac.authorization.k8s.io",
        "version": "v1",
        "resource": "clusterroles",
        "namespace": "",
        "name": "admin",
    }


# what is answered


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "unknown field \\"spec.a\\""', ('unknown field "spec.a"',)),
        ('299 - "one, two", 299 apiserver "three" , 299 - "back\\\\slash"', ("one, two", "three", "back\\slash")),
        ('299 - "f\u00c3\u00bcr"', ("f\u00fcr",)),  # as UTF-8 looks to who reads headers as Latin-1
        ("199 - nonsense", ()),
    ],
)
def test_warnings(server: ScriptedServer, cluster: KubernetesCluster, header: str, texts: tuple[str, ...]) -> None:
    """Each in its own words, without the quotation."""
    server.expect(said(WRITTEN, 201, Warning=header))
    assert cluster.create(DEPLOYMENTS, "shop", BODY).warnings == texts


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"metadata": {}}', b'{"metadata": {"uid": 7}}', b'"\xff"']
)
def test_an_answer_that_is_no_object(server: ScriptedServer, cluster: KubernetesCluster, body: bytes) -> None:
    """Is BadResponse, which may be tried again: what was written shows then."""
    server.expect(Answer(201, body), Answer(201, body))
    with pytest.raises(BadResponse) as refused:
        cluster.create(DEPLOYMENTS, "shop", BODY)
    assert refused.value.retriable
    with pytest.raises(BadResponse):
        cluster.may(Right("get", PODS))


def test_nothing_is_sent_twice(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Only the engine tries again: neither a refusal nor an answer that breaks off is followed by another request."""
    taken = said(status_object("taken", reason="AlreadyExists"), 409)
    cut = Answer(201, b"{", {"Content-Length": "100", "Connection": "close"})
    writes: list[Callable[[], object]] = [
        lambda: cluster.create(PODS, "shop", BODY),
        lambda: cluster.apply(PODS, "shop", "web", BODY),
        lambda: cluster.merge(PODS, "shop", "web", b"{}"),
        lambda: cluster.delete(PODS, "shop", "web", uid="u"),
    ]
    for write in writes:
        server.expect(taken)
        with pytest.raises(AlreadyExists):
            write()
        assert len(server.asked) == 1
        server.expect(cut)
        with pytest.raises(ClusterUnreachable):
            write()
        assert len(server.asked) == 1


def test_secrets_are_known_by_their_type(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """What is said of a Secret is kept back, and of another type of that name it is not."""
    answer = said(status_object("hunter2 is weak", reason="BadRequest"), 400)
    server.expect(answer, answer)
    with pytest.raises(Rejected) as kept:
        cluster.create(SECRETS, "shop", BODY)
    assert "hunter2" not in kept.value.message
    with pytest.raises(Rejected, match="hunter2"):
        cluster.create(Resource("x.example.com", "secrets", "v1", "Secret", namespaced=True), "shop", BODY)


# how it is sent


def test_a_token_that_expires_is_renewed(server: ScriptedServer, tmp_path: Path) -> None:
    """The credential plugin is asked again once its token is old, and not for every request."""
    program, runs = tmp_path / "plugin", tmp_path / "runs"
    status = '{"token": "%s", "expirationTimestamp": "2020-01-01T00:00:00Z"}'
    credential = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ' + status + "}"
    program.write_text(f"#!/bin/sh\necho x >> {runs}\nprintf '{credential}' t-$(wc -l < {runs})\n")
    program.chmod(0o755)
    user: dict[str, Any] = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    }
    cluster = KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", server.url, user=user)))

    def token() -> str:
        server.expect(said(EMPTY))
        cluster.page(ListRequest(PODS))
        return str(server.asked[0].headers["authorization"])

    first = token()
    assert first.startswith("Bearer t-")
    asked = 0

    def renewed() -> bool:
        nonlocal asked
        asked += 1
        return token() != first

    wait_for(renewed, "a fresh token")
    assert len(runs.read_text().split()) < asked


def test_a_server_behind_a_path(server: ScriptedServer, tmp_path: Path) -> None:
    """As those have it who serve many clusters at one address."""
    file = kubeconfig(tmp_path / "kubeconfig", f"{server.url}/k8s/clusters/c-1/")
    server.expect(said(WRITTEN, 201))
    KubernetesCluster.connect(str(file)).create(PODS, "shop", BODY)
    assert parts(server.asked[0])[1] == "/k8s/clusters/c-1/api/v1/namespaces/shop/pods"


def test_through_a_proxy(server: ScriptedServer, tmp_path: Path) -> None:
    """The kubeconfig's proxy is asked for the whole address."""
    more: dict[str, Any] = {"proxy-url": server.url}
    file = kubeconfig(tmp_path / "kubeconfig", "http://cluster.example.com:8080", **more)
    server.expect(said(WRITTEN, 201))
    KubernetesCluster.connect(str(file)).create(PODS, "shop", BODY)
    assert parts(server.asked[0])[1] == "http://cluster.example.com:8080/api/v1/namespaces/shop/pods"
