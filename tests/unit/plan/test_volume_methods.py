"""Tests of how a rule's action is done for a volume, and of what cannot be done: the line says why."""

from __future__ import annotations

from typing import Any

import pytest

from runner.model.inventory import Row, Unreadable
from tests.unit.plan.build import (
    S3,
    SNAPSHOT_CLASSES,
    SNAPSHOT_LOCATION,
    claim,
    named,
    planned,
    pod,
    seen,
    snapshot_class,
    volume,
)
from tests.unit.plan.ledgers import DATA, DRIVER, FILES, disk, ebs, lines, one, rules

# native snapshots


@pytest.mark.parametrize("found", [ebs(), ebs(type="awsElasticBlockStore", source="awsElasticBlockStore")])
def test_volumes_of_the_snapshot_location_are_snapshotted_without_a_rule(found: Row) -> None:
    """EBS by CSI or in-tree, where the policy has an EBS snapshot location."""
    line = one(DATA, found, snapshotLocation=SNAPSHOT_LOCATION)
    assert (line.method, line.why) == ("native-snapshot", "snapshotLocation")


def test_other_volumes_need_a_rule() -> None:
    """A snapshot location says nothing of another driver's volumes."""
    line = one(DATA, disk(), snapshotLocation=SNAPSHOT_LOCATION)
    assert (line.method, line.why) == ("uncovered", "no rule protects it")


def test_a_native_snapshot_needs_a_volume() -> None:
    """A PersistentVolume that names no EBS volume cannot be snapshotted."""
    line = one(DATA, ebs(handle=""), snapshotLocation=SNAPSHOT_LOCATION)
    assert line.method == "uncovered"
    assert line.why == "snapshotLocation; but its PersistentVolume names no EBS volume"


def test_two_volumes_with_one_handle_are_not_snapshotted() -> None:
    """In-tree or by CSI, selected or not: each names the other."""
    other = volume("pv-2", "other/data", type="awsElasticBlockStore", source="awsElasticBlockStore", handle="vol-pv-1")
    contents = {"shop/persistentvolumeclaims": [DATA], "persistentvolumes": [ebs(), other]}
    both = lines(planned(contents, snapshotLocation=SNAPSHOT_LOCATION))
    assert both == {
        "pv-2": ("uncovered", "snapshotLocation; but pv-1 stands for the same volume, vol-pv-1"),
        "shop/data": ("uncovered", "snapshotLocation; but pv-2 stands for the same volume, vol-pv-1"),
    }
    alone = planned(
        {"shop/configmaps": named("x"), **contents}, includedNamespaces=["shop"], volumePolicies=rules("skip")
    )
    assert lines(alone) == {"shop/data": ("skip", "volumePolicies[0]: every volume")}


# CSI snapshots


@pytest.mark.parametrize(
    ("classes", "chosen"),
    [
        ([snapshot_class("only", DRIVER)], "only"),
        ([snapshot_class("a", DRIVER), snapshot_class("b", DRIVER, default=True)], "b"),
        (
            [
                snapshot_class("a", DRIVER, {"velero.io/csi-volumesnapshot-class": "true"}),
                snapshot_class("b", DRIVER, default=True),
            ],
            "a",
        ),
        ([snapshot_class("a", DRIVER), snapshot_class("other", "x.example.com", default=True)], "a"),
        (
            [
                snapshot_class("a", DRIVER, {"trysail.dev/csi-volumesnapshot-class": "true"}),
                snapshot_class("b", DRIVER),
            ],
            "a",
        ),
    ],
)
def test_the_snapshot_class(classes: list[Row], chosen: str) -> None:
    """Of the volume's driver: by label, else the default one, else the only one."""
    line = one(DATA, disk(), {SNAPSHOT_CLASSES: classes}, volumePolicies=rules("snapshot"))
    assert (line.method, line.snapshot_class) == ("csi-snapshot", chosen)


