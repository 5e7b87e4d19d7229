"""Backups held against each other and against clusters: what is found, and what is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from runner.actions.facts import row
from runner.archive.emitter import emit
from runner.archive.index import IndexLine
from runner.engine.catalog import Scope, resolve
from runner.engine.diff import diff_backups
from runner.engine.diff_live import diff_live
from runner.engine.extract import Backup
from runner.engine.retry import Retrier
from runner.engine.stored import Group, StoredObjects
from runner.engine.stored_trysail import TrysailObjects
from runner.errors import ClusterUnreachable, ItemNotFound
from runner.model.cluster import ListRequest, Page, Resource
from runner.model.restore import BackupRef
from runner.model.volumes import VolumesRecord
from runner.plan.diff import Diff
from tests.fakes.cluster import Call, FakeCluster, config_map, definition
from tests.fakes.store import MemoryStore
from tests.fakes.stored_backup import Inline, Made, Silent, StoredBackup, Unhurried, reading

Json = dict[str, Any]


@dataclass
class Watched:
    """StoredObjects that remember which objects were read."""

    inner: StoredObjects
    read: list[str] = field(default_factory=list)
    ref: BackupRef = field(init=False)

    def __post_init__(self) -> None:
        self.ref = self.inner.ref

    def groups(self) -> tuple[Group, ...]:
        """As the Protocol has it."""
        return self.inner.groups()

    def lines(self, group: Group) -> Iterator[IndexLine]:
        """As the Protocol has it."""
        return self.inner.lines(group)

    def objects(self, lines: Iterable[IndexLine]) -> Iterator[tuple[IndexLine, Json]]:
        """As the Protocol has it."""
        for line, value in self.inner.objects(lines):
            self.read.append(str(line.id))
            yield line, value

    def volumes(self) -> VolumesRecord:
        """As the Protocol has it."""
        return self.inner.volumes()


def _stored(*items: Made, name: str = "before", member_bytes: int = 1 << 20) -> Watched:
    store = MemoryStore()
    backup = StoredBackup(name=name, items=items, member_bytes=member_bytes).put(store)
    source = reading(store)
    return Watched(TrysailObjects(Backup(source, resolve(source, backup.name, Scope()).backup)))


def _made(resource: Resource, value: Json) -> Made:
    return resource, row(msgspec.json.encode(value)), emit(value)


def _kept(cluster: FakeCluster, *names: str) -> list[Made]:
    """What a backup of these types would hold of the cluster now; the cluster's own namespaces are left out."""
    made = []
    for resource in cluster.discover().resources:
        if resource.name in names:
            items = [msgspec.json.decode(raw) for raw in cluster.page(ListRequest(resource)).items]
            items = [
                {"apiVersion": resource.api_version, "kind": resource.kind, **value}
                for value in items
                if value["metadata"]["name"] not in {"kube-system", "default"}
            ]
            made += [_made(resource, value) for value in sorted(items, key=lambda one: one["metadata"]["name"])]
    return sorted(made, key=lambda one: (one[0].name, one[1].namespace))


def _live(
    stored: StoredObjects, cluster: FakeCluster, namespace: str | None = None, batch_bytes: int = 1 << 20
) -> Diff:
    return diff_live(
        stored, cluster, Inline(), Retrier(Unhurried(), Silent()), namespace=namespace, batch_bytes=batch_bytes
    )


def _names(found: Diff) -> tuple[list[str], list[str], list[str], int]:
    changed = [f"{one.namespace}/{one.resource}/{one.name}" for one in found.changed]
    return [str(item) for item in found.added], [str(item) for item in found.removed], changed, found.unchanged


SERVES = ("configmaps", "secrets", "deployments.apps", "customresourcedefinitions.apiextensions.k8s.io")


def _shop(**data: str) -> FakeCluster:
    return FakeCluster(*(config_map("shop", name, key=value) for name, value in data.items()), serves=SERVES)


