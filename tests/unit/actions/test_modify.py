"""Resource modifiers: which items a rule is for, and what each kind of patch makes of them, as in Velero."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runner.actions.modify import applies, modified, patch_of
from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule, PatchData, meant

Json = dict[str, Any]

WEB = ItemId("apps", "deployments", "shop", "web")
BODY: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop-copy", "labels": {"app": "web", "tier": "1"}},
    "spec": {
        "replicas": 3,
        "paused": True,
        "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}]}},
    },
}


def rule(*patches: Json, conditions: Json | None = None, **others: Any) -> ModifierRule:
    """A rule as it stands in a document; for every Deployment unless `conditions` say more."""
    said = {"groupResource": "deployments.apps", **(conditions or {})}
    return ModifierRule.model_validate({"conditions": said, "patches": list(patches), **others})


def replace(path: str, value: Any) -> Json:
    """One operation."""
    return {"operation": "replace", "path": path, "value": value}


SCALED = replace("/spec/replicas", "0")


def meant_by(**conditions: Any) -> bool:
    """Whether a rule with these conditions is for the Deployment."""
    return applies(WEB, BODY, rule(SCALED, conditions=conditions))


@pytest.mark.parametrize(
    ("pattern", "items"),
    [
        ("deployments.apps", [WEB]),
        ("Deployments.apps", [WEB]),
        ("*.apps", [WEB]),
        ("d*.apps", [WEB]),
        ("deployments", []),
        ("services", [ItemId("", "services", "shop", "web")]),
        ("*", [ItemId("", "services", "shop", "web"), ItemId("", "nodes", "", "one")]),
        ("*.networking.k8s.io", [ItemId("networking.k8s.io", "ingresses", "shop", "web")]),
    ],
)
def test_group_resource(pattern: str, items: list[ItemId]) -> None:
    """`*` is the core group, `*.apps` a group, as in Velero; a type of a group is not meant by its plural alone."""
    every = [
        WEB,
        ItemId("", "services", "shop", "web"),
        ItemId("", "nodes", "", "one"),
        ItemId("networking.k8s.io", "ingresses", "shop", "web"),
    ]
    one = rule(SCALED, conditions={"groupResource": pattern})
    assert [item for item in every if applies(item, BODY, one)] == items
    assert all(applies(item, BODY, rule(SCALED, conditions={"groupResource": "*.*"})) for item in every)


def test_namespaces_are_those_of_the_backup() -> None:
    """The namespace that the item came from decides, not the one that it goes to; globs are taken."""
    assert meant_by(namespaces=["shop"])
    assert meant_by(namespaces=["other", "sh*"])
    assert not meant_by(namespaces=["shop-copy"])


def test_namespaces_do_not_matter_to_the_cluster_scoped() -> None:
    """Velero asks only items that have a namespace."""
    one = rule(SCALED, conditions={"groupResource": "nodes", "namespaces": ["shop"]})
    assert applies(ItemId("", "nodes", "", "one"), BODY, one)


def test_resource_name_regex_is_searched() -> None:
    """It may be found anywhere in the name, unless it is anchored."""
    assert meant_by(resourceNameRegex="e")
    assert meant_by(resourceNameRegex="^web$")
    assert not meant_by(resourceNameRegex="^eb")


def test_label_selector() -> None:
    """Both forms of a selector, on the item's labels; an item without labels has none."""
    assert meant_by(labelSelector={"matchLabels": {"app": "web"}})
    assert not meant_by(labelSelector={"matchLabels": {"app": "db"}})
    absent = {"matchExpressions": [{"key": "gone", "operator": "DoesNotExist"}]}
    assert meant_by(labelSelector=absent)
    bare = {"metadata": {"name": "web"}}
    assert applies(WEB, bare, rule(SCALED, conditions={"labelSelector": absent}))


@pytest.mark.parametrize(
    ("path", "value", "holds"),
    [
        ("/spec/replicas", 3, True),
        ("/spec/replicas", "3", True),
        ("/spec/replicas", 3.0, True),
        ("/spec/replicas", "4", False),
        ("/spec/paused", "true", True),
        ("/spec/paused", 1, False),
        ("/metadata/labels/tier", "1", True),
        ("/metadata/labels/tier", '"1"', True),
        ("/metadata/labels/app", "web", True),
        ("/metadata/labels", '{"app": "web", "tier": "1"}', True),
        ("/metadata/labels/gone", "null", True),
        ("/metadata/labels/app", "null", False),
        ("/metadata/gone/app", "null", False),
        ("/spec/template/spec/containers/1/name", "log", True),
        ("/spec/template/spec/containers/2/name", "log", False),
        ("/spec/template/spec/containers/web", "log", False),
        ("/spec/replicas/3", "3", False),
    ],
)
def test_matches(path: str, value: Any, *, holds: bool) -> None:
    """A value holds as JSON or as text; a path that leads nowhere holds nothing, and is no mistake."""
    assert meant_by(matches=[{"path": path, "value": value}]) == holds


