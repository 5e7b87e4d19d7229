"""Strategic merge patch: as a merge patch, but lists that have keys are merged item by item, and `$…` gives orders.

The rules are those of Kubernetes: design-proposals-archive, strategic-merge-patch and preserve-order-in-strategic-
merge-patch. tests/real/test_modifiers_as_kubectl.py asks kubectl the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from runner.actions.list_keys import BUILT_IN_GROUPS, KeyedList, keyed_list, replaced_whole

Json = dict[str, Any]
Path = tuple[str, ...]

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def strategic_merge(group: str, plural: str, target: Json, patch: Json) -> Json:
    """`patch` applied to `target`, an item of a built-in type; neither is changed, and the result shares parts of both.

    Raises ValueError, with the field in its message and never a value.
    """
    if group not in BUILT_IN_GROUPS:
        msg = "strategic merge patches are for Kubernetes' own types alone; a merge patch or a JSON patch does it"
        raise ValueError(msg)
    return _Merging(group, plural).mapping(target, patch, ())


@dataclass(frozen=True, slots=True)
class _Merging:
    """Knows of which type the item is, and so what its lists are."""

    group: str
    plural: str

    def mapping(self, target: Json, patch: Json, path: Path) -> Json:
        if _PATCH in patch:
            return _directed(patch, path)
        merged = _retained(target, patch, path)
        for name, values in patch.items():
            if name.startswith(_DELETE):
                _delete_values(merged, name.removeprefix(_DELETE), values, path)
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            elif not name.startswith("$"):
                merged[name] = self._value(merged.get(name), value, (*path, name), patch.get(_ORDER + name))
            elif name.startswith(_ORDER) and name.removeprefix(_ORDER) not in patch:
                self._reorder(merged, name.removeprefix(_ORDER), value, path)
        return {name: value for name, value in merged.items() if value is not _NOTHING}

    def _value(self, target: Any, patch: Any, path: Path, order: Any) -> Any:
        if isinstance(target, dict) and isinstance(patch, dict):
            if replaced_whole(self.group, self.plural, path):
                return _plain(patch)
            return self.mapping(target, patch, path)
        if isinstance(target, list) and isinstance(patch, list):
            return self._list(target, patch, path, order)
        return _plain(patch)

    def _list(self, target: list[Any], patch: list[Any], path: Path, order: Any) -> list[Any]:
        keyed = keyed_list(self.group, self.plural, path)
        if keyed is None or not keyed.merged:
            return list(_plain(patch))
        if not keyed.keys:
            merged = list(target) + [value for value in patch if value not in target]
            return _ordered(merged, order or patch, target, "")
        key = keyed.keys[0]
        kept, additions = _special(target, patch, key, path)
        merged = list(kept)
        for each in additions:
            at = _index(merged, key, each[key])
            if at is None:
                merged.append(_plain(each))
            else:
                merged[at] = self.mapping(merged[at], each, path)
        return _ordered(merged, order or additions, kept, key)

    def _reorder(self, merged: Json, name: str, order: Any, path: Path) -> None:
        keyed = keyed_list(self.group, self.plural, (*path, name))
        if keyed is not None and keyed.merged and isinstance(merged.get(name), list):
            merged[name] = _ordered(merged[name], order, merged[name], _first_key(keyed))


class _Nothing:
    """Stands for a value that is only an order, and so is no value."""


_NOTHING: Final = _Nothing()


def _first_key(keyed: KeyedList) -> str:
    return keyed.keys[0] if keyed.keys else ""


def _directed(patch: Json, path: Path) -> Json:
    """What comes of a mapping with `$patch`."""
    match patch[_PATCH]:
        case "replace":
            return {name: _plain(value) for name, value in patch.items() if not name.startswith("$")}
        case "delete":
            return {}
        case _:
            raise _wrong(path, f"{_PATCH} is neither replace nor delete")


def _retained(target: Json, patch: Json, path: Path) -> Json:
    """A copy of `target` with the fields that `$retainKeys` names; all without it."""
    if _RETAIN not in patch:
        return dict(target)
    retained = patch[_RETAIN]
    if not isinstance(retained, list):
        raise _wrong(path, f"{_RETAIN} is no list of fields")
    for name, value in patch.items():
        if value is not None and not name.startswith("$") and name not in retained:
            raise _wrong((*path, name), f"is given, and {_RETAIN} beside it does not name it")
    return {name: value for name, value in target.items() if name in retained}


def _delete_values(merged: Json, name: str, values: Any, path: Path) -> None:
    if not isinstance(values, list):
        raise _wrong(path, f"{_DELETE}{name} is no list of values")
    if isinstance(merged.get(name), list):
        merged[name] = [value for value in merged[name] if value not in values]


def _special(target: list[Any], patch: list[Any], key: str, path: Path) -> tuple[list[Any], list[Json]]:
    """The items of `target` that stay, and those of `patch` that are merged into them."""
    kept, additions, replacing = list(target), [], False
    for each in patch:
        if not isinstance(each, dict):
            raise _wrong(path, "an item of the list is no mapping")
        directive = each.get(_PATCH)
        if directive == "replace":
            replacing = True
            continue
        if each.get(key) is None:
            raise _wrong(path, f"an item of the list has no {key}, by which it would be found")
        if directive == "delete":
            kept = [one for one in kept if not _has(one, key, each[key])]
        elif directive is None:
            additions.append(each)
        else:
            raise _wrong(path, f"{_PATCH} is neither replace nor delete")
    return ([], additions) if replacing else (kept, additions)


def _has(item: Any, key: str, value: Any) -> bool:
    return isinstance(item, dict) and key in item and bool(item[key] == value)


def _index(items: list[Any], key: str, value: Any) -> int | None:
    return next((at for at, item in enumerate(items) if _has(item, key, value)), None)


def _ordered(merged: list[Any], order: Any, before: list[Any], key: str) -> list[Any]:
    """`merged` with the items that `order` names in that order, among the others as they stood `before`.

    So what is new comes first, as everywhere in Kubernetes.
    """

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order] if isinstance(order, list) else []
    stood = [identity(item) for item in before]
    named = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    others = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    while named and others:
        other, next_named = identity(others[0]), identity(named[0])
        stays = other in stood and next_named in stood and stood.index(other) < stood.index(next_named)
        result.append((others if stays else named).pop(0))
    return result + named + others


def _plain(patch: Any) -> Any:
    """`patch` where there is nothing to merge it into: without nulls and without orders."""
    if isinstance(patch, dict):
        if _PATCH in patch:
            return _NOTHING
        plain = {name: _plain(value) for name, value in patch.items() if value is not None and name[:1] != "$"}
        return {name: value for name, value in plain.items() if value is not _NOTHING}
    if isinstance(patch, list):
        return [value for value in map(_plain, patch) if value is not _NOTHING]
    return patch


def _wrong(path: Path, words: str) -> ValueError:
    return ValueError(f"{'.'.join(path) or 'the item'}: {words}")
