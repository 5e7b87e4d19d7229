"""Tests of volume policies: each condition, all of them together, and the first rule that matches."""

from __future__ import annotations

from typing import Any

import pytest

from runner.model.volume_policy import VolumeRule
from runner.plan.volume_rules import Matched, Subject, first_rule

CSI = Subject(
    types=("csi", "persistentVolumeClaim"),
    capacity="10Gi",
    storage_class="gp3",
    driver="ebs.csi.aws.com",
    attributes={"zone": "a", "tier": "1"},
    labels={"app": "web", "tier": "front"},
    phase="Bound",
)
NFS = Subject(types=("nfs",), capacity="1Ti", server="10.0.0.1", path="/x")
EMPTY_DIR = Subject(types=("emptyDir",))


def rule(action: str = "skip", reason: str | None = None, **conditions: Any) -> VolumeRule:
    """A rule, in the words of YAML."""
    about = {"type": action} if reason is None else {"type": action, "reason": reason}
    return VolumeRule.model_validate({"conditions": conditions, "action": about})


def means(subject: Subject, **conditions: Any) -> bool:
    """Whether a rule with these conditions means the volume."""
    return first_rule([rule(**conditions)], subject) is not None


@pytest.mark.parametrize(
    ("capacity", "holds"),
    [
        ("10Gi,10Gi", True),  # ends are included
        ("10240Mi,", True),  # and quantities, not texts
        (",10Gi", True),
        (",10G", False),  # 10Gi is more
        ("11Gi,100Gi", False),
        ("1Gi,9.5Gi", False),
        ("1e9,2E10", True),  # as Kubernetes writes quantities
        (".5Gi,9.Gi", False),
        (",", True),
    ],
)
def test_capacity(capacity: str, holds: bool) -> None:
    """A range of sizes, ends included."""
    assert means(CSI, capacity=capacity) is holds


def test_a_size_that_nobody_knows_is_in_no_range() -> None:
    """An emptyDir without a limit is neither small nor large."""
    assert not means(EMPTY_DIR, capacity=",100Gi")
    assert not means(EMPTY_DIR, capacity="1Gi,")


@pytest.mark.parametrize(
    ("subject", "conditions", "holds"),
    [
        (CSI, {"storageClass": ["io2", "gp3"]}, True),
        (CSI, {"storageClass": ["io2"]}, False),
        (NFS, {"storageClass": ["gp3"]}, False),
        (CSI, {"csi": {"driver": "ebs.csi.aws.com"}}, True),
        (CSI, {"csi": {"driver": "ebs.csi.aws.com", "volumeAttributes": {"zone": "a"}}}, True),
        (CSI, {"csi": {"driver": "ebs.csi.aws.com", "volumeAttributes": {"zone": "a", "more": "x"}}}, False),
        (CSI, {"csi": {"driver": "disk.example.com"}}, False),
        (NFS, {"csi": {"driver": "ebs.csi.aws.com"}}, False),
        (NFS, {"nfs": {}}, True),
        (NFS, {"nfs": {"server": "10.0.0.1"}}, True),
        (NFS, {"nfs": {"path": "/x"}}, True),
        (NFS, {"nfs": {"server": "10.0.0.1", "path": "/y"}}, False),
        (NFS, {"nfs": {"server": "10.0.0.2"}}, False),
        (CSI, {"nfs": {}}, False),
        (CSI, {"volumeTypes": ["emptyDir", "csi"]}, True),
        (CSI, {"volumeTypes": ["persistentVolumeClaim"]}, True),
        (NFS, {"volumeTypes": ["persistentVolumeClaim"]}, False),
        (EMPTY_DIR, {"volumeTypes": ["emptyDir"]}, True),
        (CSI, {"pvcLabels": {"app": "web"}}, True),
        (CSI, {"pvcLabels": {"app": "web", "env": "x"}}, False),
        (NFS, {"pvcLabels": {"app": "web"}}, False),
        (CSI, {"pvcPhase": ["Pending", "Bound"]}, True),
        (CSI, {"pvcPhase": ["Lost"]}, False),
        (NFS, {"pvcPhase": ["Bound"]}, False),
        (EMPTY_DIR, {}, True),
    ],
)
def test_conditions(subject: Subject, conditions: dict[str, Any], holds: bool) -> None:
    """Each by itself, as Velero has it."""
    assert means(subject, **conditions) is holds