class TestBackups:
    """One backup against another."""

    def test_what_differs(self) -> None:
        """Added, removed and changed, in types and namespaces that both have and that one has."""
        cluster = _shop(a="1", b="1", c="1")
        cluster.put(config_map("stage", "x"))
        before = _stored(*_kept(cluster, "configmaps"))
        cluster.put(config_map("shop", "b", key="2"), config_map("shop", "d"), config_map("test", "y"))
        cluster.delete("configmaps", "shop", "c")
        cluster.delete("configmaps", "stage", "x")
        after = _stored(*_kept(cluster, "configmaps"), name="after")
        found = diff_backups(before, after)
        assert _names(found) == (
            ["shop/configmaps/d", "test/configmaps/y"],
            ["shop/configmaps/c", "stage/configmaps/x"],
            ["shop/configmaps/b"],
            1,
        )
        (change,) = found.changed[0].fields
        assert (change.path, change.stored, change.live) == ("data.key", "1", "2")
        assert (found.before.name, found.after.name, found.same) == ("before", "after", False)

    def test_objects_are_read_where_digests_differ(self) -> None:
        """And nowhere else."""
        cluster = _shop(a="1", b="1", c="1")
        before = _stored(*_kept(cluster, "configmaps"))
        cluster.put(config_map("shop", "b", key="2"))
        after = _stored(*_kept(cluster, "configmaps"), name="after")
        diff_backups(before, after)
        assert before.read == after.read == ["shop/configmaps/b"]

    def test_what_a_server_alone_wrote_is_no_change(self) -> None:
        """Another resourceVersion makes another digest, and the same object."""
        cluster = _shop(a="1")
        before = _stored(*_kept(cluster, "configmaps"))
        cluster.put(config_map("shop", "a", key="1"))
        after = _stored(*_kept(cluster, "configmaps"), name="after")
        found = diff_backups(before, after)
        assert before.read == ["shop/configmaps/a"]
        assert _names(found) == ([], [], [], 1)
        assert found.same

    def test_the_same_backup(self) -> None:
        """Nothing is read."""
        stored = _stored(*_kept(_shop(a="1", b="2"), "configmaps"))
        assert _names(diff_backups(stored, stored)) == ([], [], [], 2)
        assert stored.read == []

    def test_backups_in_another_order(self) -> None:
        """Objects are read in each backup's own order, batch by batch, whatever that is."""
        names = "abcdefgh"
        before = _stored(*_kept(_shop(**dict.fromkeys(names, "1")), "configmaps"), member_bytes=300)
        after = _stored(*reversed(_kept(_shop(**dict.fromkeys(names, "2")), "configmaps")), name="after")
        found = diff_backups(before, after, batch_bytes=600)
        assert _names(found) == ([], [], [f"shop/configmaps/{name}" for name in names], 0)

    def test_one_namespace(self) -> None:
        """The others are not looked at; one that neither backup has is a mistake."""
        cluster = _shop(a="1")
        cluster.put(config_map("stage", "x"))
        before = _stored(*_kept(cluster, "configmaps"))
        after = _stored(*_kept(_shop(a="2"), "configmaps"), name="after")
        assert _names(diff_backups(before, after, namespace="stage")) == ([], ["stage/configmaps/x"], [], 0)
        with pytest.raises(ItemNotFound, match="neither backup holds anything in namespace nowhere"):
            diff_backups(before, after, namespace="nowhere")


