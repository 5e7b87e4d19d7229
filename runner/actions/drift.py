"""What differs between an object as it was stored and as it is, field by field. Decides nothing about it.

`drift` asks what a restore asks: whether all that was stored still stands; what is there besides is kept. `differences`
looks both ways. Neither takes it for a difference when a quantity or the order of a list by keys is written
otherwise, nor when a type of Kubernetes' own lacks what is empty: its server drops that.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from runner.actions.drift_owners import learned_keys
from runner.actions.drift_path import Keyed, Member, Path, path_text
from runner.actions.drift_values import LAST_APPLIED, SECRET_FIELDS, changed, digested
from runner.actions.list_keys import BUILT_IN_GROUPS, merge_keys
from runner.actions.quantity import equal_quantities, holds_quantity
from runner.actions.restored import BACKUP_LABEL
from runner.actions.storage_facts import FROZEN
from runner.model.cluster import ItemId
from runner.model.restore import FieldChange

_RESTORED_METADATA: Final = ("labels", "annotations", "finalizers")
# Of each other's keys: where one side has none of them, each is a difference of its own.
_OPENED: Final = frozenset(
    {("data",), ("binaryData",), ("stringData",), ("metadata", "labels"), ("metadata", "annotations")}
)
# Controllers write these anew whatever they find, and so does a run that freezes a Pod.
CONTROLLERS_OWN: Final = frozenset(
    {
        "control-plane.alpha.kubernetes.io/leader",
        "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation",
        "endpoints.kubernetes.io/last-change-trigger-time",
        FROZEN,
    }
)
_NONE: Final[dict[str, Any]] = {}


def drift(item: ItemId, stored: dict[str, Any], live: dict[str, Any]) -> tuple[FieldChange, ...]:
    """Stored fields that do not stand in `live` with their value. `stored` is a body as a restore prepares it.

    What `live` has besides is no drift: injected defaults, status, items of lists by keys. Of metadata, labels,
    annotations and finalizers count, and the label of the restore itself does not.
    """
    comparison = _Comparison(item, live, both=False)
    return comparison.run(_restorable(item, stored), _restorable(item, live))


def differences(item: ItemId, live: dict[str, Any], stored: dict[str, Any]) -> tuple[FieldChange, ...]:
    """What differs between two objects, both ways; equal ones have nothing. None where both are the same.

    `stored` is the earlier one, `live` the later: in a diff of two backups, that of the second. What servers write
    (status, uid, resourceVersion, managedFields, …) does not count, and of owners only kind and name do.
    """
    comparison = _Comparison(item, live, both=True)
    return comparison.run(normalised(item, stored), normalised(item, live))


def normalised(item: ItemId, value: dict[str, Any]) -> dict[str, Any]:
    """The object without what servers write into it, so that two objects can be held against each other."""
    body = _restorable(item, value)
    metadata = value.get("metadata")
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    if isinstance(owners, list) and owners:
        named = (owner for owner in owners if isinstance(owner, dict))
        body["metadata"]["ownerReferences"] = [f"{owner.get('kind')}/{owner.get('name')}" for owner in named]
    if "apiVersion" in value:
        body["apiVersion"] = value["apiVersion"]
    spec = body.get("spec")
    if (item.group, item.plural) == ("", "persistentvolumes") and isinstance(spec, dict):
        claim = spec.get("claimRef")
        if isinstance(claim, dict):
            own = {name: field for name, field in claim.items() if name not in {"uid", "resourceVersion"}}
            body["spec"] = {**spec, "claimRef": own}
    return body


def _restorable(item: ItemId, value: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object that a restore brings back."""
    body = {name: field for name, field in value.items() if name not in {"apiVersion", "kind", "metadata", "status"}}
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else _NONE
    body["metadata"] = {name: metadata[name] for name in _RESTORED_METADATA if name in metadata}
    for name, ours in (("labels", {BACKUP_LABEL}), ("annotations", CONTROLLERS_OWN)):
        mapping = body["metadata"].get(name)
        if isinstance(mapping, dict) and not ours.isdisjoint(mapping):
            body["metadata"][name] = {key: text for key, text in mapping.items() if key not in ours}
    if _is_secret(item) and isinstance(value.get("stringData"), dict):
        # The server takes these in, and gives them back as data.
        del body["stringData"]
        data = value.get("data")
        plain = {key: _encoded(text) for key, text in value["stringData"].items()}
        body["data"] = {**(data if isinstance(data, dict) else _NONE), **plain}
    return body


def _is_secret(item: ItemId) -> bool:
    return (item.group, item.plural) == ("", "secrets")


def _encoded(text: Any) -> Any:
    return base64.b64encode(text.encode()).decode() if isinstance(text, str) else text


