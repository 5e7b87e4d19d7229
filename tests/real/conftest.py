"""What the tests of the whole product share: Trysail, told of the real cluster, and places for its backups."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.places import Place, folder_place, seaweed_place
from tests.real.trysail import Trysail

BUCKET = "backups"


@pytest.fixture(scope="session")
def bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket for all; places in it are apart by their prefixes."""
    seaweedfs.create_bucket(BUCKET)
    return BUCKET


@pytest.fixture
def trysail(tmp_path: Path, control_plane: ControlPlane, seaweedfs: SeaweedFS) -> Trysail:
    """Trysail with the kubeconfig of the cluster, as its admin, and the keys of SeaweedFS."""
    return Trysail(tmp_path, environment(control_plane, seaweedfs))


@pytest.fixture
def weed(seaweedfs: SeaweedFS, bucket: str) -> Place:
    """A place of its own in SeaweedFS."""
    return seaweed_place(seaweedfs, bucket, f"place-{secrets.token_hex(4)}")


@pytest.fixture(params=["seaweedfs", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place of its own in SeaweedFS, then in a folder."""
    if request.param == "folder":
        return folder_place(tmp_path / "backups")
    found: Place = request.getfixturevalue("weed")
    return found


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """An empty namespace of its own, which is taken away in the end."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def environment(plane: ControlPlane, weed: SeaweedFS) -> dict[str, str]:
    """The variables by which Trysail finds both."""
    return {
        "KUBECONFIG": str(plane.kubeconfig),
        "AWS_ACCESS_KEY_ID": weed.access_key,
        "AWS_SECRET_ACCESS_KEY": weed.secret_key,
    }
