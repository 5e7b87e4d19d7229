"""A plan becomes a backup that holds what it says; and what is missing has a name."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from random import Random

import msgspec
import pytest

from runner.archive.layout import CONTENT_KEYS, MANIFEST
from runner.engine.execute import Limits
from runner.engine.sources import ListLimits
from runner.errors import (
    BadResponse,
    ClusterError,
    ClusterUnreachable,
    ExitCode,
    KeyExists,
    StoreFull,
    TrysailError,
    Unauthorized,
)
from runner.model.cluster import Page
from runner.model.event import Finished, KeyStored, Missing, PhaseBegun, Started, StepStored, Warned
from runner.model.plan import Gap
from runner.model.result import Leftover
from tests.fakes.cluster import Call, config_map
from tests.fakes.faulty import Script
from tests.simulation.world import Key
from tests.unit.engine.stage import ROOT, SMALL, Stage, fail, names


def warnings(stage: Stage) -> list[str]:
    """What people were told."""
    return [event.message for event in stage.observer.of(Warned)]


# what is stored


def test_a_run_stores_what_is_planned() -> None:
    """All keys, each object as the cluster gave it, and a manifest that says how it came to be."""
    stage = Stage()
    result = stage.run()
    stored = stage.stored()
    assert sorted(stage.store.objects) == sorted(f"{ROOT}b1/{key}" for key in (*CONTENT_KEYS, MANIFEST))
    assert names(stored) == ["c0", "c1", "c2", "c3", "c4"]
    assert names(stored, "namespaces") == ["shop"]
    assert stored.objects[Key("secrets", "shop", "s")]["data"] == {"password": "aHVudGVyMi0x"}
    assert (result.exit_code, result.manifest.phase, result.manifest.items) == (ExitCode.DONE, "Completed", 7)
    assert result.manifest.digest == stored.manifest["digest"]
    assert result.manifest.started == "2026-03-01T02:00:00+00:00"
    assert result.leftovers == ()
    assert stage.store.unfinished("") == ()


def test_the_manifest_is_written_last() -> None:
    """Until then, every key lies under a name that no backup has."""
    stage, script = Stage(), Script()
    stage.run(script=script)
    written = [key.removeprefix(f"{ROOT}b1/") for verb, key in script.calls if verb in {"create", "complete"}]
    assert written[-1] == MANIFEST
    assert sorted(written) == sorted((*CONTENT_KEYS, MANIFEST))


def test_events_tell_the_run() -> None:
    """In this order: the beginning, each step, each key, the end."""
    stage = Stage()
    stage.run()
    events = [type(event) for event in stage.observer.events]
    assert (events[0], events[-1]) == (Started, Finished)
    assert [event.name for event in stage.observer.of(PhaseBegun)] == ["storing objects", "committing"]
    assert [(e.resource, e.items, e.planned) for e in stage.observer.of(StepStored)] == [
        ("namespaces", 1, 1),
        ("secrets", 1, 1),
        ("configmaps", 5, 5),
    ]
    assert [event.key for event in stage.observer.of(KeyStored)][-1] == MANIFEST


def test_the_log_is_stored_with_its_end() -> None:
    """All events so far, the end included, though it was not yet true."""
    stage = Stage()
    stage.run()
    lines = [json.loads(line) for line in gzip.decompress(stage.store.objects[f"{ROOT}b1/log.jsonl.gz"]).splitlines()]
    assert (lines[0]["event"], lines[-1]["event"], lines[-1]["phase"]) == ("started", "finished", "Completed")


def test_the_same_objects_give_the_same_bytes() -> None:
    """Whatever is done first, and however lists are cut: archive and index are the same."""
    wanted = None
    for seed in range(12):
        stage = Stage()
        draw = Random(seed)
        lists = ListLimits(
            window_pages=draw.randint(1, 6),
            page_bytes=draw.choice((1, 500, 1 << 20)),
            first_items=draw.choice((1, 2, 50)),
            largest_page=draw.choice((300, 4 << 20)),
        )
        stage.run(limits=replace(SMALL, lists=lists), order=draw)
        content = [stage.store.objects[f"{ROOT}b1/{key}"] for key in ("k8s-objects.tar.gz", "index.jsonl.gz")]
        wanted = wanted or content
        assert content == wanted


def test_one_list_or_many_give_the_same_bytes() -> None:
    """A list over the cluster, and one for each namespace: the archive is the same."""
    archives = set()
    for few in (0, 20):
        objects = [config_map(name, f"c{n}") for name in ("a", "a-b", "b", "c") for n in range(3)]
        stage = Stage(*objects, includedNamespaces=["a*", "b"])
        asked: list[Call] = []
        limits = replace(SMALL, lists=ListLimits(few_namespaces=few))
        stage.run(limits=limits, strike=asked.append)
        archives.add(stage.store.objects[f"{ROOT}b1/k8s-objects.tar.gz"])
        assert ("a-b" in {call.namespace for call in asked}) is (few == 20)
    assert len(archives) == 1


def test_of_a_list_only_the_planned_names_are_stored() -> None:
    """Many names are picked out of a list of all: what the plan does not name stays out, and is not counted."""
    stage = Stage()
    result = stage.run(limits=replace(SMALL, lists=ListLimits(named_one_by_one=0)))
    assert names(stage.stored(), "namespaces") == ["shop"]
    assert result.manifest.left_out == ()


def test_a_plan_without_items_is_a_backup_without_items() -> None:
    """It is committed, and its exit code tells that the policy selects nothing."""
    stage = Stage(includedNamespaces=["nowhere"])
    assert stage.run().exit_code == ExitCode.FINDINGS
    assert stage.stored().objects == {}


# what changes meanwhile


def test_what_is_deleted_meanwhile_is_not_missing() -> None:
    """It is not there any more: nobody failed to read it."""
    stage = Stage()
    planned = stage.planned()
    stage.cluster.delete("configmaps", "shop", "c1")
    stage.cluster.delete("secrets", "shop", "s")
    result = stage.run(planned=planned)
    assert result.exit_code == ExitCode.DONE
    assert names(stage.stored()) == ["c0", "c2", "c3", "c4"]


def test_what_comes_or_changes_meanwhile_is_met_by_the_same_rules() -> None:
    """New items of a planned step are stored, excluded and terminating ones are left out and counted."""
    stage = Stage()
    planned = stage.planned()
    excluded, ending = config_map("shop", "c1"), config_map("shop", "c2")
    excluded["metadata"]["labels"] = {"trysail.dev/exclude-from-backup": "true"}
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    stage.cluster.put(config_map("shop", "new"), excluded, ending, config_map("elsewhere", "x"))
    result = stage.run(planned=planned)
    assert names(stage.stored()) == ["c0", "c3", "c4", "new"]
    assert {(left.what, left.why, left.count) for left in result.manifest.left_out} == {
        ("configmaps", "it is being deleted", 1),
        ("configmaps", "label trysail.dev/exclude-from-backup=true", 1),
    }
    assert result.exit_code == ExitCode.DONE


def test_a_list_that_expired_is_marked() -> None:
    """It went on at a later state, and the manifest says so; so it does of items that were asked for one by one."""
    stage = Stage()
    expired: list[Call] = []

    def expire_once(call: Call) -> None:
        if call.request is not None and call.request.continue_token and not expired:
            expired.append(call)
            stage.cluster.expire_tokens()

    result = stage.run(strike=expire_once)
    assert {one.resource: one.consistent for one in result.manifest.lists} == {
        "namespaces": False,
        "secrets": True,
        "configmaps": False,
    }
    assert names(stage.stored()) == ["c0", "c1", "c2", "c3", "c4"]
    assert result.exit_code == ExitCode.DONE


# what is missing


@pytest.mark.parametrize("error", [BadResponse("no list"), ClusterUnreachable("reset"), ClusterError("400")])
def test_a_type_that_cannot_be_read_is_named(error: TrysailError) -> None:
    """The rest is stored, the run is partial, and an event and the manifest name what is missing."""
    stage = Stage()
    result = stage.run(strike=fail("configmaps", error))
    gap = Gap(what="configmaps in namespace shop", reason=error.message)
    assert (result.exit_code, result.manifest.missing) == (ExitCode.PARTIAL, (gap,))
    assert stage.observer.of(Missing) == [Missing(what=gap.what, reason=gap.reason)]
    assert names(stage.stored()) == []
    assert names(stage.stored(), "secrets") == ["s"]


def test_a_list_that_breaks_off_is_named_with_what_there_is_of_it() -> None:
    """What came before is kept; the rest is missing."""
    stage = Stage()

    def expire(call: Call) -> None:
        if call.request is not None and call.request.continue_token:
            stage.cluster.expire_tokens(resumable=False)

    result = stage.run(strike=expire)
    assert [gap.what for gap in result.manifest.missing] == ["the rest of configmaps in namespace shop, after 1 items"]
    assert names(stage.stored()) == ["c0"]


def test_an_item_that_is_no_object_is_named_and_the_others_are_stored() -> None:
    """Garbage within a list, JSON that is none and JSON that YAML cannot hold: one gap each, without its bytes."""
    for garbage in (b'{"metadata":{"na', b"17", b'{"metadata":{"name":"nan"},"hunter2":"\\ud800"}'):
        stage = Stage()

        def spoil(page: Page, garbage: bytes = garbage) -> Page:
            return msgspec.structs.replace(page, items=(*page.items, msgspec.Raw(garbage)))

        result = stage.run(alter=spoil, limits=Limits())
        assert result.exit_code == ExitCode.PARTIAL
        assert names(stage.stored()) == ["c0", "c1", "c2", "c3", "c4"]
        assert not any("hunter2" in gap.reason for gap in result.manifest.missing)


def test_gaps_of_the_plan_make_the_run_partial() -> None:
    """What could not be looked at is missing, though everything planned is there."""
    stage = Stage(includedClusterScopedResources="all")
    stage.cluster.forbid("persistentvolumes")
    result = stage.run()
    assert result.exit_code == ExitCode.PARTIAL
    assert [gap.what for gap in result.manifest.missing] == ["persistentvolumes"]
    assert [event.what for event in stage.observer.of(Missing)] == ["persistentvolumes"]


def test_nothing_at_all_is_no_backup() -> None:
    """If nothing of what was planned could be read, that is an error with the first reason."""
    stage = Stage()

    def down(call: Call) -> None:
        if call.verb == "page":
            raise ClusterUnreachable("refused")

    with pytest.raises(ClusterError, match="nothing of what was planned") as error:
        stage.run(strike=down)
    assert "refused" in error.value.context["first"]
    assert stage.committed() == []


def test_expired_credentials_are_an_error() -> None:
    """A 401 in the middle: no backup, and what was sent is taken back."""
    stage = Stage()
    with pytest.raises(Unauthorized):
        stage.run(strike=fail("configmaps", Unauthorized("401")))
    assert stage.committed() == []
    assert stage.store.unfinished("") == ()


# names


def test_a_backup_is_never_written_over() -> None:
    """A name that is taken is refused before anything is read or written."""
    stage = Stage()
    stage.run()
    before, asked = dict(stage.store.objects), list[Call]()
    with pytest.raises(KeyExists, match="b1"):
        stage.run(strike=asked.append)
    assert stage.store.objects == before
    assert asked == []


def test_the_name_of_a_dead_run_is_not_taken_up() -> None:
    """Its keys would be mixed with ours; another name is free, and the leftovers are told."""
    stage = Stage()
    with pytest.raises(StoreFull):
        stage.run(script=Script(before={"create": [None, StoreFull("full")]}))
    left = dict(stage.store.objects)
    assert left
    with pytest.raises(KeyExists, match="begun and never finished"):
        stage.run()
    assert stage.store.objects == left
    result = stage.run("b2")
    assert result.leftovers == (Leftover("b1", len(left), sum(map(len, left.values())), 0),)
    assert [text for text in warnings(stage) if text.startswith("b1 was begun and never finished")]
    assert result.manifest.warnings
