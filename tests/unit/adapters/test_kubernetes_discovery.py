"""Which types the adapter finds, on servers of today and of before Kubernetes 1.27."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import BadResponse, ClusterBusy, ClusterError, Unauthorized
from runner.model.cluster import DiscoveryFailure
from tests.unit.adapters.kubernetes_wire import VERBS, Json, kubeconfig, said, status_object
from tests.unit.adapters.scripted_server import Answer, ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An API server that says what a test wants."""
    with ScriptedServer() as up:
        yield up


@pytest.fixture
def cluster(server: ScriptedServer, tmp_path: Path) -> KubernetesCluster:
    """A client of it."""
    return KubernetesCluster.connect(str(kubeconfig(tmp_path / "kubeconfig", server.url)))


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
    """Two requests; each type once, in the version that its group prefers of those that have it, with the others."""
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
    assert [one.other_versions for one in found.resources] == [(), (), ("v1",)]
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
    assert found.resources[0].other_versions == ()
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
    assert [one.other_versions for one in found.resources] == [(), ("v1",)]
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
