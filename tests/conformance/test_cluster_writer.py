"""What every ClusterWriter does, over the fake, a folder of manifests, and a real API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import msgspec
import pytest

from runner.errors import (
    AlreadyExists,
    ItemNotFound,
    Rejected,
    WriteConflict,
)
from runner.model.cluster import ListRequest, Resource, Right
from runner.ports import Cluster
from tests.conformance.clusters import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    UNKNOWN,
    Json,
    decoded,
    is_there,
    make,
    names,
    of,
    raw,
)
from tests.fakes.cluster import config_map
from tests.real.waiting import wait_for

CRDS = Resource("apiextensions.k8s.io", "customresourcedefinitions", "v1", "CustomResourceDefinition", namespaced=False)
SCALERS = Resource("autoscaling", "horizontalpodautoscalers", "v1", "HorizontalPodAutoscaler", namespaced=True)
_NUMBERS = count(1)


def changed(value: Json, **metadata: object) -> bytes:
    """An object with more in its metadata, as it is sent."""
    return raw({**value, "metadata": {**value["metadata"], **metadata}})


def found(cluster: Cluster, namespace: str, name: str) -> Json:
    """A ConfigMap as it is read."""
    return decoded(cluster.get(CONFIG_MAPS, namespace, name))


# create


def test_what_is_created_is_there(cluster: Cluster, namespace: str) -> None:
    """The answer is the object as it is read from then on, with a uid, apiVersion and kind."""
    written = cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a", k="v: 'ü'\n- 1\n")))
    there = found(cluster, namespace, "a")
    assert there == decoded(written.raw)
    assert (there["apiVersion"], there["kind"], there["data"]) == ("v1", "ConfigMap", {"k": "v: 'ü'\n- 1\n"})
    assert written.uid == there["metadata"]["uid"]
    assert written.uid
    assert names(cluster.page(ListRequest(CONFIG_MAPS, namespace, field_selector="metadata.name=a"))) == ["a"]


def test_the_namespace_need_not_be_in_the_body(cluster: Cluster, namespace: str) -> None:
    """It is in the call."""
    value = config_map(namespace, "a")
    del value["metadata"]["namespace"]
    cluster.create(CONFIG_MAPS, namespace, raw(value))
    assert found(cluster, namespace, "a")["metadata"]["namespace"] == namespace


def test_a_uid_is_given_and_not_taken(cluster: Cluster, namespace: str) -> None:
    """An object that is created is a new one, whatever uid and times its body has."""
    times = {"creationTimestamp": "2020-01-01T00:00:00Z"}
    written = cluster.create(CONFIG_MAPS, namespace, changed(config_map(namespace, "a"), uid="old", **times))
    metadata = found(cluster, namespace, "a")["metadata"]
    assert metadata["uid"] == written.uid != "old"
    assert metadata.get("creationTimestamp") != times["creationTimestamp"]


def test_what_is_there_is_not_written_over(cluster: Cluster, namespace: str) -> None:
    """A create meets what has its name: AlreadyExists, and the object is as it was."""
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a", k="1")))
    for dry_run in (False, True):
        with pytest.raises(AlreadyExists):
            cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a", k="2")), dry_run=dry_run)
    assert found(cluster, namespace, "a")["data"] == {"k": "1"}


def test_a_dry_run_changes_nothing(cluster: Cluster, namespace: str) -> None:
    """It answers as the change would, and nothing is there, or changed."""
    body = raw(config_map(namespace, "a", k="1"))
    assert decoded(cluster.create(CONFIG_MAPS, namespace, body, dry_run=True).raw)["data"] == {"k": "1"}
    assert decoded(cluster.apply(CONFIG_MAPS, namespace, "a", body, dry_run=True).raw)["data"] == {"k": "1"}
    assert not is_there(cluster, CONFIG_MAPS, namespace, "a")
    cluster.create(CONFIG_MAPS, namespace, body)
    before = found(cluster, namespace, "a")
    dry = cluster.apply(CONFIG_MAPS, namespace, "a", raw(config_map(namespace, "a", k2="2")), force=True, dry_run=True)
    assert decoded(dry.raw)["data"] == {"k": "1", "k2": "2"}
    assert found(cluster, namespace, "a") == before


def test_nothing_is_made_where_its_namespace_is_not(cluster: Cluster) -> None:
    """Neither by create nor by apply."""
    body = raw(config_map("writer-absent", "a"))
    with pytest.raises(ItemNotFound, match="writer-absent"):
        cluster.create(CONFIG_MAPS, "writer-absent", body)
    with pytest.raises(ItemNotFound):
        cluster.apply(CONFIG_MAPS, "writer-absent", "a", body)


@pytest.mark.parametrize("resource", [UNKNOWN, msgspec.structs.replace(CONFIG_MAPS, version="v9")])
def test_a_type_that_is_not_served(cluster: Cluster, namespace: str, resource: Resource) -> None:
    """Is ItemNotFound, whatever is asked of it."""
    value = of(resource, "a")
    with pytest.raises(ItemNotFound):
        cluster.create(resource, namespace, raw(value))
    with pytest.raises(ItemNotFound):
        cluster.apply(resource, namespace, "a", raw(value))
    with pytest.raises(ItemNotFound):
        cluster.merge(resource, namespace, "a", b"{}")
    with pytest.raises(ItemNotFound):
        cluster.delete(resource, namespace, "a", uid="u")


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"[]",
        b'"\xff"',
        raw({"apiVersion": "v1", "kind": "ConfigMap"}),
        raw({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
        raw({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
        raw({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
        raw({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "other"}}),
        raw({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a/b"}}),
        raw({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"a": 1}}}),
    ],
)
def test_what_is_no_such_object_is_rejected(cluster: Cluster, namespace: str, body: bytes) -> None:
    """No object, one without a name, of another type or namespace, or with a name or labels that are none."""
    with pytest.raises(Rejected) as refused:
        cluster.create(CONFIG_MAPS, namespace, body)
    assert not refused.value.retriable
    assert cluster.page(ListRequest(CONFIG_MAPS, namespace, field_selector="metadata.name=a")).items == ()


def test_an_odd_name(cluster: Cluster) -> None:
    """What RBAC takes for a name is found under it."""
    name = f"writer:Conformance_{next(_NUMBERS)}.x"
    uid = make(cluster, CLUSTER_ROLES, "", of(CLUSTER_ROLES, name))
    cluster.merge(CLUSTER_ROLES, "", name, raw({"metadata": {"labels": {"a": "b"}}}))
    assert decoded(cluster.get(CLUSTER_ROLES, "", name))["metadata"]["labels"] == {"a": "b"}
    cluster.delete(CLUSTER_ROLES, "", name, uid=uid)
    wait_for(lambda: not is_there(cluster, CLUSTER_ROLES, "", name), "the ClusterRole to go")


def test_another_version_that_is_served(cluster: Cluster, namespace: str) -> None:
    """Discovery names it beside the preferred one, and an object may be sent in it and read in it."""
    scalers = next(one for one in cluster.discover().resources if one.name == SCALERS.name)
    assert SCALERS.version in {scalers.version, *scalers.other_versions}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": target}
    written = cluster.create(SCALERS, namespace, raw(of(SCALERS, "a", spec=spec)))
    there = decoded(cluster.get(SCALERS, namespace, "a"))
    assert decoded(written.raw)["apiVersion"] == there["apiVersion"] == "autoscaling/v1"
    assert there["spec"]["maxReplicas"] == 3


def test_several_threads(cluster: Cluster, namespace: str) -> None:
    """What several threads create is all there, each once; a name that all want is had by one."""

    def create(number: int) -> bool:
        cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, f"own-{number:02}")))
        try:
            cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "shared")))
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(40))) == 1
    everything = names(cluster.page(ListRequest(CONFIG_MAPS, namespace, limit=100)))
    assert [name for name in everything if name.startswith(("own", "shared"))] == [
        *(f"own-{number:02}" for number in range(40)),
        "shared",
    ]


# apply


def test_apply_creates_what_is_not_there(cluster: Cluster, namespace: str) -> None:
    """Where no uid says that something must be."""
    written = cluster.apply(CONFIG_MAPS, namespace, "a", raw(config_map(namespace, "a", k="v")))
    assert found(cluster, namespace, "a") == decoded(written.raw)
    assert written.uid


def test_apply_merges(cluster: Cluster, namespace: str) -> None:
    """What the body has is set, what it has not is kept; the uid stays, the resourceVersion does not."""
    value = config_map(namespace, "a", k="v", kept="yes")
    value["metadata"]["labels"] = {"kept": "yes"}
    before = cluster.create(CONFIG_MAPS, namespace, raw(value))
    more = config_map(namespace, "a", k="other", new="n")
    after = cluster.apply(CONFIG_MAPS, namespace, "a", changed(more, labels={"new": "n"}, uid=before.uid), force=True)
    there = found(cluster, namespace, "a")
    assert decoded(after.raw) == there
    assert there["data"] == {"k": "other", "kept": "yes", "new": "n"}
    assert there["metadata"]["labels"] == {"kept": "yes", "new": "n"}
    assert after.uid == before.uid
    assert there["metadata"]["resourceVersion"] != decoded(before.raw)["metadata"]["resourceVersion"]


def test_applying_again_changes_nothing(cluster: Cluster, namespace: str) -> None:
    """Not even the resourceVersion."""
    body = raw(config_map(namespace, "a", k="v"))
    first = cluster.apply(CONFIG_MAPS, namespace, "a", body)
    again = cluster.apply(CONFIG_MAPS, namespace, "a", body)
    assert decoded(again.raw)["metadata"]["resourceVersion"] == decoded(first.raw)["metadata"]["resourceVersion"]


def test_apply_to_another_object_than_was_seen(cluster: Cluster, namespace: str) -> None:
    """A uid in the body that is not that of the object, or of none that is there, is a WriteConflict."""
    body = changed(config_map(namespace, "a", k="2"), uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(WriteConflict):
        cluster.apply(CONFIG_MAPS, namespace, "a", body)
    assert not is_there(cluster, CONFIG_MAPS, namespace, "a")
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a", k="1")))
    for dry_run in (False, True):
        with pytest.raises(WriteConflict) as refused:
            cluster.apply(CONFIG_MAPS, namespace, "a", body, force=True, dry_run=dry_run)
        assert refused.value.retriable
    assert found(cluster, namespace, "a")["data"] == {"k": "1"}


# merge


def test_merge_sets_and_takes_away(cluster: Cluster, namespace: str) -> None:
    """A JSON merge patch: maps are merged, null takes away, lists are replaced; the right uid lets it pass."""
    value = config_map(namespace, "a", k="v", kept="yes", gone="soon")
    before = cluster.create(CONFIG_MAPS, namespace, changed(value, finalizers=["example.com/a", "example.com/b"]))
    finalizers = {"uid": before.uid, "finalizers": ["example.com/b"]}
    patch = {"metadata": finalizers, "data": {"k": "other", "gone": None}}
    after = cluster.merge(CONFIG_MAPS, namespace, "a", raw(patch))
    there = found(cluster, namespace, "a")
    assert decoded(after.raw) == there
    assert there["data"] == {"k": "other", "kept": "yes"}
    assert there["metadata"]["finalizers"] == ["example.com/b"]
    assert after.uid == before.uid


def test_merge_into_another_object_than_was_seen(cluster: Cluster, namespace: str) -> None:
    """A uid in the patch that is another's is a WriteConflict; what is not there is ItemNotFound."""
    patch = raw({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}, "data": {"k": "2"}})
    with pytest.raises(ItemNotFound):
        cluster.merge(CONFIG_MAPS, namespace, "a", patch)
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a", k="1")))
    with pytest.raises(WriteConflict):
        cluster.merge(CONFIG_MAPS, namespace, "a", patch)
    assert found(cluster, namespace, "a")["data"] == {"k": "1"}


@pytest.mark.parametrize("patch", [b"[]", b"{", raw({"metadata": {"name": "b"}}), raw({"metadata": 7})])
def test_a_patch_that_is_none(cluster: Cluster, namespace: str, patch: bytes) -> None:
    """Or that would make it another object, is Rejected."""
    cluster.create(CONFIG_MAPS, namespace, raw(config_map(namespace, "a")))
    before = found(cluster, namespace, "a")
    with pytest.raises(Rejected):
        cluster.merge(CONFIG_MAPS, namespace, "a", patch)
    assert found(cluster, namespace, "a") == before


# may


def test_who_may_do_all(cluster: Cluster) -> None:
    """Each of these may write all there is."""
    for verb, where in (("create", "default"), ("patch", ""), ("delete", "absent")):
        assert cluster.may(Right(verb, CONFIG_MAPS, where))
    assert cluster.may(Right("escalate", CLUSTER_ROLES, name="a"))
