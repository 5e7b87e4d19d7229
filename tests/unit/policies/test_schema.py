"""The JSON Schema is what editors need: draft 7, current, and of one mind with `validate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # its stubs are a package of their own

from runner.errors import PolicyError
from runner.policies.load import load_policies
from runner.policies.parse import parse
from runner.policies.schema import document_schema, schema_text
from tests.golden.golden import assert_golden

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "golden" / "policies"
EXAMPLES = [
    file for folder in ("policies", "restores") for file in sorted((ROOT / "examples" / folder).rglob("*.yaml"))
]
VALIDATOR = Draft7Validator(document_schema())

BASE = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: base}
spec:
  includedNamespaces: [shop]
  labelSelector: {matchLabels: {team: shop, tier: web}}
  storageLocation: {provider: s3, objectStorage: {bucket: backups, prefix: prod}, config: {region: eu-west-1}}
"""
# Specs that are right as patches of BASE, and that nobody may write without `extends`.
PATCHES = [
    "{allowEmpty: true}",
    "{includedNamespaces: null}",
    "{labelSelector: {matchLabels: {tier: null}}}",
    "{storageLocation: {objectStorage: {prefix: null}}}",
    "{storageLocation: {provider: filesystem, path: backups, objectStorage: null, config: null}}",
    "{csiSnapshotTimeout: 5m, hooks: {onFailure: [{command: [alert], onError: Continue}]}}",
    "{snapshotLocation: {provider: aws, config: {region: eu-west-1}}, volumePolicies: [{action: {type: snapshot}}]}",
]
# Golden cases of which every document is wrong in itself, in a way that a schema can say.
REFUSED = (
    "accidental-types", "durations", "fs-backup-without-password", "hooks-broken", "missing-fields", "mixed-filters",
    "restore-mixed-filters", "restore-volume-words", "restore-wrong-names", "restore-wrong-words",
    "snapshot-location-broken", "text-document", "unknown-fields", "unknown-kind",
    "velero-document", "velero-fields", "velero-volume-words", "volume-rules-broken",
    "wrong-api-version", "wrong-types", "wrong-values", "wrong-words",
    "written-secret",
)  # fmt: skip


def values(path: Path) -> list[Any]:
    """The documents of a file, as plain values."""
    return [document.value for document in parse(path.read_text(), str(path)).documents]


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a schema."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(part)


def test_committed_schema_is_current() -> None:
    """schemas/ holds exactly what `trysail schema` prints; TRYSAIL_REGENERATE=1 writes it."""
    assert_golden(ROOT / "schemas" / "trysail.schema.json", schema_text())


def test_schema_is_draft_7() -> None:
    """It meets draft 7's own schema, says that it is one, and has no words of later drafts, which editors ignore."""
    schema = document_schema()
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    words = {word for node in nodes(schema) for word in node}
    assert not words & {"$defs", "discriminator", "prefixItems", "dependentRequired", "unevaluatedProperties"}


def test_nothing_stands_beside_a_reference() -> None:
    """Draft 7 ignores what stands beside `$ref`, a description included; and each reference leads somewhere."""
    schema = document_schema()
    references = [node for node in nodes(schema) if isinstance(node.get("$ref"), str)]
    assert references
    for node in references:
        assert list(node) == ["$ref"]
        assert node["$ref"].removeprefix("#/definitions/") in schema["definitions"]


def test_every_field_is_described_and_every_object_closed() -> None:
    """An editor can explain each field, and underlines each unknown one."""
    for name, definition in document_schema()["definitions"].items():
        assert definition["additionalProperties"] is False, name
        if not name.endswith("Patch"):
            undescribed = [field for field, node in definition["properties"].items() if not node.get("description")]
            assert undescribed == [], name


def test_examples_are_accepted() -> None:
    """Every document that we show people is right by the schema too."""
    documents = [value for file in EXAMPLES for value in values(file)]
    assert len(documents) >= 6
    for value in documents:
        assert [error.message for error in VALIDATOR.iter_errors(value)] == []


@pytest.mark.parametrize("case", REFUSED)
def test_typical_mistakes_are_refused(case: str) -> None:
    """What `validate` refuses for a document's own sake, an editor underlines."""
    for value in values(CASES / case / "policy.yaml"):
        assert not VALIDATOR.is_valid(value), value


@pytest.mark.parametrize("spec", PATCHES)
def test_patches_are_accepted_with_extends_alone(spec: str, tmp_path: Path) -> None:
    """With `extends`, fields may be missing or null, as `validate` has it; without, they may not."""
    header = "apiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata: {name: shop}\n"
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "with.yaml").write_text(f"{header}extends: base\nspec: {spec}\n")
    (tmp_path / "without.yaml").write_text(f"{header}spec: {spec}\n")
    assert VALIDATOR.is_valid(values(tmp_path / "base.yaml")[0])
    assert VALIDATOR.is_valid(values(tmp_path / "with.yaml")[0])
    assert not VALIDATOR.is_valid(values(tmp_path / "without.yaml")[0])
    assert len(load_policies([tmp_path / "base.yaml", tmp_path / "with.yaml"]).policies) == 2
    with pytest.raises(PolicyError):
        load_policies([tmp_path / "without.yaml"])


@pytest.mark.parametrize(
    "spec",
    ["{includedNamespaces: shop}", "{frobnicate: 1}", "{storageLocation: {bucket: x}}", "{allowEmpty: 'true'}"],
)
def test_mistakes_in_patches_are_refused(spec: str) -> None:
    """A patch is no licence: unknown fields and wrong types are wrong in it too."""
    text = f"apiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata: {{name: a}}\nextends: b\nspec: {spec}\n"
    (document,) = parse(text, "f").documents
    assert not VALIDATOR.is_valid(document.value)


def test_errors_speak_of_the_branch_that_was_meant() -> None:
    """A mistake in an S3 location is not also a mistake in an Azure one, nor in a name."""
    text = BASE.replace("bucket: backups", "bucket: [backups]")
    (document,) = parse(text, "f").documents
    assert [list(error.absolute_path)[-1] for error in leaves(VALIDATOR.iter_errors(document.value))] == ["bucket"]


def leaves(errors: Any) -> Iterator[Any]:
    """The innermost errors, without those of a string where a mapping stands."""
    for error in errors:
        inner = [each for each in error.context or () if each.validator != "type" or each.instance != error.instance]
        if inner:
            yield from leaves(inner)
        else:
            yield error


def test_schema_is_json_of_two_spaces() -> None:
    """The committed file is made for reading and for diffs."""
    assert json.loads(schema_text()) == document_schema()
    assert schema_text().startswith('{\n  "$schema"')
    assert schema_text().endswith("}\n")
