"""Snapshot locations are put in place where policies name or write them; what rules of volumes need is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import Finding, PolicyError
from runner.model.snapshot_location import SnapshotLocationSpec
from runner.policies.load import load_policies

SNAPSHOTS = """\
apiVersion: trysail.dev/v1alpha1
kind: VolumeSnapshotLocation
metadata: {name: ebs}
spec: {provider: aws, config: {region: eu-west-1}, tags: {team: shop}}
"""
INLINE = "{provider: aws, config: {region: eu-west-2}}"


def write(folder: Path, name: str, text: str) -> None:
    """Writes a file of policies."""
    (folder / name).write_text(text)


def region(location: SnapshotLocationSpec | None) -> str | None:
    """Where a location is."""
    return location.config.region if location is not None else None


def refused(folder: Path) -> tuple[Finding, ...]:
    """What is wrong with the policies in a folder."""
    with pytest.raises(PolicyError) as refusal:
        load_policies([folder])
    return refusal.value.findings


def kept(name: str, snapshots: str, *, kind: str = "BackupPolicy", extends: str = "") -> str:
    """A policy, or a restore, that names a snapshot location, or writes it out."""
    base = f"extends: {extends}\n" if extends else ""
    backup = "storageLocation: {provider: filesystem, path: x}, " if kind == "BackupPolicy" and not extends else ""
    spec = f"{{{backup}snapshotLocation: {snapshots}}}" if snapshots else f"{{{backup}allowEmpty: true}}"
    return f"---\napiVersion: trysail.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n{base}spec: {spec}\n"


def test_snapshot_locations_are_put_in_place(tmp_path: Path) -> None:
    """Of backups and restores: by name, wherever the document lies; written out; or none, where nothing is said."""
    write(tmp_path, "a.yaml", kept("by-name", "ebs") + kept("inline", INLINE) + kept("without", ""))
    write(tmp_path, "b.yaml", SNAPSHOTS + kept("restore", "ebs", kind="RestorePolicy"))
    write(tmp_path, "c.yaml", kept("restore-without", "", kind="RestorePolicy"))
    loaded = load_policies([tmp_path])
    regions = {each.policy.metadata.name: region(each.snapshot_location) for each in loaded.policies}
    regions |= {each.policy.metadata.name: region(each.snapshot_location) for each in loaded.restores}
    assert list(loaded.snapshot_locations) == ["ebs"]
    assert regions == {
        "by-name": "eu-west-1",
        "inline": "eu-west-2",
        "without": None,
        "restore": "eu-west-1",
        "restore-without": None,
    }


def test_a_snapshot_location_may_be_the_bases(tmp_path: Path) -> None:
    """`extends` merges it as any field: inherited, changed in part, or taken away."""
    base = kept("base", INLINE) + kept("same", "", extends="base") + kept("none", "null", extends="base")
    write(tmp_path, "a.yaml", base + kept("other", "{config: {region: eu-west-3}}", extends="base"))
    policies = load_policies([tmp_path]).policies
    regions = {each.policy.metadata.name: region(each.snapshot_location) for each in policies}
    assert regions == {"base": "eu-west-2", "same": "eu-west-2", "none": None, "other": "eu-west-3"}


def test_a_snapshot_location_that_does_not_hold_is_not_missing(tmp_path: Path) -> None:
    """A policy is not blamed for the mistakes of the snapshot location that it names."""
    write(tmp_path, "a.yaml", SNAPSHOTS.replace("region", "regoin") + kept("shop", "ebs"))
    findings = refused(tmp_path)
    assert [finding.path for finding in findings] == ["spec.config.regoin"]


def test_a_base_that_is_not_there_may_have_what_a_rule_needs(tmp_path: Path) -> None:
    """Of a policy whose base is lost, it is not said that fsBackup is missing."""
    text = "---\napiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata: {name: a}\nextends: gone\n"
    spec = "spec: {storageLocation: {provider: filesystem, path: x}, volumePolicies: [{action: {type: fs-backup}}]}\n"
    write(tmp_path, "a.yaml", text + spec)
    assert [finding.path for finding in refused(tmp_path)] == ["extends"]


@pytest.mark.parametrize(
    "tags", ["{AWS:x: y}", "{trysail.dev/plan: y}", f"{{{', '.join(f't{i}: a' for i in range(31))}}}"]
)
def test_tags_leave_room_for_others(tmp_path: Path, tags: str) -> None:
    """Those of AWS and of a run are theirs, and 50 are all that a snapshot can have."""
    write(tmp_path, "a.yaml", SNAPSHOTS.replace("{team: shop}", tags))
    (finding,) = refused(tmp_path)
    assert finding.path.startswith("spec.tags")
