"""describe and list of backups with volumes, as a shell calls them; and of backups from before there were any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.adapters.filesystem import FilesystemStore
from runner.archive.layout import PLAN, VOLUMES
from runner.cli.main import exit_code
from runner.model.canonical import readable
from runner.model.volumes import PlannedVolume, Snapshot, StoredVolume
from tests.fakes.stored_backup import StoredBackup
from tests.unit.cli.conftest import Said

LEDGER = (
    StoredVolume(
        planned=PlannedVolume("native-snapshot", "snapshotLocation ebs", claim="shop/data", capacity="50Gi"),
        outcome="stored",
        snapshot=Snapshot("aws", "snap-0a1b", "ready", size=50 << 30),
        frozen=0.312,
    ),
    StoredVolume(
        planned=PlannedVolume("csi-snapshot", "volumePolicies[0]: every volume", claim="shop/queue"),
        outcome="failed",
        error="the driver never became ready",
    ),
)


def said(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """Calls the command line with --location of a folder."""
    code = exit_code([*words, "--location", str(folder)])
    return Said(code, *capsys.readouterr())


def test_describe_names_the_volumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Method, size, outcome, how long frozen, the snapshot; and the error of what failed."""
    StoredBackup(volumes=LEDGER).put(FilesystemStore(tmp_path))
    found = said(tmp_path, capsys, "describe", "latest")
    assert found.code == 0
    assert "Volumes: 1 stored (50.0 GiB), 1 failed\n" in found.out
    assert "  shop/data   native snapshot  50Gi  stored    0.3 s  snap-0a1b\n" in found.out
    assert "  shop/queue: the driver never became ready\n" in found.out


def test_list_counts_them_where_it_is_wide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many are kept, of how many; nothing of them in the narrow list."""
    StoredBackup(volumes=LEDGER).put(FilesystemStore(tmp_path))
    assert "VOLUMES" not in said(tmp_path, capsys, "list").out
    head, row = said(tmp_path, capsys, "list", "-o", "wide").out.splitlines()
    assert row[head.index("VOLUMES") :].split()[0] == "1/2"
    (backup,) = json.loads(said(tmp_path, capsys, "list", "-o", "json").out)["backups"]
    assert backup["volumes"] == {"failed": 1, "stored": 1}


def test_a_backup_of_the_first_format_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it knew of volumes is shown; that its plan is not read any more is said, and no damage."""
    backup = StoredBackup(manifest_changes={"format_version": "1.0"})
    uncovered = {"claim": "shop/data", "volume": "pv-1", "capacity": "10Gi", "storageClass": "gp3", "source": "csi",
                 "why": "no rule protects it"}  # fmt: skip
    backup.contents[VOLUMES] = readable({"formatVersion": "1.0", "volumes": [uncovered]})
    backup.contents[PLAN] = readable({"formatVersion": "1.0", "kind": "BackupPlan", "uncovered": [uncovered]})
    backup.put(FilesystemStore(tmp_path))
    found = said(tmp_path, capsys, "describe", backup.name)
    assert found.code == 0
    assert "Volumes whose data is not in this backup:\n  shop/data (10Gi, gp3): no rule protects it\n" in found.out
    assert "Note: its plan is of an earlier format" in found.err


@pytest.mark.parametrize(
    ("spoiled", "told"), [((VOLUMES,), "type events (12)"), ((PLAN,), "shop/data "), ((VOLUMES, PLAN), "Types:")]
)
def test_damage_hides_nothing_else(
    spoiled: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be known is told; then the first error, which names its key and exits as damage does."""
    backup = StoredBackup(volumes=LEDGER).put(FilesystemStore(tmp_path))
    for name in spoiled:
        (tmp_path / backup.key(name)).write_bytes(b"{}")
    found = said(tmp_path, capsys, "describe", "latest")
    assert found.code == 4
    assert told in found.out
    assert f"Error: {spoiled[0]} is not what was recorded" in found.err
