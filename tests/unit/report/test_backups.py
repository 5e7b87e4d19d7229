"""What is said of stored backups, word for word (tests/golden/backups), and the same each time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.archive.layout import ARCHIVE, INDEX, LOG
from runner.model.catalog import Address, Catalog, Committed, Unfinished, Unreadable, Verified
from runner.model.manifest import PARTIALLY_FAILED, Listed
from runner.model.plan import Gap, LeftOut
from runner.model.volumes import PlannedVolume, Snapshot, VolumesRecord
from runner.report.backups import (
    list_as_json,
    list_names,
    list_notes,
    render_backup,
    render_list,
    render_verified,
)
from tests.fakes.stored_backup import StoredBackup
from tests.golden.golden import assert_golden
from tests.unit.report.ledger import disk, failed, scratch, stored, untouched

GOLDEN = Path(__file__).parents[2] / "golden" / "backups"
NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
URL = "s3://acme-backups/prod"


def _committed(backup: StoredBackup) -> Committed:
    # What gzip makes of the same content differs between its builds.
    backup.contents |= {name: name.encode() * 100 for name in (ARCHIVE, INDEX, LOG)}
    return Committed(Address(backup.cluster, backup.policy, backup.name), backup.manifest(), stored=432)


def _catalog() -> Catalog:
    long_ago = datetime(2025, 3, 1, 2, 0, 0, tzinfo=UTC)
    return Catalog(
        committed=(
            _committed(StoredBackup(name="shop-20260109115900-0001", completed=NOW - timedelta(seconds=50))),
            _committed(
                StoredBackup(
                    name="shop-20260109020000-a1b2",
                    phase=PARTIALLY_FAILED,
                    missing=(Gap("pods in namespace shop", "forbidden"),),
                    manifest_changes={"volumes": {"failed": 1, "skipped": 9, "stored": 36}},
                    completed=NOW - timedelta(hours=10),
                )
            ),
            _committed(StoredBackup(name="infra-before-upgrade", policy="infra", started=long_ago, completed=long_ago)),
        ),
        unreadable=(
            Unreadable(
                Address("prod", "shop", "bad"), 4567, "the manifest is damaged: \x1b[2Jit is no JSON", newer=False
            ),
            Unreadable(Address("prod", "shop", "later"), 1 << 30, "format 2.0 was written by another", newer=True),
        ),
        unfinished=(Unfinished(Address("prod", "shop", "dead"), stored=70_000, uploads=2),),
    )


NOTHING = Catalog(committed=(), unreadable=(), unfinished=())


def _eventful() -> StoredBackup:
    """A backup that has something to tell in every section."""
    return StoredBackup(
        phase=PARTIALLY_FAILED,
        missing=(Gap("secrets in namespace shop", 'secrets is forbidden: User "ci" cannot list'),),
        left_out=(LeftOut(what="pods", why="it is being deleted", count=1),),
        volumes=(
            stored(disk("shop/data-postgres-0"), frozen=0.312),
            stored(disk("shop/data-postgres-1"), adopted=True),
            failed(disk("shop/odd\x1b[2J"), "VolumeLimitExceeded: the quota \u202ehas no room"),
            stored(disk("shop/slow", method="csi-snapshot"), snapshot=Snapshot("csi", "handle-1", "cut")),
            *(untouched(scratch(f"shop/web-7d9f6c5b8-x2x4{letter}")) for letter in "bcd"),
            *(untouched(scratch(f"shop/odd-{number}x", "tmp")) for number in range(12)),
            untouched(PlannedVolume("uncovered", "nothing claims it", volume="pv-spare", capacity="5Gi")),
        ),
        warnings=("2 Secrets will lie in the archive in plain text", "odd \x1b[31mcolours\u202e"),
        lists=(
            Listed("configmaps", "shop", planned=3, stored=2, resource_version="1", consistent=True),
            Listed("configmaps", "stage", planned=1, stored=1, resource_version="1", consistent=True),
            Listed("nodes", "", planned=4, stored=4, resource_version="1", consistent=False),
            Listed("secrets", "shop", planned=2, stored=0, resource_version="", consistent=False),
        ),
    )


def test_the_list() -> None:
    """Times in UTC, ages as kubectl has them, and what is no backup after those that are."""
    assert_golden(GOLDEN / "list.txt", render_list(_catalog(), URL, now=NOW))
    assert_golden(GOLDEN / "list-wide.txt", render_list(_catalog(), URL, now=NOW, wide=True))


def test_the_list_for_programs() -> None:
    """JSON with bytes and RFC 3339; names are those of backups that can be used."""
    text = list_as_json(_catalog(), URL)
    assert_golden(GOLDEN / "list.json", text)
    assert [backup["name"] for backup in json.loads(text)["backups"]] == list_names(_catalog()).split("\n")


def test_an_empty_list_says_where_there_is_nothing() -> None:
    """One line, and an empty list for programs."""
    assert render_list(NOTHING, URL, now=NOW) == f"No backups in {URL}."
    assert json.loads(list_as_json(NOTHING, URL)) == {
        "location": URL,
        "backups": [],
        "unreadable": [],
        "unfinished": [],
    }
    assert list_names(NOTHING) == ""


def test_notes_of_the_list() -> None:
    """Why a backup cannot be read, without what would steer a terminal; and what takes space."""
    assert list_notes(_catalog()) == (
        "bad: the manifest is damaged: \\x1b[2Jit is no JSON",
        "later: format 2.0 was written by another",
        "dead: 2 unfinished uploads, whose parts take space in the store",
    )


def test_a_backup_that_went_well() -> None:
    """No section without content."""
    backup = StoredBackup()
    assert_golden(
        GOLDEN / "describe.txt", render_backup(_committed(backup), backup.plan, VolumesRecord(volumes=backup.volumes))
    )


def test_a_backup_with_something_to_tell() -> None:
    """Every section, nothing that steers a terminal."""
    backup = _eventful()
    text = render_backup(_committed(backup), backup.plan, VolumesRecord(volumes=backup.volumes))
    assert_golden(GOLDEN / "describe-partial.txt", text)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_volume_that_failed_is_told_once() -> None:
    """It is missing from the backup, too: it stands among the volumes alone."""
    ledger = (failed(disk("shop/data"), "the quota has no room"),)
    backup = StoredBackup(volumes=ledger, missing=(Gap("volume shop/data", "the quota has no room"),))
    text = render_backup(_committed(backup), backup.plan, VolumesRecord(volumes=ledger))
    assert text.count("the quota has no room") == 1
    assert "Missing" not in text


def test_a_backup_without_its_plan() -> None:
    """What only the plan knows is not there; the rest is."""
    backup = _eventful()
    text = render_backup(_committed(backup), None, None)
    assert "events" not in text
    assert "Volumes" not in text
    assert "pods (1): it is being deleted" in text


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d"), (4e7, "462d")],
)
def test_ages_are_one_unit(seconds: float, age: str) -> None:
    """As kubectl's AGE; a clock that is behind makes no negative age."""
    backup = _committed(StoredBackup(completed=NOW))
    catalog = Catalog(committed=(backup,), unreadable=(), unfinished=())
    table = render_list(catalog, URL, now=NOW + timedelta(seconds=seconds))
    assert table.endswith(f"  {age}")


def test_what_verification_says() -> None:
    """One line that counts what was looked at."""
    verified = Verified("shop-1", "Completed", keys=6, stored=5000, items=1, size=2048, deep=False)
    assert render_verified(verified) == "shop-1 is whole: 1 item (2.0 KiB), 6 keys (4.9 KiB)."
    deep = Verified("shop-1", "Completed", keys=6, stored=5000, items=2, size=2048, deep=True)
    assert render_verified(deep) == "shop-1 is whole: 2 items (2.0 KiB), each read as YAML, 6 keys (4.9 KiB)."
