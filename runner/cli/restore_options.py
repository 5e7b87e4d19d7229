"""The options of `trysail restore` that say what is restored and how, and the RestorePolicy that they make.

They are named as Velero's, and each stands for a field of RestorePolicy; given beside a committed one, they win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any, TypeVar

import click

from runner.errors import UsageError
from runner.model.document import API_VERSION
from runner.model.policy_set import ResolvedRestore

R = TypeVar("R")

_LISTS = {
    "include_namespaces": "includedNamespaces",
    "exclude_namespaces": "excludedNamespaces",
    "include_resources": "includedResources",
    "exclude_resources": "excludedResources",
}
_MAPS = {
    "namespace_mappings": "namespaceMapping",
    "storage_class_mappings": "storageClassMapping",
    "labels": "labels",
}
COMMAND_LINE = "command-line"  # the name of a policy that nobody has committed


def restore_options(function: Callable[..., R]) -> Callable[..., R]:
    """All of them; they arrive as one argument `given`, a spec as a RestorePolicy would have it."""
    names = partial(click.option, multiple=True, metavar="NAME,…")

    @names("-n", "--include-namespaces", "--namespace", help="Namespaces to restore; globs.")
    @names("--exclude-namespaces", help="Namespaces to leave out; globs.")
    @names("--include-resources", help="Types to restore, as deployments.apps; globs.")
    @names("--exclude-resources", help="Types to leave out; globs.")
    @click.option("-l", "--selector", metavar="SELECTOR", help="Only items with these labels: app=web,tier in (a,b).")
    @click.option("--item", "items", multiple=True, metavar="[NS/]TYPE/NAME", help="Only this item; may be repeated.")
    @click.option(
        "--include-cluster-resources/--no-cluster-resources",
        default=None,
        help="All cluster-scoped items, or none; without: all with every namespace, else those related.",
    )
    @click.option("--namespace-mappings", multiple=True, metavar="OLD:NEW,…", help="Restore into other namespaces.")
    @click.option("--storage-class-mappings", multiple=True, metavar="OLD:NEW,…", help="Use other StorageClasses.")
    @click.option("--labels", multiple=True, metavar="KEY:VALUE,…", help="Labels for everything that is restored.")
    @click.option(
        "--existing-resource-policy",
        type=click.Choice(["none", "update", "recreate"]),
        help="What becomes of items that are there and differ; left alone without.",
    )
    @click.option("--force-conflicts", is_flag=True, default=None, help="Take over fields that others own.")
    @click.option("--preserve-nodeports", is_flag=True, default=None, help="Keep node ports that Kubernetes chose.")
    @wraps(function)
    def gathered(**values: Any) -> R:
        names = (*_LISTS, *_MAPS, "selector", "items", *_PLAIN)
        given = _spec({name: values.pop(name) for name in names})
        return function(given=given, **values)

    return gathered


_PLAIN = {
    "include_cluster_resources": "includeClusterResources",
    "existing_resource_policy": "existingResourcePolicy",
    "force_conflicts": "forceConflicts",
    "preserve_nodeports": "preserveNodePorts",
}


def resolved_restore(committed: ResolvedRestore | None, given: dict[str, Any]) -> ResolvedRestore:
    """The RestorePolicy that is meant: the committed one, with what the command line says put in its place."""
    from pydantic import ValidationError  # noqa: PLC0415 -- it takes its time

    from runner.model.canonical import document  # noqa: PLC0415
    from runner.model.restore_policy import RestorePolicy  # noqa: PLC0415

    if committed is not None and not given:
        return committed
    base: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "RestorePolicy",
        "metadata": {"name": COMMAND_LINE},
        "spec": {},
    }
    if committed is not None:
        base = document(committed.policy)
    try:
        policy = RestorePolicy.model_validate({**base, "spec": {**base.get("spec", {}), **given}}, by_alias=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "spec")
        raise UsageError(
            f"the options do not hold: {field}: {first['msg']}", hint="see trysail restore --help"
        ) from error
    if committed is None:
        return ResolvedRestore(policy=policy, location=None, location_name="", file="")
    return ResolvedRestore(policy, committed.location, committed.location_name, committed.file)


def _spec(values: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name, field in _LISTS.items():
        if values[name]:
            spec[field] = _words(values[name])
    for name, field in _MAPS.items():
        if values[name]:
            spec[field] = dict(_pair(word, name) for word in _words(values[name]))
    spec |= {field: values[name] for name, field in _PLAIN.items() if values[name] is not None}
    if values["selector"]:
        spec["labelSelector"] = {"matchExpressions": list(_expressions(values["selector"]))}
    if values["items"]:
        spec["includedItems"] = [_item(word) for word in values["items"]]
    return spec


def _expressions(selector: str) -> Iterator[dict[str, Any]]:
    from runner.adapters.label_selector import parse_label_selector  # noqa: PLC0415 -- here alone

    words = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}
    for requirement in parse_label_selector(selector).requirements:
        if requirement.operator not in words:
            raise UsageError(f'"{selector}" compares numbers', hint="a policy's labelSelector cannot: use in (…)")
        expression: dict[str, Any] = {"key": requirement.key, "operator": words[requirement.operator]}
        yield {**expression, "values": list(requirement.values)} if requirement.values else expression


def _words(values: tuple[str, ...]) -> list[str]:
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _pair(word: str, option: str) -> tuple[str, str]:
    old, found, new = word.partition(":")
    if not found or not old or not new:
        raise UsageError(f'"{word}" is no pair', hint=f"--{option.replace('_', '-')} old:new,old2:new2")
    return old, new


def _item(word: str) -> dict[str, str]:
    parts = word.split("/")
    if len(parts) not in {2, 3} or not all(parts):
        raise UsageError(f'"{word}" names no item', hint="as trysail get prints them: shop/deployments.apps/web")
    item = {"resource": parts[-2], "name": parts[-1]}
    return {**item, "namespace": parts[0]} if len(parts) == 3 else item
