"""Text → YAML nodes with their places, one tree a document. Knows nothing of what documents mean; opens nothing.

Built from the parser's events and not by PyYAML's composer: that one recurses in C, so that 50 kB of `[` end the
process; its aliases forget where they stand; and it lets aliases expand without limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from runner.policies.faults import Fault, Mark, fault_of

MAX_ALIASED = 10_000  # nodes that the aliases of a document may stand for
MAX_DEPTH = 64  # no document of ours nests a quarter of this

_BOTTOMLESS = (f"nested deeper than {MAX_DEPTH} levels", "look for brackets that are never closed")


@dataclass(slots=True)
class Node:
    """A scalar's text, a sequence's items or a mapping's pairs, and where it begins."""

    kind: Literal["scalar", "sequence", "mapping"]
    mark: Mark
    tag: str = ""  # in full; "" where none is written
    plain: bool = False  # a scalar without quotes and without a tag
    text: str = ""
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    size: int = 1  # nodes, this one included, with every alias written out
    depth: int = 1  # levels, this one included, with every alias written out
    open: bool = False  # still being read: an alias to it would never end


@dataclass(frozen=True, slots=True)
class Tree:
    """One document; None for one that holds nothing. With a fault, `root` is not the whole of it."""

    root: Node | None
    mark: Mark
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """The documents of a text, up to the fault that ends it, if one does."""

    trees: tuple[Tree, ...]
    fault: Fault | None = None


def compose(text: str) -> Stream:
    """Reads every document of `text`; never raises."""
    trees: list[Tree] = []
    growing = _Growing(Mark(1, 1))
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            if isinstance(event, DocumentStartEvent):
                growing = _Growing(_mark(event))
            elif isinstance(event, DocumentEndEvent):
                trees.append(growing.tree())
            else:
                growing.take(event)
            if growing.bottomless:
                # Not read on: libyaml's own time grows with the square of the depth.
                return Stream(tuple(trees), growing.fault)
    except yaml.YAMLError as error:
        return Stream(tuple(trees), growing.fault or fault_of(error, text))
    return Stream(tuple(trees))


class _Growing:
    """The tree of one document while its events come in."""

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._root: Node | None = None
        self.fault: Fault | None = None
        self.bottomless = False
        self._parents: list[Node] = []
        self._keys: list[Node | None] = []  # of each parent that is a mapping, the key that awaits its value
        self._anchors: dict[str, Node] = {}
        self._aliased = 0

    def tree(self) -> Tree:
        empty = self._root is None or (self._root.plain and self._root.text == "")
        return Tree(None if empty else self._root, self._mark, self.fault)

    def take(self, event: Event) -> None:
        if isinstance(event, CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, CollectionEndEvent):
            self._end()
        elif isinstance(event, ScalarEvent):
            node = Node("scalar", _mark(event), event.tag or "", event.implicit[0], event.value)
            self._name(event, node)
            self._place(node)
        elif isinstance(event, AliasEvent):
            self._place(self._alias(event))

    def _begin(self, event: CollectionStartEvent) -> None:
        if len(self._parents) >= MAX_DEPTH:
            self.bottomless = True
            self._blame(event, *_BOTTOMLESS)
            return
        kind: Literal["mapping", "sequence"] = "mapping" if isinstance(event, MappingStartEvent) else "sequence"
        node = Node(kind, _mark(event), event.tag or "", open=True)
        self._name(event, node)
        self._place(node)
        self._parents.append(node)
        self._keys.append(None)

    def _end(self) -> None:
        node = self._parents.pop()
        self._keys.pop()
        node.open = False
        children = [*node.items, *(child for pair in node.pairs for child in pair)]
        node.size += sum(child.size for child in children)
        node.depth += max((child.depth for child in children), default=0)

    def _place(self, node: Node) -> None:
        if not self._parents:
            self._root = node
            return
        parent = self._parents[-1]
        if parent.kind == "sequence":
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((key, node))
            self._keys[-1] = None

    def _name(self, event: NodeEvent, node: Node) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _alias(self, event: AliasEvent) -> Node:
        nothing = Node("scalar", _mark(event))
        node = self._anchors.get(event.anchor or "")
        if node is None:
            self._blame(event, "an alias (*) without its anchor (&)", 'text that begins with * is quoted: "*"')
            return nothing
        if node.open:
            self._blame(event, "an alias of what it stands in has no end", "write the value out")
            return nothing
        if len(self._parents) + node.depth > MAX_DEPTH:
            self._blame(event, *_BOTTOMLESS)
            return nothing
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            self._blame(event, f"aliases stand for more than {MAX_ALIASED} values", "write the values out")
            return nothing
        return replace(node, mark=_mark(event))

    def _blame(self, event: Event, message: str, hint: str) -> None:
        if self.fault is None:
            self.fault = Fault(_mark(event), message, hint)


def _mark(event: Event) -> Mark:
    assert event.start_mark is not None
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
