"""Tests of how a ledger is put together for its readers: nothing is lost in folding, and names tell workloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.volumes import PlannedVolume
from runner.report.volumes_outline import folded, total_capacity, volume_groups, volume_name, workload_of
from tests.unit.report.ledger import disk, scratch


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("web-7d9f6c5b8-x2x4z", "web"),
        ("shop-web-58d9f7c6d4-q7lx9", "shop-web"),
        ("postgres-0", "postgres"),
        ("postgres-12", "postgres"),
        ("node-agent-xk2lp", "node-agent"),
        ("nightly-28400130-vw2xn", "nightly-28400130"),
        ("web", "web"),
        ("web-cache", "web-cache"),  # letters that Kubernetes never draws: a and e
        ("-0", "-0"),
        ("", ""),
    ],
)
def test_a_name_tells_the_workload(pod: str, workload: str) -> None:
    """Of Deployments, StatefulSets, DaemonSets and Jobs; any other name stands for itself."""
    assert workload_of(pod) == workload


VOLUMES = st.lists(
    st.builds(
        lambda kind, number, why: disk(f"ns/data-{number}", why=why) if kind else scratch(f"ns/web-{number}", why=why),
        st.booleans(),
        st.integers(0, 9),
        st.sampled_from(["this", "that"]),
    ),
    max_size=30,
)


@given(VOLUMES)
def test_folding_loses_nothing(volumes: list[PlannedVolume]) -> None:
    """Each volume is in one line of one group, whatever is folded."""
    found = [volume for group in volume_groups(volumes) for line in group.lines for volume in line.volumes]
    assert sorted(map(repr, found)) == sorted(map(repr, volumes))
    assert sum(group.count for group in volume_groups(volumes)) == len(volumes)


def test_a_volume_has_the_name_that_people_know() -> None:
    """That of its claim; else of its Pod and its own; else of the PersistentVolume."""
    assert volume_name(disk("shop/data")) == "shop/data"
    assert volume_name(scratch("shop/web-0")) == "shop/web-0 cache"
    assert volume_name(PlannedVolume("skip", "", volume="pv-1")) == "pv-1"
    assert [line.name for line in folded([scratch("a/b-0"), scratch("a/b-1")])] == ["a/b-… (2 Pods) cache"]


def test_a_folded_line_names_no_handle() -> None:
    """It would be that of one of them."""
    (line,) = folded([scratch("a/b-0", handle="x"), scratch("a/b-1", handle="y")])
    assert line.handle == ""


def test_capacities_are_summed_as_far_as_they_are_known() -> None:
    """Units of both kinds; what is no quantity counts for nothing."""
    sizes = ["1Gi", "1073741824", "", "much", "1024Mi"]
    assert total_capacity(disk("a/b", capacity=size) for size in sizes) == "3.0 GiB"
    assert total_capacity([disk("a/b", capacity="")]) == ""
