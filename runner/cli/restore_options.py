"""The options of `trysail restore` that say what is restored and how, and the RestorePolicy that they make.

They are named as Velero's, and each stands for a field of RestorePolicy; given beside a committed one, they win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.engine.stored import StoredObjects
from runner.errors import UsageError
from runner.model.document import API_VERSION
from runner.model.policy_set import ResolvedRestore
from runner.plan.restore_order import NAMESPACES

if TYPE_CHECKING:  # it takes its time, and only a mistake needs it
    from pydantic_core import ErrorDetails

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
_NAMED = 8  # namespaces of a backup that are named to whoever misspells one
COMMAND_LINE = "command-line"  # the name of a policy that nobody has committed


def restore_options(function: Callable[..., R]) -> Callable[..., R]:
    """All of them; they arrive as one argument `given`: called, it is a spec as a RestorePolicy would have it."""
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
    @click.option(
        "--restore-volumes/--no-restore-volumes",
        default=None,
        help="Whether claims that are created get their data; they do without.",
    )
    @wraps(function)
    def gathered(**values: Any) -> R:
        names = (*_LISTS, *_MAPS, "selector", "items", *_PLAIN)
        given = {name: values.pop(name) for name in names}
        return function(given=partial(_spec, given), **values)

    return gathered


_PLAIN = {
    "include_cluster_resources": "includeClusterResources",
    "existing_resource_policy": "existingResourcePolicy",
    "force_conflicts": "forceConflicts",
    "preserve_nodeports": "preserveNodePorts",
    "restore_volumes": "restoreVolumes",
}

# field of a RestorePolicy -> the option that stands for it
_OPTIONS = {field: f"--{name.replace('_', '-')}" for name, field in (_LISTS | _MAPS | _PLAIN).items()}
_OPTIONS |= {"includedItems": "--item", "labelSelector": "--selector"}


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
        raise _mistaken(error.errors(include_url=False)[0]) from error
    if committed is None:
        return ResolvedRestore(policy=policy, location=None, location_name="", file="")
    return ResolvedRestore(policy, committed.location, committed.location_name, committed.file)


def check_mapped(given: dict[str, Any], stored: StoredObjects) -> None:
    """A mapping of a namespace that the backup does not hold is a slip: its items would go where nobody meant them to.

    A committed policy may map more namespaces than there are; who types one means that one.
    """
    mapped = set(given.get("namespaceMapping", ()))
    if not mapped:
        return
    groups = stored.groups()
    held = {group.namespace for group in groups if group.namespace}
    held |= {line.name for group in groups if group.resource == NAMESPACES for line in stored.lines(group)}
    for name in sorted(mapped - held):
        close = get_close_matches(name, held, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it holds: {', '.join(sorted(held)[:_NAMED])}"
        raise UsageError(f'--namespace-mappings: the backup holds no namespace "{name}"', hint=hint)


def _mistaken(details: ErrorDetails) -> UsageError:
    """What does not hold, as `trysail validate` would say it, by the option that it was given with."""
    from runner.model.restore_policy import RestorePolicy  # noqa: PLC0415
    from runner.policies.explain import Mistake, explain  # noqa: PLC0415
    from runner.policies.fields import locate  # noqa: PLC0415

    context = details.get("ctx", {})
    path = [part for part in details["loc"] if part != "spec"]
    field = str(path[0]) if path else str(context.get("field", ""))
    if "message" in context:
        message, hint = context["message"], context.get("hint", "")
    else:
        located = locate(RestorePolicy, details["loc"])
        words = explain(
            Mistake(RestorePolicy, located, details["type"], details["input"], None, context, frozenset(), of_key=False)
        )
        message, hint = words.message, words.hint
    option = _OPTIONS.get(field, field)
    return UsageError(f"{option}: {message}" if option else message, hint=hint)


def _spec(values: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name, field in _LISTS.items():
        if values[name]:
            spec[field] = _words(values[name])
    for name, field in _MAPS.items():
        if values[name]:
            spec[field] = _pairs(_words(values[name]), f"--{name.replace('_', '-')}")
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
            raise UsageError(
                f'--selector: "{selector}" compares numbers', hint="a restore's selector cannot: use in (…)"
            )
        expression: dict[str, Any] = {"key": requirement.key, "operator": words[requirement.operator]}
        yield {**expression, "values": list(requirement.values)} if requirement.values else expression


def _words(values: tuple[str, ...]) -> list[str]:
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _pairs(words: list[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        old, _, new = word.partition(":")
        if not old or not new:
            form = "key:value,key2:value2" if option == "--labels" else "old:new,old2:new2"
            raise UsageError(f'{option}: "{word}" is no pair', hint=f"write {option} {form}")
        if pairs.setdefault(old, new) != new:
            raise UsageError(f'{option}: "{old}" is given twice', hint="keep one of them")
    return pairs


def _item(word: str) -> dict[str, str]:
    parts = word.split("/")
    if len(parts) not in {2, 3} or not all(parts):
        raise UsageError(
            f'--item: "{word}" names no item', hint="as trysail get prints them: shop/deployments.apps/web"
        )
    item = {"resource": parts[-2], "name": parts[-1]}
    return {**item, "namespace": parts[0]} if len(parts) == 3 else item
