"""Planning a restore: what is selected, where it goes, what is refused, and that the same facts give the same plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.engine.backup_as_cluster import BackupAsCluster, RightHere
from runner.engine.collect import collect
from runner.engine.restore.kept import Kept
from runner.engine.restore.planning import recheck_restore
from runner.engine.retry import Retrier
from runner.errors import BackupDamaged, ClusterUnreachable, PlanStale, UsageError
from runner.model.cluster import Resource
from runner.model.policy import BackupPolicy
from runner.model.restore import CHANGING, RestorePlan
from runner.plan.backup import steps_of
from runner.plan.picture import look
from runner.plan.relations import relate
from runner.plan.selection import Selection
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call, FakeCluster, config_map, definition
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.restore_stage import RestoreStage, fates, restore_policy
from tests.simulation.objects import TYPES, any_object
from tests.simulation.policies import any_selection

Json = dict[str, Any]


def changing(plan: RestorePlan) -> set[str]:
    """What a plan changes."""
    return {what for what, action in fates(plan).items() if action in CHANGING}


# where it goes


def test_namespaces_that_are_mapped() -> None:
    """The items, their Namespace, and only those; the backup's own names stay in the plan's source."""
    made = RestoreStage(config_map("shop", "web"), config_map("other", "web"))
    plan = made.plan(namespaceMapping={"shop": "market"})
    assert changing(plan) == {"namespaces/shop", "namespaces/other", "market/configmaps/web", "other/configmaps/web"}
    assert not made.restore(namespaceMapping={"shop": "market"}).failed
    assert made.live("configmaps", "market", "web")["metadata"]["namespace"] == "market"
    assert made.live("namespaces", "", "market")["metadata"]["labels"]["kubernetes.io/metadata.name"] == "market"
    assert made.plan(namespaceMapping={"shop": "market"}).items == 0


def test_a_namespace_that_the_backup_does_not_hold() -> None:
    """It is made from its name, with the labels that everything gets; mapped ones under their new name."""
    made = RestoreStage(config_map("shop", "web"), excludedResources=["namespaces"])
    spec: Json = {"namespaceMapping": {"shop": "market"}, "labels": {"restored": "yes"}}
    plan = made.plan(**spec)
    assert [(step.why, step.names) for step in plan.steps if step.resource == "namespaces"] == [
        ("what is restored lives in it", ("shop",))
    ]
    assert not made.restore(**spec).failed
    labels = made.live("namespaces", "", "market")["metadata"]["labels"]
    assert labels.items() >= {"restored": "yes", "trysail.dev/backup": "b1"}.items()
    assert made.plan(**spec).items == 0


def test_a_namespace_that_is_there_is_not_needed() -> None:
    """Nor one of an item that is not created."""
    made = RestoreStage(config_map("shop", "web"), target=FakeCluster(config_map("shop", "other")))
    plan = made.plan(excludedResources=["namespaces"])
    assert changing(plan) == {"shop/configmaps/web"}


def test_two_namespaces_into_one() -> None:
    """Their items might collide: refused before anything is looked at."""
    made = RestoreStage(config_map("shop", "web"), config_map("other", "web"))
    with pytest.raises(UsageError, match="other and shop"):
        made.plan(namespaceMapping={"shop": "other"})


def test_a_namespace_into_one_that_is_only_named() -> None:
    """The Namespace itself is restored once: that which stays where it was."""
    empty = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "market", "labels": {"a": "market"}}}
    made = RestoreStage(config_map("shop", "web"), empty)
    plan = made.plan(namespaceMapping={"shop": "market"})
    assert [step.names for step in plan.steps if step.resource == "namespaces" and step.action == "create"] == [
        ("market",)
    ]
    assert any("becomes another namespace" in left.why for left in plan.left_out)
    assert not made.restore(namespaceMapping={"shop": "market"}).failed
    assert made.live("namespaces", "", "market")["metadata"]["labels"]["a"] == "market"


def test_a_modifier_that_does_not_apply_to_a_namespace() -> None:
    """The Namespace is refused, and what lives in it still finds one: made from its name."""
    made = RestoreStage(config_map("shop", "web"))
    rule = {
        "conditions": {"groupResource": "namespaces", "resourceNameRegex": "^shop$"},
        "patches": [{"operation": "remove", "path": "/spec/missing"}],
    }
    plan = made.plan(resourceModifiers=[rule])
    assert sorted(s.action for s in plan.steps if s.resource == "namespaces" and s.names == ("shop",)) == [
        "create",
        "invalid",
    ]
    result = made.restore(resourceModifiers=[rule])
    assert (result.created, result.failed) == (2, ())
    assert made.live("configmaps", "shop", "web")


def test_a_modifier_that_renames() -> None:
    """Refused: where an item goes is known from the plan alone."""
    made = RestoreStage(config_map("shop", "web"))
    rule = {
        "conditions": {"groupResource": "configmaps"},
        "mergePatches": [{"patchData": "metadata: {name: other}"}],
    }
    plan = made.plan(resourceModifiers=[rule])
    assert fates(plan)["shop/configmaps/web"] == "invalid"
    assert made.restore(resourceModifiers=[rule]).created == 1  # its namespace
    assert not [call for call in made.target.calls if call.verb == "create" and call.namespace]


# what is served


def test_a_type_that_the_target_lacks() -> None:
    """Refused in the plan, before anything is touched; all else can be restored."""
    crd = definition("widgets", "Widget", "example.com")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}
    made = RestoreStage(crd, widget, config_map("shop", "web"))
    plan = made.plan(excludedResources=["customresourcedefinitions"])
    assert fates(plan)["shop/widgets.example.com/w"] == "invalid"
    assert fates(plan)["shop/configmaps/web"] == "create"


def test_a_version_that_is_not_served_any_more() -> None:
    """Sent in another one of the same kind: said in the plan, sent strictly, and asked for first even so."""
    made = RestoreStage(config_map("shop", "web"))
    made.source.serve(Resource("batch", "cronjobs", "v1beta1", "CronJob", namespaced=True, verbs=_VERBS))
    made.source.put(
        {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "shop"}}
    )
    made.clock.advance(60)
    made.back_up("b2")
    plan = made.plan()
    (step,) = [step for step in plan.steps if step.resource == "cronjobs.batch"]
    assert (step.api_version, step.action, step.unverifiable) == (
        "batch/v1",
        "create",
        "its namespace is not there yet",
    )
    assert any("batch/v1beta1 is not served any more" in warning for warning in plan.warnings)
    assert [call.dry_run for call in made.target.calls if call.verb == "create"] == [True]
    assert not made.restore().failed
    assert made.live("cronjobs.batch", "shop", "nightly")["apiVersion"] == "batch/v1"


_VERBS = ("create", "delete", "get", "list", "patch")


# what is selected


def test_short_names_of_the_target_are_understood() -> None:
    """A backup does not have them: without, an exclude would exclude nothing."""
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "shop"}}
    made = RestoreStage(deployment, config_map("shop", "web"))
    assert changing(made.plan(excludedResources=["deploy"])) == {"namespaces/shop", "shop/configmaps/web"}
    crd = definition("widgets", "Widget", "example.com")
    crd["spec"]["names"]["shortNames"] = ["wd"]
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}
    made = RestoreStage(crd, widget, config_map("shop", "web"))
    assert "shop/widgets.example.com/w" not in changing(made.plan(excludedResources=["wd"]))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_filters_of_a_restore_are_those_of_a_backup(random: Any) -> None:
    """What they select of a backup is what they select on a cluster that holds the same objects."""
    kinds = tuple(kind for kind in TYPES if kind not in {"Widget", "Gadget", "CustomResourceDefinition", "Event"})
    objects = [any_object(random, ("shop", "shop-2", "team-a"), kinds) for _ in range(random.randint(0, 25))]
    for value in objects:
        value["metadata"].pop("deletionTimestamp", None)
        # These leave out what a backup does not even have.
        value["metadata"]["labels"].pop("trysail.dev/exclude-from-backup", None)
    made = RestoreStage(*objects, onUncovered="ignore")
    spec = any_selection(random)
    filters = BackupPolicy.model_validate(
        {
            "apiVersion": "trysail.dev/v1alpha1",
            "kind": "BackupPolicy",
            "metadata": {"name": "x"},
            "spec": {"storageLocation": "x", **spec},
        }
    ).spec

    def selected(cluster: Any, executor: Any) -> dict[str, tuple[int, tuple[str, ...] | None]]:
        selection = Selection(filters)
        inventory = collect(cluster, executor, Retrier(SimulatedClock(), RecordingObserver()), selection)
        steps = steps_of(relate(look(selection, inventory)))
        return {f"{step.namespace}/{step.resource}": (step.count, step.names) for step in steps}

    stored = made.stored()
    there = {group.resource for group in stored.groups()}
    alone = FakeCluster(*objects, serves=there)
    types = alone.discover().resources
    assert selected(BackupAsCluster(stored, types), RightHere()) == selected(alone, SimulatedExecutor())


# the same again


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=False), policy=st.sampled_from(["none", "update", "recreate"]))
def test_a_second_restore_changes_nothing(random: Any, policy: str) -> None:
    """Whatever was stored, and whatever was there: what one restore has done, the next finds done."""
    kinds = tuple(kind for kind in TYPES if kind not in {"Widget", "Gadget", "CustomResourceDefinition"})
    spaces = ("shop", "team-a")
    stored = [any_object(random, spaces, kinds) for _ in range(random.randint(1, 15))]
    live = [any_object(random, spaces, kinds) for _ in range(random.randint(0, 10))]
    for value in (*stored, *live):
        value["metadata"].pop("deletionTimestamp", None)
    made = RestoreStage(*stored, target=FakeCluster(*live), onUncovered="ignore")
    first = made.plan(existingResourcePolicy=policy)
    assert made.plan(existingResourcePolicy=policy).digest == first.digest
    result = made.restore(existingResourcePolicy=policy)
    assert not result.failed
    assert result.done == first.items
    assert made.plan(existingResourcePolicy=policy).items == 0


# a saved plan


def rechecked(made: RestoreStage, saved: RestorePlan, **spec: Any) -> Any:
    """The saved plan, checked as `trysail restore plan.json -f PATH` does."""
    retrier = Retrier(made.clock, made.observer)
    return recheck_restore(saved, restore_policy(**spec), made.stored(), made.target, SimulatedExecutor(), retrier)


def test_a_saved_plan_goes_on_after_a_partial_run() -> None:
    """What was done is counted, and only the rest is done."""
    made = RestoreStage(*(config_map("shop", f"c{n}") for n in range(8)))
    saved = made.planned()

    def die(call: Call) -> None:
        if call.verb == "create" and call.name == "c5":
            raise ClusterUnreachable("connection refused")

    made.target.on_call = die
    with pytest.raises(ClusterUnreachable):
        made.restore(planned=saved)
    made.target.on_call = lambda _: None
    left = rechecked(made, saved.plan)
    assert (left.already, left.planned.plan.items) == (6, 3)
    assert made.restore(planned=left.planned).created == 3
    assert rechecked(made, saved.plan).planned.plan.items == 0


def test_a_saved_plan_survives_the_account_of_a_new_namespace() -> None:
    """The controller's own `default` comes with the namespace, before ours: that makes no plan stale."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop", "labels": {"a": "b"}},
    }
    made = RestoreStage(account)
    saved = made.plan()
    made.target.put(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}
    )
    assert made.restore(planned=rechecked(made, saved).planned).updated == 1


