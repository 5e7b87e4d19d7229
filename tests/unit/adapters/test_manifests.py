"""A folder of manifests as a cluster: what is read, what is added, and what is refused, with file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.adapters.manifests import ManifestsCluster
from runner.adapters.manifests_files import WrittenObject
from runner.adapters.manifests_folder import contents_of
from runner.errors import ContinueExpired, FormatError, TrysailError, UsageError
from runner.model.cluster import ListRequest, Resource
from tests.fakes.cluster import config_map, definition

CONFIG_MAPS = Resource("", "configmaps", "v1", "ConfigMap", namespaced=True)
NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)
WIDGET = "apiVersion: x.example.com/v1\nkind: Widget\nmetadata: {name: w}\n"


def cluster(folder: Path, **files: str) -> ManifestsCluster:
    """A cluster of `files`: in their names `__` stands for `/`, and `_` for the dot before the suffix."""
    for name, text in files.items():
        file = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return ManifestsCluster(folder)


def plain(name: str, namespace: str = "shop") -> str:
    """A ConfigMap as YAML."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n"


def names(reader: ManifestsCluster, resource: Resource = CONFIG_MAPS) -> list[str]:
    """The names of all items of one type, in order."""
    return [value["metadata"]["name"] for value in items(reader, resource)]


def items(reader: ManifestsCluster, resource: Resource = CONFIG_MAPS) -> list[dict[str, Any]]:
    """All items of one type, in order."""
    return [msgspec.json.decode(item) for item in reader.page(ListRequest(resource)).items]


def served(reader: ManifestsCluster, name: str) -> Resource:
    """The type `name` as it is discovered."""
    return next(one for one in reader.discover().resources if one.name == name)


def test_reads_every_manifest_below_the_folder(tmp_path: Path) -> None:
    """YAML and JSON at any depth, several documents a file, empty ones left out; no other file."""
    reader = cluster(
        tmp_path,
        a_yaml=f"# nothing here\n---\n{plain('a')}---\n---\n{plain('b')}",
        deep__er__c_yml=plain("c"),
        d_json=json.dumps(config_map("shop", "d")),
        notes_txt="no manifest",
    )
    assert names(reader) == ["a", "b", "c", "d"]


def test_leaves_hidden_files_and_folders_alone(tmp_path: Path) -> None:
    """What begins with a dot is not read: git's, an editor's, and the folders of a mounted ConfigMap."""
    reader = cluster(tmp_path, a_yaml=plain("a"))
    for hidden in (tmp_path / ".hidden.yaml", tmp_path / ".git" / "b.yaml"):
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_text("{")
    assert names(reader) == ["a"]


def test_lists_are_unrolled(tmp_path: Path) -> None:
    """A List's items count as documents, also within a list; items of a ConfigMapList are ConfigMaps."""
    inner = {"apiVersion": "v1", "kind": "List", "items": [config_map("shop", "a")]}
    typed = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "b"}}]}
    reader = cluster(tmp_path, a_json=json.dumps({"apiVersion": "v1", "kind": "List", "items": [inner, typed]}))
    assert names(reader) == ["b", "a"]


def test_is_read_at_the_first_question_and_once(tmp_path: Path) -> None:
    """Nothing is opened when it is made, and later changes of the files are not seen."""
    reader = ManifestsCluster(tmp_path)
    cluster(tmp_path, a_yaml=plain("a"))
    assert names(reader) == ["a"]
    cluster(tmp_path, a_yaml=plain("b"))
    assert names(reader) == ["a"]