class TestCluster:
    """A backup against a cluster."""

    def test_nothing_changed(self) -> None:
        """No stored object is read: it is the same object in the same version."""
        cluster = _shop(a="1", b="1")
        stored = _stored(*_kept(cluster, "configmaps"))
        found = _live(stored, cluster)
        assert _names(found) == ([], [], [], 2)
        assert stored.read == []
        assert (found.before.kind, found.after.kind, found.after.name) == ("backup", "cluster", "fake")

    def test_what_differs(self) -> None:
        """What the backup's types and namespaces have now, and had; only what may differ is read."""
        cluster = _shop(a="1", b="1", c="1")
        stored = _stored(*_kept(cluster, "configmaps"))
        cluster.put(config_map("shop", "b", key="2"), config_map("shop", "d"), config_map("other", "y"))
        cluster.delete("configmaps", "shop", "c")
        found = _live(stored, cluster)
        assert _names(found) == (["shop/configmaps/d"], ["shop/configmaps/c"], ["shop/configmaps/b"], 1)
        assert stored.read == ["shop/configmaps/b"]
        (change,) = found.changed[0].fields
        assert (change.path, change.stored, change.live) == ("data.key", "1", "2")

    def test_restored_objects_are_the_same(self) -> None:
        """With other uids, in another cluster."""
        stored = _stored(*_kept(_shop(a="1", b="1"), "configmaps"))
        restored = _shop(first="gone", a="1", b="1")
        restored.delete("configmaps", "shop", "first")
        assert _names(_live(stored, restored)) == ([], [], [], 2)
        assert len(stored.read) == 2

    @pytest.mark.parametrize("step", [1, -1])
    def test_many_pages(self, step: int) -> None:
        """Pages of the cluster and batches of the backup do not fall together; nor need the orders agree."""
        names = [f"n{number:03}" for number in range(1100)]
        kept = _kept(_shop(**dict.fromkeys(names[:500], "1")), "configmaps")
        kept += _kept(_shop(**dict.fromkeys(names[500:1000], "1")), "configmaps")
        kept += _kept(_shop(**dict.fromkeys(names[1000:], "1")), "configmaps")
        stored = _stored(*kept[::step], member_bytes=5000)
        cluster = _shop(**{"first": "gone"} | dict.fromkeys(names, "1") | {"n007": "2", "z": "1"})
        for name in ("first", "n003"):
            cluster.delete("configmaps", "shop", name)
        found = _live(stored, cluster, batch_bytes=50_000)
        assert _names(found) == (["shop/configmaps/z"], ["shop/configmaps/n003"], ["shop/configmaps/n007"], 1098)

    def test_a_type_that_is_not_served_any_more(self) -> None:
        """All of it is removed, and that is said."""
        cluster = _shop(a="1")
        cluster.put(definition("widgets", "Widget", "shop.example.com"))
        cluster.put(
            {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}
        )
        stored = _stored(*_kept(cluster, "configmaps", "widgets.shop.example.com"))
        found = _live(stored, _shop(a="1"))
        assert _names(found) == ([], ["shop/widgets.shop.example.com/w"], [], 1)
        assert "the cluster does not serve widgets.shop.example.com any more" in found.notes

    def test_a_group_that_is_down_is_a_gap(self) -> None:
        """Nobody knows what is there."""
        cluster = _shop(a="1")
        cluster.put(definition("widgets", "Widget", "shop.example.com"))
        value = {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}
        cluster.put(value)
        stored = _stored(*_kept(cluster, "configmaps", "widgets.shop.example.com"))
        cluster.break_group("shop.example.com/v1")
        found = _live(stored, cluster)
        assert _names(found) == ([], [], [], 1)
        (gap,) = found.gaps
        assert gap.what == "widgets.shop.example.com in namespace shop"
        assert "shop.example.com/v1 cannot be discovered" in gap.reason

    def test_what_may_not_be_read_is_a_gap(self) -> None:
        """And the rest is compared."""
        cluster = _shop(a="1")
        cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}})
        stored = _stored(*_kept(cluster, "configmaps", "secrets"))
        cluster.forbid("secrets")
        found = _live(stored, cluster)
        assert _names(found) == ([], [], [], 1)
        assert [gap.what for gap in found.gaps] == ["secrets in namespace shop"]

    def test_a_namespace_that_is_gone(self) -> None:
        """Everything in it is removed."""
        stored = _stored(*_kept(_shop(a="1"), "configmaps"))
        assert _names(_live(stored, FakeCluster(serves=SERVES))) == ([], ["shop/configmaps/a"], [], 0)

    def test_another_version_is_said(self) -> None:
        """The version of the backup is not served: it is compared all the same."""
        cluster = _shop(a="1")
        resource, seen, _ = _kept(cluster, "configmaps")[0]
        older = msgspec.structs.replace(resource, version="v1beta1")
        value = {**config_map("shop", "a", key="1"), "apiVersion": "v1beta1"}
        found = _live(_stored((older, msgspec.structs.replace(seen, uid="other"), emit(value))), cluster)
        assert _names(found) == ([], [], [], 1)
        assert any("was stored as v1beta1" in note for note in found.notes)

    def test_one_namespace(self) -> None:
        """Other lists are not asked for."""
        cluster = _shop(a="1")
        cluster.put(config_map("stage", "x"))
        stored = _stored(*_kept(cluster, "configmaps"))
        calls: list[Call] = []
        cluster.on_call = calls.append
        assert _names(_live(stored, cluster, "stage")) == ([], [], [], 1)
        assert {call.namespace for call in calls if call.verb == "page"} == {"stage"}
        with pytest.raises(ItemNotFound, match="the backup holds nothing in namespace nowhere"):
            _live(stored, cluster, "nowhere")

    def test_a_cluster_that_does_not_answer_is_an_error(self) -> None:
        """Not a cluster that lost everything."""
        cluster = _shop(a="1")
        stored = _stored(*_kept(cluster, "configmaps"))

        def unreachable(call: Call, page: Page) -> Page:
            raise ClusterUnreachable("no answer")

        cluster.on_page = unreachable
        with pytest.raises(ClusterUnreachable):
            _live(stored, cluster)
