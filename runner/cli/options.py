"""Options that several verbs share, each written once; those that kubectl has mean what they mean there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import click

from runner.wiring import ClusterChoice

F = TypeVar("F", bound=Callable[..., object])
R = TypeVar("R")


def policy_option(function: F) -> F:
    """-f: files and folders with policies."""
    return click.option(
        "-f",
        "--filename",
        "filenames",
        multiple=True,
        metavar="PATH",
        help="File or folder of policies and locations; - reads standard input; may be repeated.",
    )(function)


def policy_name_option(function: F) -> F:
    """--policy: one of several."""
    return click.option("--policy", metavar="NAME", help="Which policy, where the files hold several.")(function)


def location_option(function: F) -> F:
    """--location: the bucket alone is enough."""
    return click.option(
        "--location",
        "location_url",
        metavar="URL",
        help="Where the backups are, without a policy: s3://bucket/prefix, azure://account/container, a path.",
    )(function)


def cluster_options(function: Callable[..., R]) -> Callable[..., R]:
    """--context, --kubeconfig, --manifests; they arrive as one argument `cluster`, a ClusterChoice."""

    @click.option("--context", metavar="CTX", help="Context of the kubeconfig.")
    @click.option("--kubeconfig", metavar="FILE", help="Kubeconfig to use.")
    @click.option("--manifests", metavar="DIR", help="A folder of YAML as the cluster.")
    @wraps(function)
    def gathered(*, context: str | None, kubeconfig: str | None, manifests: str | None, **others: object) -> R:
        return function(cluster=ClusterChoice(context, kubeconfig, manifests), **others)

    return gathered
