"""Who owns the fields of a live object, from its managedFields: what a server-side apply without force would meet.

The API server reports a conflict for each changed field that another manager owns: whether by Update or Apply, and
through a subresource too (`kubectl scale` owns spec.replicas). The field manager `trysail` is another one where it has
written by Update, as a create does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from runner.actions.drift_path import Keyed, Member, Path, parse_path
from runner.model.cluster import ItemId
from runner.model.restore import FieldChange

FIELD_MANAGER: Final = "trysail"

Tree = Mapping[str, Any]
"""fieldsV1: `f:name`, `k:{keys}`, `v:value` and `i:number` lead to what is owned below; `.` is the node itself."""


def obstacles(item: ItemId, changes: Iterable[FieldChange], live: dict[str, Any]) -> tuple[FieldChange, ...]:
    """Those of the changes that a server-side apply without force would refuse, each with its owner.

    A field that several own comes several times. Where the API server takes a list or a mapping as a whole, it names
    that, and the change may be deeper in it.
    """
    del item
    owned = tuple(_owners(live))
    found = []
    for change in changes:
        path = parse_path(change.path)
        managers = dict.fromkeys(manager for manager, tree in owned if manager and _owns(tree, path, live, owned))
        found += [msgspec.structs.replace(change, owner=manager) for manager in managers]
    return tuple(found)


def learned_keys(live: dict[str, Any], names: tuple[str, ...]) -> tuple[str, ...] | None:
    """By which keys the list at `names` is a map, as its owners' trees show; () for a set, None where none does."""
    for _, tree in _owners(live):
        nodes = [tree]
        for name in names:
            nodes = [below[f"f:{name}"] for node in nodes for below in _with_elements(node) if f"f:{name}" in below]
        for child in (child for node in nodes for child in node):
            if child.startswith("k:"):
                return tuple(_decoded(child))
            if child.startswith("v:"):
                return ()
    return None


def _owners(live: dict[str, Any]) -> Iterator[tuple[str, Tree]]:
    """Trees of the managers whose fields an apply of ours may not change, and our own without a name."""
    metadata = live.get("metadata")
    for entry in (metadata.get("managedFields") if isinstance(metadata, dict) else None) or ():
        tree = entry.get("fieldsV1")
        if isinstance(tree, dict):
            ours = (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply")
            yield "" if ours and not entry.get("subresource") else entry.get("manager") or "unknown", tree


def _owns(tree: Tree, path: Path, live: Any, owned: tuple[tuple[str, Tree], ...]) -> bool:
    """Whether the field itself is owned, or something above it that is taken as a whole."""
    for depth, step in enumerate(path):
        below = _below(tree, step)
        if below is None:
            return depth > 0 and not tree and _whole(path[:depth], live, owned)
        tree = below
    return True


def _below(tree: Tree, step: str | int | Keyed | Member) -> Tree | None:
    match step:
        case str():
            return tree.get(f"f:{step}")
        case int():
            return tree.get(f"i:{step}")
        case Keyed(keys):
            elements = (child for child in tree if child.startswith("k:"))
            wanted = dict(keys).items()
            return next((tree[child] for child in elements if wanted <= _decoded(child).items()), None)
        case Member(value):
            elements = (child for child in tree if child.startswith("v:"))
            return next((tree[child] for child in elements if _decoded(child) == value), None)


def _whole(path: Path, live: Any, owned: tuple[tuple[str, Tree], ...]) -> bool:
    """Whether a field that is owned is so with all that it holds.

    The trees do not say. Of what holds something else, somebody owns the parts, unless it is taken as a whole.
    """
    last = path[-1]
    if isinstance(last, str) and last.lower().endswith("selector"):
        return True
    return bool(_at(live, path)) and not any(_at_tree(tree, path) for _, tree in owned)


def _at(value: Any, path: Path) -> Any:
    """What an object has at a path; None where it has nothing."""
    for step in path:
        match step:
            case str() if isinstance(value, dict):
                value = value.get(step)
            case int() if isinstance(value, list) and step < len(value):
                value = value[step]
            case Keyed(keys) if isinstance(value, list):
                wanted = dict(keys)
                same = (one for one in value if isinstance(one, dict) and wanted.items() <= one.items())
                value = next(same, None)
            case _:
                return None
    return value


def _at_tree(tree: Tree | None, path: Path) -> Tree | None:
    for step in path:
        tree = None if tree is None else _below(tree, step)
    return tree


def _with_elements(node: Tree) -> Iterator[Tree]:
    """A node, and the elements of the list that it may be."""
    yield node
    for child, below in node.items():
        if child.startswith(("k:", "i:")):
            yield below


@lru_cache(maxsize=4096)
def _decoded(child: str) -> Any:
    """The JSON of `k:{"name":"web"}` or `v:"text"`; nothing where it is none."""
    try:
        value = json.loads(child[2:])
    except ValueError:
        value = None
    return value if child.startswith("v:") or isinstance(value, dict) else {}
