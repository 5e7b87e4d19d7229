"""Processes that make YAML: the same entries as in this process, and an honest error when one dies."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from runner.adapters.renderers import ProcessRenderers
from runner.archive.emitter import Emitter
from runner.archive.render import render
from runner.errors import TrysailError
from runner.model.cluster import Resource
from runner.model.entry import Batch

CONFIG_MAPS = Resource(group="", plural="configmaps", version="v1", kind="ConfigMap", namespaced=True)


def batch(number: int, items: int = 20) -> Batch:
    """A page of ConfigMaps."""
    names = [f"settings-{number}-{item}" for item in range(items)]
    raw = [json.dumps({"metadata": {"name": name}, "data": {"n": name * 50}}).encode() for name in names]
    return Batch(CONFIG_MAPS, tuple(("shop", name) for name in names), tuple(raw))


def test_same_entries_as_in_this_process() -> None:
    """Two processes give for each of many batches the very entries that this one would, in the batch's order."""
    batches = [batch(number) for number in range(30)]
    with ProcessRenderers(2) as renderers:
        pending = [renderers.render(one) for one in batches]
        found = [work.result() for work in pending]
    assert found == [render(one, Emitter()) for one in batches]


def test_large_batches_do_not_wait_for_each_other() -> None:
    """Batches and answers that are larger than any pipe's buffer pass both ways at once."""
    large = Batch(CONFIG_MAPS, (("shop", "large"),), (json.dumps({"data": {"blob": "x" * 3_000_000}}).encode(),))
    with ProcessRenderers(1) as renderers:
        pending = [renderers.render(large) for _ in range(5)]
        assert {len(work.result()[0].content) for work in pending} == {len(pending[0].result()[0].content)}


def test_object_that_is_none_is_said_in_its_entry() -> None:
    """An item that is no JSON spoils its own entry, and no other."""
    good = batch(1, items=1)
    mixed = Batch(CONFIG_MAPS, (("shop", "bad"), *good.ids), (b"{", *good.items))
    with ProcessRenderers(1) as renderers:
        bad, fine = renderers.render(mixed).result()
    assert "cannot be written as YAML" in bad.fault
    assert not fine.fault


def test_death_of_a_process_is_an_error() -> None:
    """A process that is killed, as for want of memory, ends the run with an error that says so; nothing hangs."""
    with ProcessRenderers(1) as renderers:
        renderers.render(batch(1)).result()
        (child,) = _children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(TrysailError, match="ended too early"):
            renderers.render(batch(2)).result()


def test_processes_end_with_the_run() -> None:
    """No process is left, neither after good work nor after an error."""
    with ProcessRenderers(2) as renderers:
        renderers.render(batch(1)).result()
    assert not _children()
    with pytest.raises(KeyError), ProcessRenderers(2):
        raise KeyError
    assert not _children()


def _children() -> list[int]:
    """Process ids of this process' living children that render."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if b"renderer_process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
