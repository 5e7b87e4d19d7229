"""What becomes of the data of a claim that is restored: each case by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runner.actions.storage import RESTORING
from runner.model.volumes import PlannedVolume, Snapshot, StoredVolume
from runner.plan.restore_volumes import CLAIM_THERE, NO_JOBS, NOT_WANTED, RESUMED, Place, decide_volume

PLANNED = PlannedVolume(
    method="native-snapshot",
    why="snapshotLocation ebs",
    claim="shop/data",
    volume="pv-1",
    capacity="10Gi",
    source="ebs.csi.aws.com",
    handle="vol-1",
)
SNAPSHOT = Snapshot(provider="aws", id="snap-1", state="ready")
STORED = StoredVolume(planned=PLANNED, outcome="stored", snapshot=SNAPSHOT)
PLACE = Place(namespace="shop", claim="data", live=None, volume_there=False, volume_comes=False, folder=False)


def place(**changes: Any) -> Place:
    """A target in which nothing is there, but for `changes`."""
    fields = {name: getattr(PLACE, name) for name in PLACE.__slots__}
    return Place(**{**fields, **changes})


def fate(stored: StoredVolume = STORED, *, wanted: bool = True, **changes: Any) -> tuple[str, str]:
    """Action and why."""
    decided = decide_volume(stored, place(**changes), wanted=wanted)
    return decided.action, decided.why


def changed(**changes: Any) -> StoredVolume:
    """The stored volume with another plan."""
    return msgspec.structs.replace(STORED, planned=msgspec.structs.replace(PLANNED, **changes))


def test_a_claim_that_is_gone_gets_its_data() -> None:
    """From the snapshot that the backup names, and with all that people want to know of it."""
    decided = decide_volume(STORED, place(namespace="copy"), wanted=True)
    assert (decided.action, decided.why) == ("restore", "from snap-1")
    assert (decided.namespace, decided.claim, decided.source) == ("copy", "data", "shop")
    assert (decided.method, decided.snapshot, decided.driver) == ("native-snapshot", "snap-1", "ebs.csi.aws.com")


def test_a_claim_that_is_there_keeps_its_data() -> None:
    """Whatever the backup has: nothing is written over."""
    assert fate(live={"metadata": {"name": "data"}}) == ("leave", CLAIM_THERE)


def test_a_claim_that_an_earlier_run_has_half_filled_is_gone_on_with() -> None:
    """It carries the snapshot whose files are still on their way; a note of another snapshot is none of ours."""
    files = StoredVolume(
        planned=msgspec.structs.replace(PLANNED, method="fs-backup"),
        outcome="stored",
        snapshot=Snapshot(provider="restic", id="r1", state="ready"),
    )
    assert fate(files, live={"metadata": {"annotations": {RESTORING: "r1"}}}) == ("restore", RESUMED)
    assert fate(files, live={"metadata": {"annotations": {RESTORING: "r0"}}}) == ("leave", CLAIM_THERE)


def test_a_live_volume_is_bound_again_and_not_replaced() -> None:
    """What it holds is newer than any snapshot, and somebody kept it."""
    assert fate(volume_there=True) == ("leave", "its PersistentVolume pv-1 is there: the claim binds to it again")


def test_storage_that_keeps_the_data_itself_is_enough() -> None:
    """A volume without snapshot whose object comes back as it was: its claim binds to the same storage."""
    stored = msgspec.structs.replace(changed(method="skip", why="volumePolicies[0]: nfs"), snapshot=None)
    assert fate(stored, volume_comes=True)[0] == "leave"
    assert fate(stored) == ("empty", "the backup does not keep its data: volumePolicies[0]: nfs")


def test_data_that_is_not_wanted_is_left_in_the_backup() -> None:
    """restoreVolumes: false brings claims back empty."""
    assert fate(wanted=False) == ("empty", NOT_WANTED)


@pytest.mark.parametrize("snapshot", [None, Snapshot(provider="csi", id="", state="asked")])
def test_data_that_the_backup_lacks_is_refused_with_the_runs_own_reason(snapshot: Snapshot | None) -> None:
    """A volume that failed in the run cannot come back: the plan says so before anybody says yes."""
    failed = msgspec.structs.replace(STORED, outcome="failed", snapshot=snapshot, error="quota exceeded")
    assert fate(failed) == ("refuse", "the backup has no data of it: quota exceeded")


def test_a_snapshot_that_was_not_complete_is_tried() -> None:
    """Its provider has gone on with it since."""
    late = msgspec.structs.replace(STORED, snapshot=Snapshot(provider="aws", id="snap-1", state="cut"))
    assert fate(late) == ("restore", "from snap-1, which was not complete when the backup ended")


def test_a_folder_of_manifests_writes_no_files() -> None:
    """It can say which snapshot a claim comes from, and runs no Job."""
    assert fate(changed(method="fs-backup"), folder=True) == ("refuse", NO_JOBS)
    assert fate(folder=True)[0] == "restore"