def test_all_conditions_must_hold() -> None:
    """One that does not is enough."""
    assert means(CSI, storageClass=["gp3"], capacity=",10Gi", volumeTypes=["csi"])
    assert not means(CSI, storageClass=["gp3"], capacity=",9Gi", volumeTypes=["csi"])


def test_the_first_match_wins() -> None:
    """Later rules are not asked, and the why names the one that decided by its place."""
    rules = [rule(nfs={}), rule("snapshot", storageClass=["gp3"]), rule("fs-backup")]
    matched = first_rule(rules, CSI)
    assert matched == Matched(rules[1], "volumePolicies[1]: storageClass gp3")
    assert first_rule(rules[:1], CSI) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (rule(), "volumePolicies[0]: every volume"),
        (rule(reason="scratch", volumeTypes=["csi", "nfs"]), "volumePolicies[0]: volumeTypes csi or nfs (scratch)"),
        (rule("custom", csi={"driver": "ebs.csi.aws.com"}),
         "volumePolicies[0]: csi ebs.csi.aws.com (left to another tool)"),
        (rule(csi={"driver": "ebs.csi.aws.com", "volumeAttributes": {"zone": "a", "tier": "1"}}),
         "volumePolicies[0]: csi ebs.csi.aws.com tier=1 zone=a"),
        (rule("custom", "pg_dump", capacity="1Gi,"), "volumePolicies[0]: capacity 1Gi, (pg_dump)"),
        (rule(pvcLabels={"tier": "front", "app": "web"}, pvcPhase=["Bound"]),
         "volumePolicies[0]: pvcLabels app=web,tier=front, pvcPhase Bound"),
    ],
)  # fmt: skip
def test_the_why_is_for_people(given: VolumeRule, why: str) -> None:
    """The conditions in the policy's words, and the reason that the rule gives."""
    matched = first_rule([given], CSI)
    assert matched is not None
    assert matched.why == why


def test_the_why_of_nfs_names_what_was_asked() -> None:
    """Server and path, where the rule has them."""
    matched = first_rule([rule(nfs={"server": "10.0.0.1", "path": "/x"})], NFS)
    assert matched is not None
    assert matched.why == "volumePolicies[0]: nfs 10.0.0.1 /x"


UNSEEN = Subject(
    types=("persistentVolumeClaim",), capacity="10Gi", storage_class="gp3", labels={"app": "web"}, unseen=True
)


def test_a_rule_that_asks_for_what_was_not_seen_decides_nothing() -> None:
    """Nobody knows whether it means the volume, so no later rule may take its place."""
    rules = [rule("snapshot", csi={"driver": "x"}), rule(reason="scratch")]
    matched = first_rule(rules, UNSEEN)
    assert matched is not None
    assert (matched.rule, matched.certain) == (rules[0], False)


@pytest.mark.parametrize(
    "conditions",
    [{"storageClass": ["gp3"]}, {"pvcLabels": {"app": "web"}}, {"volumeTypes": ["persistentVolumeClaim"]}, {}],
)
def test_a_rule_that_asks_for_the_claim_alone_decides(conditions: dict[str, Any]) -> None:
    """A claim says enough for it; and a rule that does not mean the claim is passed over."""
    matched = first_rule([rule(storageClass=["io2"], nfs={}), rule(**conditions)], UNSEEN)
    assert matched is not None
    assert matched.certain
    assert matched.why.startswith("volumePolicies[1]")
