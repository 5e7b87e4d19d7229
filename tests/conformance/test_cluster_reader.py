"""What every ClusterReader does, over the fake, a folder of manifests, and a real API server."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.adapters.manifests import ManifestsCluster
from runner.errors import ClusterError, ItemNotFound, PageTooLarge
from runner.model.cluster import ListRequest, Resource
from runner.ports import ClusterReader
from tests.conformance.clusters import (
    CLUSTER_ROLES,
    DEFINITIONS,
    FIRST,
    IN_SECOND,
    NAMESPACES,
    OBJECTS,
    ODD_NAME,
    SECOND,
    SECRETS,
    UNKNOWN,
    WIDGETS,
    apply,
    decoded,
    kube_system,
    names,
    pages,
)
from tests.fakes.cluster import FakeCluster
from tests.parts.controlplane import ControlPlane
from tests.tools.builtin_resources import TABLE, builtin_resources, table


@pytest.fixture(scope="module")
def fake() -> ClusterReader:
    """The fake of the tests."""
    return FakeCluster(*DEFINITIONS, *OBJECTS)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> ClusterReader:
    """The same objects as files."""
    folder = tmp_path_factory.mktemp("cluster")
    for number, value in enumerate([kube_system(), *OBJECTS, *DEFINITIONS]):
        (folder / f"{number}.json").write_text(json.dumps(value))
    return ManifestsCluster(folder)


@pytest.fixture(scope="module")
def api_server(control_plane: ControlPlane) -> ClusterReader:
    """The same objects in a real API server, beside whatever else is there."""
    apply(control_plane, DEFINITIONS)
    control_plane.kubectl("wait", "--for=condition=Established", "crd/widgets.reader.example.com")
    apply(control_plane, OBJECTS)
    return KubernetesCluster.connect(kubeconfig=str(control_plane.kubeconfig))


@pytest.fixture(params=["fake", "manifests", pytest.param("api_server", marks=pytest.mark.real)])
def cluster(request: pytest.FixtureRequest) -> ClusterReader:
    """Each ClusterReader in turn."""
    reader: ClusterReader = request.getfixturevalue(request.param)
    return reader


def test_identity_is_the_uid_of_kube_system(cluster: ClusterReader) -> None:
    """The identity's uid is that of the namespace kube-system, and it says where the cluster is."""
    identity = cluster.identity()
    there = decoded(cluster.get(NAMESPACES, "", "kube-system"))
    assert identity.uid == there["metadata"]["uid"]
    assert identity.context
    assert identity.server


def test_discovery_names_each_type_once_and_sorted(cluster: ClusterReader) -> None:
    """Types are sorted, once per group and plural, and have what kubectl knows of them."""
    discovery = cluster.discover()
    found = [(one.group, one.plural) for one in discovery.resources]
    assert found == sorted(set(found))
    assert discovery.failures == ()
    pods = next(one for one in discovery.resources if one.name == "pods")
    assert (pods.api_version, pods.kind, pods.namespaced, pods.short_names) == ("v1", "Pod", True, ("po",))
    assert {"list", "get", "create", "delete"} <= set(pods.verbs)
    reviews = next(one for one in discovery.resources if one.name == "tokenreviews.authentication.k8s.io")
    assert reviews.verbs == ("create",)
    assert not any("/" in one.plural for one in discovery.resources), "subresources are no types"


def test_discovery_has_custom_resources(cluster: ClusterReader) -> None:
    """A type that a CRD brings is discovered with its scope and version."""
    found = next(one for one in cluster.discover().resources if one.name == "widgets.reader.example.com")
    assert (found.api_version, found.kind, found.namespaced) == ("reader.example.com/v1", "Widget", True)
    assert {"list", "get", "create", "delete"} <= set(found.verbs)


def test_namespace_lists_in_order(cluster: ClusterReader) -> None:
    """A namespace's list has its own items alone, sorted by name."""
    assert names(cluster.page(ListRequest(SECRETS, SECOND))) == IN_SECOND
    assert names(cluster.page(ListRequest(SECRETS, FIRST))) == ["s-last"]


def test_whole_cluster_lists_in_the_order_of_etcd(cluster: ClusterReader) -> None:
    """Over all namespaces the order is that of namespace/name, byte by byte."""
    found = [decoded(item)["metadata"] for page in pages(cluster, ListRequest(SECRETS)) for item in page.items]
    keys = [f"{one['namespace']}/{one['name']}" for one in found if one["namespace"] in {FIRST, SECOND}]
    assert keys == [f"{FIRST}/s-last", *(f"{SECOND}/{name}" for name in IN_SECOND)]


@pytest.mark.parametrize("limit", [1, 4, 11, 12])
@pytest.mark.parametrize("metadata_only", [False, True])
def test_pages_are_the_whole_list_cut(cluster: ClusterReader, limit: int, metadata_only: bool) -> None:
    """Pages of any size give each item once and in order, full but for the last, and count what is left."""
    found = list(pages(cluster, ListRequest(SECRETS, SECOND, limit=limit, metadata_only=metadata_only)))
    assert [name for page in found for name in names(page)] == IN_SECOND
    assert [len(page.items) for page in found[:-1]] == [limit] * (len(found) - 1)
    seen = 0
    for page in found[:-1]:
        seen += len(page.items)
        assert page.remaining == len(IN_SECOND) - seen
    assert not found[-1].remaining
    assert len({page.resource_version for page in found}) == 1
    assert found[0].resource_version


