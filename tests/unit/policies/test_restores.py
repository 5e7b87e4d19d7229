"""RestorePolicies: loaded beside other documents, with the location that they name; what they may leave to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import PolicyError
from runner.model.canonical import document
from runner.model.policy_set import ResolvedRestore
from runner.model.restore_policy import RestorePolicy
from runner.policies.load import load_documents, load_policies

LOCATION = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupStorageLocation
metadata: {name: primary}
spec: {provider: filesystem, path: backups}
"""
BACKUP = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: shop}
spec: {storageLocation: primary}
"""


def restore(spec: str, name: str = "shop") -> str:
    """The text of a RestorePolicy."""
    return f"apiVersion: trysail.dev/v1alpha1\nkind: RestorePolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def load(folder: Path, *texts: str) -> tuple[ResolvedRestore, ...]:
    """The restores of one file that holds `texts`."""
    file = folder / "policies.yaml"
    file.write_text("---\n".join(texts))
    return load_policies([file]).restores


def refusal(folder: Path, *texts: str) -> list[str]:
    """What is found in one file that holds `texts`: path and message."""
    with pytest.raises(PolicyError) as raised:
        load(folder, *texts)
    return [f"{finding.path}: {finding.message}" for finding in raised.value.findings]


def test_a_restore_says_nothing_but_its_name(tmp_path: Path) -> None:
    """All of the latest backup, left alone where it is there; the command line says where it lies."""
    (found,) = load(tmp_path, restore("{}"))
    assert (found.location, found.location_name) == (None, "")
    assert found.file == str(tmp_path / "policies.yaml")
    spec = found.policy.spec
    assert (spec.backup_name, spec.existing_resource_policy, spec.included_namespaces) == ("latest", "none", ("*",))


def test_a_location_is_named_or_written_out(tmp_path: Path) -> None:
    """Both ways lead to the same location."""
    named, written = load(
        tmp_path,
        LOCATION,
        restore("{storageLocation: primary}", "b-named"),
        restore("{storageLocation: {provider: filesystem, path: backups}}", "c-written"),
    )
    assert named.location == written.location
    assert named.location is not None
    assert (named.location_name, written.location_name) == ("primary", "")


def test_documents_of_all_kinds_lie_side_by_side(tmp_path: Path) -> None:
    """A BackupPolicy and a RestorePolicy may have one name; restores come sorted, and are listed as documents."""
    (tmp_path / "all.yaml").write_text("---\n".join((restore("{}", "z"), BACKUP, restore("{}"), LOCATION)))
    loaded = load_documents([tmp_path])
    assert [found.policy.metadata.name for found in loaded.policies.restores] == ["shop", "z"]
    assert [found.policy.metadata.name for found in loaded.policies.policies] == ["shop"]
    assert [f"{one.kind}/{one.name}" for one in loaded.documents] == [
        "RestorePolicy/z",
        "BackupPolicy/shop",
        "RestorePolicy/shop",
        "BackupStorageLocation/primary",
    ]


def test_the_backup_policy_may_be_elsewhere(tmp_path: Path) -> None:
    """Git of another team may have it; the backups are found by its name."""
    (found,) = load(tmp_path, BACKUP, LOCATION, restore("{backupPolicy: another}"))
    assert found.policy.spec.backup_policy == "another"


def test_a_location_that_does_not_hold_is_said_once(tmp_path: Path) -> None:
    """The mistake is the location's, and not also that of each document that names it."""
    broken = LOCATION.replace("path: backups", "path: 5")
    (said,) = refusal(tmp_path, broken, restore("{storageLocation: primary}"))
    assert said.startswith("spec.path: ")


def test_a_location_in_a_file_that_is_broken_is_not_missed(tmp_path: Path) -> None:
    """Where documents were lost to other mistakes, a name that nothing has is not held against anybody."""
    (said,) = refusal(tmp_path, restore("{storageLocation: primary}"), "apiVersion: [")
    assert "malformed YAML" in said


def test_mistakes_of_the_model_and_of_texts_are_said_at_once(tmp_path: Path) -> None:
    """As far as can be: texts of patches are read where all else holds."""
    said = refusal(
        tmp_path,
        restore("{namespaceMapping: {a: c, b: c}, backupName: ''}", "one"),
        restore(
            "{resourceModifiers: [{conditions: {groupResource: pods}, mergePatches: [{patchData: '- a'}]}]}", "two"
        ),
    )
    assert [each.partition(":")[0] for each in said] == [
        "spec.backupName",
        "spec.resourceModifiers[0].mergePatches[0].patchData",
    ]


def test_what_patches_hold_is_repeated_nowhere(tmp_path: Path) -> None:
    """A patch may put a password somewhere: no message has its value."""
    rules = """
  resourceModifiers:
    - conditions: {groupResource: secrets, matches: [{path: /data/password, value: "{hunter2"}]}
      patches:
        - {operation: replace, path: /data/password, value: "[hunter2"}
        - {operation: remove, path: /data/password, value: hunter2}
        - {operation: replace, path: /data/password, values: hunter2}
        - {operation: replace, path: /data/password, value: 2001-01-01}
    - conditions: {groupResource: secrets}
      mergePatches: [{patchData: "hunter2"}, {patchData: "stringData: {password: hunter2"}]
"""
    with pytest.raises(PolicyError) as raised:
        load(tmp_path, restore(rules), restore("{resourceModifiers: [" + "]}", "two"))
    assert raised.value.findings
    assert "hunter2" not in repr(raised.value.findings)
    lines = rules.strip("\n").splitlines()
    (tmp_path / "policies.yaml").unlink()
    with pytest.raises(PolicyError) as raised:
        load(tmp_path, restore("\n" + "\n".join([lines[0], *lines[-2:]])))
    assert len(raised.value.findings) == 2
    assert "hunter2" not in repr(raised.value.findings)


def test_a_modifier_may_hold_what_looks_like_a_template(tmp_path: Path) -> None:
    """`${HOME}` in a container's command is meant as it stands; elsewhere it is a mistake, as in every document."""
    rules = (
        "{resourceModifiers: [{conditions: {groupResource: pods}, "
        "patches: [{operation: add, path: /spec/containers/0/args, value: '[\"${HOME}\"]'}]}]}"
    )
    assert len(load(tmp_path, restore(rules))) == 1
    (said,) = refusal(tmp_path, restore("{backupPolicy: '${NAME}'}"))
    assert "nothing is put in place" in said


def test_a_policy_survives_being_written_down(tmp_path: Path) -> None:
    """A saved plan holds the policy as it was written, which reads back to the same."""
    (found,) = load(
        tmp_path,
        restore(
            "{namespaceMapping: {a: b}, resourceModifiers: [{conditions: {groupResource: '*'}, patches: "
            "[{operation: move, from: /a, path: /b}, {operation: add, path: /c, value: 5}]}]}"
        ),
    )
    assert RestorePolicy.model_validate(document(found.policy)) == found.policy
