"""The fake cluster itself: what it does beyond the conformance suite, so that tests may rely on it."""

from __future__ import annotations

import msgspec
import pytest

from runner.errors import ClusterBusy, ClusterUnreachable, ContinueExpired, Forbidden, ItemNotFound
from runner.model.cluster import DiscoveryFailure, ListRequest, Page, Resource
from tests.fakes.cluster import UID, Call, FakeCluster, config_map, definition

CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
WIDGETS = Resource("x.example.com", "widgets", "v1", "Widget", namespaced=True)


def names(page: Page) -> list[str]:
    """The names of a page's items."""
    return [msgspec.json.decode(item)["metadata"]["name"] for item in page.items]


def uid(cluster: FakeCluster, namespace: str, name: str) -> str:
    """The uid of a ConfigMap."""
    found: str = msgspec.json.decode(cluster.get(CONFIG_MAPS, namespace, name))["metadata"]["uid"]
    return found


def three() -> FakeCluster:
    """A cluster of three ConfigMaps."""
    return FakeCluster(*(config_map("shop", name) for name in "abc"))


def following(request: ListRequest, token: str) -> ListRequest:
    """The request for the page after."""
    return msgspec.structs.replace(request, continue_token=token)


def test_namespaces_come_by_themselves() -> None:
    """kube-system, default, and those that objects are put into, are there."""
    assert names(three().page(ListRequest(NAMESPACES))) == ["default", "kube-system", "shop"]
    assert three().identity().uid == UID


def test_a_list_goes_on_with_what_it_began_with() -> None:
    """Objects put and deleted between two pages are not seen by that list, and are by the next one."""
    cluster = three()
    request = ListRequest(CONFIG_MAPS, limit=1)
    first = cluster.page(request)
    cluster.delete("configmaps", "shop", "b")
    cluster.put(config_map("shop", "aa"))
    rest = cluster.page(ListRequest(CONFIG_MAPS, continue_token=first.continue_token))
    assert names(rest) == ["b", "c"]
    assert rest.resource_version == first.resource_version
    assert names(cluster.page(ListRequest(CONFIG_MAPS))) == ["a", "aa", "c"]


def test_expired_tokens_bring_a_fresh_one() -> None:
    """After they expire, the error's token goes on at the same place over what is there now."""
    cluster = three()
    first = cluster.page(ListRequest(CONFIG_MAPS, limit=1))
    cluster.delete("configmaps", "shop", "b")
    cluster.expire_tokens()
    with pytest.raises(ContinueExpired) as expired:
        cluster.page(ListRequest(CONFIG_MAPS, continue_token=first.continue_token))
    rest = cluster.page(ListRequest(CONFIG_MAPS, continue_token=expired.value.token))
    assert names(rest) == ["c"]
    assert rest.resource_version != first.resource_version


def test_expired_tokens_without_a_way_on() -> None:
    """Where the server has no fresh token, the error has none; lists that begin anew are well."""
    cluster = three()
    first = cluster.page(ListRequest(CONFIG_MAPS, limit=1))
    cluster.expire_tokens(resumable=False)
    with pytest.raises(ContinueExpired) as expired:
        cluster.page(ListRequest(CONFIG_MAPS, continue_token=first.continue_token))
    assert expired.value.token == ""
    assert names(cluster.page(ListRequest(CONFIG_MAPS))) == ["a", "b", "c"]


def test_identity_of_objects() -> None:
    """An object that is changed keeps its uid and gets another version; one that comes back is another one."""
    cluster = three()
    before = msgspec.json.decode(cluster.get(CONFIG_MAPS, "shop", "a"))["metadata"]
    cluster.put(config_map("shop", "a", changed="yes"))
    after = msgspec.json.decode(cluster.get(CONFIG_MAPS, "shop", "a"))["metadata"]
    assert before["uid"] == after["uid"]
    assert int(before["resourceVersion"]) < int(after["resourceVersion"])
    cluster.delete("configmaps", "shop", "a")
    with pytest.raises(ItemNotFound):
        cluster.delete("configmaps", "shop", "a")
    cluster.put(config_map("shop", "a"))
    assert uid(cluster, "shop", "a") != before["uid"]
    assert len({uid(cluster, "shop", name) for name in "abc"}) == 3