def test_pages_of_the_whole_cluster_are_the_whole_list_cut(cluster: ClusterReader) -> None:
    """A page may end in the middle of a namespace."""
    whole = [item for page in pages(cluster, ListRequest(SECRETS)) for item in names(page)]
    assert [item for page in pages(cluster, ListRequest(SECRETS, limit=5)) for item in names(page)] == whole


def test_without_a_limit_all_comes_at_once(cluster: ClusterReader) -> None:
    """A limit of 0 is none."""
    page = cluster.page(ListRequest(SECRETS, SECOND, limit=0))
    assert names(page) == IN_SECOND
    assert page.continue_token == ""


@pytest.mark.parametrize("resource", [SECRETS, WIDGETS])
def test_absent_namespace_lists_as_empty(cluster: ClusterReader, resource: Resource) -> None:
    """A namespace that is not there is no error; nor is a type that nothing is of."""
    page = cluster.page(ListRequest(resource, "reader-absent"))
    assert (page.items, page.continue_token) == ((), "")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=back", ["s-other"]),
        ("tier==back", ["s-other"]),
        ("tier!=front", ["s-bare", "s-other"]),
        ("tier in (back, none)", ["s-other"]),
        ("tier notin (front,none)", ["s-bare", "s-other"]),
        ("canary", ["s-other"]),
        ("!tier", ["s-bare"]),
        ("canary=", ["s-other"]),
        ("canary in (,x)", ["s-other"]),
        ("canary in ()", ["s-other"]),
        ("tier notin ()", IN_SECOND),
        ("canary notin ()", [name for name in IN_SECOND if name != "s-other"]),
        ("size>6", ["s-07", "s-08"]),
        ("size<1", ["s-00"]),
        (" tier = front , size in (3,5) ", ["s-03", "s-05"]),
        ("tier=front,tier=back", []),
        ("in", []),
        ("example.com/absent", []),
        ("", IN_SECOND),
    ],
)
def test_label_selectors(cluster: ClusterReader, selector: str, expected: list[str]) -> None:
    """Every form of Kubernetes' label selectors picks what an API server picks."""
    request = ListRequest(SECRETS, SECOND, label_selector=selector)
    assert [name for page in pages(cluster, request) for name in names(page)] == expected


@pytest.mark.parametrize(
    "selector",
    [
        "=a",
        "a=b c",
        "a in b",
        "a in (b",
        "a,",
        "a,,b",
        "a=b/c",
        "!a=b",
        "a>x",
        "-a",
        "a=-b",
        "/a",
        "a!",
        "()",
    ],
)
def test_malformed_label_selectors(cluster: ClusterReader, selector: str) -> None:
    """What an API server refuses is an error that no retry mends, never a guess."""
    with pytest.raises(ClusterError) as refused:
        cluster.page(ListRequest(SECRETS, SECOND, label_selector=selector))
    assert not refused.value.retriable


def test_selected_lists_come_in_pages_without_a_count(cluster: ClusterReader) -> None:
    """With a selector nothing is counted, and what is picked may be spread over the pages."""
    request = ListRequest(SECRETS, SECOND, limit=2, label_selector="tier=front")
    found = list(pages(cluster, request))
    assert [name for page in found for name in names(page)] == [f"s-{number:02}" for number in range(9)]
    assert [page.remaining for page in found] == [None] * len(found)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=s-03", ["s-03"]),
        ("metadata.name==s-03", ["s-03"]),
        ("metadata.name=absent", []),
        ("metadata.namespace!=reader-a", []),
        (
            "metadata.name!=s-bare,metadata.namespace=reader-a",
            [name for name in IN_SECOND if name != "s-bare"],
        ),
    ],
)
def test_field_selectors(cluster: ClusterReader, selector: str, expected: list[str]) -> None:
    """Name and namespace can be selected."""
    request = ListRequest(SECRETS, SECOND, field_selector=selector)
    assert [name for page in pages(cluster, request) for name in names(page)] == expected


def test_unserved_field_selector(cluster: ClusterReader) -> None:
    """A field that cannot be selected is an error, never a list of everything."""
    with pytest.raises(ClusterError):
        cluster.page(ListRequest(SECRETS, SECOND, field_selector="spec.anything=1"))


def test_metadata_only(cluster: ClusterReader) -> None:
    """PartialObjectMetadata has the same metadata as the whole object, and nothing else of it."""
    partial = [decoded(item) for item in cluster.page(ListRequest(SECRETS, SECOND, metadata_only=True)).items]
    whole = [decoded(item) for item in cluster.page(ListRequest(SECRETS, SECOND)).items]
    assert [item["metadata"] for item in partial] == [item["metadata"] for item in whole]
    assert {frozenset(item) for item in partial} == {frozenset({"apiVersion", "kind", "metadata"})}
    kinds = {(item["apiVersion"], item["kind"]) for item in partial}
    assert kinds == {("meta.k8s.io/v1", "PartialObjectMetadata")}


