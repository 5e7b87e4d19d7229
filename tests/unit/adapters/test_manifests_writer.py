"""A folder of manifests that is written: which files, what is in them, and that nothing else of them changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.adapters.manifests import ManifestsCluster
from runner.archive.reader import read_documents
from runner.errors import AlreadyExists, ClusterError, FormatError, ItemNotFound, Rejected, UsageError
from runner.model.cluster import ListRequest, Resource
from tests.conformance.clusters import CLUSTER_ROLES, CONFIG_MAPS, NAMESPACES, Json, decoded, make, names, of, raw
from tests.fakes.cluster import config_map, definition

CRDS = Resource("apiextensions.k8s.io", "customresourcedefinitions", "v1", "CustomResourceDefinition", namespaced=False)
WIDGETS = Resource("x.example.com", "widgets", "v1", "Widget", namespaced=True)
REVIEWS = Resource("authentication.k8s.io", "tokenreviews", "v1", "TokenReview", namespaced=False)
SCALERS = Resource("autoscaling", "horizontalpodautoscalers", "v2", "HorizontalPodAutoscaler", namespaced=True)
PLAIN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: shop}\n"


def shop(folder: Path) -> ManifestsCluster:
    """A cluster in `folder`, which may be missing, with the namespace shop."""
    cluster = ManifestsCluster(folder, create=True)
    make(cluster, NAMESPACES, "", of(NAMESPACES, "shop"))
    return cluster


def files(folder: Path) -> list[str]:
    """Every file, by its path in the folder."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def read(file: Path) -> list[Json]:
    """The documents of a YAML file."""
    return [value for value in read_documents(file.read_bytes()) if isinstance(value, dict)]


def uid(cluster: ManifestsCluster, resource: Resource, namespace: str, name: str) -> str:
    """The uid of an object, as it is read."""
    found: str = decoded(cluster.get(resource, namespace, name))["metadata"]["uid"]
    return found


# new objects


def test_each_new_object_has_a_file(tmp_path: Path) -> None:
    """By namespace, type and name; names that a file system may not take, or that hide a file, are encoded."""
    folder = tmp_path / "not" / "there"
    cluster = shop(folder)
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    make(cluster, SCALERS, "shop", of(SCALERS, "a"))
    for name in (".hidden", "a:B", "x" * 253):
        make(cluster, CLUSTER_ROLES, "", of(CLUSTER_ROLES, name))
    paths = files(folder)
    assert paths[:1] + paths[2:3] + paths[4:] == [
        "cluster/clusterroles.rbac.authorization.k8s.io/%2Ehidden.yaml",
        "cluster/clusterroles.rbac.authorization.k8s.io/" + paths[2].rpartition("/")[2],
        "shop/configmaps/a.yaml",
        "shop/horizontalpodautoscalers.autoscaling/a.yaml",
    ]
    assert paths[1].endswith("/a%3A%42.yaml")
    assert all(len(part.encode()) <= 255 for path in paths for part in path.split("/"))
    again = ManifestsCluster(folder)
    assert names(again.page(ListRequest(CLUSTER_ROLES))) == [".hidden", "a:B", "x" * 253]


def test_what_is_written_is_ready_to_be_applied(tmp_path: Path) -> None:
    """The object and no more: no uid, resourceVersion or times, status as it was given, its namespace in it."""
    cluster = shop(tmp_path)
    value = {**config_map("shop", "a", k="yes"), "status": {"s": 1}}
    value["metadata"] |= {"uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z", "managedFields": [], "generation": 3}
    del value["metadata"]["namespace"]
    make(cluster, CONFIG_MAPS, "shop", value)
    (written,) = read(tmp_path / "shop/configmaps/a.yaml")
    assert written == {**config_map("shop", "a", k="yes"), "status": {"s": 1}}


