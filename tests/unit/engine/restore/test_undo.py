"""What a restore overwrites is saved first: exactly that, and restoring it brings the old state back."""

from __future__ import annotations

from typing import Any

from runner.engine.execute import Ports
from runner.engine.restore.plan import PlannedRestore
from runner.engine.restore.undo import overwrites, save_overwritten
from runner.model.manifest import COMPLETED
from runner.model.result import Result
from tests.fakes.cluster import FakeCluster, config_map
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.restore_stage import LOCATION, RestoreStage
from tests.simulation.stored import stored_backup

Json = dict[str, Any]
UNDO = "before-restore-1"


def labelled(value: Json, **labels: str) -> Json:
    """The object with these labels."""
    return {**value, "metadata": {**value["metadata"], "labels": labels}}


NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
ACCOUNT: Json = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci", "namespace": "shop"}}


def stage() -> RestoreStage:
    """Of each fate one: same, different, missing, a Namespace, an account that is merged."""
    stored = [
        labelled(NAMESPACE, state="stored"),
        config_map("shop", "same", a="1"),
        config_map("shop", "different", a="stored"),
        config_map("shop", "missing", a="1"),
        labelled(ACCOUNT, state="stored"),
    ]
    live = [
        labelled(NAMESPACE, state="live"),
        config_map("shop", "same", a="1"),
        config_map("shop", "different", a="live", more="kept"),
        config_map("shop", "untouched", a="1"),
        labelled(ACCOUNT, state="live"),
    ]
    return RestoreStage(*stored, target=FakeCluster(*live))


def saved(made: RestoreStage, planned: PlannedRestore) -> Result:
    """The backup of what is overwritten, as `trysail restore` makes it."""
    made.clock.advance(60)
    ports = Ports(made.target, made.store, SimulatedExecutor(), made.clock, RecordingObserver())
    return save_overwritten(planned.plan, planned.facts, LOCATION, UNDO, ports)


def contents(made: RestoreStage, result: Result) -> dict[str, Json]:
    """What that backup holds, read without the engine."""
    prefix = f"{result.manifest.cluster.name}/before-restore/{UNDO}/"
    return {"/".join(key): value for key, value in stored_backup(made.store.objects, prefix).objects.items()}


def test_it_holds_exactly_what_is_overwritten() -> None:
    """As it was; neither what is created nor what is left."""
    made = stage()
    planned = made.planned(existingResourcePolicy="update")
    assert overwrites(planned.plan)
    result = saved(made, planned)
    assert result.manifest.phase == COMPLETED
    found = contents(made, result)
    assert set(found) == {"namespaces//shop", "configmaps/shop/different", "serviceaccounts/shop/ci"}
    assert found["configmaps/shop/different"]["data"] == {"a": "live", "more": "kept"}


def test_under_its_mapped_namespace() -> None:
    """What is overwritten lies where the restore goes."""
    made = RestoreStage(
        config_map("shop", "web", a="stored"),
        target=FakeCluster(config_map("market", "web", a="live"), config_map("shop", "web", a="elsewhere")),
    )
    planned = made.planned(existingResourcePolicy="update", namespaceMapping={"shop": "market"})
    assert set(contents(made, saved(made, planned))) == {"configmaps/market/web"}


def test_nothing_is_overwritten() -> None:
    """Creations and what is left need no undo."""
    made = RestoreStage(config_map("shop", "web", a="1"), target=FakeCluster(config_map("shop", "web", a="2")))
    assert not overwrites(made.plan())


def test_restoring_it_brings_the_old_state_back() -> None:
    """By value: of every item that was overwritten, and of no other."""
    made = stage()
    before = {name: dict(made.live("configmaps", "shop", name)) for name in ("different", "untouched", "same")}
    planned = made.planned(existingResourcePolicy="update")
    saved(made, planned)
    assert not made.restore(planned=planned).failed
    assert made.live("configmaps", "shop", "different")["data"]["a"] == "stored"
    result = made.restore(planned=made.planned(backup=UNDO, existingResourcePolicy="update"))
    assert result.plan.backup.name == UNDO
    assert not result.failed
    for name, value in before.items():
        assert made.live("configmaps", "shop", name)["data"] == value["data"]
    assert made.live("namespaces", "", "shop")["metadata"]["labels"]["state"] == "live"
    assert made.live("serviceaccounts", "shop", "ci")["metadata"]["labels"]["state"] == "live"
    assert made.live("configmaps", "shop", "missing")
