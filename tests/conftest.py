"""The real parts, started once a session and shared: tests keep apart by namespaces, buckets and prefixes of their own.

What a test changes for the whole cluster (an APIService, a CRD, a ClusterRole) it takes back before it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.moto_ec2 import MotoEc2
from tests.parts.nodes import Nodes
from tests.parts.seaweedfs import SeaweedFS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options must be known before any folder's own conftest is read."""
    group = parser.getgroup("simulation")
    group.addoption("--simulation-seeds", type=int, default=200, metavar="N", help="How many seeds are simulated.")
    group.addoption("--simulation-first", type=int, default=0, metavar="K", help="The first of them.")


# Every property is tried on a few examples each time; EXAMPLES=1000 looks further.
# How long an example takes is the machine's business, and a busy machine is no failure. In CI the examples are the same
# each time, so that a failure is there for whoever looks; elsewhere every run tries others.
settings.register_profile(
    "trysail",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "25")),
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("trysail")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with etcd and the controller manager."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def nodes(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Nodes for it, on which pods run from then on, whosever they are: no test may rest on there being none."""
    with Nodes(control_plane, tmp_path_factory.mktemp("nodes")) as running:
        yield running


@pytest.fixture(scope="session")
def second_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Another cluster, as one finds it after the first is lost: another CA, UID and range of services, and empty."""
    folder = tmp_path_factory.mktemp("second-control-plane")
    with ControlPlane(folder, name="trysail-second", service_cidr="10.112.0.0/16") as plane:
        yield plane


@pytest.fixture(scope="session")
def second_nodes(second_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Nodes for the second cluster, of other names than the first one's."""
    folder = tmp_path_factory.mktemp("second-nodes")
    with Nodes(second_control_plane, folder, names=("other-1", "other-2")) as running:
        yield running


@pytest.fixture(scope="session")
def csi(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Csi]:
    """Volumes and snapshots for it, by a CSI driver; whoever makes the driver misbehave has it behave again."""
    with Csi(control_plane, tmp_path_factory.mktemp("csi")) as driver:
        yield driver


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def moto_ec2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoEc2]:
    """An EC2 for disks and their snapshots."""
    with MotoEc2(tmp_path_factory.mktemp("moto-ec2")) as cloud:
        yield cloud