def test_a_folder_that_is_read_again_is_the_same(tmp_path: Path) -> None:
    """To the byte, for whoever opens it next: uids and resourceVersions too."""
    cluster = shop(tmp_path)
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a", k="v"))
    cluster.apply(CONFIG_MAPS, "shop", "b", raw(config_map("shop", "b", k="v")))
    cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": None, "l": "1"}, "metadata": {"labels": {"a": "b"}}}))
    again = ManifestsCluster(tmp_path)
    for resource, namespace in ((CONFIG_MAPS, "shop"), (NAMESPACES, "")):
        request = ListRequest(resource, namespace)
        assert again.page(request).items == cluster.page(request).items
    assert again.identity() == cluster.identity()


def test_a_kube_system_without_a_uid_does_not_rename_the_cluster(tmp_path: Path) -> None:
    """Restoring that namespace into a folder leaves the cluster what it was; a uid in a file is the cluster's."""
    cluster = ManifestsCluster(tmp_path / "out", create=True)
    before = cluster.identity()
    make(cluster, NAMESPACES, "", of(NAMESPACES, "kube-system"))
    assert cluster.identity() == before == ManifestsCluster(tmp_path / "out").identity()
    assert before.uid == "manifests-out"


def test_missing_folders_are_for_writers(tmp_path: Path) -> None:
    """Who reads one has mistyped; who writes makes it, and may read it from then on."""
    cluster = ManifestsCluster(tmp_path / "new")
    with pytest.raises(UsageError):
        cluster.discover()
    make(cluster, NAMESPACES, "", of(NAMESPACES, "shop"))
    assert names(cluster.page(ListRequest(NAMESPACES))) == ["shop"]
    assert ManifestsCluster(tmp_path / "other", create=True).page(ListRequest(NAMESPACES)).items == ()
    assert not (tmp_path / "other").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        make(ManifestsCluster(tmp_path / "file", create=True), NAMESPACES, "", of(NAMESPACES, "shop"))


def test_a_dry_run_writes_no_file(tmp_path: Path) -> None:
    """And leaves every file as it is."""
    cluster = shop(tmp_path)
    before = files(tmp_path)
    cluster.create(CONFIG_MAPS, "shop", raw(config_map("shop", "a")), dry_run=True)
    cluster.apply(NAMESPACES, "", "shop", raw(of(NAMESPACES, "shop", spec={"a": 1})), dry_run=True)
    cluster.create(CRDS, "", raw(definition("widgets", "Widget", "x.example.com")), dry_run=True)
    assert files(tmp_path) == before
    assert "spec" not in read(tmp_path / "cluster/namespaces/shop.yaml")[0]
    with pytest.raises(ItemNotFound):
        cluster.page(ListRequest(WIDGETS))


# objects that are in a file already


def test_only_the_changed_document_changes(tmp_path: Path) -> None:
    """The others keep their bytes, comments and all; one that is deleted leaves no trace."""
    file = tmp_path / "all.yml"
    one, two, three = (f"# about {name}\n{PLAIN % name}" for name in "abc")
    file.write_text(f"---\n{one}--- # here\n{two}---\n{three}")
    cluster = ManifestsCluster(tmp_path)
    cluster.merge(CONFIG_MAPS, "shop", "b", raw({"data": {"k": "v"}}))
    changed = file.read_text()
    assert changed.startswith(f"---\n{one}---\n")
    assert changed.endswith(f"---\n{three}")
    assert read(file)[1]["data"] == {"k": "v"}
    cluster.delete(CONFIG_MAPS, "shop", "b", uid=uid(cluster, CONFIG_MAPS, "shop", "b"))
    assert file.read_text() == f"---\n{one}---\n{three}"
    assert files(tmp_path) == ["all.yml"]
    for name in "ac":
        cluster.delete(CONFIG_MAPS, "shop", name, uid=uid(cluster, CONFIG_MAPS, "shop", name))
    assert files(tmp_path) == []


