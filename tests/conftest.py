"""The real parts, started once a session and shared: tests keep apart by namespaces, buckets and prefixes of their own.

What a test changes for the whole cluster (an APIService, a CRD, a ClusterRole) it takes back before it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options must be known before any folder's own conftest is read."""
    group = parser.getgroup("simulation")
    group.addoption("--simulation-seeds", type=int, default=200, metavar="N", help="How many seeds are simulated.")
    group.addoption("--simulation-first", type=int, default=0, metavar="K", help="The first of them.")


# How long an example takes is the machine's business, and a busy machine is no failure. In CI the examples are the same
# each time, so that a failure is there for whoever looks; elsewhere every run tries others.
settings.register_profile(
    "trysail",
    deadline=None,
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
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store