def test_a_claim_names_its_snapshot_class() -> None:
    """Its own word comes first; a class that is not there, or of another driver, is no class."""
    classes = {SNAPSHOT_CLASSES: [snapshot_class("a", DRIVER, default=True), snapshot_class("b", DRIVER)]}
    named_b = one(claim("data", "pv-1", snapshot_class="b"), disk(), classes, volumePolicies=rules("snapshot"))
    assert named_b.snapshot_class == "b"
    gone = one(claim("data", "pv-1", snapshot_class="c"), disk(), classes, volumePolicies=rules("snapshot"))
    assert gone.method == "uncovered"
    assert gone.why.endswith(f"but its VolumeSnapshotClass c is not there, or not of the driver {DRIVER}")


@pytest.mark.parametrize(
    ("found", "classes", "why"),
    [
        (disk(), [], f"no VolumeSnapshotClass is of its driver {DRIVER}"),
        (
            disk(),
            [snapshot_class("b", DRIVER), snapshot_class("a", DRIVER)],
            f"several VolumeSnapshotClasses are of its driver {DRIVER}: a, b",
        ),
        (
            disk(),
            [snapshot_class("b", DRIVER, default=True), snapshot_class("a", DRIVER, default=True)],
            f"several VolumeSnapshotClasses are of its driver {DRIVER}: a, b",
        ),
        (disk(type="nfs", source="nfs", handle=""), [], "no snapshot reaches a volume of nfs"),
        (ebs(type="awsElasticBlockStore", source="awsElasticBlockStore"), [], "the policy has no snapshotLocation"),
        (
            ebs(),
            [],
            "the policy has no snapshotLocation, and no VolumeSnapshotClass is of its driver ebs.csi.aws.com",
        ),
    ],
)
def test_a_snapshot_that_cannot_be_had(found: Row, classes: list[Row], why: str) -> None:
    """The line says what is missing."""
    line = one(DATA, found, {SNAPSHOT_CLASSES: classes} if classes else {}, volumePolicies=rules("snapshot"))
    assert (line.method, line.why) == ("uncovered", f"volumePolicies[0]: every volume; but {why}")


def test_a_csi_snapshot_is_taken_of_a_claim() -> None:
    """A volume that nothing claims, or whose claim is not selected, has none."""
    contents = {"persistentvolumes": [disk()], SNAPSHOT_CLASSES: [snapshot_class("a", DRIVER)]}
    ((method, why),) = lines(planned(contents, volumePolicies=rules("snapshot"))).values()
    assert method == "uncovered"
    assert why.endswith("but no selected claim is bound to it, and a CSI snapshot is taken of a claim")


# files


def test_files_are_stored_by_rule() -> None:
    """A claim with a file system that a Job can mount."""
    line = one(DATA, disk(), **FILES, volumePolicies=rules("fs-backup"))
    assert (line.method, line.why) == ("fs-backup", "volumePolicies[0]: every volume")


@pytest.mark.parametrize(
    ("found", "spec", "why"),
    [
        (DATA, {"storageLocation": S3}, "the policy has no fsBackup"),
        (
            DATA,
            {**FILES, "storageLocation": {"provider": "filesystem", "path": "/backups"}},
            "the storage location is a folder, which no Job reaches",
        ),
        (claim("data", "pv-1", volume_mode="Block"), FILES, "it is a block device, and has no files"),
        (
            claim("data", "pv-1", access_modes=("ReadWriteOncePod",)),
            FILES,
            "it is ReadWriteOncePod, and a Pod uses it: no Job can mount it",
        ),
    ],
)
def test_files_that_no_job_can_store(found: Row, spec: dict[str, Any], why: str) -> None:
    """The line says why; the Pod is excluded as a type, and in the way all the same."""
    more = {"shop/pods": [pod("db", "data", phase="Running")]}
    line = one(found, disk(), more, **spec, volumePolicies=rules("fs-backup"), excludedResources=["pods"])
    assert (line.method, line.why) == ("uncovered", f"volumePolicies[0]: every volume; but {why}")


