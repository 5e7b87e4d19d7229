"""The commands around a run where it ends as nobody has foreseen. How they are run otherwise: test_run_commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.around_run import AroundRun
from runner.model.hooks import BackupHooks
from tests.fakes.clock import SimulatedClock
from tests.fakes.observer import RecordingObserver


def test_a_run_that_crashes_has_failed(tmp_path: Path) -> None:
    """A full disk, a fault of ours: no error of the taxonomy, and no backup all the same."""
    told = tmp_path / "told"
    tell = {"command": ["sh", "-c", f'echo "$TRYSAIL_PHASE $TRYSAIL_BACKUP $TRYSAIL_ERROR" >> {told}']}
    hooks = BackupHooks.model_validate({"onFailure": [tell]})
    around = AroundRun("daily", "daily-1", hooks, SimulatedClock(), RecordingObserver(), "prod")
    with pytest.raises(OSError, match="disk"), around.failing():
        raise OSError("the disk is full")
    assert told.read_text() == "Failed daily-1 OSError: the disk is full\n"


def test_an_end_that_was_told_is_not_told_again(tmp_path: Path) -> None:
    """What goes wrong once the commands after the run are begun makes no other run of it."""
    told = tmp_path / "told"
    hooks = BackupHooks.model_validate({"onFailure": [{"command": ["sh", "-c", f"echo failed >> {told}"]}]})
    around = AroundRun("daily", "daily-1", hooks, SimulatedClock(), RecordingObserver(), "prod")
    with pytest.raises(OSError, match="disk"), around.failing(), around.failing():
        raise OSError("the disk is full")
    assert told.read_text() == "failed\n"
