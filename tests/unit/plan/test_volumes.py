"""Tests of the volumes that a plan names: all selected ones, and those whose data nothing protects."""

from __future__ import annotations

from tests.unit.plan.build import claim, planned, row, volume


def test_every_bound_claim_is_uncovered_by_name() -> None:
    """Each bound claim is a line with volume, size, class and driver; a pending one holds no data."""
    plan = planned(
        {
            "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("pending")],
            "persistentvolumes": [volume("pv-1", "shop/data")],
        }
    )
    (uncovered,) = plan.uncovered
    assert (uncovered.claim, uncovered.volume) == ("shop/data", "pv-1")
    assert (uncovered.capacity, uncovered.storage_class) == ("10Gi", "gp3")
    assert uncovered.source == "ebs.csi.aws.com"
    assert "its data is not" in uncovered.why


def test_a_volume_without_a_selected_claim_is_uncovered_by_its_own_name() -> None:
    """A volume that is selected, and whose claim is not (or is gone), is a line as well, once."""
    plan = planned(
        {
            "other/persistentvolumeclaims": [claim("data", "pv-2")],
            "persistentvolumes": [volume("pv-1", "gone/data"), volume("pv-2", "other/data"), volume("pv-3")],
        },
        excludedNamespaces=["other"],
        includedClusterScopedResources="all",
    )
    assert [(found.claim, found.volume) for found in plan.uncovered] == [
        ("", "pv-3"),
        ("gone/data", "pv-1"),
        ("other/data", "pv-2"),
    ]


def test_the_driver_is_known_though_the_volume_is_not_selected() -> None:
    """The label selector takes the claim and not its volume: the line still says who provides it."""
    labels = {"app": "web"}
    plan = planned(
        {
            "shop/persistentvolumeclaims": [claim("data", "pv-1", labels=labels)],
            "persistentvolumes": [volume("pv-1", "shop/data")],
        },
        labelSelector={"matchLabels": labels},
    )
    assert [found.source for found in plan.uncovered] == ["ebs.csi.aws.com"]


def test_a_plan_names_every_volume_it_rests_on() -> None:
    """Claims and volumes that are selected stand in the plan: one that is gone makes a saved plan stale."""
    plan = planned(
        {
            "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("pending")],
            "shop/configmaps": [row("web")],
            "persistentvolumes": [volume("pv-1", "shop/data"), volume("pv-2")],
        },
        includedNamespaces=["shop"],
    )
    assert plan.volumes == (
        "persistentvolumeclaims/shop/data",
        "persistentvolumeclaims/shop/pending",
        "persistentvolumes/pv-1",
    )


def test_claims_that_are_left_out_are_not_uncovered() -> None:
    """Only what is selected is counted: nobody asked for the others."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1")],
        "persistentvolumes": [volume("pv-1", "shop/data")],
    }
    plan = planned(contents, includedNamespaces=["shop"], excludedNamespaceScopedResources=["pvc"])
    assert (plan.uncovered, plan.volumes) == ((), ())
