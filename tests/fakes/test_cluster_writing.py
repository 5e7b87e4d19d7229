"""The fake cluster as it is written: what it does beyond the conformance suite, so that tests may rely on it."""

from __future__ import annotations

import pytest

from runner.errors import (
    ApplyConflict,
    ClusterBusy,
    ClusterUnreachable,
    Forbidden,
    ItemNotFound,
    OwnedField,
    QuotaExceeded,
    WriteConflict,
)
from runner.model.cluster import ListRequest, Resource, Right
from tests.conformance.clusters import CONFIG_MAPS, NAMESPACES, SECRETS, decoded, is_there, make, of, raw
from tests.fakes.cluster import Call, FakeCluster, config_map, definition

CRDS = Resource("apiextensions.k8s.io", "customresourcedefinitions", "v1", "CustomResourceDefinition", namespaced=False)
WIDGETS = Resource("x.example.com", "widgets", "v1", "Widget", namespaced=True)
SCALERS = Resource("autoscaling", "horizontalpodautoscalers", "v2", "HorizontalPodAutoscaler", namespaced=True)


def shop() -> FakeCluster:
    """A cluster with one ConfigMap, `shop/web`."""
    return FakeCluster(config_map("shop", "web", k="v"))


def uid(cluster: FakeCluster, resource: Resource, namespace: str, name: str) -> str:
    """The uid of an object."""
    found: str = decoded(cluster.get(resource, namespace, name))["metadata"]["uid"]
    return found


def test_writes_are_recorded() -> None:
    """Each with its verb, place, body, and whether it was a dry run; in turn with the reads."""
    cluster = shop()
    body, patch = raw(config_map("shop", "a")), raw({"data": {"k": None}})
    written = cluster.create(CONFIG_MAPS, "shop", body, dry_run=True)
    written = cluster.create(CONFIG_MAPS, "shop", body)
    cluster.apply(CONFIG_MAPS, "shop", "a", body, dry_run=True)
    cluster.merge(CONFIG_MAPS, "shop", "a", patch)
    cluster.delete(CONFIG_MAPS, "shop", "a", uid=written.uid)
    cluster.may(Right("create", CONFIG_MAPS, "shop", "a"))
    assert cluster.calls == [
        Call(1, "create", CONFIG_MAPS, "shop", "a", body=body, dry_run=True),
        Call(2, "create", CONFIG_MAPS, "shop", "a", body=body),
        Call(3, "apply", CONFIG_MAPS, "shop", "a", body=body, dry_run=True),
        Call(4, "merge", CONFIG_MAPS, "shop", "a", body=patch),
        Call(5, "delete", CONFIG_MAPS, "shop", "a"),
        Call(6, "may", CONFIG_MAPS, "shop", "a"),
    ]


def test_a_write_that_fails_before_its_effect() -> None:
    """An error of on_call leaves everything as it was."""
    cluster = shop()

    def fails(call: Call) -> None:
        raise ClusterUnreachable("reset")

    cluster.on_call = fails
    with pytest.raises(ClusterUnreachable):
        make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    cluster.on_call = lambda _: None
    assert not is_there(cluster, CONFIG_MAPS, "shop", "a")


def test_an_answer_that_is_lost() -> None:
    """An error of after_call comes after the effect, and only of what had one."""
    cluster = shop()
    after: list[str] = []

    def lost(call: Call) -> None:
        after.append(call.verb)
        raise ClusterUnreachable("reset")

    cluster.after_call = lost
    with pytest.raises(ClusterUnreachable):
        make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    with pytest.raises(ClusterUnreachable):
        cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "w"}}))
    with pytest.raises(WriteConflict):
        cluster.delete(CONFIG_MAPS, "shop", "a", uid="another")
    assert decoded(cluster.get(CONFIG_MAPS, "shop", "a"))["data"] == {"k": "w"}
    with pytest.raises(ClusterUnreachable):
        cluster.delete(CONFIG_MAPS, "shop", "a", uid=uid(cluster, CONFIG_MAPS, "shop", "a"))
    assert not is_there(cluster, CONFIG_MAPS, "shop", "a")
    assert after == ["create", "merge", "delete"]


def test_what_admission_would_say() -> None:
    """The hook sees verb, type, place and body, of dry runs too, and its error is the answer."""
    cluster = shop()
    cluster.reject = lambda verb, resource, namespace, name, body: (
        QuotaExceeded("exceeded quota") if (verb, resource.name, namespace) == ("create", "secrets", "shop") else None
    )
    for dry_run in (True, False):
        with pytest.raises(QuotaExceeded):
            cluster.create(SECRETS, "shop", raw(of(SECRETS, "a")), dry_run=dry_run)
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    assert not is_there(cluster, SECRETS, "shop", "a")