def test_an_error_stays_an_error(tmp_path: Path) -> None:
    """A folder that could not be read is read again: once it is mended, all is well."""
    reader = cluster(tmp_path, a_yaml="{")
    for _ in range(2):
        with pytest.raises(FormatError):
            reader.discover()
    cluster(tmp_path, a_yaml=plain("a"))
    assert names(reader) == ["a"]


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, Path.touch], ids=["absent", "empty", "file"])
def test_folder_without_manifests(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """What is no folder, or has no manifest, is a mistake on the command line and no empty cluster."""
    folder = tmp_path / "typo"
    make(folder)
    with pytest.raises(UsageError) as refused:
        ManifestsCluster(folder).discover()
    assert str(folder) in refused.value.message
    assert refused.value.hint


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that cannot be read is named, not passed over."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    with pytest.raises(FormatError, match=r"a\.yaml cannot be read"):
        ManifestsCluster(tmp_path).discover()


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("a: ]", 1, "", "kubectl"),
        (f"{plain('a')}---\n# why\nkind: ConfigMap\n  broken: here\n", 7, "", "kubectl"),
        ("- a\n", 1, "no Kubernetes object", "apiVersion and kind"),
        ("\n\nkind: ConfigMap\n", 3, "no Kubernetes object", "apiVersion and kind"),
        ("apiVersion: v1\nkind: 1\n", 1, "no Kubernetes object", "apiVersion and kind"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", 1, "no Kubernetes object", "apiVersion and kind"),
        ("apiVersion: v1\nkind: ConfigMap\n", 1, "metadata", "needs a name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", 1, "name", "generateName"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {b: 1}}\n", 1, "labels", "texts"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/b}\n", 1, "no name", "'/'"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ..}\n", 1, "no name", "'/'"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ../b}\n", 1, "no name", "lower case"),
        (WIDGET, 1, "the type Widget of x.example.com/v1 is unknown", "CustomResourceDefinition"),
        ("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n", 1, "apps/v1beta1", "apps/v1"),
        ("apiVersion: v2\nkind: Pod\nmetadata: {name: a}\n", 1, "not served in v2", "as v1"),
        ("apiVersion: v1\nkind: Node\nmetadata: {name: a, namespace: b}\n", 1, "belongs to none", "take"),
        ("apiVersion: v1\nkind: Binding\nmetadata: {name: a}\n", 1, "never stored", "take it out"),
    ],
)
def test_refusals_say_where(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    """What no cluster could hold is an error with file, line and a hint."""
    reader = cluster(tmp_path, bad_yaml=text)
    with pytest.raises(FormatError) as refused:
        reader.discover()
    assert refused.value.message.startswith(f"{tmp_path}/bad.yaml:{line}:")
    assert message in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "a": }', ":2:7: "),
        ('{"a": NaN}', ":1: NaN is no number"),
        ('{"a": 1e400}', ":1: 1e400 is no number"),
        ('{"a": "\\ud800"}', ":1: "),
        ("[" * 100_000, ":1: "),
        (f'{{"a": {"1" * 5000}}}', ":1: "),
        ("", ":1:1: "),
    ],
    ids=["cut", "nan", "infinite", "surrogate", "deep", "digits", "empty"],
)
def test_malformed_json(tmp_path: Path, text: str, place: str) -> None:
    """A JSON file is held to JSON's own rules."""
    with pytest.raises(FormatError) as refused:
        cluster(tmp_path, a_json=text).discover()
    assert f"a.json{place}" in refused.value.message


@pytest.mark.parametrize("wrong", ["metadata: {name: a, annotations: {b: [hush]}}", "metadata: }", '  x: "hush'])
def test_no_value_is_shown_in_an_error(tmp_path: Path, wrong: str) -> None:
    """A Secret that is wrong is named, and what it holds is not."""
    text = f"apiVersion: v1\nkind: Secret\nstringData: {{c: hush}}\n{wrong}\n"
    with pytest.raises(TrysailError) as refused:
        cluster(tmp_path, a_yaml=text).discover()
    assert "hush" not in f"{refused.value.message} {refused.value.hint} {refused.value.context}"


def test_duplicates_name_both_places(tmp_path: Path) -> None:
    """The same object twice is refused, with where it stands first and again."""
    reader = cluster(tmp_path, a_yaml=plain("a"), b_yaml=f"{plain('b')}---\n{plain('a')}")
    with pytest.raises(FormatError) as refused:
        reader.discover()
    assert "b.yaml:5: shop/configmaps/a" in refused.value.message
    assert "a.yaml:1" in refused.value.hint


def test_definitions_are_held_to_the_same(tmp_path: Path) -> None:
    """A CRD that is there twice is a duplicate too, and named as one."""
    reader = cluster(tmp_path, a_json=crd("v1"), b_json=crd("v1"))
    with pytest.raises(FormatError, match=r"b\.json:1: .*widgets\.x\.example\.com is here for the second time"):
        reader.discover()


def test_default_namespace_is_part_of_what_is_the_same(tmp_path: Path) -> None:
    """An object without a namespace lives in `default`, and is the one that says so."""
    without = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    assert items(cluster(tmp_path, a_yaml=without))[0]["metadata"]["namespace"] == "default"
    with pytest.raises(FormatError, match="default/configmaps/a is here for the second time"):
        cluster(tmp_path, b_yaml=plain("a", "default")).discover()


