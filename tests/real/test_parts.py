"""The real control plane itself: it does what the product's tests need of it, and is gone after exit."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from tests.parts.controlplane import ControlPlane

pytestmark = pytest.mark.real

STALE_API = b"""
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.gone.example.com}
spec:
  group: gone.example.com
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 10
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nothing}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane for all tests of this module."""
    with ControlPlane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


class TestControlPlane:
    """A real API server with a controller manager."""

    def test_keeps_objects(self, cluster: ControlPlane) -> None:
        """What kubectl creates, kubectl reads back."""
        cluster.kubectl("create", "configmap", "kept", "--from-literal=key=value")

        found = json.loads(cluster.kubectl("get", "configmap", "kept", "-o", "json").stdout)

        assert found["data"] == {"key": "value"}

    def test_controllers_make_pods(self, cluster: ControlPlane) -> None:
        """A Deployment gets a ReplicaSet and its Pods, which stay Pending: there is no scheduler."""
        cluster.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")

        cluster.kubectl("wait", "--for=create", "replicaset", "-l", "app=web", "--timeout=60s")
        cluster.kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=60s")
        pods = json.loads(cluster.kubectl("get", "pods", "-l", "app=web", "-o", "json").stdout)["items"]
        assert [pod["status"]["phase"] for pod in pods] == ["Pending", "Pending"]

    def test_namespaces_go_away(self, cluster: ControlPlane) -> None:
        """A deleted namespace is finalised, with what is in it."""
        cluster.kubectl("create", "namespace", "short-lived")
        cluster.kubectl("create", "configmap", "in-it", "-n", "short-lived")

        cluster.kubectl("delete", "namespace", "short-lived", "--timeout=60s")

        assert cluster.kubectl("get", "namespace", "short-lived", check=False).returncode == 1

    def test_users_have_only_the_rights_that_are_given(self, cluster: ControlPlane) -> None:
        """One user is refused with 403 until a role is bound to it; another still is after that."""
        before = cluster.kubectl("get", "configmaps", context=cluster.context("viewer"), check=False)
        assert b"Forbidden" in before.stderr

        cluster.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole=view", "--user=viewer")

        cluster.kubectl("get", "configmaps", context=cluster.context("viewer"))
        nobody = cluster.kubectl("get", "configmaps", context=cluster.context("nobody"), check=False)
        assert b"Forbidden" in nobody.stderr

    def test_says_how_many_remain(self, cluster: ControlPlane) -> None:
        """A list of one carries the number of the others, but not with a selector: counting rests on that."""
        everything = _list_metadata(cluster, "/api/v1/serviceaccounts?limit=1")
        selected = _list_metadata(cluster, "/api/v1/serviceaccounts?limit=1&labelSelector=a!%3Db")

        remaining = everything["remainingItemCount"]
        assert isinstance(remaining, int)
        assert remaining > 1
        assert "remainingItemCount" not in selected
        assert "continue" in selected

    def test_names_a_group_whose_server_is_gone(self, cluster: ControlPlane) -> None:
        """Aggregated discovery says Stale, and no resources, of an APIService without a Service."""
        cluster.kubectl("apply", "-f", "-", stdin=STALE_API)
        missing = "--for=jsonpath={.status.conditions[0].reason}=ServiceNotFound"
        cluster.kubectl("wait", missing, "apiservice/v1beta1.gone.example.com", "--timeout=60s")

        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        _, body = _read(cluster, "/apis", accept)

        groups = body["items"]
        assert isinstance(groups, list)
        versions = {group["metadata"]["name"]: group["versions"] for group in groups}
        assert versions["gone.example.com"] == [{"version": "v1beta1", "freshness": "Stale"}]
        cluster.kubectl("delete", "apiservice", "v1beta1.gone.example.com")

    def test_a_crash_drops_connections_and_keeps_objects(self, cluster: ControlPlane) -> None:
        """Without its API server the cluster refuses connections; with it again, everything is there."""
        cluster.kubectl("create", "configmap", "survivor")

        cluster.stop_apiserver()
        assert not _listens(cluster.server)
        cluster.start_apiserver()

        cluster.kubectl("get", "configmap", "survivor")

    def test_continue_tokens_expire(self, cluster: ControlPlane) -> None:
        """An old token answers 410 with a new one that reads the rest."""
        path = "/api/v1/serviceaccounts?limit=1&continue="
        token = _list_metadata(cluster, "/api/v1/serviceaccounts?limit=1")["continue"]

        cluster.expire_continue_tokens()
        status, body = _read(cluster, f"{path}{token}")

        assert status == 410
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        assert _read(cluster, path + metadata["continue"])[0] == 200

    def test_two_are_apart_and_gone_after_exit(self, cluster: ControlPlane, tmp_path: Path) -> None:
        """A second control plane knows nothing of the first, and none of its processes is left."""
        cluster.kubectl("create", "namespace", "only-here")

        with ControlPlane(tmp_path / "second", service_cidr="10.97.0.0/16") as second:
            assert second.kubectl("get", "namespace", "only-here", check=False).returncode == 1
            pids = second.pids()

        assert set(pids) == {"etcd", "kube-apiserver", "kube-controller-manager"}
        for pid in pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def _read(cluster: ControlPlane, path: str, accept: str = "application/json") -> tuple[int, dict[str, object]]:
    """Status and body of one GET as admin."""
    headers = {"Authorization": f"Bearer {cluster.token}", "Accept": accept}
    with urllib3.PoolManager(ca_certs=str(cluster.ca_file), headers=headers, retries=False) as pool:
        response = pool.request("GET", cluster.server + path)
        return response.status, response.json()


def _list_metadata(cluster: ControlPlane, path: str) -> dict[str, object]:
    """The metadata of a list that must succeed."""
    status, body = _read(cluster, path)
    assert status == 200
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def _listens(endpoint: str) -> bool:
    """Whether anything accepts connections at this URL."""
    address = urlsplit(endpoint)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0