def test_forbidden_type_and_namespace() -> None:
    """A type, a namespace, or one in the other can be forbidden, for lists and single objects."""
    cluster = FakeCluster(config_map("shop", "a"), config_map("other", "a"))
    cluster.forbid("configmaps", "shop")
    for question in (
        lambda: cluster.page(ListRequest(CONFIG_MAPS, "shop")),
        lambda: cluster.get(CONFIG_MAPS, "shop", "a"),
    ):
        with pytest.raises(Forbidden, match=r"configmaps.*shop"):
            question()
    assert names(cluster.page(ListRequest(CONFIG_MAPS, "other"))) == ["a"]
    cluster.forbid("configmaps")
    with pytest.raises(Forbidden):
        cluster.page(ListRequest(CONFIG_MAPS, "other"))
    assert names(cluster.page(ListRequest(NAMESPACES)))
    cluster.forbid("*", "")
    with pytest.raises(Forbidden):
        cluster.page(ListRequest(NAMESPACES))
    assert cluster.identity().uid == ""


def test_forbidden_over_the_cluster_alone() -> None:
    """A list over the whole cluster can be forbidden while those of single namespaces are not."""
    cluster = three()
    cluster.forbid("configmaps", "")
    with pytest.raises(Forbidden, match="cluster scope"):
        cluster.page(ListRequest(CONFIG_MAPS))
    assert names(cluster.page(ListRequest(CONFIG_MAPS, "shop"))) == ["a", "b", "c"]


def test_broken_groups() -> None:
    """A group that is down is a failure in discovery, its types are missing, and its lists answer 503."""
    cluster = FakeCluster(definition("widgets", "Widget", "x.example.com"))
    assert WIDGETS.name in {one.name for one in cluster.discover().resources}
    cluster.break_group("x.example.com/v1", "no backend")
    discovery = cluster.discover()
    assert discovery.failures == (DiscoveryFailure("x.example.com/v1", "no backend"),)
    assert WIDGETS.name not in {one.name for one in discovery.resources}
    with pytest.raises(ClusterBusy):
        cluster.page(ListRequest(WIDGETS))


def test_served_types() -> None:
    """Only the types that are wanted are served, and any other can be added, or served with fewer verbs."""
    cluster = FakeCluster(config_map("shop", "a"), serves=["configmaps"])
    assert [one.name for one in cluster.discover().resources] == ["configmaps", "namespaces"]
    with pytest.raises(ItemNotFound):
        cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}})
    cluster.serve(WIDGETS)
    cluster.put({"apiVersion": "x.example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}})
    assert names(cluster.page(ListRequest(WIDGETS, "shop"))) == ["w"]
    few = msgspec.structs.replace(CONFIG_MAPS, verbs=("list",))
    cluster.serve(few)
    assert [one for one in cluster.discover().resources if one.plural == "configmaps"] == [few]
    assert cluster.page(ListRequest(few)).items == ()


def test_a_definition_put_again_keeps_its_objects() -> None:
    """A CRD that is changed takes nothing away, and its objects may come in the same breath."""
    crd = definition("widgets", "Widget", "x.example.com")
    metadata = {"name": "w", "namespace": "shop"}
    cluster = FakeCluster(crd, {"apiVersion": "x.example.com/v1", "kind": "Widget", "metadata": metadata})
    cluster.put(crd)
    assert names(cluster.page(ListRequest(WIDGETS))) == ["w"]


def test_calls_are_recorded_and_may_fail() -> None:
    """Each question is counted before it is answered, and its hook may raise or change the cluster."""
    cluster = three()

    def second_fails(call: Call) -> None:
        if call.number == 2:
            raise ClusterUnreachable("reset")
        if call.verb == "get":
            cluster.delete("configmaps", call.namespace, call.name)

    cluster.on_call = second_fails
    cluster.discover()
    request = ListRequest(CONFIG_MAPS, "shop", limit=7)
    with pytest.raises(ClusterUnreachable):
        cluster.page(request)
    with pytest.raises(ItemNotFound):
        cluster.get(CONFIG_MAPS, "shop", "b")
    assert cluster.identity().context == "fake"
    assert [(call.number, call.verb) for call in cluster.calls] == [
        (1, "discover"),
        (2, "page"),
        (3, "get"),
        (4, "identity"),
    ]
    assert cluster.calls[1].request == request
    assert (cluster.calls[2].resource, cluster.calls[2].name) == (CONFIG_MAPS, "b")


def test_pages_may_lie() -> None:
    """A page can be put in the place of the true one: cut off, or with a token that leads nowhere."""
    cluster = three()
    cluster.on_page = lambda call, page: msgspec.structs.replace(
        page, items=(*page.items, msgspec.Raw(b'{"metadata":{"na')), continue_token=f"lie-{call.number}"
    )
    page = cluster.page(ListRequest(CONFIG_MAPS))
    assert len(page.items) == 4
    assert page.continue_token == "lie-1"
