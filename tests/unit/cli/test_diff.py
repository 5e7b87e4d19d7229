"""`trysail diff`, as a shell calls it: between two backups, and against a folder as the cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.adapters.filesystem import FilesystemStore
from runner.cli.main import exit_code
from runner.model.cluster import ItemId
from runner.model.plan import Gap
from runner.model.restore import FieldChange, ItemChange
from runner.plan.diff import Diff, Side
from runner.report.diff_text import diff_as_json, render_diff
from tests.fakes.stored_backup import Made, StoredBackup, config_map, deployment, item, namespace_item, small_shop
from tests.golden.golden import assert_golden
from tests.unit.cli.conftest import Trysail
from tests.unit.cli.shelf import Shelf

GOLDEN = Path(__file__).parents[2] / "golden" / "diff"
BEFORE, AFTER = StoredBackup.name, "shop-20260103030405-cd34"


def _container(image: str, **more: object) -> dict[str, object]:
    containers = [{"name": "web", "image": image, **more}]
    return {"replicas": 2, "template": {"spec": {"containers": containers}}}


@pytest.fixture
def later(folder: Path) -> None:
    """A second backup: some of each sort of change."""
    StoredBackup(name="first", items=[*small_shop(), _secret("b2xk"), _web("web:1")]).put(FilesystemStore(folder))
    items = [
        namespace_item("shop"),
        namespace_item("stage"),
        config_map("shop", "settings", labels={"app": "web", "example.com/team": "front\x1b[31m"}),
        config_map("stage", "more"),
        deployment("shop", "api", labels={"app": "api", "tier": "back"}),
        _secret("bmV3"),
        _web("web:2", args=["--verbose"]),
    ]
    StoredBackup(name=AFTER, items=items).put(FilesystemStore(folder))


def _secret(value: str) -> Made:
    return item("Secret", "secrets", "v1", "password", "shop", data={"key": value})


def _web(image: str, **more: object) -> Made:
    return item("StatefulSet", "statefulsets.apps", "apps/v1", "web", "shop", spec=_container(image, **more))


@pytest.mark.usefixtures("later")
class TestTwoBackups:
    """One backup and a later one."""

    def test_the_text(self, trysail: Trysail) -> None:
        """Each item with its fields, in order; the values of Secrets are digests; what steers a terminal is shown."""
        said = trysail("diff", "first", AFTER)
        assert said.code == 1, said.err
        assert_golden(GOLDEN / "backups.txt", said.out)
        assert "b2xk" not in said.out
        assert "bmV3" not in said.out

    def test_names_alone(self, trysail: Trysail) -> None:
        """Without their fields."""
        said = trysail("diff", "first", AFTER, "--names-only")
        assert said.code == 1
        assert "~ shop/statefulsets.apps/web\n" in said.out
        assert "image" not in said.out

    def test_one_namespace(self, trysail: Trysail) -> None:
        """The others are not looked at."""
        said = trysail("diff", "first", AFTER, "-n", "stage", "--names-only")
        assert [line for line in said.out.splitlines() if line[:2] in {"+ ", "- ", "~ "}] == [
            "+ stage/configmaps/more",
            "- stage/configmaps/settings",
        ]

    def test_for_programs(self, trysail: Trysail) -> None:
        """JSON; a side on which a field is not there is left out."""
        said = trysail("diff", "first", AFTER, "-o", "json")
        assert said.code == 1
        document = json.loads(said.out)
        assert document["counts"] == {"added": 1, "removed": 3, "changed": 3, "unchanged": 3}
        assert document["added"] == [{"resource": "configmaps", "namespace": "stage", "name": "more"}]
        changed = {one["name"]: one["fields"] for one in document["changed"]}
        container = "spec.template.spec.containers[name=web]"
        assert changed["web"] == [
            {"path": f"{container}.args", "after": ["--verbose"]},
            {"path": f"{container}.image", "before": "web:1", "after": "web:2"},
        ]
        assert (document["before"]["name"], document["after"]["name"]) == ("first", AFTER)

    def test_the_same_backup(self, trysail: Trysail) -> None:
        """Exit code 0, as diff has it."""
        said = trysail("diff", AFTER, AFTER)
        assert said.code == 0
        assert said.out.endswith("\n\nNo differences. 7 unchanged.\n")


class TestCluster:
    """A backup, and a folder of manifests as the cluster."""

    def test_before_and_after_a_change(self, tmp_path: Path) -> None:
        """Nothing differs from a backup that was just made; then what was changed does, and no more."""
        shelf = Shelf(tmp_path)
        shelf.run("-f", shelf.policy(labelSelector={"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}))
        words = ("diff", "latest", "--location", shelf.backups, "--manifests", shelf.cluster)
        assert shelf.trysail(*words).out.splitlines()[-1].startswith("No differences.")

        shelf.put("ConfigMap", "settings", data={"mode": "off"})
        shelf.put("ConfigMap", "new", data={})
        shelf.put("Namespace", "elsewhere")
        shelf.put("Secret", "password", data={"key": "c2Vjb25kLXNlY3JldA=="}).rename(tmp_path / "kept.json")
        ended = shelf.trysail(*words, code=1)
        lines = ended.out.splitlines()
        assert lines[3:7] == [
            "+ shop/configmaps/new",
            "~ shop/configmaps/settings",
            '    ~ data.mode: "on" → "off"',
            "- shop/secrets/password",
        ]
        assert "elsewhere" not in ended.out

    def test_what_the_policy_does_not_take_is_no_addition(self, tmp_path: Path) -> None:
        """It was there before, and is in no backup."""
        shelf = Shelf(tmp_path)
        path = shelf.put("ConfigMap", "left-out")
        document = json.loads(path.read_text())
        document["metadata"]["labels"] = {"skip": "yes"}
        path.write_text(json.dumps(document))
        shelf.run("-f", shelf.policy(labelSelector={"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}))
        shelf.trysail("diff", "latest", "--location", shelf.backups, "--manifests", shelf.cluster, code=0)


class TestTrouble:
    """Whatever goes wrong is 2: 1 says that something differs."""

    @pytest.mark.parametrize(
        "words", [["diff"], ["diff", "nothing"], ["diff", BEFORE, "--no-such"], ["diff", BEFORE, BEFORE, "-n", "none"]]
    )
    def test_errors(self, trysail: Trysail, words: list[str]) -> None:
        """Of usage, and of ours."""
        said = trysail(*words)
        assert said.code == 2
        assert said.err
        assert said.out == ""

    def test_damage(self, folder: Path, trysail: Trysail) -> None:
        """What is 4 elsewhere."""
        path = next(folder.rglob("index.jsonl.gz"))
        path.write_bytes(path.read_bytes()[:-20])
        assert trysail("diff", BEFORE, BEFORE).code == 2

    def test_other_verbs_keep_their_codes(self, folder: Path) -> None:
        """Also where they are told of a diff."""
        assert exit_code(["describe", "diff", "--location", str(folder)]) == 1

    def test_what_could_not_be_compared(self) -> None:
        """It is named, and nobody reads that nothing differs."""
        sides = Side("backup", "shop-1", "policy shop of cluster prod"), Side("cluster", "prod", "https://10.0.0.1")
        gaps = (Gap("secrets in namespace shop", "secrets is forbidden"),)
        text = render_diff(Diff(*sides, (), (), (), 3, gaps))
        assert text.splitlines()[-3:] == [
            "? secrets in namespace shop: not compared: secrets is forbidden",
            "",
            "No differences in what was compared. 3 unchanged.",
        ]
        change = ItemChange("configmaps", "shop", "a", (FieldChange("data.a", "1", "2"),))
        diff = Diff(*sides, (ItemId("", "configmaps", "shop", "b"),), (), (change,), 3, gaps)
        assert json.loads(diff_as_json(diff))["notCompared"] == [
            {"what": "secrets in namespace shop", "reason": "secrets is forbidden"}
        ]
        assert "\x1b[33m~\x1b[0m shop/configmaps/a" in render_diff(diff, color=True)