def test_lists_stay_lists(tmp_path: Path) -> None:
    """An item of a List is changed within it, and a list goes with its last item; JSON stays JSON."""
    items = [config_map("shop", "a"), config_map("shop", "b")]
    (tmp_path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    typed = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: c, namespace: shop}\n"
    (tmp_path / "typed.yaml").write_text(typed)
    cluster = ManifestsCluster(tmp_path)
    cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "ü"}}))
    cluster.merge(CONFIG_MAPS, "shop", "c", raw({"data": {"k": "v"}}))
    changed = json.loads((tmp_path / "list.json").read_text())
    assert changed == {"apiVersion": "v1", "kind": "List", "items": [config_map("shop", "a", k="ü"), items[1]]}
    assert read(tmp_path / "typed.yaml")[0]["items"] == [config_map("shop", "c", k="v")]
    assert (
        ManifestsCluster(tmp_path).page(ListRequest(CONFIG_MAPS)).items == cluster.page(ListRequest(CONFIG_MAPS)).items
    )
    for name in "abc":
        cluster.delete(CONFIG_MAPS, "shop", name, uid=uid(cluster, CONFIG_MAPS, "shop", name))
    assert files(tmp_path) == []


def test_a_written_identity_is_kept(tmp_path: Path) -> None:
    """The uid of a file stays, and is the precondition; its resourceVersion goes, since it names what was before."""
    value = config_map("shop", "a")
    value["metadata"] |= {"uid": "my-uid", "resourceVersion": "7"}
    (tmp_path / "a.json").write_text(json.dumps(value))
    cluster = ManifestsCluster(tmp_path)
    written = cluster.merge(CONFIG_MAPS, "shop", "a", raw({"metadata": {"uid": "my-uid"}, "data": {"k": "v"}}))
    assert written.uid == "my-uid"
    there = json.loads((tmp_path / "a.json").read_text())["metadata"]
    assert there["uid"] == "my-uid"
    assert "resourceVersion" not in there


def test_what_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    """Not even the file's layout."""
    file = tmp_path / "a.yaml"
    file.write_text(PLAIN % "a")
    ManifestsCluster(tmp_path).apply(CONFIG_MAPS, "shop", "a", raw(config_map("shop", "a") | {"data": None}))
    assert file.read_text() == PLAIN % "a"


def test_an_implied_namespace_is_written_once_it_is_changed(tmp_path: Path) -> None:
    """Until then it is there all the same: what is created in it, and a second one of its name, know of it."""
    (tmp_path / "a.yaml").write_text(PLAIN % "a")
    cluster = ManifestsCluster(tmp_path)
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "b"))
    with pytest.raises(AlreadyExists):
        make(cluster, NAMESPACES, "", of(NAMESPACES, "shop"))
    cluster.merge(NAMESPACES, "", "shop", raw({"metadata": {"labels": {"team": "a"}}}))
    assert read(tmp_path / "cluster/namespaces/shop.yaml")[0]["metadata"]["labels"]["team"] == "a"
    cluster.delete(NAMESPACES, "", "shop", uid=uid(cluster, NAMESPACES, "", "shop"))
    assert files(tmp_path) == []


def test_a_path_that_is_taken_is_shared(tmp_path: Path) -> None:
    """A file of somebody's that lies where a new object would go keeps what it has."""
    file = tmp_path / "shop/configmaps/b.yaml"
    file.parent.mkdir(parents=True)
    file.write_text((PLAIN % "a").rstrip("\n"))
    cluster = ManifestsCluster(tmp_path)
    make(cluster, CONFIG_MAPS, "shop", config_map("shop", "b"))
    assert [value["metadata"]["name"] for value in read(file)] == ["a", "b"]
    assert names(ManifestsCluster(tmp_path).page(ListRequest(CONFIG_MAPS))) == ["a", "b"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it leads to is changed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.yaml").write_text(PLAIN % "a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.yaml").symlink_to(tmp_path / "elsewhere" / "a.yaml")
    ManifestsCluster(tmp_path / "folder").merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "v"}}))
    assert (tmp_path / "folder" / "a.yaml").is_symlink()
    assert read(tmp_path / "elsewhere" / "a.yaml")[0]["data"] == {"k": "v"}


