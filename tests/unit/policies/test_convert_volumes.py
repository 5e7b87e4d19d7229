"""What Velero says of volumes means the same once it is ours: rules, defaults, lengths of time, snapshot locations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.quantity import quantity
from runner.model.duration import seconds
from runner.model.policy import BackupPolicySpec
from runner.plan.volume_rules import Subject, first_rule
from runner.policies.convert_notes import Severity
from runner.policies.convert_spec import duration
from runner.policies.convert_text import conversion_text
from tests.unit.policies.velero_documents import (
    RULES,
    Json,
    bucket,
    config_map,
    converted,
    policy,
    schedule,
    snapshots,
    velero,
)

NAMED = {"resourcePolicy": {"kind": "configmap", "name": "rules"}}
SUBJECTS = st.builds(
    Subject,
    types=st.sampled_from([("csi",), ("nfs",), ("emptyDir",), ("awsElasticBlockStore",)]),
    capacity=st.sampled_from(["1Gi", "5Gi", "10Gi", "100Gi"]),
    storage_class=st.sampled_from(["", "gp2", "gp3"]),
    labels=st.sampled_from([{}, {"tier": "gold"}]),
    phase=st.sampled_from(["Pending", "Bound"]),
).flatmap(
    lambda subject: st.builds(
        lambda more: Subject(
            **{name: getattr(subject, name) for name in ("types", "capacity", "storage_class", "labels", "phase")},
            **more,
        ),
        {
            "csi": st.sampled_from([{"driver": "a"}, {"driver": "b"}, {"driver": "a", "attributes": {"tier": "x"}}]),
            "nfs": st.sampled_from([{"server": "one", "path": "/data"}, {"server": "two", "path": "/"}]),
        }.get(subject.types[0], st.just({})),
    )
)


def velero_matches(conditions: Json, subject: Subject) -> bool:
    """Velero's conditions, said once more: what is empty asks for nothing; an end of zero is none."""
    least, most = (quantity(end.strip()) or 0 for end in (conditions.get("capacity") or ",").split(","))
    size = quantity(subject.capacity)
    assert size is not None
    csi, nfs = conditions.get("csi"), conditions.get("nfs")
    return (
        (size >= least and (not most or size <= most))
        and (not conditions.get("storageClass") or subject.storage_class in conditions["storageClass"])
        and (not conditions.get("volumeTypes") or subject.types[0] in conditions["volumeTypes"])
        and (csi is None or (subject.types[0] == "csi" and csi.get("driver", subject.driver) == subject.driver))
        and (csi is None or (csi.get("volumeAttributes") or {}).items() <= subject.attributes.items())
        and (nfs is None or (subject.types[0] == "nfs" and nfs.get("server", subject.server) == subject.server))
        and (nfs is None or nfs.get("path", subject.path) == subject.path)
        and (conditions.get("pvcLabels") or {}).items() <= subject.labels.items()
        and (not conditions.get("pvcPhase") or subject.phase in conditions["pvcPhase"])
    )


@given(RULES, SUBJECTS, st.sampled_from([None, True, False]), st.booleans())
def test_rules_decide_what_velero_decides(
    rules: list[Json], subject: Subject, whether: bool | None, files: bool
) -> None:
    """The first rule that matches, of the ConfigMap; then defaultVolumesToFsBackup; then snapshotVolumes."""
    template: Json = {**NAMED, "defaultVolumesToFsBackup": files}
    if whether is not None:
        template["snapshotVolumes"] = whether
    made = policy(bucket(), config_map(rules), schedule(template))
    spec = BackupPolicySpec.model_validate(made.value["spec"], by_alias=True)
    matched = first_rule(spec.volume_policies, subject)
    assert matched is not None
    expected = next(
        (rule["action"]["type"] for rule in rules if velero_matches(rule["conditions"], subject)),
        "fs-backup" if files else "skip" if whether is False else "snapshot",
    )
    assert matched.rule.action.type == expected


