"""Resource modifiers applied: JSON patch, merge patch and strategic merge patch on an item, where conditions hold.

As Velero does it: conditions are put to the item as it is in the backup, whatever earlier rules made of it, and a JSON
patch with a `test` that does not hold leaves the item as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import jsonpatch

from runner.actions.fields import copied
from runner.actions.merge_patch import merge_patch
from runner.actions.strategic import strategic_merge
from runner.archive.reader import YamlError, read
from runner.model.cluster import ItemId
from runner.model.labels import matches
from runner.model.modifiers import Conditions, JsonPatch, ModifierRule, PatchData, meant

Json = dict[str, Any]

_NOWHERE: Final = object()  # what a path leads to whose parent is not there either


def modified(item: ItemId, body: Json, rules: tuple[ModifierRule, ...]) -> Json:
    """`body` with the patches of every rule that is for it, in order; `body` itself where there is none.

    `item` is what it is in the backup, also where `body` has another namespace by now. `body` is not changed. Raises
    ValueError, which names the rule, the operation and the path, where a patch does not apply; never a value.
    """
    result = body
    for number, rule in enumerate(rules):
        if applies(item, body, rule):
            result = _patched(item, result, rule, f"resourceModifiers[{number}]")
    return result


def applies(item: ItemId, body: Json, rule: ModifierRule) -> bool:
    """Whether all conditions of `rule` hold for an item of the backup."""
    conditions = rule.conditions
    return (
        _of_type(item, conditions.group_resource)
        and _in_namespace(item, conditions)
        and (conditions.resource_name_regex is None or bool(re.search(conditions.resource_name_regex, item.name)))
        and (conditions.label_selector is None or matches(conditions.label_selector, _labels(body)))
        and all(_stands(body, match.path, match.value) for match in conditions.matches)
    )


def patch_of(data: PatchData) -> Json:
    """The patch that `data` holds. Raises ValueError with the place in its text; its message never has a value."""
    patch: Json = copied(_read_patch(data.patch_data))
    return patch


def _of_type(item: ItemId, pattern: str) -> bool:
    """A glob without a group means types of the core group alone; `*.*` means them too."""
    plural, _, group = pattern.lower().partition(".")
    return fnmatchcase(item.plural, plural) and fnmatchcase(item.group, group)


def _in_namespace(item: ItemId, conditions: Conditions) -> bool:
    patterns = conditions.namespaces
    return not item.namespace or not patterns or any(fnmatchcase(item.namespace, pattern) for pattern in patterns)


def _labels(body: Json) -> dict[str, str]:
    labels = body.get("metadata", {}).get("labels")
    return labels if isinstance(labels, dict) else {}


def _patched(item: ItemId, body: Json, rule: ModifierRule, place: str) -> Json:
    if rule.patches:
        result = _json_patched(body, rule.patches, f"{place}.patches")
    elif rule.merge_patches:
        result = _merged(body, rule.merge_patches, f"{place}.mergePatches", merge_patch)
    else:

        def merge(target: Json, patch: Json) -> Json:
            return strategic_merge(item.group, item.plural, target, patch)

        result = _merged(body, rule.strategic_patches, f"{place}.strategicPatches", merge)
    if not isinstance(result.get("metadata"), dict):
        raise _wrong(place, "the patch leaves no metadata, and so no item")
    return result


def _json_patched(body: Json, patches: tuple[JsonPatch, ...], place: str) -> Json:
    patched: Json = copied(body)
    for number, patch in enumerate(patches):
        if patch.operation == "test":
            if not _stands(patched, patch.path, patch.value):
                return body
            continue
        operation: Json = {"op": patch.operation, "path": patch.path}
        if patch.from_path is not None:
            operation["from"] = patch.from_path
        elif patch.operation in {"add", "replace"}:
            operation["value"] = copied(meant(patch.value))
        try:
            jsonpatch.apply_patch(patched, [operation], in_place=True, atomic=True)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
            said = f"{patch.operation} {patch.path} does not apply: {_why(patched, patch)}"
            # Without its cause, which repeats what the item holds.
            raise _wrong(f"{place}[{number}]", said) from None
    return patched


def _why(body: Json, patch: JsonPatch) -> str:
    """Why an operation failed. The library's own words may have a value in them."""
    if patch.from_path is not None and _found(body, patch.from_path) in (_NOWHERE, None):
        return f"the item has no {patch.from_path}"
    if _found(body, patch.path) is _NOWHERE:
        return f"the item has no {patch.path.rpartition('/')[0]} to put it into"
    return f"the item has no {patch.path}" if patch.operation in {"remove", "replace"} else "it has no place there"


def _merged(body: Json, patches: tuple[PatchData, ...], place: str, merge: Callable[[Json, Json], Json]) -> Json:
    merged: Json = copied(body)
    for number, data in enumerate(patches):
        try:
            merged = merge(merged, patch_of(data))
        except ValueError as error:
            raise _wrong(f"{place}[{number}]", str(error)) from error
    return merged


@lru_cache(maxsize=256)
def _read_patch(text: str) -> Json:
    """Read once, and not for every item that it is applied to."""
    try:
        patch = read(text.encode())
    except YamlError as error:
        raise _wrong("the patch", str(error)) from error
    if not isinstance(patch, dict):
        raise _wrong("the patch", "it is no mapping of fields")
    return patch


def _stands(body: Json, path: str, value: Any) -> bool:
    """Whether `value`, or what its text stands for, is at `path`; null stands wherever nothing is."""
    found = _found(body, path)
    return found is not _NOWHERE and (_equal(found, meant(value)) or (isinstance(found, str) and found == value))


def _found(body: Json, path: str) -> Any:
    """What is at `path`; None where nothing is, and _NOWHERE where that has no place to be in."""
    here: Any = body
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for depth, part in enumerate(parts, start=1):
        last = depth == len(parts)
        if isinstance(here, dict) and (last or part in here):
            here = here.get(part)
        elif isinstance(here, list) and part.isdecimal() and (last or int(part) < len(here)):
            here = here[int(part)] if int(part) < len(here) else None
        else:
            return _NOWHERE
    return here


def _wrong(place: str, words: str) -> ValueError:
    return ValueError(f"{place}: {words}")


def _equal(one: Any, other: Any) -> bool:
    """Equal as JSON: to Python, True is 1 as well."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
