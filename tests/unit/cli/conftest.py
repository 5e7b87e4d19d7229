"""A location with one backup, and the command line called on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from runner.adapters.filesystem import FilesystemStore
from runner.cli.main import exit_code
from tests.fakes.stored_backup import StoredBackup


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Trysail = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A location with one backup."""
    StoredBackup().put(FilesystemStore(tmp_path / "backups"))
    return tmp_path / "backups"


@pytest.fixture
def trysail(folder: Path, capsys: pytest.CaptureFixture[str]) -> Trysail:
    """Calls the command line with --location of that folder."""

    def call(*words: str) -> Said:
        code = exit_code([*words, "--location", str(folder)])
        return Said(code, *capsys.readouterr())

    return call
