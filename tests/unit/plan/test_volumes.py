"""Tests of the ledger: every selected volume is a line, and says what becomes of it and why."""

from __future__ import annotations

import pytest

from runner.model.inventory import Owner
from runner.model.volumes import PlannedVolume
from tests.unit.plan.build import (
    SNAPSHOT_CLASSES,
    SNAPSHOT_LOCATION,
    claim,
    counts,
    named,
    namespace,
    planned,
    pod,
    pod_volume,
    seen,
    snapshot_class,
    volume,
)
from tests.unit.plan.ledgers import DATA, DRIVER, FILES, disk, ebs, lines, one, rules

# what is a line


def test_a_line_says_what_a_claim_has() -> None:
    """The claim with its volume, size, class, driver, the provider's handle and the volume's uid."""
    assert one(DATA, ebs()) == PlannedVolume(
        method="uncovered",
        why="no rule protects it",
        claim="shop/data",
        volume="pv-1",
        capacity="10Gi",
        storage_class="gp3",
        source="ebs.csi.aws.com",
        handle="vol-pv-1",
        uid="uid-pv-1",
    )


def test_every_selected_volume_is_a_line() -> None:
    """Claims, volumes that no selected claim has, and volumes within Pods; sorted by name, each once."""
    plan = planned(
        {
            "shop/persistentvolumeclaims": [DATA, claim("pending")],
            "other/persistentvolumeclaims": [claim("data", "pv-2")],
            "shop/pods": [pod("web-0", "data", volumes=(pod_volume("cache"), pod_volume("host", "hostPath")))],
            "persistentvolumes": [ebs(), volume("pv-2", "other/data"), volume("pv-3", "shop/data"), volume("pv-4")],
        },
        excludedNamespaces=["other"],
        includedClusterScopedResources="all",
    )
    assert lines(plan) == {
        "pv-2": ("uncovered", "no rule protects it"),
        "pv-3": ("uncovered", "no rule protects it"),  # released: another claim has that name now
        "pv-4": ("uncovered", "no rule protects it"),
        "shop/data": ("uncovered", "no rule protects it"),
        "shop/pending": ("skip", "it is not bound to a volume, and holds no data"),
        "shop/web-0:cache": ("uncovered", "no rule protects it"),
        "shop/web-0:host": ("uncovered", "no rule protects it"),
    }


