"""What every ClusterWriter takes away, and what goes with it; over the fake, a folder, and a real API server."""

from __future__ import annotations

from itertools import count

import pytest

from runner.errors import ItemNotFound, WriteConflict
from runner.model.cluster import ListRequest, Resource
from runner.ports import Cluster
from tests.conformance.clusters import CONFIG_MAPS, NAMESPACES, decoded, is_there, make, of, raw
from tests.fakes.cluster import config_map, definition
from tests.real.waiting import wait_for

CRDS = Resource("apiextensions.k8s.io", "customresourcedefinitions", "v1", "CustomResourceDefinition", namespaced=False)
_NUMBERS = count(1)


def test_only_the_object_that_was_seen_is_deleted(cluster: Cluster, namespace: str) -> None:
    """Another uid is a WriteConflict; the right one takes it away; then there is nothing to delete."""
    written = cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a")))
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "b")))
    with pytest.raises(WriteConflict):
        cluster.delete(CONFIG_MAPS, namespace, "a", uid="00000000-0000-0000-0000-000000000000")
    assert is_there(cluster, CONFIG_MAPS, namespace, "a")
    cluster.delete(CONFIG_MAPS, namespace, "a", uid=written.uid)
    wait_for(lambda: not is_there(cluster, CONFIG_MAPS, namespace, "a"), "the ConfigMap to go")
    with pytest.raises(ItemNotFound):
        cluster.delete(CONFIG_MAPS, namespace, "a", uid=written.uid)
    assert is_there(cluster, CONFIG_MAPS, namespace, "b")
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a")))


def test_a_namespace_goes_with_what_is_in_it(cluster: Cluster, namespace: str) -> None:
    """Who deletes a namespace deletes its objects; one of its name can be created once it is gone."""
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a")))
    there = decoded(cluster.get(NAMESPACES, "", namespace))
    cluster.delete(NAMESPACES, "", namespace, uid=there["metadata"]["uid"])
    wait_for(lambda: not is_there(cluster, NAMESPACES, "", namespace), "the namespace to go")
    assert cluster.page(ListRequest(CONFIG_MAPS, namespace)).items == ()
    make(cluster, NAMESPACES, "", of(NAMESPACES, namespace))
    assert not is_there(cluster, CONFIG_MAPS, namespace, "a")


def test_a_type_comes_and_goes_with_its_definition(cluster: Cluster, namespace: str) -> None:
    """Its objects can be written soon after the definition, and are gone after it."""
    group = f"writer{next(_NUMBERS)}.example.com"
    widgets = Resource(group, "widgets", "v1", "Widget", namespaced=True)
    widget = raw(of(widgets, "w", spec={"size": 1}))
    with pytest.raises(ItemNotFound):
        cluster.create(widgets, namespace, widget)
    crd = cluster.create(CRDS, "", raw(definition("widgets", "Widget", group)))

    def created() -> bool:
        try:
            cluster.create(widgets, namespace, widget)
        except ItemNotFound:
            return False
        return True

    wait_for(created, "the type")
    assert decoded(cluster.get(widgets, namespace, "w"))["spec"] == {"size": 1}
    assert widgets.name in {one.name for one in cluster.discover().resources}
    cluster.delete(CRDS, "", f"widgets.{group}", uid=crd.uid)
    wait_for(lambda: not is_there(cluster, CRDS, "", f"widgets.{group}"), "the definition to go")
    wait_for(lambda: not is_there(cluster, widgets, namespace, "w"), "the object to go")
    wait_for(lambda: widgets.name not in {one.name for one in cluster.discover().resources}, "the type to go")
