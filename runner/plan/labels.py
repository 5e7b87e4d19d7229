"""Labels that keep items out of backups, and the query that asks an API server what a label selector says."""

from __future__ import annotations

from collections.abc import Mapping

from runner.model.filters import LabelSelector

# On an object: it is left out; on a Namespace: all that is in it. Velero's own label is honoured as well.
EXCLUDE_LABELS = ("trysail.dev/exclude-from-backup", "velero.io/exclude-from-backup")


def excluded_by_label(labels: Mapping[str, str]) -> str | None:
    """The exclude label that is set to "true", or None."""
    for label in EXCLUDE_LABELS:
        if labels.get(label) == "true":
            return label
    return None


def as_query(selector: LabelSelector) -> str:
    """`selector` in the form of the API server's labelSelector parameter and of kubectl's -l."""
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for requirement in selector.match_expressions:
        values = f"({','.join(requirement.values)})"
        match requirement.operator:
            case "In":
                terms.append(f"{requirement.key} in {values}")
            case "NotIn":
                terms.append(f"{requirement.key} notin {values}")
            case "Exists":
                terms.append(requirement.key)
            case "DoesNotExist":
                terms.append(f"!{requirement.key}")
    return ",".join(terms)