def test_what_an_unknown_condition_means_is_not_guessed() -> None:
    """Such a rule is left out and named, and the others stay: nothing is decided by a rule that was widened."""
    rules = [
        {"conditions": {"podLabels": {"app": "cache"}, "nfs": {}}, "action": {"type": "skip"}},
        {"conditions": {"nfs": {}}, "action": {"type": "fs-backup"}},
    ]
    made = policy(bucket(), config_map(rules), schedule({**NAMED, "snapshotVolumes": True}))
    assert [rule["action"]["type"] for rule in made.value["spec"]["volumePolicies"]] == ["fs-backup", "snapshot"]
    assert any("podLabels" in note.message for note in made.notes if note.severity is Severity.CHANGES)


def test_types_that_hold_no_data_need_no_rule() -> None:
    """Velero's own example names them; here no volume of theirs is a line. A rule that names no other is left out."""
    rules = [
        {
            "conditions": {"volumeTypes": ["emptyDir", "downwardAPI", "configmap", "storageOS"]},
            "action": {"type": "skip"},
        },
        {"conditions": {"volumeTypes": ["secret", "projected"]}, "action": {"type": "skip"}},
    ]
    made = policy(bucket(), config_map(rules), schedule({**NAMED, "snapshotVolumes": False}))
    assert [rule.get("conditions") for rule in made.value["spec"]["volumePolicies"]] == [
        {"volumeTypes": ["emptyDir", "storageos"]},
        None,
    ]
    said = [note.message for note in made.notes if note.severity is Severity.NO_MEANING]
    assert (
        "volumes of downwardAPI, configmap, in volumePolicies[0] of its ConfigMap, "
        "hold no data of their own, and need no rule"
    ) in said
    assert "volumePolicies[1] of its ConfigMap is left out: no volume gets to it" in said


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"capacity": "0,10Gi"}, True),
        ({"capacity": ",10Gi", "volumeTypes": ["emptyDir"]}, True),
        ({"capacity": ",10Gi", "storageClass": ["gp3"]}, False),
        ({"capacity": "1Gi,10Gi"}, False),
        ({"volumeTypes": ["emptyDir"]}, False),
    ],
)
def test_what_a_range_means_to_velero_that_begins_with_nothing(conditions: Json, told: bool) -> None:
    """Volumes within Pods too, since it takes them for empty: who counted on that is told."""
    rules = [{"conditions": conditions, "action": {"type": "skip"}}]
    made = policy(bucket(), config_map(rules), schedule({**NAMED, "snapshotVolumes": False}))
    messages = [note.message for note in made.notes if note.severity is Severity.TO_DO]
    assert any("a volume within a Pod has no size" in message for message in messages) is told


def test_rules_that_do_not_hold_are_mistakes_of_the_field_that_names_them() -> None:
    """Nothing is made of them, and the finding has the place of resourcePolicy."""
    rules = [{"conditions": {"volumeTypes": ["tape"]}, "action": {"type": "snapshot"}}]
    conversion = converted(bucket(), config_map(rules), schedule(NAMED))
    (finding,) = conversion.findings
    assert finding.path == "spec.template.resourcePolicy[0].conditions.volumeTypes[0]"
    assert finding.message == '"tape" is not known here'


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 99), st.sampled_from(["", "a", "30s", "pods", "Fail"])),
    lambda part: st.one_of(
        st.lists(part, max_size=2),
        st.dictionaries(
            st.sampled_from([
                "action", "capacity", "command", "conditions", "csi", "exec", "includedResources", "init", "name",
                "labelSelector", "post", "postHooks", "pre", "resources", "timeout", "type", "nfs", "volumePolicies",
            ]),
            part,
            max_size=3,
        ),
    ),
    max_leaves=8,
)  # fmt: skip


