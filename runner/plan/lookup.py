"""Which items of a backup's index a command line's words mean, with kubectl's habits. Pure: lines in, lines out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from runner.archive.index import IndexLine
from runner.errors import ItemNotFound, UsageError

Labels = Mapping[str, str]

_MOST_CANDIDATES = 20  # names or namespaces in a message


@dataclass(frozen=True, slots=True)
class Target:
    """A type in any word that kubectl takes for it (deployments.apps, Deployment, deploy), and names: none for all."""

    type: str
    names: tuple[str, ...] = ()
    namespace: str | None = None  # where the words themselves say it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. Without targets, items of every type."""

    targets: tuple[Target, ...] = ()
    namespace: str | None = None  # cluster-scoped types are not bound by it, as with kubectl
    everywhere: bool = False  # items of several namespaces are meant
    labels: Callable[[Labels], bool] | None = None


def parse_targets(words: Sequence[str]) -> tuple[Target, ...]:
    """`TYPE[,TYPE] [NAME…]`, `TYPE/NAME…`, or ids as the index prints them: `NAMESPACE/TYPE/NAME…`. UsageError."""
    if not words:
        return ()
    if "/" not in words[0]:
        if any("/" in word for word in words):
            raise UsageError("TYPE NAME and TYPE/NAME are two ways to say it", hint="use one of them")
        return tuple(Target(word, tuple(words[1:])) for word in words[0].split(",") if word)
    return tuple(map(_target_of_id, words))