def test_what_is_not_selected_has_no_line() -> None:
    """Only what is selected is counted: nobody asked for the others."""
    contents = {
        "shop/persistentvolumeclaims": [DATA],
        "shop/pods": [pod("web", volumes=(pod_volume("cache"),))],
        "persistentvolumes": [ebs(), volume("pv-2")],
    }
    assert (
        planned(contents, includedNamespaces=["shop"], excludedNamespaceScopedResources=["pvc", "pods"]).volumes == ()
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_has_no_volumes(phase: str) -> None:
    """They are gone with it."""
    assert planned({"shop/pods": [pod("job", volumes=(pod_volume("cache"),), phase=phase)]}).volumes == ()


def test_volumes_are_looked_at_where_they_are_not_taken() -> None:
    """Excluded PersistentVolumes, snapshot classes and Pods decide on claims all the same, and are not stored."""
    contents = {
        "shop/persistentvolumeclaims": [DATA],
        "shop/pods": [pod("web", "data")],
        "persistentvolumes": [disk()],
        SNAPSHOT_CLASSES: [snapshot_class("fast", DRIVER)],
    }
    plan = planned(contents, volumePolicies=rules("snapshot"), includedResources=["pvc"], includeClusterResources=False)
    assert lines(plan) == {"shop/data": ("csi-snapshot", "volumePolicies[0]: every volume")}
    assert counts(plan) == {"shop/persistentvolumeclaims": 1}


def test_a_plan_names_every_volume_it_rests_on() -> None:
    """Claims and volumes of the ledger: one that is gone makes a saved plan stale."""
    plan = planned(
        {
            "shop/persistentvolumeclaims": [DATA, claim("pending")],
            "shop/configmaps": named("web"),
            "persistentvolumes": [ebs(), volume("pv-2")],
        },
        includedNamespaces=["shop"],
    )
    assert plan.rests_on == (
        "persistentvolumeclaims/shop/data",
        "persistentvolumeclaims/shop/pending",
        "persistentvolumes/pv-1",
    )


# volumes within Pods


def test_nothing_reaches_a_pods_own_volumes() -> None:
    """They can be skipped, and nothing else; what is in memory is, by itself."""
    own = (
        pod_volume("cache"),
        pod_volume("host", "hostPath"),
        pod_volume("share", "nfs", server="a", path="/x"),
        pod_volume("shm", memory=True),
    )
    policies = [
        {"conditions": {"volumeTypes": ["emptyDir"]}, "action": {"type": "skip", "reason": "scratch"}},
        {"conditions": {"nfs": {"server": "a"}}, "action": {"type": "fs-backup"}},
        {"action": {"type": "snapshot"}},
    ]
    assert lines(planned({"shop/pods": [pod("web", volumes=own)]}, **FILES, volumePolicies=policies)) == {
        "shop/web:cache": ("skip", "volumePolicies[0]: volumeTypes emptyDir (scratch)"),
        "shop/web:host": (
            "uncovered",
            "volumePolicies[2]: every volume; but no snapshot reaches a Pod's own hostPath",
        ),
        "shop/web:share": ("uncovered", "volumePolicies[1]: nfs a; but no Job can mount a Pod's own nfs"),
        "shop/web:shm": ("skip", "it is in memory, and gone with its Pod"),
    }


def test_a_pods_own_csi_volume_is_known_by_its_attributes() -> None:
    """As a PersistentVolume is: one SecretProviderClass may be left out, and no other."""
    own = [
        pod_volume(name, "csi", driver=DRIVER, attributes={"secretProviderClass": name}) for name in ("vault", "other")
    ]
    wanted = {"csi": {"driver": DRIVER, "volumeAttributes": {"secretProviderClass": "vault"}}}
    plan = planned({"shop/pods": [pod("web", volumes=tuple(own))]}, volumePolicies=rules((wanted, "skip")))
    assert {line.pod_volume: line.method for line in plan.volumes} == {"vault": "skip", "other": "uncovered"}


def test_the_claim_of_a_generic_ephemeral_volume() -> None:
    """Its claim is a line like others, and goes by the type ephemeral as well."""
    own = claim("web-scratch", "pv-1", owners=(Owner("Pod", "web", "uid-web"),))
    policies = rules(({"volumeTypes": ["ephemeral"]}, "skip"), "snapshot")
    assert one(own, volume("pv-1", "shop/web-scratch"), volumePolicies=policies).method == "skip"


# what is being deleted


def test_what_is_being_deleted_is_not_kept() -> None:
    """No controller snapshots such a claim, and it is not stored, so that no restore would ask for its data."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1", terminating=True), claim("more", "pv-2")],
        "persistentvolumes": [ebs(), volume("pv-2", "shop/more", terminating=True), volume("pv-3", terminating=True)],
    }
    assert lines(planned(contents, snapshotLocation=SNAPSHOT_LOCATION)) == {
        "pv-3": ("skip", "it is being deleted, and is not stored"),
        "shop/data": ("skip", "it is being deleted, and is not stored"),
        "shop/more": ("native-snapshot", "snapshotLocation"),  # the volume stays for as long as its claim does
    }


# claims that a label leaves out


def test_a_claim_that_a_label_leaves_out_takes_its_volume_with_it() -> None:
    """Whoever put it there means the data: nobody pays for a snapshot, and no plan stops for want of a rule."""
    left = claim("data", "pv-1", {"velero.io/exclude-from-backup": "true"})
    contents = {"shop/persistentvolumeclaims": [left], "persistentvolumes": [ebs()]}
    expected = {"pv-1": ("skip", "label velero.io/exclude-from-backup=true on its claim shop/data")}
    assert lines(planned(contents)) == expected
    assert lines(planned(contents, snapshotLocation=SNAPSHOT_LOCATION)) == expected


def test_a_namespace_that_is_left_out_by_label_takes_its_volumes_with_it() -> None:
    """All that is in it is left out, and its disks are what is in it."""
    contents = {"shop/persistentvolumeclaims": [DATA], "persistentvolumes": [ebs()]}
    label = "trysail.dev/exclude-from-backup"
    inventory = seen(contents, namespaces=[namespace("shop", {label: "true"})])
    assert lines(planned(inventory, snapshotLocation=SNAPSHOT_LOCATION)) == {
        "pv-1": ("skip", f"label {label}=true on its claim's namespace shop")
    }


def test_a_claim_that_is_left_out_and_only_waits_takes_no_volume_with_it() -> None:
    """The volume is another one's."""
    left = claim("waits", "pv-1", {"trysail.dev/exclude-from-backup": "true"}, phase="Pending")
    plan = planned({"shop/persistentvolumeclaims": [left], "persistentvolumes": [ebs()]})
    assert lines(plan) == {"pv-1": ("uncovered", "no rule protects it")}


# claims without a volume


def test_an_unbound_claim_is_decided_by_rules_of_its_phase() -> None:
    """Others do not mean it, whatever they ask for: it holds no data."""
    contents = {"shop/persistentvolumeclaims": [claim("data")]}
    assert lines(planned(contents, volumePolicies=rules("snapshot")))["shop/data"][0] == "skip"
    phase = {"pvcPhase": ["Pending"]}
    skipped = planned(contents, volumePolicies=rules((phase, "skip")))
    assert lines(skipped) == {"shop/data": ("skip", "volumePolicies[0]: pvcPhase Pending")}
    wanted = planned(contents, volumePolicies=rules((phase, "snapshot")))
    assert lines(wanted) == {
        "shop/data": ("uncovered", "volumePolicies[0]: pvcPhase Pending; but the claim is unbound")
    }


def test_a_volume_is_the_line_of_the_claim_that_has_it() -> None:
    """A claim that waits for another one's volume holds no data; one that has lost it is uncovered."""
    contents = {
        "shop/persistentvolumeclaims": [
            DATA,
            claim("lost", "pv-1", phase="Lost"),
            claim("waits", "pv-1", phase="Pending"),
        ],
        "persistentvolumes": [ebs()],
    }
    plan = planned(contents, snapshotLocation=SNAPSHOT_LOCATION)
    assert lines(plan) == {
        "shop/data": ("native-snapshot", "snapshotLocation"),
        "shop/lost": ("uncovered", "the claim is Lost: its PersistentVolume is gone, or bound to another claim"),
        "shop/waits": ("skip", "it is not bound to a volume, and holds no data"),
    }
    assert [line.volume for line in plan.volumes] == ["pv-1", "", ""]


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
@pytest.mark.parametrize("claimed", ["", "shop/data"])
def test_a_claim_that_names_a_volume_and_does_not_have_it(phase: str, claimed: str) -> None:
    """No controller snapshots it and no Job mounts it, whatever the volume says: that is a line of its own."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1", phase=phase)],
        "persistentvolumes": [disk(claimed=claimed)],
        SNAPSHOT_CLASSES: [snapshot_class("fast", DRIVER)],
    }
    plan = planned(contents, volumePolicies=rules("snapshot"))
    every = "volumePolicies[0]: every volume; but"
    lost = f"{every} the claim is Lost: its PersistentVolume is gone, or bound to another claim"
    assert lines(plan) == {
        "pv-1": ("uncovered", f"{every} no selected claim is bound to it, and a CSI snapshot is taken of a claim"),
        "shop/data": {
            "Pending": ("skip", "it is not bound to a volume, and holds no data"),
            "Lost": ("uncovered", lost),
        }[phase],
    }


@pytest.mark.parametrize("there", [True, False])
def test_what_is_lost_is_not_skipped_by_a_later_rule(there: bool) -> None:
    """Nobody knows what the lost volume was: the first rule may have meant it, wherever its PersistentVolume is now."""
    contents = {"shop/persistentvolumeclaims": [claim("data", "pv-1", phase="Lost")]}
    if there:
        contents["persistentvolumes"] = [disk(claimed="other/data")]
    policies = rules(({"csi": {"driver": DRIVER}}, "snapshot"), "skip")
    plan = planned(contents, volumePolicies=policies)
    assert lines(plan)["shop/data"] == (
        "uncovered",
        "the claim is Lost: its PersistentVolume is gone, or bound to another claim",
    )


def test_a_claim_that_waits_for_a_volume_that_never_was() -> None:
    """It is no loss, and nobody is warned of one."""
    contents = {"shop/persistentvolumeclaims": [claim("data", "pv-1", phase="Pending")]}
    plan = planned(contents, includedNamespaces=["shop"])
    assert lines(plan) == {"shop/data": ("skip", "it is not bound to a volume, and holds no data")}
    assert plan.warnings == ()


def test_a_claim_whose_volume_is_not_there() -> None:
    """Its data is nowhere, whatever a rule asks for; a rule that skips it is content."""
    contents = {"shop/persistentvolumeclaims": [DATA]}
    bare = lines(planned(contents, snapshotLocation=SNAPSHOT_LOCATION))
    assert bare == {"shop/data": ("uncovered", "its PersistentVolume pv-1 is not there")}
    asked = lines(planned(contents, volumePolicies=rules("snapshot")))
    assert asked["shop/data"][1] == "volumePolicies[0]: every volume; but its PersistentVolume pv-1 is not there"
    assert lines(planned(contents, volumePolicies=rules("skip")))["shop/data"][0] == "skip"
