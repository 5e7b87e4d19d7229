"""Our patches give what kubectl's give: the same items, the same patches, the same results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.actions.modify import modified
from runner.model.cluster import ItemId
from runner.model.modifiers import ModifierRule
from tests.parts.kubectl import run_kubectl
from tests.unit.actions.test_strategic import CASES, GROUPS, Case

pytestmark = pytest.mark.real

Json = dict[str, Any]

DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"a/b": "1", "c~d": "2"}},
    "spec": {"replicas": 3, "selector": {}, "template": {"spec": {"containers": [{"name": "web"}, {"name": "log"}]}}},
}


def _by_kubectl(kind: str, before: Json, patch: Any, folder: Path) -> Json:
    file = folder / "before.json"
    file.write_text(json.dumps(before))
    result: Json = json.loads(
        run_kubectl(
            "patch", "--local", "-f", str(file), "--type", kind, "-p", json.dumps(patch), "-o", "json",
            kubeconfig=folder / "none",
        ).stdout
    )  # fmt: skip
    return result


def _by_us(item: ItemId, before: Json, **patches: Any) -> Json:
    rule = {"conditions": {"groupResource": "*.*"}, **patches}
    return modified(item, before, (ModifierRule.model_validate(rule),))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_strategic_merge_patch(case: Case, tmp_path: Path) -> None:
    """Each case of the unit tests is what kubectl makes of it too."""
    item = ItemId(GROUPS[case.kind], case.kind, "", "web")
    ours = _by_us(item, case.before, strategicPatches=[{"patchData": json.dumps(case.patch)}])
    assert ours == case.after == _by_kubectl("strategic", case.before, case.patch, tmp_path)


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "/spec/replicas", "value": 0}],
        [{"op": "add", "path": "/spec/template/spec/containers/1", "value": {"name": "new"}}],
        [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "new"}}],
        [
            {"op": "remove", "path": "/metadata/labels/a~1b"},
            {"op": "add", "path": "/metadata/labels/c~0d", "value": "3"},
        ],
        [{"op": "move", "from": "/metadata/labels/c~0d", "path": "/metadata/labels/e"}],
        [{"op": "copy", "from": "/spec/template/spec/containers/0", "path": "/spec/template/spec/containers/2"}],
        [{"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 1}],
    ],
)
def test_json_patch(operations: list[Json], tmp_path: Path) -> None:
    """The operations of a JSON patch, with values in Velero's form."""
    patches: list[Json] = []
    for each in operations:
        patch: Json = {"operation": each["op"], **{name: each[name] for name in ("path", "from") if name in each}}
        patches.append({**patch, "value": json.dumps(each["value"])} if "value" in each else patch)
    ours = _by_us(ItemId("apps", "deployments", "shop", "web"), DEPLOYMENT, patches=patches)
    assert ours == _by_kubectl("json", DEPLOYMENT, operations, tmp_path)


def test_merge_patch(tmp_path: Path) -> None:
    """Null takes away, lists are replaced."""
    patch = {"metadata": {"labels": {"a/b": None}}, "spec": {"template": {"spec": {"containers": [{"name": "new"}]}}}}
    ours = _by_us(
        ItemId("apps", "deployments", "shop", "web"), DEPLOYMENT, mergePatches=[{"patchData": json.dumps(patch)}]
    )
    assert ours == _by_kubectl("merge", DEPLOYMENT, patch, tmp_path)