def test_implied_namespaces(tmp_path: Path) -> None:
    """Namespaces that objects live in are there; declared ones are as written; no other comes by itself."""
    declared = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n"
    reader = cluster(tmp_path, a_yaml=f"{declared}---\n{plain('a')}---\n{plain('a', 'other')}")
    found = {value["metadata"]["name"]: value for value in items(reader, NAMESPACES)}
    assert sorted(found) == ["other", "shop"]
    assert found["shop"]["metadata"]["labels"] == {"team": "a", "kubernetes.io/metadata.name": "shop"}
    assert found["other"]["metadata"]["labels"] == {"kubernetes.io/metadata.name": "other"}
    assert found["other"]["status"] == {"phase": "Active"}


def test_written_identity_is_kept(tmp_path: Path) -> None:
    """A uid that is written stays, and all else of the object; but the resourceVersion, which no editor changes."""
    value = config_map("shop", "a", answer="42")
    value["metadata"] |= {"uid": "my-uid", "resourceVersion": "7", "deletionTimestamp": "2026-06-01T16:20:07Z"}
    first = msgspec.json.decode(cluster(tmp_path, a_json=json.dumps(value)).get(CONFIG_MAPS, "shop", "a"))
    changed = {**value, "data": {"answer": "43"}}
    second = msgspec.json.decode(cluster(tmp_path, a_json=json.dumps(changed)).get(CONFIG_MAPS, "shop", "a"))
    assert first["metadata"].pop("resourceVersion") != second["metadata"].pop("resourceVersion")
    del value["metadata"]["resourceVersion"]
    assert first == value


def test_given_identity_is_stable(tmp_path: Path) -> None:
    """Without them, the uid depends on the name alone, and the resourceVersion on the content."""
    before = items(cluster(tmp_path, a_yaml=plain("a")))[0]["metadata"]
    again = items(cluster(tmp_path, a_yaml=plain("a")))[0]["metadata"]
    after = items(cluster(tmp_path, a_yaml=f"{plain('a')}data: {{b: c}}\n"))[0]["metadata"]
    assert before == again
    assert before["uid"] == after["uid"]
    assert int(before["resourceVersion"]) != int(after["resourceVersion"])


def test_tokens_of_another_folder_are_expired(tmp_path: Path) -> None:
    """A list does not go on over files that have changed, unless it takes the token of the error."""
    text = "---\n".join(plain(name) for name in "abc")
    first = cluster(tmp_path, a_yaml=text).page(ListRequest(CONFIG_MAPS, limit=1))
    changed = cluster(tmp_path, b_yaml=plain("aa"))
    with pytest.raises(ContinueExpired) as expired:
        changed.page(ListRequest(CONFIG_MAPS, continue_token=first.continue_token))
    rest = changed.page(ListRequest(CONFIG_MAPS, continue_token=expired.value.token))
    assert [msgspec.json.decode(item)["metadata"]["name"] for item in rest.items] == ["aa", "b", "c"]


@pytest.mark.parametrize(
    ("folder", "uid"),
    [("shop", "manifests-shop"), ("My Shop_2.0", "manifests-my-shop-2-0"), ("x" * 80, f"manifests-{'x' * 53}")],
)
def test_identity_without_kube_system(tmp_path: Path, folder: str, uid: str) -> None:
    """The folder names the cluster, by what is a legal part of a key."""
    identity = cluster(tmp_path / folder, a_yaml=plain("a")).identity()
    assert (identity.uid, identity.context, identity.server) == (uid, folder, str(tmp_path / folder))


