"""OwnerReferences: never one with an old uid, which the garbage collector would take for an orphan and delete."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from runner.errors import ClusterUnreachable, Rejected
from runner.plan.restore import ADOPTED, OWNED_ANEW
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.restore_stage import BACKUP, RestoreStage, fates

Json = dict[str, Any]
# Tiers: serviceaccounts before secrets before configmaps; deployments and the rest after them.
TYPES = {
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Secret": ("v1", "secrets"),
    "ConfigMap": ("v1", "configmaps"),
    "Deployment": ("apps/v1", "deployments.apps"),
    "CronJob": ("batch/v1", "cronjobs.batch"),
}


def item(kind: str, name: str, *owners: Json, **metadata: Any) -> Json:
    """An object, which `owners` own; its uid is told by its name."""
    references = [
        {"apiVersion": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    metadata |= {"name": name, "namespace": "shop", "uid": f"old-{kind}-{name}"}
    metadata |= {"ownerReferences": references} if references else {}
    return {"apiVersion": TYPES[kind][0], "kind": kind, "metadata": metadata}


def owners_of(made: RestoreStage, kind: str, name: str) -> list[str]:
    """Whom an object of the target names; each is there with that uid."""
    found = []
    for owner in made.live(TYPES[kind][1], "shop", name)["metadata"].get("ownerReferences", []):
        there = made.live(TYPES[owner["kind"]][1], "shop", owner["name"])
        assert there["metadata"]["uid"] == owner["uid"]
        found.append(f"{owner['kind']}/{owner['name']}")
    return found


def writes(made: RestoreStage, *verbs: str) -> list[tuple[str, str]]:
    """The changes that were asked for, in order."""
    return [(call.verb, call.name) for call in made.target.calls if call.verb in verbs]


def test_an_owner_of_an_earlier_tier() -> None:
    """The item is created with the new uid, at once."""
    owner = item("Secret", "ca")
    made = RestoreStage(owner, item("ConfigMap", "bundle", owner))
    assert not made.restore().failed
    assert owners_of(made, "ConfigMap", "bundle") == ["Secret/ca"]
    assert not writes(made, "merge")


def test_an_owner_of_the_same_tier() -> None:
    """It comes first, though its name does not; the item needs no patch."""
    owner = item("ConfigMap", "z")
    made = RestoreStage(item("ConfigMap", "a", owner), owner)
    made.restore()
    assert writes(made, "create", "merge") == [("create", "shop"), ("create", "z"), ("create", "a")]
    assert owners_of(made, "ConfigMap", "a") == ["ConfigMap/z"]


def test_an_owner_of_a_later_tier() -> None:
    """The item is created without it, and patched once it is there."""
    owner = item("Deployment", "web")
    made = RestoreStage(item("Secret", "made-by-it", owner), owner)
    result = made.restore()
    assert (result.created, result.updated, result.warnings) == (3, 0, ())
    assert writes(made, "create", "merge")[-2:] == [("create", "web"), ("merge", "made-by-it")]
    assert owners_of(made, "Secret", "made-by-it") == ["Deployment/web"]


def test_owners_of_both() -> None:
    """The one that is there is named at once, and the other one later, beside it."""
    early, late = item("ServiceAccount", "ci"), item("Deployment", "web")
    made = RestoreStage(item("Secret", "both", early, late), early, late)
    made.restore()
    assert owners_of(made, "Secret", "both") == ["ServiceAccount/ci", "Deployment/web"]


@pytest.mark.parametrize("seed", range(12))
def test_owners_in_chains_and_rings(seed: int) -> None:
    """In whatever order the work is done: a chain that ends in a later tier, and two that own each other."""
    last = item("Deployment", "z-last")
    middle = item("ConfigMap", "b-middle", last)
    first = item("ConfigMap", "a-first", middle)
    one, other = item("ConfigMap", "c-one"), item("ConfigMap", "d-other")
    one, other = item("ConfigMap", "c-one", other), item("ConfigMap", "d-other", one)
    made = RestoreStage(first, middle, last, one, other)
    result = made.restore(order=Random(seed))
    assert (result.failed, result.warnings) == ((), ())
    assert owners_of(made, "ConfigMap", "a-first") == ["ConfigMap/b-middle"]
    assert owners_of(made, "ConfigMap", "b-middle") == ["Deployment/z-last"]
    assert owners_of(made, "ConfigMap", "c-one") == ["ConfigMap/d-other"]
    assert owners_of(made, "ConfigMap", "d-other") == ["ConfigMap/c-one"]
    assert made.plan().items == 0


def test_an_owner_that_fails() -> None:
    """The item is restored without it, which is said; and it is given the owner by the next restore."""
    owner = item("Deployment", "web")
    made = RestoreStage(item("Secret", "made-by-it", owner), owner)
    made.target.reject = lambda verb, _type, _space, name, _body: Rejected("denied") if name == "web" else None
    result = made.restore()
    assert [one.name for one in result.failed] == ["web"]
    assert "without its owner" in result.warnings[0]
    assert owners_of(made, "Secret", "made-by-it") == []
    again = made.restore()
    assert [(one.name, one.reason) for one in again.failed] == [
        ("web", "denied"),
        ("made-by-it", "its owner is not there: Deployment web"),
    ]
    made.target.reject = lambda *_: None
    assert made.restore().updated == 1
    assert owners_of(made, "Secret", "made-by-it") == ["Deployment/web"]
    assert made.plan().items == 0


def test_an_owner_that_is_never_restored() -> None:
    """A finished Job does not run again: what it owned comes without it, once, and is not planned for ever after."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "shop", "uid": "old-job"},
        "status": {"completionTime": "2026-01-01T00:00:00Z"},
    }
    made = RestoreStage(job, item("ConfigMap", "report", job))
    result = made.restore()
    assert not result.failed
    assert owners_of(made, "ConfigMap", "report") == []
    assert made.plan().items == 0


