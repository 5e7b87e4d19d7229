"""Tests of label selectors; the rules are Kubernetes' own (concepts/overview/working-with-objects/labels)."""

from __future__ import annotations

from typing import Any

import pytest

from runner.model.filters import LabelSelector
from runner.model.labels import matches
from runner.plan.labels import as_query, excluded_by_label


@pytest.mark.parametrize(
    ("expression", "labels", "holds"),
    [
        ({"key": "tier", "operator": "In", "values": ["web", "api"]}, {"tier": "api"}, True),
        ({"key": "tier", "operator": "In", "values": ["web", "api"]}, {"tier": "db"}, False),
        ({"key": "tier", "operator": "In", "values": ["web", "api"]}, {}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, {"tier": "api"}, True),
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, {"tier": "web"}, False),
        # Kubernetes: "NotIn" is also satisfied by objects without the key.
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, {"app": "shop"}, True),
        ({"key": "tier", "operator": "Exists"}, {"tier": ""}, True),
        ({"key": "tier", "operator": "Exists"}, {"app": "shop"}, False),
        ({"key": "tier", "operator": "DoesNotExist"}, {"app": "shop"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, {"tier": ""}, False),
    ],
)
def test_each_operator_is_that_of_kubernetes(expression: dict[str, Any], labels: dict[str, str], holds: bool) -> None:
    """In, NotIn, Exists and DoesNotExist, for a label that fits, one that does not, and one that is not there."""
    selector = LabelSelector.model_validate({"matchExpressions": [expression]})
    assert matches(selector, labels) is holds


def test_everything_in_a_selector_must_hold() -> None:
    """Labels and expressions of a selector are one conjunction."""
    selector = LabelSelector.model_validate(
        {"matchLabels": {"app": "shop", "env": "prod"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}
    )
    whole = {"app": "shop", "env": "prod", "tier": "web"}
    assert matches(selector, whole)
    for key in whole:
        assert not matches(selector, {name: value for name, value in whole.items() if name != key})


def test_the_query_is_in_the_api_servers_own_form() -> None:
    """A selector is written as the labelSelector parameter and kubectl's -l want it; labels sorted."""
    selector = LabelSelector.model_validate(
        {
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["x", "y"]},
                {"key": "d", "operator": "NotIn", "values": ["z"]},
                {"key": "e", "operator": "Exists"},
                {"key": "f", "operator": "DoesNotExist"},
            ],
        }
    )
    assert as_query(selector) == "a=1,b=2,c in (x,y),d notin (z),e,!f"


@pytest.mark.parametrize("label", ["trysail.dev/exclude-from-backup", "velero.io/exclude-from-backup"])
@pytest.mark.parametrize(("value", "excluded"), [("true", True), ("True", False), ("false", False), ("", False)])
def test_exclude_labels_mean_true_alone(label: str, value: str, excluded: bool) -> None:
    """Our own label and Velero's leave an object out when they are "true", and at no other value."""
    assert excluded_by_label({label: value}) == (label if excluded else None)
