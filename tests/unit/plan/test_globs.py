"""Tests of globs on names and types."""

from __future__ import annotations

import pytest

from runner.plan.globs import first_match, first_resource_match
from tests.unit.plan.build import resource


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("shop", "shop", True),
        ("shop", "shop-prod", False),
        ("shop-*", "shop-prod", True),
        ("shop-*", "shop", False),
        ("shop-?", "shop-a", True),
        ("shop-?", "shop-ab", False),
        ("shop-[ab]", "shop-b", True),
        ("shop-[!ab]", "shop-b", False),
        ("*", "anything", True),
        ("Shop", "shop", False),
    ],
)
def test_globs_are_those_of_shells(pattern: str, name: str, matched: bool) -> None:
    """`*`, `?` and sets match as in Velero and in shells, over the whole name, and case counts."""
    assert (first_match((pattern,), name) is not None) is matched


def test_the_first_pattern_that_matches_is_the_reason() -> None:
    """Where several patterns match, the first one is named, in the policy's order."""
    assert first_match(("prod", "shop-*", "*"), "shop-prod") == "shop-*"


@pytest.mark.parametrize(
    "pattern", ["deployments.apps", "deployments", "Deployment", "deployment", "deploy", "*.apps", "deploy*", "*"]
)
def test_a_type_answers_to_every_name_that_kubectl_takes(pattern: str) -> None:
    """Plural, plural and group, kind and short name all mean the type, as do globs over them."""
    assert first_resource_match((pattern,), resource("deployments.apps")) == pattern


@pytest.mark.parametrize("pattern", ["deployments.extensions", "apps", "deployments.apps.v1", "*.k8s.io", "pods"])
def test_a_type_does_not_answer_to_others(pattern: str) -> None:
    """A group alone, another group or another type is no name of it."""
    assert first_resource_match((pattern,), resource("deployments.apps")) is None