def test_identity_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder `.` has a name too."""
    cluster(tmp_path / "shop", a_yaml=plain("a"))
    monkeypatch.chdir(tmp_path / "shop")
    identity = ManifestsCluster(Path()).identity()
    assert (identity.uid, identity.context, identity.server) == ("manifests-shop", "shop", ".")


def test_a_type_is_served_in_the_version_it_is_written_in(tmp_path: Path) -> None:
    """An older version that Kubernetes still serves takes the place of the preferred one, for that type alone."""
    scaler = "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n"
    reader = cluster(tmp_path, a_yaml=scaler)
    scalers = served(reader, "horizontalpodautoscalers.autoscaling")
    assert scalers.version == "v1"
    assert names(reader, scalers) == ["a"]
    assert len(reader.discover().resources) == len({one.name for one in reader.discover().resources})
    mixed = cluster(tmp_path, b_yaml=scaler.replace("autoscaling/v1", "autoscaling/v2"))
    with pytest.raises(FormatError) as refused:
        mixed.discover()
    assert "b.yaml:1: HorizontalPodAutoscaler is written in autoscaling/v2 here" in refused.value.message
    assert "a.yaml:1" in refused.value.message


def crd(*versions: str, unserved: str = "", **names: Any) -> str:
    """A CustomResourceDefinition for Widget, as JSON."""
    value = definition("widgets", "Widget", "x.example.com", namespaced=False)
    listed = [{"name": name, "served": True, "storage": False} for name in versions]
    value["spec"]["versions"] = [*listed, {"name": unserved, "served": False, "storage": True}]
    value["spec"]["names"] |= names
    return json.dumps(value)


def test_definitions_bring_types(tmp_path: Path) -> None:
    """A CRD may stand after its objects; its type has its scope, its short names and its kind's items."""
    reader = cluster(tmp_path, a_yaml=WIDGET, b_json=crd("v1", shortNames=["wd"]))
    widgets = served(reader, "widgets.x.example.com")
    assert (widgets.version, widgets.namespaced, widgets.short_names) == ("v1", False, ("wd",))
    assert names(reader, widgets) == ["w"]
    assert names(reader, served(reader, "customresourcedefinitions.apiextensions.k8s.io")) == ["widgets.x.example.com"]


def test_preferred_version_of_a_definition(tmp_path: Path) -> None:
    """Without objects, a type has the version that Kubernetes prefers among those served."""
    text = crd("v1alpha3", "foo10", "v2", "v10beta2", "v1", "v10", "foo1", "v11alpha2", unserved="v12")
    assert served(cluster(tmp_path, a_json=text), "widgets.x.example.com").version == "v10"
    for worse in (["v11alpha2", "v3beta1"], ["foo1", "v3beta1"], ["v3beta1", "v2beta2"], ["v3beta1", "v3alpha9"]):
        text = crd(*worse)
        assert served(cluster(tmp_path, a_json=text), "widgets.x.example.com").version == "v3beta1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (crd("v1beta1", unserved="v1"), "Widget is not served in x.example.com/v1"),
        (crd(unserved="v1"), "serves no version"),
        (crd("v1", plural="gadgets"), "defines gadgets of x.example.com"),
        (crd("v1", kind=7), "is none: Expected `str`, got `int`"),
    ],
)
def test_definitions_that_define_nothing(tmp_path: Path, text: str, message: str) -> None:
    """A CRD that does not bring its type is an error where it, or the object, stands."""
    with pytest.raises(FormatError) as refused:
        cluster(tmp_path, a_yaml=WIDGET, b_json=text).discover()
    assert message in refused.value.message
    assert refused.value.message.startswith(str(tmp_path))


def test_definition_of_a_built_in_type(tmp_path: Path) -> None:
    """A CRD cannot take the place of a type that Kubernetes has built in."""
    text = json.dumps(definition("deployments", "Deployment", "apps"))
    with pytest.raises(FormatError, match=r"deployments\.apps is served already"):
        cluster(tmp_path, a_json=text).discover()


def test_types_without_objects_are_there(tmp_path: Path) -> None:
    """Types that the folder has nothing of are discovered, and list as empty."""
    reader = cluster(tmp_path, a_yaml=plain("a"))
    assert names(reader, served(reader, "deployments.apps")) == []


@settings(max_examples=30)
@given(st.permutations([("a", "x"), ("a", "y"), ("a-b", "x"), ("a--b", "x"), ("a0", "x"), ("b", "")]))
def test_order_of_files_does_not_matter(keys: list[tuple[str, str]]) -> None:
    """Whatever order objects are read in, the cluster is the same to the byte."""
    objects = [config_map(namespace, f"c{name}") for namespace, name in keys]
    state = contents_of(WrittenObject(f"f:{number}", value) for number, value in enumerate(objects)).state
    page = state.page(ListRequest(CONFIG_MAPS))
    found = [msgspec.json.decode(item)["metadata"] for item in page.items]
    assert [f"{one['namespace']}/{one['name']}" for one in found] == [
        "a--b/cx", "a-b/cx", "a/cx", "a/cy", "a0/cx", "b/c",
    ]  # fmt: skip
    assert page == contents_of(WrittenObject("f", value) for value in reversed(objects)).state.page(
        ListRequest(CONFIG_MAPS)
    )
