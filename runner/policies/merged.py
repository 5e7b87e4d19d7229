"""Merged policies, to be looked at: as a document that could be committed, and as YAML. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner.archive.emitter import emit
from runner.model.policy_set import ResolvedPolicy


def merged_document(policy: ResolvedPolicy) -> dict[str, Any]:
    """`policy` after `extends`, ready for JSON: only what was written, in the fields' own order, by their YAML names.

    The location stays as the policy has it: a name, or written out. Loading it again gives the same policy.
    """
    return policy.policy.model_dump(mode="json", by_alias=True, exclude_unset=True)


def as_yaml(documents: Iterable[dict[str, Any]]) -> str:
    """`documents` as one YAML stream, which every reader takes back to the same values."""
    return "".join(f"---\n{emit(document).decode()}" for document in documents)
