"""RestoreTest: what became of a backup that was restored into scratch namespaces, as it is recorded beside it."""

from __future__ import annotations

import msgspec

from runner.errors import ExitCode
from runner.model.restore import BackupRef
from runner.model.restored import Failed

TEST_FORMAT = "1.0"


class RestoreTest(msgspec.Struct, frozen=True, rename="camel"):
    """How a restore test went. `failed` has every item that was not accepted, or came back otherwise."""

    backup: BackupRef
    cluster: str  # UID of the cluster that it was tried on
    server: str
    started: str  # ISO 8601, UTC
    seconds: float
    created: int  # items that were created, and removed again
    checked: int  # items that the API server's dry run accepted
    failed: tuple[Failed, ...]
    format_version: str = TEST_FORMAT
    kind: str = "RestoreTest"

    @property
    def passed(self) -> bool:
        """Whether every item was accepted, and equal to what was stored."""
        return not self.failed

    @property
    def exit_code(self) -> ExitCode:
        """FINDINGS where an item failed: the backup is not what a restore would need."""
        return ExitCode.DONE if self.passed else ExitCode.FINDINGS