@given(ANYTHING, ANYTHING, ANYTHING)
def test_whatever_stands_there_is_converted_or_refused(hooks: Any, rules: Any, more: Any) -> None:
    """Documents that no Velero would take give findings, and no traceback."""
    some = {"pre": hooks, "postHooks": hooks, "name": "a"}
    template = {"hooks": {"resources": [hooks, some]}, "volumeSnapshotLocations": more, **NAMED}
    restore = {"backupName": "a", "hooks": {"resources": [some]}, "restorePVs": more, "namespaceMapping": more}
    conversion = converted(
        bucket(),
        config_map([rules, {"conditions": rules, "action": more}]),
        schedule(template),
        schedule({"hooks": hooks, "resourcePolicy": more, "csiSnapshotTimeout": more, "snapshotVolumes": more}, "b"),
        velero("VolumeSnapshotLocation", "a", {"provider": "aws", "config": more, "credential": hooks}),
        velero("Restore", "a", restore),
    )
    assert conversion.made
    assert conversion_text(conversion)


@pytest.mark.parametrize(
    ("velero", "ours"),
    [
        ("30s", "30s"),
        ("10m0s", "10m0s"),
        ("1.5h", "1h30m"),
        ("0.0001s", "1ms"),
        ("1500us", "2ms"),
        ("90000000ms", "25h"),
        ("100000s", "27h46m40s"),
        ("10 minutes", "10 minutes"),
        (30, 30),
    ],
)
def test_lengths_of_time(velero: Any, ours: Any) -> None:
    """Go's durations become ours, to the millisecond above; what is none stays, and is refused as such."""
    assert duration(velero) == ours


@given(st.integers(1, 10**9))
def test_no_time_is_lost(milliseconds: int) -> None:
    """Whatever unit it is written in, it is as long as before."""
    for text in (f"{milliseconds}ms", f"{milliseconds / 1000:.3f}s"):
        assert round(seconds(str(duration(text))) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("locations", "template", "expected", "changes"),
    [
        ([snapshots("ebs")], {}, "ebs", False),
        ([snapshots("ebs")], {"snapshotVolumes": False, "volumeSnapshotLocations": ["ebs"]}, None, False),
        ([snapshots("a"), snapshots("b")], {}, None, True),
        ([snapshots("a"), snapshots("b")], {"volumeSnapshotLocations": ["b"]}, "b", False),
        ([snapshots("a"), snapshots("b")], {"volumeSnapshotLocations": ["b", "a"]}, "b", True),
        ([snapshots("ebs"), snapshots("azure", "azure")], {}, "ebs", False),
        ([snapshots("ebs"), snapshots("azure", "azure")], {"volumeSnapshotLocations": ["azure"]}, None, True),
        ([], {"volumeSnapshotLocations": ["gone"]}, None, True),
        ([], {}, None, False),
    ],
)
def test_the_snapshot_location_is_the_one_that_velero_takes(
    locations: list[Json], template: Json, expected: str | None, changes: bool
) -> None:
    """The one that is named; without a name the only one; and what is not reached is said to change the backup."""
    made = policy(bucket(), *locations, schedule({"storageLocation": "default", **template}))
    assert made.value["spec"].get("snapshotLocation") == expected
    assert any(note.severity is Severity.CHANGES for note in made.notes) == changes


def test_a_restore_takes_its_policy_from_its_schedule() -> None:
    """Its scheduleName is backupPolicy, by what the policy is called here; that or backupName must be there."""
    given_too = converted(bucket(), schedule({}, "a.b"), velero("Restore", "again", {"scheduleName": "a.b"}))
    alone = converted(velero("Restore", "again", {"scheduleName": "a.b", "backupName": "a.b-2026"}))
    neither = converted(velero("Restore", "again", {}))
    assert given_too.made[-1].value["spec"] == {"backupPolicy": "a-b"}
    assert alone.made[-1].value["spec"] == {"backupPolicy": "a-b", "backupName": "a.b-2026"}
    assert [finding.path for finding in neither.findings] == ["spec.backupName"]
