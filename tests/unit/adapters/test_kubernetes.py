"""What the adapter asks an API server, and what it makes of every answer; with a server that says what tests want."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import (
    BadResponse,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ContinueExpired,
    Forbidden,
    ItemNotFound,
    PageTooLarge,
    Unauthorized,
)
from runner.model.cluster import DiscoveryFailure, ListRequest, Resource
from tests.unit.adapters.scripted_server import Answer, ScriptedServer, make_certificate

Json = dict[str, Any]

TOKEN = "a-token-that-nobody-should-see"
PODS = Resource("", "pods", "v1", "Pod", namespaced=True)
DEPLOYMENTS = Resource("apps", "deployments", "v1", "Deployment", namespaced=True)
ROLES = Resource("rbac.authorization.k8s.io", "clusterroles", "v1", "ClusterRole", namespaced=False)
EMPTY = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}
VERBS = ["create", "delete", "get", "list"]


def said(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def status_object(message: str, **more: Any) -> Json:
    """What API servers say of a failure."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, **more}


def kubeconfig(path: Path, server: str, *, user: Json | None = None, **cluster: Any) -> Path:
    """A kubeconfig with one context, `test`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An API server that says what a test wants."""
    with ScriptedServer() as up:
        yield up


@pytest.fixture
def cluster(server: ScriptedServer, tmp_path: Path) -> KubernetesCluster:
    """A client of it."""
    return KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", server.url)))


# what is asked


