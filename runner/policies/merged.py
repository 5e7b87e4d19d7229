"""Merged policies, to be looked at: as a document that could be committed, and as YAML. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from runner.model.policy_set import ResolvedPolicy
from runner.policies.scalars import read_plain


def merged_document(policy: ResolvedPolicy) -> dict[str, Any]:
    """`policy` after `extends`, ready for JSON: only what was written, in the fields' own order, by their YAML names.

    The location stays as the policy has it: a name, or written out. Loading it again gives the same policy.
    """
    return policy.policy.model_dump(mode="json", by_alias=True, exclude_unset=True)


def as_yaml(documents: Iterable[dict[str, Any]]) -> str:
    """`documents` as one YAML stream, which Kubernetes' reader and PyYAML's take back to the same values."""
    return "".join(
        f"---\n{yaml.dump(document, Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=10_000)}"
        for document in documents
    )


class _Quoting(yaml.SafeDumper):
    """Quotes what Kubernetes would read as something else, as PyYAML's own dumper does not (`y`, `1e3`, `08`)."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = isinstance(read_plain(text), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Quoting.add_representer(str, _represent_text)