def test_a_claim_for_one_pod_is_free_once_that_is_over() -> None:
    """A Job can mount a ReadWriteOncePod claim that no Pod uses."""
    alone = claim("data", "pv-1", access_modes=("ReadWriteOncePod",))
    more = {"shop/pods": [pod("db", "data", phase="Succeeded"), pod("web", "other")]}
    assert one(alone, disk(), more, **FILES, volumePolicies=rules("fs-backup")).method == "fs-backup"


def test_no_job_mounts_an_unclaimed_volume() -> None:
    """Jobs mount claims."""
    plan = planned({"persistentvolumes": [disk()]}, **FILES, volumePolicies=rules("fs-backup"))
    assert lines(plan)["pv-1"][1].endswith("but no selected claim is bound to it, and a Job mounts a claim")


# what may not be read


def test_volumes_that_may_not_be_read() -> None:
    """Each claim is still a line, uncovered for that reason, and the type is a gap, though it is not selected."""
    inventory = seen(
        {"shop/persistentvolumeclaims": [DATA]}, unreadable=[Unreadable("persistentvolumes", "", "forbidden")]
    )
    policies = rules(({"csi": {"driver": DRIVER}}, "snapshot"), "skip")
    plan = planned(inventory, volumePolicies=policies, excludedResources=["pv"])
    assert lines(plan) == {"shop/data": ("uncovered", "its PersistentVolume pv-1 could not be read: forbidden")}
    assert [(gap.what, gap.reason) for gap in plan.gaps] == [("persistentvolumes", "forbidden")]


def test_a_claim_may_say_enough() -> None:
    """A rule that a claim alone answers skips it, and nothing is missing."""
    inventory = seen(
        {"shop/persistentvolumeclaims": [DATA]}, unreadable=[Unreadable("persistentvolumes", "", "forbidden")]
    )
    plan = planned(inventory, volumePolicies=rules(({"storageClass": ["gp3"]}, "skip")), excludedResources=["pv"])
    assert (lines(plan)["shop/data"][0], plan.gaps) == ("skip", ())


def test_snapshot_classes_that_may_not_be_read() -> None:
    """Volumes that need one are uncovered, and the type is a gap; where none needs one, it is not."""
    contents = {"shop/persistentvolumeclaims": [DATA], "persistentvolumes": [disk()]}
    inventory = seen(contents, unreadable=[Unreadable(SNAPSHOT_CLASSES, "", "forbidden")])
    only: dict[str, Any] = {"includedNamespaces": ["shop"]}
    plan = planned(inventory, **only, volumePolicies=rules("snapshot"))
    assert lines(plan)["shop/data"][1].endswith("but VolumeSnapshotClasses could not be read: forbidden")
    assert [(gap.what, gap.reason) for gap in plan.gaps] == [(SNAPSHOT_CLASSES, "forbidden")]
    assert planned(inventory, **only, volumePolicies=rules("skip")).gaps == ()


def test_pods_that_may_not_be_read() -> None:
    """Whether one uses a ReadWriteOncePod claim is unknown then; other claims do not mind."""
    alone = claim("data", "pv-1", access_modes=("ReadWriteOncePod",))
    contents = {"shop/persistentvolumeclaims": [alone, claim("more", "pv-2")],
                "persistentvolumes": [disk(), disk("pv-2", "shop/more")]}  # fmt: skip
    inventory = seen(contents, unreadable=[Unreadable("pods", "shop", "forbidden")])
    plan = planned(inventory, **FILES, volumePolicies=rules("fs-backup"), excludedResources=["pods"])
    assert lines(plan)["shop/data"][1].endswith(
        "but it is ReadWriteOncePod, and whether a Pod uses it could not be read: forbidden"
    )
    assert lines(plan)["shop/more"][0] == "fs-backup"
    assert [gap.what for gap in plan.gaps] == ["pods in namespace shop"]