def test_a_page_is_asked_for(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Limit, token and selectors are in the query, the credentials in a header; never a resourceVersion."""
    server.expect(said(EMPTY))
    cluster.page(
        ListRequest(
            DEPLOYMENTS,
            namespace="shop",
            limit=7,
            continue_token="t/+=",
            label_selector="app in (a,b),!c",
            field_selector="metadata.name=web",
        )
    )
    (asked,) = server.asked
    path, _, query = asked.path.partition("?")
    assert (asked.method, path) == ("GET", "/apis/apps/v1/namespaces/shop/deployments")
    assert sorted(query.split("&")) == [
        "continue=t/%2B%3D",
        "fieldSelector=metadata.name%3Dweb",
        "labelSelector=app%20in%20%28a%2Cb%29%2C%21c",
        "limit=7",
    ]
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (ListRequest(PODS), "/api/v1/pods?limit=500"),
        (ListRequest(PODS, namespace="shop"), "/api/v1/namespaces/shop/pods?limit=500"),
        (ListRequest(ROLES), "/apis/rbac.authorization.k8s.io/v1/clusterroles?limit=500"),
    ],
    ids=["core", "namespace", "group"],
)
def test_paths(server: ScriptedServer, cluster: KubernetesCluster, request_: ListRequest, path: str) -> None:
    """The core group has a root of its own; a cluster-wide list has no namespace in it."""
    server.expect(said(EMPTY))
    cluster.page(request_)
    assert server.asked[0].path == path


def test_metadata_alone_is_asked_for(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """With plain JSON as what an older or aggregated server may give instead."""
    server.expect(said(EMPTY))
    cluster.page(ListRequest(PODS, metadata_only=True))
    accept = server.asked[0].headers["accept"]
    assert accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


def test_names_are_quoted(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """A name may hold what a path may not."""
    server.expect(Answer(200, b"{}"))
    assert cluster.get(ROLES, "", "a:b/ü?#%") == b"{}"
    assert server.asked[0].path.endswith("/clusterroles/a%3Ab%2F%C3%BC%3F%23%25")


# what is answered


def test_a_page_as_it_came(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Items are the server's own bytes; the count of those that remain is there only where it is said."""
    metadata = b'{"resourceVersion":"9","continue":"t","remainingItemCount":3}'
    body = b'{"kind":"PodList","metadata":' + metadata + b',"items":[{"a": 1.0 }]}'
    server.expect(Answer(200, body), said(EMPTY))
    page = cluster.page(ListRequest(PODS))
    assert [bytes(item) for item in page.items] == [b'{"a": 1.0 }']
    assert (page.resource_version, page.continue_token, page.remaining, page.size) == ("9", "t", 3, len(body))
    last = cluster.page(ListRequest(PODS))
    assert (last.items, last.continue_token, last.remaining) == ((), "", None)


def test_no_items_may_be_null(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """As some aggregated APIs have it."""
    server.expect(said({**EMPTY, "items": None}))
    assert cluster.page(ListRequest(PODS)).items == ()


def test_a_page_that_is_too_large(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Is given up at its limit; the next request is answered, and one byte less is taken."""
    body = json.dumps({**EMPTY, "items": [{"filler": "x" * 100_000}]}).encode()
    server.expect(Answer(200, body), Answer(200, body), said(EMPTY))
    with pytest.raises(PageTooLarge):
        cluster.page(ListRequest(PODS, max_bytes=len(body) - 1))
    assert len(cluster.page(ListRequest(PODS, max_bytes=len(body))).items) == 1
    assert cluster.page(ListRequest(PODS)).items == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Please log in",
        b'{"kind": "PodList", "metadata": {}, "items": [',
        b'{"kind": "PodList", "items": []}',
        b'{"kind": "PodList", "metadata": {}, "items": {}}',
        b'{"kind": "PodList", "metadata": {"remainingItemCount": "many"}, "items": []}',
        b'{"kind": "Status", "metadata": {}}',
        b'{"metadata": {}}',
        b'"\xff"',
        b"[]",
    ],
)
def test_a_list_that_is_none(server: ScriptedServer, cluster: KubernetesCluster, body: bytes) -> None:
    """Is BadResponse, which may pass; the type is named."""
    server.expect(Answer(200, body))
    with pytest.raises(BadResponse) as caught:
        cluster.page(ListRequest(DEPLOYMENTS))
    assert caught.value.retriable
    assert "the list of deployments.apps" in caught.value.message


def test_identity(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """The uid of kube-system, the names by which the user knows the cluster, and its version."""
    server.expect(said({"metadata": {"name": "kube-system", "uid": "the-uid"}}), said({"gitVersion": "v1.36.3"}))
    identity = cluster.identity()
    assert (identity.uid, identity.context, identity.server) == ("the-uid", "test", server.url)
    assert identity.version == "v1.36.3"
    assert [asked.path for asked in server.asked] == ["/api/v1/namespaces/kube-system", "/version"]


def test_identity_without_rights(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Only kube-system may be forbidden: then the cluster has no uid, and a policy must name it."""
    server.expect(said(status_object("no"), 403), said({"gitVersion": "v1"}))
    assert cluster.identity().uid == ""
    server.expect(said(status_object("no"), 401))
    with pytest.raises(Unauthorized):
        cluster.identity()


def test_identity_of_something_else(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """An object without a uid is no namespace."""
    server.expect(said({"metadata": {}}))
    with pytest.raises(BadResponse):
        cluster.identity()


# what is refused


@pytest.mark.parametrize(
    ("status", "kind", "retriable"),
    [
        (401, Unauthorized, False),
        (403, Forbidden, False),
        (404, ItemNotFound, False),
        (410, ContinueExpired, False),
        (408, ClusterBusy, True),
        (429, ClusterBusy, True),
        (500, ClusterBusy, True),
        (502, ClusterBusy, True),
        (503, ClusterBusy, True),
        (504, ClusterBusy, True),
        (201, BadResponse, True),
        (302, ClusterError, False),
        (400, ClusterError, False),
        (406, ClusterError, False),
        (501, ClusterError, False),
    ],
)
def test_each_status_has_its_error(
    server: ScriptedServer, cluster: KubernetesCluster, status: int, kind: type[ClusterError], retriable: bool
) -> None:
    """Exactly that class, with the server's own words; one request, as only the engine asks again."""
    server.expect(said(status_object("the server's own words"), status))
    with pytest.raises(ClusterError) as caught:
        cluster.page(ListRequest(PODS))
    assert (type(caught.value), caught.value.retriable) == (kind, retriable)
    if status != 302:
        assert "the server's own words" in caught.value.message
    assert len(server.asked) == 1
    assert TOKEN not in f"{caught.value!r} {caught.value.context} {caught.value.hint}"


def test_a_redirect_is_not_followed(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """The token would go to another place."""
    server.expect(Answer(302, b"", {"Location": f"{server.url}/elsewhere"}), said(EMPTY))
    with pytest.raises(ClusterError) as caught:
        cluster.page(ListRequest(PODS))
    assert "redirects to another place" in caught.value.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry-After": "3"}, 3.0), ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None), ({}, None)],
    ids=["seconds", "date", "none"],
)
def test_retry_after(
    server: ScriptedServer, cluster: KubernetesCluster, header: dict[str, str], seconds: float | None
) -> None:
    """Seconds are passed on; API servers send no dates."""
    server.expect(said(status_object("slow down"), 429, **header))
    with pytest.raises(ClusterBusy) as caught:
        cluster.page(ListRequest(PODS))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("metadata", "token"), [({"continue": "fresh"}, "fresh"), ({}, ""), (None, ""), ({"continue": 7}, "")]
)
def test_an_expired_token_brings_another(
    server: ScriptedServer, cluster: KubernetesCluster, metadata: Json | None, token: str
) -> None:
    """Where the server gives one."""
    server.expect(said(status_object("too old", metadata=metadata), 410))
    with pytest.raises(ContinueExpired) as caught:
        cluster.page(ListRequest(PODS, continue_token="old"))
    assert caught.value.token == token


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"service unavailable\n", "service unavailable"),
        (b"<html>\n  <b>bad\tgateway</b>\n</html>", "<html> <b>bad gateway</b> </html>"),
        (b"", "HTTP 503"),
        (b"[]", "[]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 10_000, "x" * 300),
    ],
)
def test_a_plain_answer_is_repeated_in_short(
    server: ScriptedServer, cluster: KubernetesCluster, body: bytes, text: str
) -> None:
    """As an aggregated API without a backend gives it, or a proxy: on one line, and not all of it."""
    server.expect(Answer(503, body))
    with pytest.raises(ClusterBusy) as caught:
        cluster.page(ListRequest(PODS))
    assert caught.value.message == f"the API server answers 503: {text}"


# no answer


def test_nobody_listens(tmp_path: Path) -> None:
    """ClusterUnreachable, with the address that was tried, and without the client's own wrapping."""
    with ScriptedServer() as gone:
        url = gone.url
    with pytest.raises(ClusterUnreachable) as caught:
        KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", url))).discover()
    assert caught.value.message == (
        f"the API server at {url} does not answer: Failed to establish a new connection: [Errno 111] Connection refused"
    )
    assert caught.value.retriable


def test_an_answer_that_breaks_off(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Half a body is no answer, however it is read; the next request has a connection of its own."""
    body = json.dumps(EMPTY).encode()
    short = Answer(200, body[:20], {"Content-Length": str(len(body)), "Connection": "close"})
    for limit in (0, 1 << 20):
        server.expect(short, said(EMPTY))
        with pytest.raises(ClusterUnreachable) as caught:
            cluster.page(ListRequest(PODS, max_bytes=limit))
        assert caught.value.retriable
        assert cluster.page(ListRequest(PODS)).items == ()


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    """Will not be better the next time: not retriable, in few words; with its authority named, all is well."""
    certificate = make_certificate(tmp_path)
    with ScriptedServer(certificate=certificate) as server:
        server.expect(said(EMPTY))
        stranger = KubernetesCluster.connect(str(kubeconfig(tmp_path / "stranger", server.url)))
        with pytest.raises(ClusterError) as caught:
            stranger.page(ListRequest(PODS))
        assert not caught.value.retriable
        assert "is not trusted: certificate verify failed" in caught.value.message
        assert "_ssl.c" not in caught.value.message
        assert server.asked == []
        authority: Json = {"certificate-authority": str(certificate)}
        friend = KubernetesCluster.connect(str(kubeconfig(tmp_path / "friend", server.url, **authority)))
        assert friend.page(ListRequest(PODS)).items == ()


# discovery


def aggregated(*groups: tuple[str, list[Json]]) -> Json:
    """Aggregated discovery of groups with their versions."""
    items = [{"metadata": {"name": name}, "versions": versions} for name, versions in groups]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}


def described(plural: str, kind: str, **more: Any) -> Json:
    """A type in aggregated discovery."""
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": "Namespaced",
        "verbs": VERBS,
        **more,
    }


def test_aggregated_discovery(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Two requests; each type once, in the version that its group prefers among those that have it."""
    core = aggregated(("", [{"version": "v1", "resources": [described("pods", "Pod", shortNames=["po"])]}]))
    v2 = {"version": "v2", "resources": [described("widgets", "Widget")]}
    v1 = {"version": "v1", "resources": [described("widgets", "Widget"), described("olds", "Old", scope="Cluster")]}
    server.expect(said(core), said(aggregated(("x.example.com", [v2, v1]))))
    found = cluster.discover()
    assert [(one.name, one.version, one.kind, one.namespaced) for one in found.resources] == [
        ("pods", "v1", "Pod", True),
        ("olds.x.example.com", "v1", "Old", False),
        ("widgets.x.example.com", "v2", "Widget", True),
    ]
    assert found.resources[0].short_names == ("po",)
    assert found.resources[0].verbs == tuple(VERBS)
    assert found.failures == ()
    assert [asked.path for asked in server.asked] == ["/api", "/apis"]
    assert "as=APIGroupDiscoveryList" in server.asked[0].headers["accept"]


def test_a_stale_version_is_a_failure(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Its backend is down: what it lists is from earlier, and is not taken; the group's other version is."""
    stale = {"version": "v2", "freshness": "Stale", "resources": [described("widgets", "Widget")]}
    current = {"version": "v1", "freshness": "Current", "resources": [described("widgets", "Widget")]}
    server.expect(said(aggregated()), said(aggregated(("x.example.com", [stale, current]))))
    found = cluster.discover()
    assert [(one.name, one.version) for one in found.resources] == [("widgets.x.example.com", "v1")]
    (failure,) = found.failures
    assert failure.group_version == "x.example.com/v2"
    assert "stale" in failure.reason


def test_discovery_of_an_older_server(server: ScriptedServer, cluster: KubernetesCluster) -> None:
    """Group by group, the preferred version first, without subresources; a group that is down is a failure."""
    group = {
        "name": "x.example.com",
        "versions": [{"groupVersion": f"x.example.com/{v}", "version": v} for v in ("v1", "v2")],
        "preferredVersion": {"groupVersion": "x.example.com/v2", "version": "v2"},
    }
    down = {"name": "y.example.com", "versions": [{"groupVersion": "y.example.com/v1", "version": "v1"}]}
    pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": VERBS}
    log = {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
    widgets = {"name": "widgets", "kind": "Widget", "namespaced": False, "verbs": VERBS}
    server.expect(
        said({"kind": "APIVersions", "versions": ["v1"]}),
        said({"kind": "APIGroupList", "groups": [group, down]}),
        said({"resources": [pods, log]}),
        said({"resources": [widgets]}),
        said({"resources": [widgets]}),
        Answer(503, b"service unavailable"),
    )
    found = cluster.discover()
    assert [(one.name, one.version, one.namespaced) for one in found.resources] == [
        ("pods", "v1", True),
        ("widgets.x.example.com", "v2", False),
    ]
    assert found.failures == (DiscoveryFailure("y.example.com/v1", "the API server answers 503: service unavailable"),)
    paths = ["/api", "/apis", "/api/v1", "/apis/x.example.com/v2", "/apis/x.example.com/v1", "/apis/y.example.com/v1"]
    assert [asked.path for asked in server.asked] == paths


@pytest.mark.parametrize(
    ("core", "groups", "kind"),
    [
        (Answer(200, b"<html>"), said(aggregated()), BadResponse),
        (said(aggregated()), Answer(200, b"[1]"), BadResponse),
        (said(status_object("a login page")), said(status_object("a login page")), BadResponse),
        (said(aggregated()), Answer(503, b"no"), ClusterBusy),
        (said(status_object("who are you?"), 401), said(aggregated()), Unauthorized),
    ],
    ids=["html", "array", "status", "busy", "unauthorized"],
)
def test_discovery_that_fails(
    server: ScriptedServer, cluster: KubernetesCluster, core: Answer, groups: Answer, kind: type[ClusterError]
) -> None:
    """As a whole it is an error: nothing is known without it."""
    server.expect(core, groups)
    with pytest.raises(kind):
        cluster.discover()


# kubeconfigs


def test_kubeconfigs_are_merged(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG names several, as for kubectl: the first current-context counts, contexts add up."""
    first = kubeconfig(tmp_path / "first", server.url)
    second = tmp_path / "second"
    other = {"name": "other", "context": {"cluster": "c", "user": "u"}}
    second.write_text(yaml.safe_dump({"kind": "Config", "contexts": [other], "current-context": "other"}))
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    server.expect(said({"metadata": {"uid": "u"}}), said({}))
    assert KubernetesCluster.connect().identity().context == "test"
    server.expect(said({"metadata": {"uid": "u"}}), said({}))
    assert KubernetesCluster.connect(context="other").identity().context == "other"


def test_a_context_needs_no_current_one(server: ScriptedServer, tmp_path: Path) -> None:
    """Careful people unset it; naming one is enough then, and naming none is an error."""
    path = kubeconfig(tmp_path / "kubeconfig", server.url)
    path.write_text(path.read_text().replace("current-context: test\n", ""))
    server.expect(said(EMPTY))
    KubernetesCluster.connect(str(path), "test").page(ListRequest(PODS))
    with pytest.raises(ClusterError) as caught:
        KubernetesCluster.connect(str(path))
    assert "it names no current-context" in caught.value.message


def test_a_context_that_is_not_there(server: ScriptedServer, tmp_path: Path) -> None:
    """Is said in plain words."""
    path = kubeconfig(tmp_path / "kubeconfig", server.url)
    with pytest.raises(ClusterError) as caught:
        KubernetesCluster.connect(str(path), "production")
    assert caught.value.message == 'the kubeconfig cannot be used: it has no context "production"'
    assert caught.value.context == {"kubeconfig": str(path), "context": "production"}


@pytest.mark.parametrize(
    "content", ["", "[", "kind: ConfigMap", "- a", "current-context: a", "clusters: 7\ncontexts: 7\ncurrent-context: 7"]
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, content: str) -> None:
    """Whatever is wrong with it is one error, with the file's path."""
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(ClusterError) as caught:
        KubernetesCluster.connect(str(path))
    assert caught.value.message.startswith("the kubeconfig cannot be used: ")
    assert caught.value.context["kubeconfig"] == str(path)


def test_a_plugin_that_fails_is_not_passed_over(
    server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client itself would go on as nobody. What the plugin printed is repeated nowhere, not even in a log."""
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\necho {TOKEN} >&2\nexit 5\n")
    program.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    with caplog.at_level(logging.DEBUG), pytest.raises(ClusterError) as caught:
        KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", server.url, user=user)))
    assert "the credential plugin failed: it ended with exit code 5" in caught.value.message
    assert TOKEN not in f"{caught.value!r} {caught.value.context} {caplog.text}"


def test_a_pod_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pod the service account is used where there is no kubeconfig, and this machine has none of it."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ClusterError) as caught:
        KubernetesCluster.connect()
    assert "the pod's service account cannot be used" in caught.value.message


def test_in_a_pod_a_kubeconfig_comes_first(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who mounted one meant it."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", server.url)))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    server.expect(said(EMPTY))
    assert KubernetesCluster.connect().page(ListRequest(PODS)).items == ()