class _Comparison:
    """One object against the other. `None` stands for a field that is not there, as null does in Kubernetes."""

    def __init__(self, item: ItemId, live: dict[str, Any], *, both: bool) -> None:
        self.item, self.live, self.both = item, live, both
        self.secret = _is_secret(item)
        self.drops_empty = item.group in BUILT_IN_GROUPS
        self.found: list[FieldChange] = []

    def run(self, stored: dict[str, Any], live: dict[str, Any]) -> tuple[FieldChange, ...]:
        self._value((), (), stored, live)
        return tuple(self.found)

    # any value

    def _value(self, path: Path, names: tuple[str, ...], stored: Any, live: Any) -> None:
        if isinstance(stored, dict) and isinstance(live, dict):
            self._mapping(path, names, stored, live)
        elif isinstance(stored, list) and isinstance(live, list):
            self._list(path, names, stored, live)
        elif stored is None or live is None:
            self._one_sided(path, names, stored, live)
        elif not self._same(names, stored, live):
            self._differs(path, stored, live)

    def _same(self, names: tuple[str, ...], one: Any, other: Any) -> bool:
        # True is 1 for Python alone.
        if one == other and isinstance(one, bool) == isinstance(other, bool):
            return True
        return holds_quantity(self.item.plural, names) and equal_quantities(one, other)

    def _one_sided(self, path: Path, names: tuple[str, ...], stored: Any, live: Any) -> None:
        """A field that one side lacks, or both do."""
        there = live if stored is None else stored
        if there is None or (stored is None and not self.both):
            return
        if isinstance(there, dict) and names in _OPENED:
            self._value(path, names, *(_NONE if side is None else side for side in (stored, live)))
        elif not (self._may_drop(names) and _empty(there)):
            self._differs(path, stored, live)

    def _may_drop(self, names: tuple[str, ...]) -> bool:
        return self.drops_empty or names[:1] == ("metadata",)

    def _differs(self, path: Path, stored: Any, live: Any) -> None:
        if self.secret and (path[:1] in SECRET_FIELDS or path == LAST_APPLIED):
            stored, live = digested(stored), digested(live)
        self.found.append(changed(path_text(path), live=live, stored=stored))

    # mappings

    def _mapping(self, path: Path, names: tuple[str, ...], stored: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        for name in sorted(stored.keys() | live.keys()) if self.both else sorted(stored):
            one, other = stored.get(name), live.get(name)
            if one is not None or other is not None:
                if path and not isinstance(path[-1], str) and _switched(name, stored, live):
                    self._differs((*path, name), one, other)
                else:
                    self._value((*path, name), (*names, name), one, other)

    # lists

    def _list(self, path: Path, names: tuple[str, ...], stored: list[Any], live: list[Any]) -> None:
        keys = self._keys(names)
        if keys == ():
            self._set(path, stored, live)
        elif keys and all(isinstance(each, dict) and keys[0] in each for each in (*stored, *live)):
            self._keyed(path, names, keys, stored, live)
        elif len(stored) == len(live):
            for number, (one, other) in enumerate(zip(stored, live, strict=True)):
                if one is not other:
                    self._value((*path, number), names, one, other)
        else:
            self._differs(path, stored, live)

    def _keys(self, names: tuple[str, ...]) -> tuple[str, ...] | None:
        if names == ("metadata", "ownerReferences"):
            return ()
        keys = merge_keys(self.item.group, self.item.plural, names)
        return learned_keys(self.live, names) if keys is None else keys

    def _set(self, path: Path, stored: list[Any], live: list[Any]) -> None:
        for value in stored:
            if value not in live:
                self._differs((*path, Member(value)), value, None)
        if self.both:
            for value in live:
                if value not in stored:
                    self._differs((*path, Member(value)), None, value)

    def _keyed(
        self, path: Path, names: tuple[str, ...], keys: tuple[str, ...], stored: list[Any], live: list[Any]
    ) -> None:
        left = _Elements(live, keys)
        for one in stored:
            other = left.take(one)
            place = (*path, _place(one, keys))
            if other is None:
                self._differs(place, one, None)
            else:
                self._mapping(place, names, one, other)
        if self.both:
            for other in left.untaken():
                self._differs((*path, _place(other, keys)), None, other)


class _Elements:
    """Elements of a list by keys, each to be taken once; the same key may be there several times."""

    def __init__(self, elements: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.by_key: dict[str, list[dict[str, Any]]] = {}
        for element in elements:
            self.by_key.setdefault(repr(element[keys[0]]), []).append(element)

    def take(self, like: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first that has the keys of `like`, but for those that it leaves to the server's default."""
        same = self.by_key.get(repr(like[self.keys[0]]), [])
        for number, element in enumerate(same):
            if all(like[key] == element.get(key) for key in self.keys if key in like):
                return same.pop(number)
        return None

    def untaken(self) -> Iterator[dict[str, Any]]:
        """Those that nobody took."""
        for same in self.by_key.values():
            yield from same


def _place(element: Mapping[str, Any], keys: tuple[str, ...]) -> Keyed:
    return Keyed(tuple((key, element[key]) for key in keys if key in element))


def _switched(name: str, stored: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether an empty mapping in an element of a list was chosen in place of another, as `emptyDir: {}` may be."""
    mine, theirs = (live, stored) if stored.get(name) is None else (stored, live)
    if theirs.get(name) is not None or mine[name] != {}:
        return False
    return any(isinstance(value, dict) and mine.get(other) is None for other, value in theirs.items())


def _empty(value: Any) -> bool:
    """Whether a server that leaves out what is empty would leave this out: false, zero, "", {}, [], and {} of such."""
    if isinstance(value, dict):
        return all(field is None or _empty(field) for field in value.values())
    return not value