def test_list_items_of_built_in_types_are_bare(cluster: ClusterReader) -> None:
    """Items of a list lack apiVersion and kind where the type is built in, and have the rest of the object."""
    item = decoded(cluster.page(ListRequest(SECRETS, FIRST)).items[0])
    whole = decoded(cluster.get(SECRETS, FIRST, "s-last"))
    assert {"apiVersion": "v1", "kind": "Secret", **item} == whole
    assert "kind" not in item
    assert whole["data"] == {"k": "djE="}
    assert whole["metadata"]["annotations"]["note"] == "ü"


def test_list_items_of_custom_resources_are_whole(cluster: ClusterReader) -> None:
    """Items of a list have apiVersion and kind where a CRD defines the type."""
    items = [decoded(item) for item in cluster.page(ListRequest(WIDGETS, SECOND)).items]
    assert [item["kind"] for item in items] == ["Widget", "Widget"]
    assert items[0] == decoded(cluster.get(WIDGETS, SECOND, "w-1"))


def test_every_item_has_what_an_api_server_gives(cluster: ClusterReader) -> None:
    """Each has a uid of its own and a resourceVersion."""
    found = [decoded(item)["metadata"] for item in cluster.page(ListRequest(SECRETS, SECOND)).items]
    assert all(one["uid"] and one["resourceVersion"] for one in found)
    assert len({one["uid"] for one in found}) == len(IN_SECOND)


def test_namespaces_carry_their_name_as_a_label(cluster: ClusterReader) -> None:
    """Namespaces can be selected by kubernetes.io/metadata.name, as on every API server."""
    request = ListRequest(NAMESPACES, label_selector=f"kubernetes.io/metadata.name={SECOND}")
    assert [name for page in pages(cluster, request) for name in names(page)] == [SECOND]


def test_odd_names(cluster: ClusterReader) -> None:
    """A name with a colon and capitals is found."""
    assert decoded(cluster.get(CLUSTER_ROLES, "", ODD_NAME))["metadata"]["name"] == ODD_NAME


@pytest.mark.parametrize(
    ("resource", "namespace", "name"),
    [
        (SECRETS, SECOND, "absent"),
        (SECRETS, "reader-absent", "s-00"),
        (SECRETS, FIRST, "s-00"),
        (CLUSTER_ROLES, "", "absent"),
        (UNKNOWN, SECOND, "s-00"),
    ],
)
def test_absent_objects(cluster: ClusterReader, resource: Resource, namespace: str, name: str) -> None:
    """What is not there is ItemNotFound."""
    with pytest.raises(ItemNotFound):
        cluster.get(resource, namespace, name)


@pytest.mark.parametrize(
    "request_",
    [
        ListRequest(UNKNOWN),
        ListRequest(msgspec.structs.replace(SECRETS, version="v9")),
        ListRequest(CLUSTER_ROLES, SECOND),
    ],
    ids=["type", "version", "scope"],
)
def test_absent_types(cluster: ClusterReader, request_: ListRequest) -> None:
    """A type, a version or a scope that is not served is ItemNotFound, not an empty list."""
    with pytest.raises(ItemNotFound):
        cluster.page(request_)


@pytest.mark.parametrize("token", ["!", "nonsense", "e30", "eyJ2IjoxfQ"])
def test_malformed_tokens(cluster: ClusterReader, token: str) -> None:
    """A continue token that no page has given is an error, never a list from the start."""
    with pytest.raises(ClusterError) as refused:
        cluster.page(ListRequest(SECRETS, SECOND, continue_token=token))
    assert not refused.value.retriable


def test_pages_over_the_limit_of_bytes(cluster: ClusterReader) -> None:
    """A page may be as large as its request allows, and not a byte larger."""
    page = cluster.page(ListRequest(SECRETS, SECOND))
    assert page.size >= sum(len(bytes(item)) for item in page.items)
    assert cluster.page(ListRequest(SECRETS, SECOND, max_bytes=page.size)).items == page.items
    with pytest.raises(PageTooLarge):
        cluster.page(ListRequest(SECRETS, SECOND, max_bytes=page.size - 1))


def test_several_threads(cluster: ClusterReader) -> None:
    """Several threads get what one gets."""
    request = ListRequest(SECRETS, SECOND, limit=3)
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(lambda: [names(page) for page in pages(cluster, request)]) for _ in range(8)]
        found = [run.result() for run in runs]
    assert found == [found[0]] * 8


@pytest.mark.real
def test_built_in_types_are_those_of_the_api_server(control_plane: ControlPlane) -> None:
    """The table of built-in types is what a real API server serves of its own; its tool makes it again."""
    custom = json.loads(control_plane.kubectl("get", "crd", "-o", "json").stdout)["items"]
    groups = {one["spec"]["group"] for one in custom}
    served = [entry for entry in builtin_resources(control_plane) if entry["group"] not in groups]
    assert table(served) == TABLE.read_text()
