"""What the adapter asks an API server, and what it makes of every answer; with a server that says what tests want."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

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
from runner.model.cluster import ListRequest
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
from tests.unit.adapters.scripted_server import Answer, ScriptedServer, make_certificate


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