def test_a_saved_plan_is_stale() -> None:
    """Where it would change what it does not name, or its policy is another by now."""
    made = RestoreStage(config_map("shop", "web", a="1"))
    saved = made.plan(existingResourcePolicy="update")
    made.target.put(config_map("shop", "web", a="2"))
    with pytest.raises(PlanStale) as caught:
        rechecked(made, saved, existingResourcePolicy="update")
    assert caught.value.reasons == ("shop/configmaps/web would be updated now, and was to be created",)
    with pytest.raises(PlanStale) as caught:
        rechecked(made, saved, existingResourcePolicy="none")
    assert caught.value.reasons == ("the policy try has changed since",)


def test_a_backup_that_gives_less_than_was_planned() -> None:
    """An item that cannot be read any more is named, and is not passed over."""
    made = RestoreStage(config_map("shop", "web"), config_map("shop", "api"))
    planned = made.planned()
    stored = planned.facts.selected_items.stored

    class Forgetful:
        """The same backup, which gives one item less."""

        ref = stored.ref
        groups, lines = stored.groups, stored.lines

        def objects(self, lines: Any) -> Any:
            """All but one."""
            return (pair for pair in stored.objects(lines) if pair[0].name != "web")

    planned.facts.kept = Kept(room=0)  # as of a restore that is too large to be kept
    object.__setattr__(planned.facts.selected_items, "stored", Forgetful())
    result = made.restore(planned=planned)
    assert [(one.name, one.reason) for one in result.failed] == [("web", "the backup does not give it any more")]
    assert BackupDamaged.exit_code == 4
