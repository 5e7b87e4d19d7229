"""The clusters that are written to; test_cluster_reader has its own, each with the same objects in it."""

from __future__ import annotations

from itertools import count

import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.adapters.manifests import ManifestsCluster
from runner.ports import Cluster
from tests.conformance.clusters import NAMESPACES, make, of
from tests.fakes.cluster import FakeCluster
from tests.parts.controlplane import ControlPlane

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def writer_fake() -> Cluster:
    """The fake of the tests."""
    return FakeCluster()


@pytest.fixture(scope="module")
def writer_manifests(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A folder that is not there yet."""
    return ManifestsCluster(tmp_path_factory.mktemp("cluster") / "new", create=True)


@pytest.fixture(scope="module")
def api_server(control_plane: ControlPlane) -> Cluster:
    """A real API server."""
    return KubernetesCluster.connect(kubeconfig=str(control_plane.kubeconfig))


@pytest.fixture(params=["writer_fake", "writer_manifests", pytest.param("api_server", marks=pytest.mark.real)])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each Cluster in turn."""
    writer: Cluster = request.getfixturevalue(request.param)
    return writer


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own."""
    name = f"writer-{next(_NUMBERS)}"
    make(cluster, NAMESPACES, "", of(NAMESPACES, name))
    return name