class Lookup:
    """Sees every line of an index once, in order; then has what is meant. Keeps the lines that may be."""

    def __init__(self, wanted: Wanted, short_names: Mapping[str, Sequence[str]] | None = None) -> None:
        """`short_names` leads from kubectl's short names to resources: `deploy` to `deployments.apps`."""
        self._wanted = wanted
        self._short_names = short_names or {}
        self._sought = [_Sought(target) for target in wanted.targets] or [_Sought(None)]
        self._types: dict[str, set[str]] = {}  # resource → every word for it, in lower case
        self._namespaces: set[str] = set()
        self._seen = 0

    def see(self, line: IndexLine) -> None:
        """The next line."""
        self._seen += 1
        self._namespaces.add(line.namespace)
        words = self._types.get(line.resource)
        if words is None:
            words = self._types[line.resource] = self._words(line)
        for sought in self._sought:
            target = sought.target
            if target is not None:
                if target.type.lower() not in words:
                    continue
                if target.names:
                    sought.names.add(line.name)
                    if line.name not in target.names:
                        continue
                    sought.homes[line.name].add(line.namespace)
            if self._in_namespace(line, target) and (self._wanted.labels is None or self._wanted.labels(line.labels)):
                sought.hits[line.resource].append((self._seen, line))

    def chosen(self) -> tuple[IndexLine, ...]:
        """The lines that are meant, in the archive's order, each once; at least one.

        ItemNotFound, with names that are close; UsageError where the words fit several types or namespaces.
        """
        found: dict[int, IndexLine] = {}
        for sought in self._sought:
            found.update(self._settled(sought))
        return tuple(found[number] for number in sorted(found))

    # lines

    def _words(self, line: IndexLine) -> set[str]:
        """All that a type is called; https://kubernetes.io/docs/reference/kubectl/#resource-types."""
        plural, dot, group = line.resource.partition(".")
        kind = line.kind.lower()
        short = {word for word, resources in self._short_names.items() if line.resource in resources}
        return {line.resource, plural, kind, f"{kind}{dot}{group}", *short}

    def _in_namespace(self, line: IndexLine, target: Target | None) -> bool:
        if target is not None and target.namespace is not None:
            return line.namespace == target.namespace
        if self._wanted.namespace is None:
            return True
        return line.namespace == self._wanted.namespace or (target is not None and not line.namespace)

    # the end

    def _settled(self, sought: _Sought) -> list[tuple[int, IndexLine]]:
        """The hits of one target, once it is clear that they are what was meant."""
        target = sought.target
        if target is None:
            hits = sorted(hit for some in sought.hits.values() for hit in some)
        else:
            hits = sought.hits[self._one_type(sought, target)]
        if not hits or (target is not None and not {line.name for _, line in hits}.issuperset(target.names)):
            raise self._not_found(sought, {line.name for _, line in hits})
        namespaces = sorted({line.namespace for _, line in hits} - {""})
        said = self._wanted.everywhere or self._wanted.namespace is not None
        if len(namespaces) > 1 and not said and (target is None or target.namespace is None):
            raise UsageError(
                f"{_named(target)} {'are' if target is None or not target.names else 'is'}"
                f" in {len(namespaces)} namespaces",
                hint="choose one with -n NAMESPACE, or take all with -A",
                namespaces=_some(namespaces),
            )
        return hits

    def _one_type(self, sought: _Sought, target: Target) -> str:
        """The resource that is meant."""
        word = target.type.lower()
        fitting = sorted(resource for resource, words in self._types.items() if word in words)
        if not fitting:
            close = get_close_matches(word, {word for words in self._types.values() for word in words}, n=3)
            raise ItemNotFound(
                f'the backup holds no type "{target.type}"',
                hint=_meant(close) or "see what it holds with: trysail describe",
                types=_some(sorted(self._types)),
            )
        hit = [resource for resource in fitting if sought.hits[resource]] or fitting
        if word in hit or len(hit) == 1:
            return word if word in hit else hit[0]
        raise UsageError(f'"{target.type}" is the name of several types', hint=f"say {' or '.join(hit)}")

    def _not_found(self, sought: _Sought, got: set[str]) -> ItemNotFound:
        """Why there is nothing, or not all of it, and what may have been meant."""
        target = sought.target
        namespace = target.namespace if target is not None and target.namespace is not None else self._wanted.namespace
        where = f" in namespace {namespace}" if namespace else ""
        if namespace and namespace not in self._namespaces:
            close = get_close_matches(namespace, self._namespaces - {""}, n=3)
            return ItemNotFound(f"the backup holds nothing in namespace {namespace}", hint=_meant(close))
        if target is None or not target.names:
            labels = " with such labels" if self._wanted.labels is not None else ""
            return ItemNotFound(f"the backup holds no {'items' if target is None else target.type}{labels}{where}")
        name = next(name for name in target.names if name not in got)
        elsewhere = sorted(sought.homes.get(name, set()) - {namespace or ""})
        if elsewhere and self._wanted.labels is None:
            hint = f"there is one in namespace {_some(elsewhere)}"
        else:
            hint = _meant(get_close_matches(name, sought.names, n=3))
        labels = " with such labels" if self._wanted.labels is not None else ""
        return ItemNotFound(f'the backup holds no {target.type} named "{name}"{labels}{where}', hint=hint)


class _Sought:
    """A target, and what was seen of it."""

    def __init__(self, target: Target | None) -> None:
        self.target = target
        self.hits: dict[str, list[tuple[int, IndexLine]]] = defaultdict(list)  # by resource
        self.names: set[str] = set()  # every name of the type
        self.homes: dict[str, set[str]] = defaultdict(set)  # of the names that are sought: their namespaces


def _target_of_id(word: str) -> Target:
    match word.split("/"):
        case [kind, name] if kind and name:
            return Target(kind, (name,))
        case [namespace, kind, name] if namespace and kind and name:
            return Target(kind, (name,), namespace)
    raise UsageError(f'"{word}" names no item', hint="write TYPE/NAME, or NAMESPACE/TYPE/NAME")


def _named(target: Target | None) -> str:
    if target is None:
        return "these items"
    return f"{target.type} {', '.join(target.names)}".strip()


def _meant(close: Iterable[str]) -> str:
    words = " or ".join(close)
    return f"was {words} meant?" if words else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_CANDIDATES
    return ", ".join(names[:_MOST_CANDIDATES]) + (f", and {more} more" if more > 0 else "")