def test_an_owner_that_is_there_already() -> None:
    """Same or differing, it is the owner: by its name, and under the uid it has here."""
    owner = item("Secret", "ca")
    for live in (item("Secret", "ca"), item("Secret", "ca", labels={"a": "other"})):
        live["metadata"]["uid"] = "uid-of-another-life"
        made = RestoreStage(owner, item("ConfigMap", "bundle", owner), target=FakeCluster(live))
        assert not made.restore().failed
        assert owners_of(made, "ConfigMap", "bundle") == ["Secret/ca"]


def test_an_owner_that_is_not_selected() -> None:
    """Nobody knows whether it is the same one: the item comes without it."""
    owner = item("Secret", "ca")
    made = RestoreStage(owner, item("ConfigMap", "bundle", owner), target=FakeCluster(owner))
    made.restore(excludedResources=["secrets"])
    assert owners_of(made, "ConfigMap", "bundle") == []


def test_an_owner_that_is_a_namespace_has_its_new_name() -> None:
    """The garbage collector looks for the owner by name: under the old one it would find nobody, and delete."""
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "old-shop"}}
    made = RestoreStage(shop, item("ConfigMap", "web", shop))
    made.restore(namespaceMapping={"shop": "market"})
    (owner,) = made.live("configmaps", "market", "web")["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"]) == ("market", made.live("namespaces", "", "market")["metadata"]["uid"])
    assert made.plan(namespaceMapping={"shop": "market"}).items == 0


def test_an_update_leaves_the_owners_that_an_item_has() -> None:
    """It was there before us: what owns it is not ours to say, even where the stored owner comes later."""
    owner, mine = item("Deployment", "web"), item("Secret", "mine")
    live = item("ConfigMap", "c", mine, labels={"a": "live"})
    made = RestoreStage(item("ConfigMap", "c", owner, labels={"a": "stored"}), owner, target=FakeCluster(live, mine))
    assert made.restore(existingResourcePolicy="update").updated == 1
    assert owners_of(made, "ConfigMap", "c") == ["Secret/mine"]


