"""Globs on names of namespaces, items and types. `*`, `?` and `[…]` as in Velero (and in shells); case counts."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from runner.model.cluster import Resource


def first_match(patterns: Iterable[str], name: str) -> str | None:
    """The first of `patterns` that matches `name`, or None."""
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)


def first_resource_match(patterns: Iterable[str], resource: Resource) -> str | None:
    """The first of `patterns` that means `resource`, or None.

    A type answers to what kubectl takes, in any case: `deployments.apps`, `deployments`, `Deployment`, `deploy`.
    """
    names = {resource.name, resource.plural, resource.kind.lower(), *resource.short_names}
    return next((pattern for pattern in patterns if any(fnmatchcase(name, pattern.lower()) for name in names)), None)