def test_all_conditions_must_hold() -> None:
    """One that does not hold is enough for an item to stay as it is."""
    both = rule(SCALED, conditions={"namespaces": ["shop"], "resourceNameRegex": "db"})
    assert modified(WEB, BODY, (both,)) is BODY


@pytest.mark.parametrize(
    ("value", "stands_for"),
    [
        ("1", 1), ("-0.5", -0.5), ("1e3", 1000), ("true", True), ("null", None), ("", ""), ("web", "web"),
        ('"1"', "1"), ('"true"', "true"), ('{"a": [1]}', {"a": [1]}), ('\n["a"]\n', ["a"]), ("[]", []),
        ("True", "True"), ("NaN", "NaN"), ("01", "01"), (" 1", " 1"), ("1 GiB", "1 GiB"), (1, 1), (None, None),
        ({"a": "1"}, {"a": "1"}),
    ],
)  # fmt: skip
def test_values_are_texts_that_may_be_json(value: Any, stands_for: Any) -> None:
    """A text that is JSON stands for that JSON, others and other values for themselves."""
    found = meant(value)
    assert found == stands_for
    assert isinstance(found, bool) == isinstance(stands_for, bool)


def test_a_text_that_is_broken_json_is_a_mistake() -> None:
    """`{replicas: 1}` would silently be a text; somebody meant a mapping."""
    with pytest.raises(ValidationError, match="begins as JSON"):
        rule(replace("/spec", "{replicas: 1}"))
    assert modified(WEB, BODY, (rule(replace("/metadata/labels/app", '"[::1]:80"')),))["metadata"]["labels"] == {
        "app": "[::1]:80",
        "tier": "1",
    }


def test_json_patch_operations() -> None:
    """Each operation of RFC 6902, one after the other in one rule."""
    one = rule(
        {"operation": "test", "path": "/spec/replicas", "value": "3"},
        {"operation": "add", "path": "/metadata/annotations", "value": "{}"},
        {"operation": "add", "path": "/metadata/annotations/example.com~1why", "value": "a copy"},
        {"operation": "add", "path": "/spec/template/spec/containers/-", "value": '{"name": "new"}'},
        {"operation": "move", "from": "/metadata/labels/tier", "path": "/metadata/labels/level"},
        {"operation": "copy", "from": "/metadata/labels/app", "path": "/metadata/labels/copy"},
        {"operation": "remove", "path": "/spec/paused"},
        SCALED,
    )
    result = modified(WEB, BODY, (one,))
    assert result["metadata"]["annotations"] == {"example.com/why": "a copy"}
    assert [each["name"] for each in result["spec"]["template"]["spec"]["containers"]] == ["web", "log", "new"]
    assert result["metadata"]["labels"] == {"app": "web", "level": "1", "copy": "web"}
    assert result["spec"]["replicas"] == 0
    assert "paused" not in result["spec"]


def test_body_and_rules_are_not_changed() -> None:
    """Neither by this item's patches nor by what is done to the result."""
    before = deepcopy(BODY)
    added = rule(
        {"operation": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
        {"operation": "add", "path": "/metadata/annotations/c", "value": "d"},
    )
    merged = rule(mergePatches=[{"patchData": "spec: {strategy: {type: Recreate}}"}])
    for _ in range(2):
        result = modified(WEB, BODY, (added, merged))
        assert result["metadata"]["annotations"] == {"a": "b", "c": "d"}
        assert result["spec"]["strategy"] == {"type": "Recreate"}
        result["metadata"]["annotations"].clear()
        result["spec"]["strategy"].clear()
        result["spec"]["template"]["spec"]["containers"].clear()
        assert before == BODY


def test_a_test_that_does_not_hold_leaves_the_item_as_it_is() -> None:
    """As in Velero, where `test` makes a patch conditional: nothing of the rule is done, and the next one goes on."""
    guarded = rule(SCALED, {"operation": "test", "path": "/spec/paused", "value": "false"})
    nowhere = rule({"operation": "test", "path": "/spec/none/at/all", "value": "1"}, replace("/spec/none", "1"))
    assert modified(WEB, BODY, (guarded, nowhere)) is BODY
    assert (
        modified(WEB, BODY, (guarded, rule({"operation": "remove", "path": "/spec/paused"})))["spec"]["replicas"] == 3
    )


def test_rules_apply_in_order_to_what_stood_in_the_backup() -> None:
    """Patches build on each other; conditions ask for the item as it was, as in Velero."""
    first = rule(SCALED)
    second = rule(replace("/spec/replicas", "5"), conditions={"matches": [{"path": "/spec/replicas", "value": "3"}]})
    third = rule(replace("/spec/paused", "false"), conditions={"matches": [{"path": "/spec/replicas", "value": "5"}]})
    assert modified(WEB, BODY, (first, second, third))["spec"] == {**BODY["spec"], "replicas": 5}


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"operation": "remove", "path": "/spec/hunter2"}, "remove /spec/hunter2 does not apply: the item has no"),
        (replace("/spec/none", "hunter2"), "replace /spec/none does not apply: the item has no /spec/none"),
        (replace("/spec/none/below", "hunter2"), "the item has no /spec/none to put it into"),
        ({"operation": "add", "path": "/spec/none/below", "value": "x"}, "the item has no /spec/none to put it into"),
        ({"operation": "add", "path": "/spec/template/spec/containers/7", "value": "x"}, "it has no place there"),
        ({"operation": "move", "from": "/none", "path": "/spec/x"}, "the item has no /none"),
        ({"operation": "copy", "from": "/none/below", "path": "/spec/x"}, "the item has no /none/below"),
        ({"operation": "move", "from": "/spec", "path": "/spec/x"}, "it has no place there"),
        ({"operation": "add", "path": "/metadata/name/0", "value": "x"}, "the item has no /metadata/name to put it"),
    ],
)
def test_a_patch_that_does_not_apply_says_where(patch: Json, said: str) -> None:
    """The sentence names rule, operation and path, and repeats nothing that the item holds."""
    secret = {**BODY, "data": {"password": "correct horse"}}
    with pytest.raises(ValueError, match="does not apply") as raised:
        modified(WEB, secret, (rule(SCALED), rule(SCALED, patch)))
    assert str(raised.value).startswith(f"resourceModifiers[1].patches[1]: {patch['operation']} {patch['path']} ")
    assert said in str(raised.value)
    assert "correct horse" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_item_must_be_left() -> None:
    """What has no metadata any more can be sent nowhere."""
    with pytest.raises(ValueError, match=r"^resourceModifiers\[0\]: the patch leaves no metadata"):
        modified(WEB, BODY, (rule({"operation": "remove", "path": "/metadata"}),))


