"""What runs that never came to their manifest have left in a store. A run that still goes on looks alike."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from runner.archive.layout import TRYSAIL, Layout
from runner.engine.retry import Retrier
from runner.model.result import Leftover
from runner.ports import ObjectStore


class Found(NamedTuple):
    """What lies under a policy's prefix: names of backups that are committed, and the rest, sorted."""

    committed: frozenset[str]
    leftovers: tuple[Leftover, ...]


def find_leftovers(store: ObjectStore, retrier: Retrier, prefix: str, layout: Layout = TRYSAIL) -> Found:
    """Looks under `prefix`, a policy's, at the names of all keys and uploads."""
    keys: dict[str, list[int]] = {}
    committed = set()
    for stored in retrier.call("listing the store", lambda: list(store.keys(prefix))):
        name, _, key = stored.key.removeprefix(prefix).partition("/")
        keys.setdefault(name, []).append(stored.size)
        if key == layout.commit:
            committed.add(name)
    uploads: dict[str, int] = {}
    for unfinished in retrier.call("listing uploads", partial(store.unfinished, prefix)):
        name = unfinished.key.removeprefix(prefix).partition("/")[0]
        uploads[name] = uploads.get(name, 0) + 1
    left = (keys.keys() - committed) | uploads.keys()
    leftovers = tuple(
        Leftover(
            backup=name,
            keys=len(keys.get(name, ())) if name not in committed else 0,
            size=sum(keys.get(name, ())) if name not in committed else 0,
            uploads=uploads.get(name, 0),
        )
        for name in sorted(left)
    )
    return Found(frozenset(committed), leftovers)
