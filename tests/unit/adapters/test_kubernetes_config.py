"""How the adapter finds its cluster: kubeconfigs, contexts, credential plugins, and the service account of a pod."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import ClusterError
from runner.model.cluster import ListRequest
from tests.unit.adapters.kubernetes_wire import EMPTY, PODS, TOKEN, kubeconfig, said
from tests.unit.adapters.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An API server that says what a test wants."""
    with ScriptedServer() as up:
        yield up


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
