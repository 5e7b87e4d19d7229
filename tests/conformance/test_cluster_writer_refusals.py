"""What stands in a ClusterWriter's way, in a real API server and the fake: owners of fields, namespaces that go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from runner.errors import ApplyConflict, NamespaceTerminating, OwnedField, WriteConflict
from runner.ports import Cluster
from tests.conformance.clusters import CONFIG_MAPS, NAMESPACES, decoded, make, of, raw
from tests.fakes.cluster import FakeCluster, config_map
from tests.parts.controlplane import ControlPlane

_NUMBERS = count(1)


def new_namespace(cluster: Cluster, **metadata: object) -> str:
    """A namespace of the test's own."""
    name = f"refusals-{next(_NUMBERS)}"
    value = of(NAMESPACES, name)
    make(cluster, NAMESPACES, "", {**value, "metadata": {**value["metadata"], **metadata}})
    return name


@pytest.fixture(params=["fake", pytest.param("api_server", marks=pytest.mark.real)])
def owned(request: pytest.FixtureRequest) -> tuple[Cluster, str]:
    """A cluster with a ConfigMap `web`, of which `hpa` owns `.data.replicas`; and its namespace."""
    if request.param == "fake":
        fake = FakeCluster(config_map("shop", "web", replicas="3", other="kept"))
        fake.own("configmaps", "shop", "web", ".data.replicas", manager="hpa")
        return fake, "shop"
    plane: ControlPlane = request.getfixturevalue("control_plane")
    cluster: Cluster = request.getfixturevalue("api_server")
    shop = new_namespace(cluster)
    body = raw(config_map(shop, "web", replicas="3", other="kept"))
    plane.kubectl("apply", "--server-side", "--field-manager=hpa", "-f", "-", stdin=body)
    return cluster, shop


def test_fields_of_others_are_named(owned: tuple[Cluster, str]) -> None:
    """An apply that would change them is an ApplyConflict with each field and its owner, also as a dry run."""
    cluster, shop = owned
    body = raw(config_map(shop, "web", replicas="1"))
    for dry_run in (False, True):
        with pytest.raises(ApplyConflict) as refused:
            cluster.apply(CONFIG_MAPS, shop, "web", body, dry_run=dry_run)
        assert refused.value.fields == (OwnedField(".data.replicas", "hpa"),)
        assert not refused.value.retriable
    assert decoded(cluster.get(CONFIG_MAPS, shop, "web"))["data"] == {"replicas": "3", "other": "kept"}


def test_fields_of_others_may_stay_as_they_are(owned: tuple[Cluster, str]) -> None:
    """An apply that has the same value, or none, meets no conflict."""
    cluster, shop = owned
    cluster.apply(CONFIG_MAPS, shop, "web", raw(config_map(shop, "web", replicas="3", new="n")))
    assert decoded(cluster.get(CONFIG_MAPS, shop, "web"))["data"] == {"replicas": "3", "other": "kept", "new": "n"}


def test_fields_of_others_are_taken_over(owned: tuple[Cluster, str]) -> None:
    """With force they are changed, and from then on ours."""
    cluster, shop = owned
    cluster.apply(CONFIG_MAPS, shop, "web", raw(config_map(shop, "web", replicas="1")), force=True)
    assert decoded(cluster.get(CONFIG_MAPS, shop, "web"))["data"]["replicas"] == "1"
    cluster.apply(CONFIG_MAPS, shop, "web", raw(config_map(shop, "web", replicas="2")))
    assert decoded(cluster.get(CONFIG_MAPS, shop, "web"))["data"]["replicas"] == "2"


@pytest.fixture(params=["fake", pytest.param("api_server", marks=pytest.mark.real)])
def terminating(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, str]]:
    """A cluster with a namespace that cannot go, since what is in it has a finalizer."""
    cluster: Cluster = FakeCluster() if request.param == "fake" else request.getfixturevalue(request.param)
    shop = new_namespace(cluster, finalizers=["example.com/waits"])
    uid = decoded(cluster.get(NAMESPACES, "", shop))["metadata"]["uid"]
    cluster.delete(NAMESPACES, "", shop, uid=uid)
    yield cluster, shop
    cluster.merge(NAMESPACES, "", shop, raw({"metadata": {"finalizers": None}}))


def test_a_namespace_on_its_way_out(terminating: tuple[Cluster, str]) -> None:
    """Takes nothing new: retriable, for it may be gone soon; its name is taken still, which may pass too."""
    cluster, shop = terminating
    with pytest.raises(NamespaceTerminating, match=shop) as refused:
        cluster.create(CONFIG_MAPS, shop, raw(config_map(shop, "a")))
    assert refused.value.retriable
    with pytest.raises(WriteConflict, match="being deleted") as again:
        cluster.create(NAMESPACES, "", raw(of(NAMESPACES, shop)))
    assert again.value.retriable
