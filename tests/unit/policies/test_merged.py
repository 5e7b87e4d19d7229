"""What `--merged` prints is what was written, once `extends` is done, and reads back as itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.policies.load import load_policies
from runner.policies.merged import as_yaml, merged_document
from runner.policies.parse import parse

TEXT = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: base}
spec:
  includedNamespaces: ["shop-*", "08"]
  labelSelector: {matchLabels: {tier: "y", team: shop}}
  storageLocation: {provider: s3, objectStorage: {bucket: backups}, config: {region: eu-west-1}}
---
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: shop, labels: {team: shop}}
extends: base
spec:
  excludedNamespaces: [shop-test]
  labelSelector: {matchLabels: {team: null}}
  storageLocation: {objectStorage: {prefix: prod}, config: null}
"""


@pytest.fixture
def merged(tmp_path: Path) -> list[dict[str, Any]]:
    """The merged documents of TEXT."""
    (tmp_path / "a.yaml").write_text(TEXT)
    return [merged_document(policy) for policy in load_policies([tmp_path / "a.yaml"]).policies]


def test_only_what_was_written_is_there(merged: list[dict[str, Any]]) -> None:
    """The base's fields and the policy's own, without defaults, without null, and without `extends`."""
    assert merged[1] == {
        "apiVersion": "trysail.dev/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "shop", "labels": {"team": "shop"}},
        "spec": {
            "includedNamespaces": ["shop-*", "08"],
            "excludedNamespaces": ["shop-test"],
            "labelSelector": {"matchLabels": {"tier": "y"}},
            "storageLocation": {"provider": "s3", "objectStorage": {"bucket": "backups", "prefix": "prod"}},
        },
    }
    assert json.loads(json.dumps(merged)) == merged


def test_what_is_printed_is_the_same_policy(merged: list[dict[str, Any]], tmp_path: Path) -> None:
    """Loading the printed policies gives the same policies, so that merging may be undone by committing the result."""
    (tmp_path / "b.yaml").write_text(as_yaml(merged))
    again = [merged_document(policy) for policy in load_policies([tmp_path / "b.yaml"]).policies]
    assert again == merged


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), max_size=5))
def test_any_text_is_printed_safely(values: dict[str, str]) -> None:
    """Text stays text for readers that disagree: ours, which reads as Kubernetes does, and PyYAML."""
    printed = as_yaml([values])
    (document,) = parse(printed, "f").documents
    assert document.value == values
    assert document.findings == ()
    assert yaml.safe_load(printed) == values


def test_what_is_printed_is_laid_out_as_kubectl_does(merged: list[dict[str, Any]]) -> None:
    """Block style, one document after another, with quotes only where a reader would take text for something else."""
    assert as_yaml(merged[:1]) == (
        "---\napiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata:\n  name: base\nspec:\n"
        '  includedNamespaces:\n  - shop-*\n  - "08"\n  labelSelector:\n    matchLabels:\n      tier: "y"\n'
        "      team: shop\n  storageLocation:\n    provider: s3\n    objectStorage:\n      bucket: backups\n"
        "    config:\n      region: eu-west-1\n"
    )