def test_merge_patches() -> None:
    """RFC 7386, in YAML or in JSON, one after the other; lists are replaced."""
    one = rule(
        mergePatches=[
            {"patchData": "metadata: {labels: {tier: null, new: 'yes'}}\nspec: {replicas: 1}"},
            {"patchData": '{"spec": {"replicas": 2, "template": {"spec": {"containers": []}}}}'},
        ]
    )
    result = modified(WEB, BODY, (one,))
    assert result["metadata"]["labels"] == {"app": "web", "new": "yes"}
    assert result["spec"] == {"replicas": 2, "paused": True, "template": {"spec": {"containers": []}}}


@pytest.mark.parametrize("text", ["a: [", "- a", "just hunter2", "", "a: 1\n---\nb: 2"])
def test_patch_data_that_is_no_patch(text: str) -> None:
    """It is said in which rule, and not what it holds."""
    with pytest.raises(ValueError, match=r"^resourceModifiers\[0\]\.mergePatches\[0\]: the patch: ") as raised:
        modified(WEB, BODY, (rule(mergePatches=[{"patchData": text}]),))
    assert "hunter2" not in str(raised.value)


def test_patch_data_is_read_as_kubernetes_reads_yaml() -> None:
    """`yes` is a boolean and 010 is eight, as kubectl has it; dates are texts."""
    assert patch_of(PatchData(patch_data="{a: yes, b: 010, c: 2024-01-01, d: 1:30}")) == {
        "a": True,
        "b": 8,
        "c": "2024-01-01",
        "d": "1:30",
    }


def test_strategic_patches() -> None:
    """Lists that have keys are merged by them."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    result = modified(WEB, BODY, (rule(strategicPatches=[{"patchData": json.dumps(patch)}]),))
    assert result["spec"]["template"]["spec"]["containers"] == [
        {"name": "web", "image": "web:2"},
        {"name": "log", "image": "log:1"},
    ]


def test_strategic_patches_are_for_built_in_types() -> None:
    """Nobody knows the keys of a custom resource's lists."""
    front = ItemId("shop.example.com", "storefronts", "shop", "web")
    one = rule(
        conditions={"groupResource": "storefronts.shop.example.com"}, strategicPatches=[{"patchData": "spec: {a: 1}"}]
    )
    with pytest.raises(ValueError, match=r"strategicPatches\[0\]: strategic merge patches are for Kubernetes' own"):
        modified(front, BODY, (one,))


names = st.sampled_from(["a", "b", "~", "/", "a/b~c", "0", "-"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.sampled_from(["1", "true", '"x"'])
values = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3), max_leaves=12
)


def _as_velero_writes(value: Any) -> str:
    return json.dumps(value)


def _as_it_is(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, str) else value


@given(st.dictionaries(names, values, max_size=4), st.dictionaries(names, values, max_size=4))
def test_a_patch_between_two_objects_makes_one_the_other(one: Json, other: Json) -> None:
    """What the library finds to be different is done by a rule, with values as texts, and as they are."""
    before: Json = {"metadata": {"name": "web"}, "data": one}
    after: Json = {"metadata": {"name": "web"}, "data": other}
    for written in (_as_velero_writes, _as_it_is):
        patches = []
        for operation in jsonpatch.make_patch(before, after):
            patch = {"operation": operation["op"], "path": operation["path"]}
            if "from" in operation:
                patch["from"] = operation["from"]
            if "value" in operation:
                patch["value"] = written(operation["value"])
            patches.append(patch)
        if patches:
            result = modified(WEB, before, (rule(*patches),))
            assert json.dumps(result, sort_keys=True) == json.dumps(after, sort_keys=True)