def test_a_recreated_owner_of_a_later_tier() -> None:
    """Until it is recreated it has a uid that is about to be nobody's: the item does not name that one."""
    owner = item("Deployment", "web", labels={"a": "stored"})
    live = item("Deployment", "web", labels={"a": "live"})
    made = RestoreStage(item("Secret", "s", owner), owner, target=FakeCluster(live))
    result = made.restore(existingResourcePolicy="recreate")
    assert (result.recreated, result.failed) == (1, ())
    assert owners_of(made, "Secret", "s") == ["Deployment/web"]
    creates = [call for call in made.target.calls if call.verb == "create" and call.name == "s"]
    assert b"ownerReferences" not in creates[0].body


def test_what_a_recreated_owner_owns_names_the_new_one() -> None:
    """Orphaned by the deletion, it is given its owner again; an owner that the backup does not have stays."""
    owner = item("Deployment", "web", labels={"a": "stored"})
    mine = item("CronJob", "not-stored")
    child = item("Secret", "s", owner)
    live = [item("Deployment", "web", labels={"a": "live"}), item("Secret", "s", owner, mine), mine]
    made = RestoreStage(child, owner, target=FakeCluster(*live))
    plan = made.plan(existingResourcePolicy="recreate")
    assert [step.why for step in plan.steps if step.resource == "secrets"] == [OWNED_ANEW]
    result = made.restore(existingResourcePolicy="recreate")
    assert (result.recreated, result.updated, result.failed) == (1, 1, ())
    assert sorted(owners_of(made, "Secret", "s")) == ["CronJob/not-stored", "Deployment/web"]
    assert made.plan(existingResourcePolicy="recreate").items == 0


@pytest.mark.parametrize("verb", ["create", "merge"])
def test_killed_before_the_owner_is_named(verb: str) -> None:
    """Created and then cut off: the next restore sees it by the label, and names the owner."""
    owner = item("Deployment", "web")
    made = RestoreStage(item("Secret", "made-by-it", owner), owner)

    def gone(call: Call) -> None:
        if call.verb == verb and call.name in {"web", "made-by-it"} and (verb == "merge" or call.name == "web"):
            raise ClusterUnreachable("connection refused")

    made.target.on_call = gone
    with pytest.raises(ClusterUnreachable):
        made.restore()
    made.target.on_call = lambda _: None
    assert owners_of(made, "Secret", "made-by-it") == []
    plan = made.plan()
    assert [step.why for step in plan.steps if step.resource == "secrets"] == [ADOPTED]
    assert made.restore().updated == 1
    assert owners_of(made, "Secret", "made-by-it") == ["Deployment/web"]
    assert made.plan().items == 0


def test_without_our_label_a_missing_owner_is_not_our_business() -> None:
    """Somebody may have taken the owner off on purpose."""
    owner = item("Deployment", "web")
    made = RestoreStage(item("Secret", "s", owner), owner, target=FakeCluster(owner, item("Secret", "s")))
    assert fates(made.plan())["shop/secrets/s"] == "unchanged"
    assert made.restore().updated == 0
    labelled = item("Secret", "s", labels={"trysail.dev/backup": BACKUP})
    made = RestoreStage(item("Secret", "s", owner), owner, target=FakeCluster(owner, labelled))
    assert fates(made.plan())["shop/secrets/s"] == "update"


def test_an_item_that_is_replaced_before_its_owner_can_be_named() -> None:
    """The patch is for the object that we created, by its uid, and for no other of its name."""
    owner = item("Deployment", "web")
    made = RestoreStage(item("Secret", "s", owner), owner)

    def replace(call: Call) -> None:
        if call.verb == "create" and call.name == "web":
            made.target.take("secrets", "shop", "s")
            made.target.put(item("Secret", "s", uid="another"))

    made.target.on_call = replace
    (failed,) = made.restore().failed
    assert "another object by now" in failed.reason
    assert owners_of(made, "Secret", "s") == []