def test_files_that_change_under_us(tmp_path: Path) -> None:
    """An object that somebody took out of its file is written anew; a file that cannot be read is an error."""
    file = tmp_path / "a.yaml"
    file.write_text(PLAIN % "a")
    cluster = ManifestsCluster(tmp_path)
    assert names(cluster.page(ListRequest(CONFIG_MAPS))) == ["a"]
    file.write_text(PLAIN % "b")
    cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "v"}}))
    assert read(file)[0]["metadata"]["name"] == "b"
    written = tmp_path / "shop/configmaps/a.yaml"
    assert read(written)[0]["data"] == {"k": "v"}
    written.write_text("{")
    with pytest.raises(FormatError):
        cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "w"}}))
    written.unlink()
    with pytest.raises(ClusterError, match="cannot be written"):
        cluster.merge(CONFIG_MAPS, "shop", "a", raw({"data": {"k": "w"}}))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Is a ClusterError with the file's name; the cluster is as it was, and no half file is left."""
    cluster = shop(tmp_path)
    (tmp_path / "shop").touch()  # where a folder should be
    with pytest.raises(ClusterError, match=r"shop/configmaps/a\.yaml cannot be written") as refused:
        make(cluster, CONFIG_MAPS, "shop", config_map("shop", "a"))
    assert refused.value.hint
    assert cluster.page(ListRequest(CONFIG_MAPS)).items == ()
    assert files(tmp_path) == ["cluster/namespaces/shop.yaml", "shop"]


# types


def test_definitions_that_are_written(tmp_path: Path) -> None:
    """One that defines nothing, or what is there, is Rejected; a change of versions must leave those in use."""
    cluster = shop(tmp_path)
    crd = definition("widgets", "Widget", "x.example.com")
    for wrong in (definition("deployments", "Deployment", "apps"), {**crd, "spec": {}}):
        with pytest.raises(Rejected):
            make(cluster, CRDS, "", wrong)
    make(cluster, CRDS, "", crd)
    make(cluster, WIDGETS, "shop", of(WIDGETS, "w"))
    (version,) = crd["spec"]["versions"]
    newer = {**crd, "spec": {**crd["spec"], "versions": [{**version, "name": "v2"}]}}
    with pytest.raises(Rejected, match=r"would no longer be served"):
        cluster.apply(CRDS, "", "widgets.x.example.com", raw(newer))
    both = {**crd, "spec": {**crd["spec"], "versions": [{**version, "name": "v2"}, version]}}
    cluster.apply(CRDS, "", "widgets.x.example.com", raw(both))
    assert names(cluster.page(ListRequest(WIDGETS))) == ["w"]
    assert names(ManifestsCluster(tmp_path).page(ListRequest(WIDGETS))) == ["w"]
    cluster.delete(CRDS, "", "widgets.x.example.com", uid=uid(cluster, CRDS, "", "widgets.x.example.com"))
    assert files(tmp_path) == ["cluster/namespaces/shop.yaml"]
    make(cluster, CRDS, "", crd)
    assert cluster.page(ListRequest(WIDGETS)).items == ()


def test_versions_are_not_mixed(tmp_path: Path) -> None:
    """A type is written in any version that is served, until something of it is there: nothing here converts."""
    cluster = shop(tmp_path)

    def scalers() -> Resource:
        return next(one for one in cluster.discover().resources if one.name == SCALERS.name)

    older = Resource("autoscaling", SCALERS.plural, "v1", SCALERS.kind, namespaced=True)
    assert (scalers().version, scalers().other_versions) == ("v2", ("v1",))
    make(cluster, older, "shop", of(older, "a"))
    assert (scalers().version, scalers().other_versions) == ("v1", ())
    with pytest.raises(ItemNotFound):
        make(cluster, SCALERS, "shop", of(SCALERS, "b"))
    assert names(ManifestsCluster(tmp_path).page(ListRequest(older))) == ["a"]


def test_questions_are_never_stored(tmp_path: Path) -> None:
    """A type that only asks the API server something cannot be written."""
    with pytest.raises(Rejected, match="never stored"):
        make(shop(tmp_path), REVIEWS, "", of(REVIEWS, "a"))