def test_rights() -> None:
    """Writing is forbidden by verbs of Kubernetes; `may` knows it before, and reading is another thing."""
    cluster = shop()
    cluster.forbid("configmaps", "shop", verbs=["create", "patch"])
    web = uid(cluster, CONFIG_MAPS, "shop", "web")
    assert not cluster.may(Right("create", CONFIG_MAPS, "shop"))
    assert cluster.may(Right("create", CONFIG_MAPS, "default"))
    assert cluster.may(Right("delete", CONFIG_MAPS, "shop"))
    with pytest.raises(Forbidden, match="cannot create"):
        make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    with pytest.raises(Forbidden, match="cannot patch"):
        cluster.apply(CONFIG_MAPS, "shop", "web", raw(config_map("shop", "web")))
    with pytest.raises(Forbidden, match="cannot patch"):
        cluster.merge(CONFIG_MAPS, "shop", "web", b"{}")
    cluster.delete(CONFIG_MAPS, "shop", "web", uid=web)
    cluster.break_group("v1")
    with pytest.raises(ClusterBusy):
        make(cluster, CONFIG_MAPS, "default", config_map("default", "a"))


def test_owners_of_fields_are_remembered_until_they_lose_them() -> None:
    """Keys may hold dots; a dry run takes nothing over; who deletes the object deletes its owners."""
    cluster = shop()
    path = ".metadata.annotations.example.com/a.b"
    value = config_map("shop", "web")
    value["metadata"]["annotations"] = {"example.com/a.b": "mine"}
    cluster.own("configmaps", "shop", "web", path, manager="other")
    cluster.own("configmaps", "shop", "web", ".data.k", manager="other")
    for _ in range(2):
        with pytest.raises(ApplyConflict) as refused:
            cluster.apply(CONFIG_MAPS, "shop", "web", raw(value))
        assert refused.value.fields == (OwnedField(path, "other"),)
        cluster.apply(CONFIG_MAPS, "shop", "web", raw(value), force=True, dry_run=True)
    cluster.delete("configmaps", "shop", "web")
    cluster.put(config_map("shop", "web"))
    cluster.apply(CONFIG_MAPS, "shop", "web", raw(value))


def test_finalizers_keep_an_object() -> None:
    """It is marked as deleted, its name stays taken, and it goes with its last finalizer."""
    cluster = shop()
    value = config_map("shop", "a")
    value["metadata"]["finalizers"] = ["example.com/x"]
    written = make(cluster, CONFIG_MAPS, "shop", value)
    cluster.delete(CONFIG_MAPS, "shop", "a", uid=written)
    assert decoded(cluster.get(CONFIG_MAPS, "shop", "a"))["metadata"]["deletionTimestamp"]
    with pytest.raises(WriteConflict):
        make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    cluster.merge(CONFIG_MAPS, "shop", "a", raw({"metadata": {"finalizers": []}}))
    assert not is_there(cluster, CONFIG_MAPS, "shop", "a")
    assert make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a")) != written


def test_somebody_else_looks_and_deletes() -> None:
    """By a type's name: it is no call, and rights and finalizers do not matter."""
    cluster = shop()
    cluster.forbid(verbs=["get", "delete"])
    assert cluster.found("configmaps", "shop", "web")["data"] == {"k": "v"}
    cluster.delete("configmaps", "shop", "web")
    assert cluster.calls == []
    with pytest.raises(ItemNotFound):
        cluster.delete("configmaps", "shop", "web")


def test_a_definition_that_is_created_is_established() -> None:
    """As whoever waits for it wants to see; other objects have the status that they are given."""
    cluster = shop()
    make(cluster, CRDS, "", definition("widgets", "Widget", "x.example.com"))
    there = decoded(cluster.get(CRDS, "", "widgets.x.example.com"))
    assert {"type": "Established", "status": "True"} in there["status"]["conditions"]
    make(cluster, WIDGETS, "shop", of(WIDGETS, "w", status={"s": 1}))
    assert decoded(cluster.get(WIDGETS, "shop", "w"))["status"] == {"s": 1}


def test_versions_are_converted() -> None:
    """What is written in one version is there in the other, and listed in the preferred one."""
    cluster = shop()
    older = Resource("autoscaling", SCALERS.plural, "v1", SCALERS.kind, namespaced=True)
    make(cluster, older, "shop", of(older, "a", spec={"n": 1}))
    cluster.apply(older, "shop", "a", raw(of(older, "a", spec={"m": 2})))
    cluster.merge(older, "shop", "a", raw({"apiVersion": "autoscaling/v1", "spec": {"n": 3}}))
    for resource in (older, SCALERS):
        there = decoded(cluster.get(resource, "shop", "a"))
        assert (there["apiVersion"], there["spec"]) == (resource.api_version, {"n": 3, "m": 2})
    assert len(cluster.page(ListRequest(SCALERS, "shop")).items) == 1


def test_a_list_goes_on_with_what_it_began_with() -> None:
    """What is written between two pages is seen by the next list."""
    cluster = FakeCluster(*(config_map("shop", name) for name in "abc"))
    first = cluster.page(ListRequest(CONFIG_MAPS, limit=1))
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "aa"))
    cluster.delete(CONFIG_MAPS, "shop", "b", uid=uid(cluster, CONFIG_MAPS, "shop", "b"))
    rest = cluster.page(ListRequest(CONFIG_MAPS, continue_token=first.continue_token))
    assert [decoded(item)["metadata"]["name"] for item in rest.items] == ["b", "c"]
    assert is_there(cluster, NAMESPACES, "", "shop")
